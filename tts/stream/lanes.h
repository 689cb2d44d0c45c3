// What runs the networks of synthesis: lanes and state slots, lent to streams.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "tts/stream/plan_runner.h"
#include "tts/stream/speech_stream.h"

namespace antiphon::tts {

// pitch is null where the vocoder has none.
struct VocoderPlans {
  std::shared_ptr<const Plan> flows, pitch;
};

// g2p is null where the pack has none.
struct Plans {
  std::shared_ptr<const Plan> encoder, decoder, postnet, g2p;
  std::vector<VocoderPlans> vocoders;  // as VoiceData::vocoder_of() counts them
};

// Shared by the synthesiser and its streams; any thread. Owns contexts and state pools, shares the
// plans. Slot numbers are the same in all pools. Allocates in create().
class Lanes final : public RunnerSource {
 public:
  // team: of the first lane, may be null; must outlive the lanes.
  static Result<std::shared_ptr<Lanes>> create(const Plans& plans, int max_streams, int num_lanes,
                                               ThreadTeam* team);
  // A slot in all pools, or kExhausted.
  Result<int> acquire();

  Runners& take() override;
  void give(Runners& runners) override;
  void reset(int slot) override;
  void release(int slot) override;

 private:
  // The networks of one lane.
  struct Lane {
    std::vector<std::unique_ptr<PlanRunner>> owned;
    Runners runners;
    bool lent = false;
  };
  struct Pools {
    StatePool* postnet = nullptr;
    StatePool* flows = nullptr;       // of all vocoders
    std::vector<StatePool*> pitches;  // of each vocoder, null where it has no pitch network
  };
  Result<Pools> make_pools(const Plans& plans, int max_streams);
  Status add_lane(const Plans& plans, const Pools& pools, ThreadTeam* team);

  std::mutex mutex_;
  std::condition_variable free_;
  std::vector<std::unique_ptr<StatePool>> pools_;
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace antiphon::tts
