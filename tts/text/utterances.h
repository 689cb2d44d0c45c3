// Cuts what is to be said into utterances: what the acoustic network speaks in one go.
#pragma once

#include <vector>

#include "tts/text/speech.h"

namespace antiphon::tts {

// Words [begin, end) of a Speech; a sentence, or a part of a long one.
struct Utterance {
  std::size_t begin = 0;
  std::size_t end = 0;
  int pause_after_ms = 0;
  float rate = 1.0f;
  int voice = -1;
};

// Sentences end at . ! ?; a pause of SSML or a change of rate or voice ends an utterance too. A
// sentence over max_letters is cut at its last clause mark before that, else at a word.
std::vector<Utterance> cut_utterances(const Speech& speech, std::size_t max_letters = 180);

}  // namespace antiphon::tts
