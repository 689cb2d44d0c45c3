// Makes the pools of states, and a context for each network and lane.
#include "tts/stream/lanes.h"

#include <algorithm>

namespace antiphon::tts {
namespace {

// Flows have the same states in every voice, but for those that hear harmonics, which are the last
// ones: the plan with the most states has room for all the others'.
const std::shared_ptr<const Plan>& plan_of_most_states(const std::vector<VocoderPlans>& vocoders) {
  const auto fewer = [](const VocoderPlans& a, const VocoderPlans& b) {
    return a.flows->report().state_bytes < b.flows->report().state_bytes;
  };
  return std::max_element(vocoders.begin(), vocoders.end(), fewer)->flows;
}

}  // namespace

Result<std::shared_ptr<Lanes>> Lanes::create(const Plans& plans, int max_streams, int num_lanes,
                                             ThreadTeam* team) {
  std::shared_ptr<Lanes> lanes(new Lanes);
  ANTIPHON_ASSIGN_OR_RETURN(const Pools pools, lanes->make_pools(plans, max_streams));
  for (int i = 0; i < num_lanes; ++i)
    ANTIPHON_RETURN_IF_ERROR(lanes->add_lane(plans, pools, i == 0 ? team : nullptr));
  return lanes;
}

Result<Lanes::Pools> Lanes::make_pools(const Plans& plans, int max_streams) {
  const auto pool_of = [&](const std::shared_ptr<const Plan>& plan) -> Result<StatePool*> {
    if (!plan) return static_cast<StatePool*>(nullptr);
    ANTIPHON_ASSIGN_OR_RETURN(auto pool, StatePool::create(plan, max_streams));
    pools_.push_back(std::move(pool));
    return pools_.back().get();
  };
  Pools pools;
  ANTIPHON_ASSIGN_OR_RETURN(pools.postnet, pool_of(plans.postnet));
  ANTIPHON_ASSIGN_OR_RETURN(pools.flows, pool_of(plan_of_most_states(plans.vocoders)));
  for (const VocoderPlans& vocoder : plans.vocoders) {
    ANTIPHON_ASSIGN_OR_RETURN(StatePool* const pitch, pool_of(vocoder.pitch));
    pools.pitches.push_back(pitch);
  }
  return pools;
}

Status Lanes::add_lane(const Plans& plans, const Pools& pools, ThreadTeam* team) {
  auto lane = std::make_unique<Lane>();
  const auto runner = [&](const std::shared_ptr<const Plan>& plan,
                          StatePool* pool) -> Result<NetRunner*> {
    if (!plan) return static_cast<NetRunner*>(nullptr);
    ANTIPHON_ASSIGN_OR_RETURN(auto made, PlanRunner::create(plan, team, pool));
    lane->owned.push_back(std::move(made));
    return static_cast<NetRunner*>(lane->owned.back().get());
  };
  Runners& runners = lane->runners;
  ANTIPHON_ASSIGN_OR_RETURN(runners.encoder, runner(plans.encoder, nullptr));
  ANTIPHON_ASSIGN_OR_RETURN(runners.decoder, runner(plans.decoder, nullptr));
  ANTIPHON_ASSIGN_OR_RETURN(runners.postnet, runner(plans.postnet, pools.postnet));
  ANTIPHON_ASSIGN_OR_RETURN(runners.g2p, runner(plans.g2p, nullptr));
  for (std::size_t i = 0; i < plans.vocoders.size(); ++i) {
    VocoderRunners& nets = runners.vocoders.emplace_back();
    ANTIPHON_ASSIGN_OR_RETURN(nets.flows, runner(plans.vocoders[i].flows, pools.flows));
    ANTIPHON_ASSIGN_OR_RETURN(nets.pitch, runner(plans.vocoders[i].pitch, pools.pitches[i]));
  }
  lanes_.push_back(std::move(lane));
  return {};
}

Result<int> Lanes::acquire() {
  const std::lock_guard lock(mutex_);
  ANTIPHON_ASSIGN_OR_RETURN(const int slot, pools_[0]->acquire());
  for (std::size_t i = 1; i < pools_.size(); ++i) {
    const auto other = pools_[i]->acquire();
    if (other.ok() && *other == slot) continue;
    if (other.ok()) pools_[i]->release(*other);
    while (i > 0) pools_[--i]->release(slot);
    return other.ok() ? internal_error("synthesis: the pools' slots differ") : other.status();
  }
  return slot;
}

Runners& Lanes::take() {
  std::unique_lock lock(mutex_);
  while (true) {
    for (const auto& lane : lanes_) {
      if (lane->lent) continue;
      lane->lent = true;
      return lane->runners;
    }
    free_.wait(lock);
  }
}

void Lanes::give(Runners& runners) {
  {
    const std::lock_guard lock(mutex_);
    for (const auto& lane : lanes_) lane->lent = lane->lent && &lane->runners != &runners;
  }
  free_.notify_one();
}

void Lanes::reset(int slot) {
  for (const auto& pool : pools_) pool->reset(slot);
}

void Lanes::release(int slot) {
  const std::lock_guard lock(mutex_);
  for (const auto& pool : pools_) pool->release(slot);
}

}  // namespace antiphon::tts
