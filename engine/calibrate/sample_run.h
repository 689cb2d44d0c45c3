// Samples against a network's inputs, and runs of a plan on them.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/calibrate.h"

namespace antiphon::calibration {

// Reads every sample once. kInvalidArgument: there are none, or one does not fit the inputs; the
// message names sample and input. The extents of the network's symbols over all samples.
Result<std::map<std::string, DimRange>> check_samples(const std::vector<TensorSpec>& inputs,
                                                      const SampleSource& samples);

// Index and value of the first number that is not finite; -1: none.
std::int64_t first_not_finite(std::span<const float> values);
std::span<const float> f32_of(const HostTensor& tensor);

// A plan with what runs it.
class Runner {
 public:
  static Result<Runner> create(std::shared_ptr<const Plan> plan, int num_threads);
  Status run(const Sample& sample);
  const Plan& plan() const { return *plan_; }
  const TensorView& output(const std::string& name) const { return *context_->output(name); }

 private:
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<ThreadTeam> team_;
  std::unique_ptr<Context> context_;
};

// Options of plans that run samples.
BuildOptions plan_options(const CalibrationOptions& options,
                          const std::map<std::string, DimRange>& profile, Precision precision);

}  // namespace antiphon::calibration
