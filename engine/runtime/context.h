// Runs a plan: binds extents, gathers state, launches the steps, scatters state.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/plan/plan_impl.h"
#include "engine/runtime/state_pool.h"
#include "engine/runtime/thread_team.h"

namespace antiphon::runtime {

// A step made ready for one combination of extents.
struct BoundStep {
  const Kernel* kernel = nullptr;
  std::vector<Tensor> inputs, outputs;  // storage of the view's spans
  NodeView view;
  LaunchArgs args;
  std::unique_ptr<Prepared> prepared;
};

struct Binding {
  std::vector<Tensor> tensors;  // by value, data set
  std::vector<BoundStep> steps;
  std::vector<TensorView> outputs;  // as the graph lists them
};

// Where the plan's states lie in the pools of a plan, be it another one.
struct PoolPlaces {
  std::shared_ptr<const Plan> pool_plan;
  std::vector<StatePlace> places;
};

class ContextImpl final : public Context {
 public:
  ContextImpl(std::shared_ptr<const Plan> plan, ThreadTeam* team);
  Status init();

  Result<void*> input(std::string_view name, std::span<const std::int64_t> dims) override;
  Status run(StatePool* pool, std::span<const int> slots) override;
  const TensorView* output(std::string_view name) const override;
  Status time_layers(std::span<double> us) override;

 private:
  void forget_inputs();
  Result<void*> bind_input(std::string_view name, std::span<const std::int64_t> dims);
  Status run_steps(Binding& binding);
  Status set_symbol(const std::string& symbol, std::int64_t extent, const std::string& input_name);
  Result<std::span<const StatePlace>> places_of(const StatePoolImpl& pool);
  Result<std::span<const StatePlace>> check_ready(const StatePoolImpl* pool,
                                                  std::span<const int> slots);
  Result<Binding*> bind();
  Result<std::unique_ptr<Binding>> make_binding();
  Result<BoundStep> bind_step(const plan::Step& step, const std::vector<Tensor>& tensors);
  void* address(ir::ValueId id) const;

  std::shared_ptr<const Plan> plan_;
  const plan::PlanData& data_;
  SoloTeam solo_;
  Team* team_;
  AlignedBuffer arena_;
  std::size_t workspace_bytes_;
  AlignedBuffer workspace_;
  std::vector<std::string> symbols_;
  std::vector<std::int64_t> extents_;  // by symbol; -1: not set since the last run
  std::vector<bool> input_set_;
  std::map<std::vector<std::int64_t>, std::unique_ptr<Binding>> bindings_;
  std::vector<PoolPlaces> pools_;  // by plan; seldom more than one
  std::span<double> layer_us_;     // the caller's, where runs are timed
  Binding* last_ = nullptr;
};

}  // namespace antiphon::runtime
