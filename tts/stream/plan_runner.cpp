// Runs a plan in a context of its own.
#include "tts/stream/plan_runner.h"

#include <string>

namespace antiphon::tts {

Result<std::unique_ptr<PlanRunner>> PlanRunner::create(std::shared_ptr<const Plan> plan,
                                                       ThreadTeam* team, StatePool* pool) {
  std::unique_ptr<PlanRunner> runner(new PlanRunner);
  runner->plan_ = std::move(plan);
  runner->pool_ = pool;
  ANTIPHON_ASSIGN_OR_RETURN(runner->context_, Context::create(runner->plan_, team));
  return runner;
}

Status PlanRunner::run(int slot) {
  if (pool_ == nullptr) return context_->run();
  const int slots[] = {slot};
  return context_->run(pool_, slots);
}

Result<std::span<const float>> PlanRunner::output(std::string_view name) {
  const TensorView* view = context_->output(name);
  if (view == nullptr || view->dtype != DType::kF32)
    return internal_error(plan_->name() + ": no f32 output " + std::string(name));
  return view->f32();
}

}  // namespace antiphon::tts
