// Runs the f32 network with the layers' inputs as further outputs, and picks their ranges.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/build_graph.h"
#include "engine/calibrate/histogram.h"
#include "engine/calibrate/layers.h"
#include "engine/calibrate/sample_run.h"
#include "engine/ir/dims.h"

namespace antiphon {
namespace calibration {
namespace {

constexpr int kLevels = 128, kLevelsOneSided = 255;

// A tensor that some layer reads.
struct Watched {
  std::string tensor, shape;
  bool is_input = false;
  std::string output;  // of the plan; an input's own name
  float low = std::numeric_limits<float>::infinity();
  float high = -std::numeric_limits<float>::infinity();
  Histogram histogram;
};

std::vector<Watched> watch(ir::Graph& graph, const std::vector<Layer>& layers) {
  std::vector<Watched> out;
  std::map<std::string, bool> seen;
  for (const Layer& layer : layers) {
    if (layer.tensor.empty() || !seen.emplace(layer.tensor, true).second) continue;
    Watched w;
    w.tensor = layer.tensor;
    const ir::ValueInfo& info = input_of(layer);
    w.shape = ir::shape_text(info.shape);
    w.is_input = info.kind == ir::ValueKind::kInput;
    w.output = w.is_input ? info.name : "watched " + std::to_string(out.size());
    if (!w.is_input) graph.outputs.push_back({w.output, layer.x});
    out.push_back(std::move(w));
  }
  return out;
}

std::span<const float> values_of(const Watched& w, const Runner& runner, const Sample& sample) {
  return w.is_input ? f32_of(sample.inputs.at(w.output)) : runner.output(w.output).f32();
}

Status see_ends(Watched& w, std::span<const float> values) {
  for (const float v : values) {
    if (!std::isfinite(v))
      return invalid_argument("tensor '" + w.tensor + "' becomes " + std::to_string(v) +
                              ": only finite numbers have a range");
    w.low = std::min(w.low, v);
    w.high = std::max(w.high, v);
  }
  return {};
}

void set_up(Histogram& histogram, RangeMethod method, float low, float high) {
  const bool magnitudes = method == RangeMethod::kEntropy;
  histogram.magnitudes = magnitudes;
  histogram.low = magnitudes ? 0 : low;
  histogram.high = magnitudes ? std::max(std::abs(low), std::abs(high)) : high;
  histogram.counts.assign(magnitudes ? kEntropyBins : kPercentileBins, 0);
}

TensorRange range_of(const Watched& w, const CalibrationOptions& options) {
  TensorRange range{w.low, w.high, ""};
  if (!(w.low <= w.high)) range = {};  // never an element
  if (w.low < w.high && options.method == RangeMethod::kPercentile)
    range = percentile_range(w.histogram, options.percentile / 100);
  if (w.low < w.high && options.method == RangeMethod::kEntropy) {
    const int levels = w.low < 0 ? kLevels : kLevelsOneSided;
    const auto most = static_cast<float>(entropy_threshold(w.histogram, levels));
    range = {std::max(w.low, -most), std::min(w.high, most), ""};
  }
  range.shape = w.shape;
  return range;
}

// One run over all samples.
template <typename F>
Status for_each_sample(Runner& runner, const SampleSource& samples,
                       const CalibrationOptions& options, double from, double to, F see) {
  for (std::size_t i = 0; i < samples.count; ++i) {
    ANTIPHON_ASSIGN_OR_RETURN(const Sample sample, samples.read(i));
    if (const Status ran = runner.run(sample); !ran.ok()) return ran.with_context(sample.name);
    if (const Status seen = see(sample); !seen.ok()) return seen.with_context(sample.name);
    if (options.progress)
      options.progress(from + (to - from) * static_cast<double>(i + 1) /
                                  static_cast<double>(samples.count));
  }
  return {};
}

const char* method_name(RangeMethod method) {
  static constexpr const char* kNames[] = {"minmax", "percentile", "entropy"};
  return kNames[static_cast<int>(method)];
}

}  // namespace
}  // namespace calibration

Result<Calibration> calibrate(const OnnxNetwork& network, const SampleSource& samples,
                              const CalibrationOptions& options) {
  using namespace calibration;
  if (!(options.percentile > 0 && options.percentile <= 100))
    return invalid_argument("calibration: percentile is " + std::to_string(options.percentile) +
                            ", wanted more than 0, at most 100");
  ANTIPHON_ASSIGN_OR_RETURN(const auto profile, check_samples(network.inputs(), samples));
  ir::Graph graph = network.graph().clone();
  const std::vector<Layer> layers = layers_of(graph);
  if (layers.empty())
    return invalid_argument("calibration: the network has no layer that runs in int8");
  Calibration out{method_name(options.method), samples.count, weights_hash(layers), {}, {}};
  std::vector<Watched> watched = watch(graph, layers);
  ANTIPHON_ASSIGN_OR_RETURN(
      const auto plan,
      build_graph(std::move(graph), plan_options(options, profile, Precision::kF32)));
  ANTIPHON_ASSIGN_OR_RETURN(Runner runner, Runner::create(plan, options.num_threads));
  const bool once = options.method == RangeMethod::kMinMax;
  ANTIPHON_RETURN_IF_ERROR(
      for_each_sample(runner, samples, options, 0, once ? 1 : 0.5, [&](const Sample& sample) {
        Status status;
        for (std::size_t i = 0; i < watched.size() && status.ok(); ++i)
          status = see_ends(watched[i], values_of(watched[i], runner, sample));
        return status;
      }));
  if (!once) {
    for (Watched& w : watched) set_up(w.histogram, options.method, w.low, w.high);
    ANTIPHON_RETURN_IF_ERROR(
        for_each_sample(runner, samples, options, 0.5, 1, [&](const Sample& sample) {
          for (Watched& w : watched) w.histogram.add(values_of(w, runner, sample));
          return Status();
        }));
  }
  for (const Watched& w : watched) out.ranges[w.tensor] = range_of(w, options);
  return out;
}

Status check_fits(const OnnxNetwork& network, const Calibration& calibration) {
  ir::Graph graph = network.graph().clone();
  return calibration::check_layers(calibration::layers_of(graph), calibration);
}

}  // namespace antiphon
