// Finds an assistant's slots in what was said: list values, numbers, times, letters, free text.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/assistant_spec.h"
#include "pipeline/messages.h"

namespace antiphon::nlu {

// All slots of the intent that are said in `text`, each at most once, in the order said. The
// longest match of a word wins; behind "actually" or "i mean" a later value wins. List values match
// whole words; a plural s, and one wrong letter in words of six and more, are forgiven, and what
// follows "no" or "without" is not taken. Free text is found behind the words that stand before its
// place in a phrase ("my name is {name}"). asked: the slot the assistant asked for. It goes first;
// free text then takes the whole answer without its "my name is" and "please".
std::vector<Slot> match_slots(const IntentSpec& intent, std::string_view text,
                              const std::string& asked);

}  // namespace antiphon::nlu
