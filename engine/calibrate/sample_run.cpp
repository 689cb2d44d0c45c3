// Checking samples and running them.
#include "engine/calibrate/sample_run.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/ir/dims.h"

namespace antiphon::calibration {
namespace {

std::string dims_text(const std::vector<std::int64_t>& dims) {
  return ir::shape_text(Shape(dims.begin(), dims.end()));
}

Status check_tensor(const TensorSpec& spec, const HostTensor& tensor) {
  const std::string field = "input '" + spec.name + "': ";
  if (tensor.dtype != spec.dtype)
    return invalid_argument(field + "wanted " + std::string(dtype_name(spec.dtype)) + ", got " +
                            std::string(dtype_name(tensor.dtype)));
  bool fits = tensor.dims.size() == spec.shape.size();
  std::size_t count = 1;
  for (std::size_t i = 0; fits && i < tensor.dims.size(); ++i) {
    fits = !spec.shape[i].is_static() || spec.shape[i].extent == tensor.dims[i];
    count *= static_cast<std::size_t>(tensor.dims[i]);
  }
  if (!fits)
    return invalid_argument(field + "wanted " + ir::shape_text(spec.shape) + ", got " +
                            dims_text(tensor.dims));
  if (tensor.bytes.size() != count * dtype_bytes(tensor.dtype))
    return invalid_argument(field + "its bytes do not fit its extents");
  if (tensor.dtype != DType::kF32) return {};
  if (const std::int64_t at = first_not_finite(f32_of(tensor)); at >= 0)
    return invalid_argument(field + "element " + std::to_string(at) + " is " +
                            std::to_string(f32_of(tensor)[static_cast<std::size_t>(at)]) +
                            ", wanted finite numbers");
  return {};
}

// Each symbol's extent in one sample; two inputs must agree.
Status read_extents(const TensorSpec& spec, const HostTensor& tensor,
                    std::map<std::string, std::int64_t>& extents) {
  for (std::size_t i = 0; i < spec.shape.size(); ++i) {
    if (spec.shape[i].is_static()) continue;
    const auto [at, fresh] = extents.try_emplace(spec.shape[i].symbol, tensor.dims[i]);
    if (!fresh && at->second != tensor.dims[i])
      return invalid_argument("input '" + spec.name + "': " + spec.shape[i].symbol + " is " +
                              std::to_string(tensor.dims[i]) + ", another input has " +
                              std::to_string(at->second));
  }
  return {};
}

Status check_sample(const std::vector<TensorSpec>& inputs, const Sample& sample,
                    std::map<std::string, std::int64_t>& extents) {
  for (const TensorSpec& spec : inputs) {
    const auto found = sample.inputs.find(spec.name);
    if (found == sample.inputs.end())
      return invalid_argument("has no '" + spec.name + "', an input of the network");
    ANTIPHON_RETURN_IF_ERROR(check_tensor(spec, found->second));
    ANTIPHON_RETURN_IF_ERROR(read_extents(spec, found->second, extents));
  }
  for (const auto& [name, tensor] : sample.inputs)
    if (std::none_of(inputs.begin(), inputs.end(),
                     [&, key = name](const TensorSpec& spec) { return spec.name == key; }))
      return invalid_argument("holds '" + name + "', which is no input of the network");
  return {};
}

}  // namespace

std::span<const float> f32_of(const HostTensor& tensor) {
  return {reinterpret_cast<const float*>(tensor.bytes.data()), tensor.bytes.size() / sizeof(float)};
}

std::int64_t first_not_finite(std::span<const float> values) {
  const auto found =
      std::find_if(values.begin(), values.end(), [](float v) { return !std::isfinite(v); });
  return found == values.end() ? -1 : found - values.begin();
}

Result<std::map<std::string, DimRange>> check_samples(const std::vector<TensorSpec>& inputs,
                                                      const SampleSource& samples) {
  if (samples.count == 0) return invalid_argument("calibration: no samples, wanted one or more");
  std::map<std::string, DimRange> profile;
  for (std::size_t i = 0; i < samples.count; ++i) {
    ANTIPHON_ASSIGN_OR_RETURN(const Sample sample, samples.read(i));
    std::map<std::string, std::int64_t> extents;
    if (const Status status = check_sample(inputs, sample, extents); !status.ok())
      return status.with_context(sample.name);
    for (const auto& [symbol, extent] : extents) {
      DimRange& range = profile.try_emplace(symbol, DimRange{extent, extent, extent}).first->second;
      range.min = std::min(range.min, extent);
      range.opt = range.max = std::max(range.max, extent);
    }
  }
  return profile;
}

Result<Runner> Runner::create(std::shared_ptr<const Plan> plan, int num_threads) {
  Runner runner;
  runner.plan_ = std::move(plan);
  if (num_threads > 1) {
    ANTIPHON_ASSIGN_OR_RETURN(runner.team_, ThreadTeam::create(num_threads, false));
  }
  ANTIPHON_ASSIGN_OR_RETURN(runner.context_, Context::create(runner.plan_, runner.team_.get()));
  return runner;
}

Status Runner::run(const Sample& sample) {
  for (const TensorSpec& spec : plan_->inputs()) {
    const HostTensor& tensor = sample.inputs.at(spec.name);
    ANTIPHON_ASSIGN_OR_RETURN(void* memory, context_->input(spec.name, tensor.dims));
    if (!tensor.bytes.empty()) std::memcpy(memory, tensor.bytes.data(), tensor.bytes.size());
  }
  return context_->run();
}

BuildOptions plan_options(const CalibrationOptions& options,
                          const std::map<std::string, DimRange>& profile, Precision precision) {
  BuildOptions out;
  out.precision = precision;
  out.profile = profile;
  out.max_isa = options.max_isa;
  out.num_threads = options.num_threads;
  out.plugins = options.plugins;
  return out;
}

}  // namespace antiphon::calibration
