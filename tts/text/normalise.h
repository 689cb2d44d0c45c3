// Text normalisation: from the user's text to the words that are said.
#pragma once

#include <string_view>

#include "engine/base/status.h"
#include "tts/text/fold.h"
#include "tts/text/speech.h"

namespace antiphon::tts {

// kInvalidArgument: over 20,000 bytes, or not UTF-8. Text without anything to say gives no words.
Result<Speech> normalise(std::string_view text);

// The same for text already folded; appends. Never fails.
void normalise_folded(const FoldedText& folded, Speech& out);

}  // namespace antiphon::tts
