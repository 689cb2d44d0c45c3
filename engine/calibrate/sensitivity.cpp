// One layer at a time in int8, against the f32 network's outputs.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/build_graph.h"
#include "engine/calibrate/layers.h"
#include "engine/calibrate/sample_run.h"

namespace antiphon {
namespace calibration {
namespace {

// Bytes of every output of every sample.
using Outputs = std::vector<std::vector<std::byte>>;

std::vector<std::byte> bytes_of(const TensorView& view) {
  const auto* data = static_cast<const std::byte*>(view.data);
  return {data, data + static_cast<std::size_t>(view.num_elements()) * dtype_bytes(view.dtype)};
}

// How far one output is from what it was, over all samples.
struct Distance {
  double change = 0, size = 0;

  void add(DType dtype, std::span<const std::byte> got, std::span<const std::byte> want) {
    const std::size_t element = dtype_bytes(dtype);
    for (std::size_t at = 0; at + element <= want.size(); at += element) {
      if (dtype != DType::kF32) {  // labels and the like: the share that differs
        change += std::memcmp(&got[at], &want[at], element) == 0 ? 0 : 1;
        size += 1;
        continue;
      }
      float g = 0, w = 0;
      std::memcpy(&g, &got[at], sizeof g);
      std::memcpy(&w, &want[at], sizeof w);
      change += (double{g} - w) * (double{g} - w);
      size += double{w} * w;
    }
  }
  double error(DType dtype) const {
    if (change == 0) return 0;
    const double share = change / size;
    return dtype == DType::kF32 ? std::sqrt(share) : share;
  }
};

Result<Outputs> run_all(const std::shared_ptr<const Plan>& plan, const SampleSource& samples,
                        int num_threads) {
  ANTIPHON_ASSIGN_OR_RETURN(Runner runner, Runner::create(plan, num_threads));
  Outputs out;
  for (std::size_t i = 0; i < samples.count; ++i) {
    ANTIPHON_ASSIGN_OR_RETURN(const Sample sample, samples.read(i));
    if (const Status ran = runner.run(sample); !ran.ok()) return ran.with_context(sample.name);
    for (const TensorSpec& spec : plan->outputs())
      out.push_back(bytes_of(runner.output(spec.name)));
  }
  return out;
}

double worst(const std::vector<TensorSpec>& specs, const Outputs& got, const Outputs& want) {
  double out = 0;
  for (std::size_t o = 0; o < specs.size(); ++o) {
    Distance distance;
    for (std::size_t i = o; i < want.size(); i += specs.size())
      distance.add(specs[o].dtype, got[i], want[i]);
    out = std::max(out, distance.error(specs[o].dtype));
  }
  return out;
}

}  // namespace
}  // namespace calibration

Result<std::vector<LayerError>> rank_layers(const OnnxNetwork& network,
                                            const Calibration& calibration,
                                            const SampleSource& samples,
                                            const CalibrationOptions& options) {
  using namespace calibration;
  ir::Graph graph = network.graph().clone();
  const std::vector<Layer> layers = layers_of(graph);
  ANTIPHON_RETURN_IF_ERROR(check_layers(layers, calibration));
  ANTIPHON_ASSIGN_OR_RETURN(const auto profile, check_samples(network.inputs(), samples));
  ANTIPHON_ASSIGN_OR_RETURN(const auto plain,
                            build(network, plan_options(options, profile, Precision::kF32)));
  ANTIPHON_ASSIGN_OR_RETURN(const Outputs want, run_all(plain, samples, options.num_threads));
  Calibration alone = calibration;
  alone.keep_f32.clear();
  for (const Layer& layer : layers) alone.keep_f32.insert(layer.name);
  std::vector<LayerError> out;
  for (const Layer& layer : layers) {
    BuildOptions with = plan_options(options, profile, Precision::kInt8);
    alone.keep_f32.erase(layer.name);
    with.calibration = std::make_shared<const Calibration>(alone);
    alone.keep_f32.insert(layer.name);
    ANTIPHON_ASSIGN_OR_RETURN(const auto plan, build(network, with));
    ANTIPHON_ASSIGN_OR_RETURN(const Outputs got, run_all(plan, samples, options.num_threads));
    out.push_back({layer.name, layer.tensor, worst(plan->outputs(), got, want)});
    if (options.progress)
      options.progress(static_cast<double>(out.size()) / static_cast<double>(layers.size()));
  }
  std::stable_sort(out.begin(), out.end(),
                   [](const LayerError& a, const LayerError& b) { return a.error > b.error; });
  return out;
}

}  // namespace antiphon
