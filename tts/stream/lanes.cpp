// Makes a pool for each network that has states and a context for each network and lane.
#include "tts/stream/lanes.h"

namespace antiphon::tts {

Result<std::shared_ptr<Lanes>> Lanes::create(const Plans& plans, int max_streams, int num_lanes,
                                             ThreadTeam* team) {
  std::shared_ptr<Lanes> lanes(new Lanes);
  const auto pool_of = [&](const std::shared_ptr<const Plan>& plan) -> Result<StatePool*> {
    if (!plan) return static_cast<StatePool*>(nullptr);
    ANTIPHON_ASSIGN_OR_RETURN(auto pool, StatePool::create(plan, max_streams));
    lanes->pools_.push_back(std::move(pool));
    return lanes->pools_.back().get();
  };
  ANTIPHON_ASSIGN_OR_RETURN(StatePool* const postnet, pool_of(plans.postnet));
  ANTIPHON_ASSIGN_OR_RETURN(StatePool* const vocoder, pool_of(plans.vocoder));
  ANTIPHON_ASSIGN_OR_RETURN(StatePool* const pitch, pool_of(plans.pitch));
  for (int i = 0; i < num_lanes; ++i) {
    ThreadTeam* lane_team = i == 0 ? team : nullptr;
    const auto runner = [&](const std::shared_ptr<const Plan>& plan,
                            StatePool* pool) -> Result<std::unique_ptr<PlanRunner>> {
      if (!plan) return std::unique_ptr<PlanRunner>();
      return PlanRunner::create(plan, lane_team, pool);
    };
    auto lane = std::make_unique<Lane>();
    ANTIPHON_ASSIGN_OR_RETURN(lane->encoder, runner(plans.encoder, nullptr));
    ANTIPHON_ASSIGN_OR_RETURN(lane->decoder, runner(plans.decoder, nullptr));
    ANTIPHON_ASSIGN_OR_RETURN(lane->postnet, runner(plans.postnet, postnet));
    ANTIPHON_ASSIGN_OR_RETURN(lane->vocoder, runner(plans.vocoder, vocoder));
    ANTIPHON_ASSIGN_OR_RETURN(lane->g2p, runner(plans.g2p, nullptr));
    ANTIPHON_ASSIGN_OR_RETURN(lane->pitch, runner(plans.pitch, pitch));
    lane->runners = {lane->encoder.get(), lane->decoder.get(), lane->postnet.get(),
                     lane->vocoder.get(), lane->g2p.get(),     lane->pitch.get()};
    lanes->lanes_.push_back(std::move(lane));
  }
  return lanes;
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
