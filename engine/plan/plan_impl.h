// The façade's Plan over a PlanData.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "engine/plan/plan_data.h"

namespace antiphon::plan {

class PlanImpl final : public Plan {
 public:
  explicit PlanImpl(PlanData data) : data_(std::move(data)) {}

  const PlanData& data() const { return data_; }
  Status save(const std::string& path) const override;
  const std::string& name() const override { return data_.graph.name; }
  const PlanReport& report() const override { return data_.report; }
  std::vector<TensorSpec> inputs() const override;
  std::vector<TensorSpec> outputs() const override;

 private:
  PlanData data_;
};

}  // namespace antiphon::plan
