// From the recogniser's words to text as people write it: numbers, dates, times, money, names,
// punctuation.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

namespace antiphon::asr {

// English, by rule: no model, no state, any thread. Words stand in lower case with single spaces
// between them; other text comes back as it is, but for its first letter.
//
// "i have twenty cats" -> "I have 20 cats."
std::string written_text(std::string_view spoken);

// The same for words that may go on: without the punctuation at the end. `stable_bytes` of `spoken`
// will not change; of the text returned, the first `*stable_out` bytes are those that no further
// words can change: every later written_partial() or written_text() begins with them.
std::string written_partial(std::string_view spoken, std::size_t stable_bytes,
                            std::size_t* stable_out);

}  // namespace antiphon::asr
