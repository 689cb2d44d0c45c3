// INT8 calibration: ranges of activations found on samples, kept in a file, used by build().
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/onnx.h"

namespace antiphon {

// One run's worth of inputs.
struct Sample {
  std::string name;  // a file, for messages
  std::map<std::string, HostTensor> inputs;
};
// read(i) for i < count is called several times for each i, in order.
struct SampleSource {
  std::size_t count = 0;
  std::function<Result<Sample>(std::size_t)> read;
};

enum class RangeMethod : std::uint8_t {
  kMinMax,      // all that was seen
  kPercentile,  // what holds a share of the values, both ends cut alike
  kEntropy,     // what loses the least information (KL divergence), zeros left aside
};

// What a tensor may hold before it saturates.
struct TensorRange {
  float low = 0, high = 0;
  std::string shape;  // "[B, 3, 224, 224]"
  bool operator==(const TensorRange&) const = default;
};

// What a network's layers need to run in int8. A layer is a linear or a convolution with constant
// weights; loop bodies hold layers whose weights alone become int8.
struct Calibration {
  std::string method;
  std::size_t num_samples = 0;
  std::uint64_t weights_hash = 0;             // of the layers' weights
  std::map<std::string, TensorRange> ranges;  // of every layer's input, by tensor
  std::set<std::string> keep_f32;             // layers

  // kInternal: cannot be written.
  Status save(const std::string& path) const;
  // kNotFound: no such file. kInvalidArgument: names file and line.
  static Result<Calibration> load(const std::string& path);
  bool operator==(const Calibration&) const = default;
};

struct CalibrationOptions {
  RangeMethod method = RangeMethod::kEntropy;
  double percentile = 99.99;  // of the values, for kPercentile
  int num_threads = 1;
  std::string max_isa;
  std::shared_ptr<const PluginSet> plugins;
  std::function<void(double)> progress;  // 0 to 1; may be empty
};

// Runs the network in f32 on every sample: three times for percentile and entropy, else twice.
// kInvalidArgument: no samples, no layers; a sample that lacks an input, does not fit it, or holds
// NaN or an infinity; a tensor that becomes one. The message names sample and tensor.
Result<Calibration> calibrate(const OnnxNetwork& network, const SampleSource& samples,
                              const CalibrationOptions& options);

// kInvalidArgument: a tensor or layer that the network does not have, has no range, or has with
// another shape; other weights. The message names it.
Status check_fits(const OnnxNetwork& network, const Calibration& calibration);

// What one layer alone in int8 changes.
struct LayerError {
  std::string layer, tensor;  // tensor: its input; empty: weights only
  double error = 0;  // of the worst output: root mean square of the change over that of the output
};

// Every layer alone in int8, on the samples; the worst first. Kernels are not tuned.
Result<std::vector<LayerError>> rank_layers(const OnnxNetwork& network,
                                            const Calibration& calibration,
                                            const SampleSource& samples,
                                            const CalibrationOptions& options);

// How much less than the f32 plan's the number of a plan may be (higher is better).
struct LossBound {
  double most = 0;
  bool relative = true;  // to the f32 plan's number; else the difference itself
};
// "0.6%": relative; "0.006": the difference itself.
Result<LossBound> parse_loss_bound(const std::string& text);

struct CheckedPlan {
  std::shared_ptr<const Plan> plan;
  double f32 = 0, int8 = 0;  // what evaluate() said of the two plans
};
// Builds with `options` (precision int8) and once more in f32, and asks `evaluate` for the accuracy
// of both. kUnsupported: the loss is above the bound, with both numbers. kInvalidArgument: a number
// that is not finite, or of which no share can be taken.
Result<CheckedPlan> build_within(const OnnxNetwork& network, BuildOptions options,
                                 const LossBound& bound,
                                 const std::function<Result<double>(const Plan&)>& evaluate);

}  // namespace antiphon
