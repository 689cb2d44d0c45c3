// One user of the server: speaks recorded questions in real time and times the answers.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "bench/recordings.h"
#include "engine/base/status.h"
#include "pipeline/session_events.h"

namespace antiphon::bench {

struct TurnClientConfig {
  std::string url;
  bool endpointing = true;  // the server ends turns; else `end` does
  bool listen = false;      // the next question comes when the answer has been played
  int warm_up_turns = 2;    // not kept
  double timeout_s = 60;    // of one answer
};

// One turn as the user saw it.
struct SpokenTurn {
  std::string id, heard, intent, reply, reason;
  TurnLatency latency;  // by the server's clock
  double first_audio_ms =
      -1;  // from the last of our audio (or `end`) sent to the first answer's audio
  int chunks = 0, late_chunks = 0;
  int interrupted = 0;  // turns that the server ended before the question was over
  bool ahead = false;   // the answer was begun in the pause that ended the turn
  double dry_ms = 0;    // playback stood still for so long
};

// Takes questions number next++ while next < count. Blocks; one thread a client.
Result<std::vector<SpokenTurn>> speak_turns(const TurnClientConfig& config,
                                            const std::vector<Question>& questions,
                                            std::atomic<int>& next, int count, int client);

}  // namespace antiphon::bench
