// The messages that stages pass to each other: plain structs, moved, never shared.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace antiphon {

// Identifies one turn of one session; a barge-in raises `turn`, results with an older one are
// dropped.
struct TurnRef {
  std::uint64_t session = 0;
  std::uint32_t turn = 0;
};

// A piece of the user's audio: mono f32 in [-1, 1] at 16 kHz.
struct AudioFrame {
  TurnRef ref;
  std::int64_t start_sample = 0;  // of the session's audio, 16 kHz
  std::vector<float> samples;
};

// Times: of heard words since the stream was opened, of spoken ones since the reply began.
struct WordTiming {
  std::string word;
  double start_ms = 0;
  double end_ms = 0;
  float confidence = 0;  // [0, 1]
};

struct TranscriptAlternative {
  std::string text;
  float confidence = 0;
};

// What recognition says so far; one with is_final ends every turn, also after an error or a cancel.
struct Transcript {
  TurnRef ref;
  std::string text;               // UTF-8, as written: "I have 20 cats."
  std::string spoken;             // the words of `text` as said: "i have twenty cats"; empty: typed
  std::int32_t stable_bytes = 0;  // of `text`, from its beginning, will not change
  bool is_final = false;
  float confidence = 0;
  std::vector<WordTiming> words;  // of `spoken`; finals only
  std::vector<TranscriptAlternative> alternatives;
};

struct Slot {
  std::string name;
  std::string value;       // normalised: "3", "17:30", "large"
  std::string text;        // as said
  std::int32_t start = 0;  // byte range of `text` in what was understood
  std::int32_t end = 0;
};

struct Understanding {
  TurnRef ref;
  std::string text;  // what was understood: the spoken words, or the typed text
  std::string
      domain;  // label space of the intent: "assistant" for the user's own, or a trained one
  std::string intent;  // empty when out of scope
  float confidence = 0;
  bool in_scope = false;
  std::vector<Slot> slots;
  std::string answer;  // where a question was answered from the session's context
  float answer_confidence = 0;
};

struct Reply {
  TurnRef ref;
  std::string text;  // UTF-8, to be spoken
  bool end_of_dialog = false;
};

// A piece of reply audio: mono f32 in [-1, 1] at the voice's rate.
struct AudioChunk {
  TurnRef ref;
  std::int64_t start_sample = 0;  // of this reply
  std::vector<float> samples;
  std::vector<WordTiming> words;  // words whose times became known with this chunk
  bool is_last = false;
};

}  // namespace antiphon
