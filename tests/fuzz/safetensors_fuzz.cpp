// libFuzzer: any bytes as a safetensors file, and as one that adapts another. Every tensor of what
// is taken can be read whole.
#include "engine/weights.h"
#include "tests/fuzz/input_file.h"
#include "tests/support/safetensors_file.h"

namespace {

using namespace antiphon;

void read_all(const Weights& weights) {
  for (const std::string& name : weights.names()) {
    const auto tensor = weights.tensor(name);
    if (!tensor.ok()) __builtin_trap();
    std::size_t count = dtype_bytes(tensor->dtype);
    for (const std::int64_t extent : tensor->dims) count *= static_cast<std::size_t>(extent);
    const auto* at = static_cast<const volatile unsigned char*>(tensor->data);
    for (std::size_t i = 0; i < count; ++i) static_cast<void>(at[i]);
  }
}

// "w" [2, 3] F32 and "q" [3, 2] I8.
std::shared_ptr<const Weights> base() {
  const test::FileTensors tensors = {{"w", test::f32_tensor({2, 3}, {1, 2, 3, 4, 5, 6})},
                                     {"q", {"I8", {3, 2}, "abcdef"}},
                                     {"q.scale", test::f32_tensor({3}, {1, 2, 3})}};
  return *Weights::parse(test::safetensors_bytes(tensors), "base");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t num_bytes) {
  static const std::shared_ptr<const Weights> kBase = base();
  const std::string_view bytes(reinterpret_cast<const char*>(data), num_bytes);
  const auto weights = Weights::parse(bytes, "fuzzed");
  fuzz::check_error(weights);
  if (!weights.ok()) return 0;
  read_all(**weights);
  fuzz::check_error((*weights)->tensor("no such tensor"));
  const auto adapted = Weights::adapted(kBase, *weights);
  fuzz::check_error(adapted);
  if (adapted.ok()) read_all(**adapted);
  return 0;
}
