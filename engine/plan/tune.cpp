// Times candidates on seeded random data in buffers of their own.
#include "engine/plan/tune.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cmath>
#include <cstring>
#include <limits>
#include <random>
#include <variant>
#include <vector>

namespace antiphon::plan {
namespace {

constexpr int kRuns = 8;                         // the first one warms up
constexpr std::size_t kEvictedFloats = 2 << 20;  // 8 MiB: more than a core's own cache
constexpr double kCoarseFactor = 1.05, kAllocatesFactor = 1.1, kRoundsFactor = 1.05;

std::string text_of(const ir::Attr& attr) {
  if (const auto* i = std::get_if<std::int64_t>(&attr)) return std::to_string(*i);
  if (const auto* d = std::get_if<double>(&attr)) return std::to_string(*d);
  if (const auto* s = std::get_if<std::string>(&attr)) return *s;
  std::string text;
  for (const std::int64_t v : std::get<std::vector<std::int64_t>>(attr))
    text += std::to_string(v) + ".";
  return text;
}

// 64-byte aligned memory of a run.
class Buffer {
 public:
  explicit Buffer(std::size_t bytes) : bytes_(bytes), storage_(bytes + 64) {}
  std::byte* data() {
    const auto at = reinterpret_cast<std::uintptr_t>(storage_.data());
    return storage_.data() + ((64 - at % 64) % 64);
  }
  std::size_t bytes() const { return bytes_; }

 private:
  std::size_t bytes_;
  std::vector<std::byte> storage_;
};

void fill(const Tensor& tensor, std::mt19937& random) {
  if (tensor.dtype != DType::kF32) {
    std::memset(tensor.data, 0, tensor.bytes());  // ids and flags: zero is always valid
    return;
  }
  std::normal_distribution<float> normal;
  for (std::int64_t i = 0; i < tensor.num_elements(); ++i) tensor.f32()[i] = normal(random);
}

class Trial {
 public:
  Trial(const NodeView& view, bool cold)
      : evicted_(cold ? kEvictedFloats : 0),
        inputs_(view.inputs.begin(), view.inputs.end()),
        outputs_(view.outputs.begin(), view.outputs.end()),
        view_(view) {
    std::mt19937 random(7);
    for (Tensor& t : inputs_) {
      if (t.rank < 0 || t.is_constant) continue;
      place(t);
      fill(t, random);
    }
    for (Tensor& t : outputs_)
      if (t.rank >= 0) place(t);
    view_.inputs = inputs_;
    view_.outputs = outputs_;
  }

  // Microseconds, or infinity where the kernel fails. One that takes over three times `limit` is
  // not measured to the end.
  double time(const Kernel& kernel, Team& team, double limit) {
    view_.self = kernel.self;
    constexpr double kFailed = std::numeric_limits<double>::infinity();
    std::unique_ptr<Packed> packed;
    std::unique_ptr<Prepared> prepared;
    if (kernel.pack) {
      auto made = kernel.pack(view_);
      if (!made.ok()) return kFailed;
      packed = std::move(made).value();
    }
    if (kernel.prepare) {
      auto made = kernel.prepare(view_, packed.get());
      if (!made.ok()) return kFailed;
      prepared = std::move(made).value();
    }
    Buffer workspace(kernel.workspace_bytes ? kernel.workspace_bytes(view_) : 0);
    const LaunchArgs args{workspace.data(), &team, packed.get(), prepared.get()};
    double best = kFailed;
    for (int i = 0; i < kRuns; ++i) {
      if (!evicted_.empty()) evict(team);
      const auto start = std::chrono::steady_clock::now();
      if (!kernel.run(view_, args).ok()) return kFailed;
      const std::chrono::duration<double, std::micro> took =
          std::chrono::steady_clock::now() - start;
      if (i > 0) best = std::min(best, took.count());
      if (i > 0 && best > 3 * limit) break;
    }
    return std::round(best * 1e3) / 1e3;  // as the timing cache keeps it
  }

 private:
  // Other memory takes the place of the weights in every member's cache; then the inputs, which the
  // node before has just made, come back.
  void evict(Team& team) {
    std::atomic<float> seen{0};
    auto task = [&](int) {
      float sum = 0;
      for (std::size_t i = 0; i < evicted_.size(); i += 16) sum += evicted_[i];
      seen.store(sum, std::memory_order_relaxed);
    };
    team.run(task);
    for (const Tensor& t : inputs_) {
      if (t.rank < 0 || t.is_constant) continue;
      const auto* bytes = static_cast<const std::byte*>(t.data);
      unsigned sum = 0;
      for (std::size_t i = 0; i < t.bytes(); i += 64) sum += static_cast<unsigned>(bytes[i]);
      seen.store(static_cast<float>(sum), std::memory_order_relaxed);
    }
  }

  void place(Tensor& tensor) {
    buffers_.emplace_back(tensor.bytes() + 64);
    tensor.data = buffers_.back().data();
  }

  std::vector<float> evicted_;
  std::vector<Buffer> buffers_;
  std::vector<Tensor> inputs_, outputs_;
  NodeView view_;
};

// What a kernel's time is taken for: noise must not choose one that has a price.
double weighted(const Kernel& kernel, double time_us) {
  return time_us * (kernel.coarse ? kCoarseFactor : 1) * (kernel.allocates ? kAllocatesFactor : 1) *
         (kernel.rounds_weights ? kRoundsFactor : 1);
}

}  // namespace

namespace {

// Time does not depend on a range.
bool numbers_of_bytes(const std::string& attr) {
  return attr == "x_scale" || attr == "x_zero" || attr == "y_scale" || attr == "y_zero";
}

}  // namespace

std::string timing_key(const NodeView& view, bool cold) {
  std::string key =
      std::string(cold ? "cold " : "") + kIsaNames[static_cast<std::size_t>(view.isa)] +
      " threads" + std::to_string(view.num_threads) + " " + std::string(ir::op_name(view.node->op));
  for (const auto& [name, value] : view.node->attrs.all())
    if (!numbers_of_bytes(name)) key.append(" ").append(name).append("=").append(text_of(value));
  for (const ir::PointwiseStep& s : view.node->pointwise.steps)
    key += " p" + std::to_string(static_cast<int>(s.kind)) + "." + std::to_string(s.op);
  if (view.node->body)
    key += " body" + std::to_string(std::hash<std::string>{}(ir::to_text(*view.node->body)));
  for (const Tensor& t : view.inputs) key += " " + describe(t);
  return key;
}

Result<const Kernel*> fastest(std::span<const Kernel* const> kernels, const NodeView& view,
                              const SelectOptions& options, double* time_us) {
  const std::string key = timing_key(view, options.cold);
  std::unique_ptr<Trial> trial;
  const Kernel* best = kernels.front();
  double best_weighted = std::numeric_limits<double>::infinity();
  *time_us = best_weighted;
  for (const Kernel* kernel : kernels) {
    std::optional<double> known =
        options.cache ? options.cache->find(key, kernel->name) : std::nullopt;
    if (!known) {
      if (!trial) trial = std::make_unique<Trial>(view, options.cold);
      known = trial->time(*kernel, *options.team, *time_us);
      if (options.cache && *known < std::numeric_limits<double>::infinity())
        options.cache->set(key, kernel->name, *known);
    }
    if (weighted(*kernel, *known) < best_weighted) {
      best = kernel;
      best_weighted = weighted(*kernel, *known);
      *time_us = *known;
    }
  }
  return best;
}

}  // namespace antiphon::plan
