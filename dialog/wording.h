// How values are said in a reply: small numbers as words, plurals of nouns. English.
#pragma once

#include <string>
#include <string_view>

namespace antiphon::dialog {

// "2" -> "two". Numbers over twelve, and what is no whole number, come back as they are, as print
// does it.
std::string in_words(std::string_view value);

// "latte" -> "lattes", "hot chocolate" -> "hot chocolates", "cup of tea" -> "cups of tea". By rule:
// no list of irregular nouns.
std::string plural(std::string_view noun);

}  // namespace antiphon::dialog
