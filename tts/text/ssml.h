// A subset of SSML 1.1: speak, p, s, break, say-as, prosody rate, sub, voice.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "engine/base/status.h"
#include "tts/text/speech.h"

namespace antiphon::tts {

// Byte ranges of the words are those of the SSML text. Unknown elements of SSML are an error that
// names them; so are bad nesting, attributes and values, with the byte where they stand.
// kInvalidArgument: also not UTF-8, or over 20,000 bytes.
//   <break time="300ms"/> up to 10 s, or strength="weak|medium|strong|none|x-weak|x-strong"
//   <say-as interpret-as="characters|spell-out|cardinal|number|ordinal|digits|telephone|date|time">
//   <prosody rate="x-slow|slow|medium|fast|x-fast|default|80%">; between 50 % and 200 %
//   <sub alias="what is said">
//   <voice name="NAME">, one of `voices`
Result<Speech> parse_ssml(std::string_view text, std::span<const std::string> voices = {});

}  // namespace antiphon::tts
