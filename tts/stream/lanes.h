// What runs the networks of synthesis: lanes and state slots, lent to streams.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "tts/stream/plan_runner.h"
#include "tts/stream/speech_stream.h"

namespace antiphon::tts {

struct Plans {
  std::shared_ptr<const Plan> encoder, decoder, postnet, vocoder;
  std::shared_ptr<const Plan> g2p, pitch;  // null where the packs have none
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
    std::unique_ptr<PlanRunner> encoder, decoder, postnet, vocoder, g2p, pitch;
    Runners runners;
    bool lent = false;
  };

  std::mutex mutex_;
  std::condition_variable free_;
  std::vector<std::unique_ptr<StatePool>> pools_;
  std::vector<std::unique_ptr<Lane>> lanes_;
};

}  // namespace antiphon::tts
