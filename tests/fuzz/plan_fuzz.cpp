// libFuzzer: any bytes as a plan file whose lengths and hash are right. A plan that is taken can be
// run: what a kernel sees has been checked.
#include <cstring>
#include <string>

#include "engine/engine.h"
#include "tests/fuzz/input_file.h"

namespace antiphon {
namespace {

constexpr std::size_t kPrefixBytes = 32, kMaxArenaBytes = 1 << 20;
constexpr std::int64_t kMaxExtent = 64;

void put(std::string& file, std::size_t at, std::uint64_t number) {
  std::memcpy(file.data() + at, &number, sizeof number);
}

// The prefix as plan_file.h has it: magic, file bytes, header bytes (as they are if they fit),
// hash.
void repair(std::string& file) {
  if (file.size() < kPrefixBytes) return;
  std::memcpy(file.data(), "ANTPLAN2", 8);
  put(file, 8, file.size());
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, file.data() + 16, sizeof header_bytes);
  if (header_bytes > file.size() - kPrefixBytes)
    put(file, 16, header_bytes = file.size() - kPrefixBytes);
  std::uint64_t hash = 1469598103934665603ull;
  for (std::size_t i = 0; i < header_bytes; ++i)
    hash = (hash ^ static_cast<unsigned char>(file[kPrefixBytes + i])) * 1099511628211ull;
  put(file, 24, hash);
}

// Zeros for every input, with extents as the plan gives them or 1; false: it is too large for a
// fuzzer.
bool bind(const Plan& plan, Context& context) {
  for (const TensorSpec& spec : plan.inputs()) {
    std::vector<std::int64_t> dims;
    std::int64_t count = 1;
    for (const Dim& dim : spec.shape) {
      dims.push_back(dim.is_static() ? dim.extent : 1);
      if (dims.back() > kMaxExtent || (count *= dims.back()) > kMaxExtent * kMaxExtent)
        return false;
    }
    const auto at = context.input(spec.name, dims);
    fuzz::check_error(at);
    if (!at.ok()) return false;
    std::memset(*at, 0, static_cast<std::size_t>(count) * dtype_bytes(spec.dtype));
  }
  return true;
}

void run(const std::shared_ptr<const Plan>& plan) {
  if (plan->report().arena_bytes > kMaxArenaBytes) return;
  const auto context = Context::create(plan, nullptr);
  fuzz::check_error(context);
  if (!context.ok() || !bind(*plan, **context)) return;
  const auto pool = StatePool::create(plan, 1);
  if (!pool.ok()) return;
  const auto slot = (*pool)->acquire();
  if (!slot.ok()) return;
  const int slots[] = {*slot};
  static_cast<void>((*context)->run(pool->get(), slots));
}

}  // namespace
}  // namespace antiphon

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t num_bytes) {
  std::string bytes(reinterpret_cast<const char*>(data), num_bytes);
  antiphon::repair(bytes);
  const antiphon::fuzz::InputFile file(
      {reinterpret_cast<const std::uint8_t*>(bytes.data()), bytes.size()});
  const auto plan = antiphon::Plan::load(file.path());
  antiphon::fuzz::check_error(plan);
  if (plan.ok()) antiphon::run(*plan);
  return 0;
}
