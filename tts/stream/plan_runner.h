// A NetRunner over a plan of the engine.
#pragma once

#include <memory>

#include "engine/engine.h"
#include "tts/stream/net_runner.h"

namespace antiphon::tts {

// Owns a context; shares the plan. pool: borrowed, null for a plan without state.
class PlanRunner final : public NetRunner {
 public:
  static Result<std::unique_ptr<PlanRunner>> create(std::shared_ptr<const Plan> plan,
                                                    ThreadTeam* team, StatePool* pool);
  Result<void*> input(std::string_view name, std::span<const std::int64_t> dims) override {
    return context_->input(name, dims);
  }
  Status run(int slot) override;
  Result<std::span<const float>> output(std::string_view name) override;

 private:
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<Context> context_;
  StatePool* pool_ = nullptr;
};

}  // namespace antiphon::tts
