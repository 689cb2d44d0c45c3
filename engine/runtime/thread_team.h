// The façade's ThreadTeam over a back end's team.
#pragma once

#include <memory>
#include <utility>

#include "engine/engine.h"
#include "engine/kernels/kernel.h"

namespace antiphon::runtime {

class ThreadTeamImpl final : public ThreadTeam {
 public:
  explicit ThreadTeamImpl(std::unique_ptr<Team> team) : team_(std::move(team)) {}
  int num_threads() const override { return team_->size(); }
  Team& team() { return *team_; }

 private:
  std::unique_ptr<Team> team_;
};

// The caller alone.
class SoloTeam final : public Team {
 public:
  int size() const override { return 1; }
  void run(void (*task)(void*, int), void* context) override { task(context, 0); }
  void barrier() override {}
};

}  // namespace antiphon::runtime
