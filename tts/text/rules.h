// The rules of text normalisation: each looks at the tokens from one place and says what it knows.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>

#include "tts/text/speech.h"
#include "tts/text/tokens.h"

namespace antiphon::tts {

// A rule says the tokens from `i` on and returns how many it used; 0: not its business, nothing
// said. The order of the rules is the table in normalise.cpp.
using Rule = std::size_t (*)(const Tokens& t, std::size_t i, Speech& out);

// rules_web.cpp
std::size_t web_address(const Tokens& t, std::size_t i, Speech& out);
std::size_t hashtag_or_mention(const Tokens& t, std::size_t i, Speech& out);
// rules_date.cpp
std::size_t numeric_date(const Tokens& t, std::size_t i, Speech& out);
std::size_t month_date(const Tokens& t, std::size_t i, Speech& out);
std::size_t day_month_date(const Tokens& t, std::size_t i, Speech& out);
std::size_t decade(const Tokens& t, std::size_t i, Speech& out);
std::size_t weekday(const Tokens& t, std::size_t i, Speech& out);
// rules_time.cpp
std::size_t clock_time(const Tokens& t, std::size_t i, Speech& out);
std::size_t day_half(const Tokens& t, std::size_t i, Speech& out);  // a.m., p.m.
// rules_money.cpp
std::size_t money(const Tokens& t, std::size_t i, Speech& out);
// rules_code.cpp
std::size_t telephone(const Tokens& t, std::size_t i, Speech& out);
std::size_t dotted_number(const Tokens& t, std::size_t i, Speech& out);
std::size_t code_with_digits(const Tokens& t, std::size_t i, Speech& out);
// rules_number.cpp
std::size_t fraction(const Tokens& t, std::size_t i, Speech& out);
std::size_t ratio_or_size(const Tokens& t, std::size_t i, Speech& out);
std::size_t feet_and_inches(const Tokens& t, std::size_t i, Speech& out);
std::size_t number(const Tokens& t, std::size_t i, Speech& out);  // also ordinals and units
// rules_word.cpp
std::size_t abbreviation(const Tokens& t, std::size_t i, Speech& out);
std::size_t dotted_letters(const Tokens& t, std::size_t i, Speech& out);
std::size_t roman_numeral(const Tokens& t, std::size_t i, Speech& out);
std::size_t initialism(const Tokens& t, std::size_t i, Speech& out);
std::size_t plain_word(const Tokens& t, std::size_t i, Speech& out);
// rules_sign.cpp
std::size_t sign(const Tokens& t, std::size_t i, Speech& out);

// ---- shared by the rules ----

// A number as written: "1,234.5" -> whole "1234", fraction "5". `next` is the token after it.
struct WrittenNumber {
  std::string whole, fraction;
  bool grouped = false;
  std::size_t next = 0;
  bool is_one() const { return whole == "1" && fraction.empty(); }
};
// False: no number at i.
bool read_number(const Tokens& t, std::size_t i, WrittenNumber& number);
// The words of a number that counts or measures.
std::string words_of(const WrittenNumber& number);

// Says `words` for the tokens [i, j).
inline void say(const Tokens& t, std::size_t i, std::size_t j, std::string_view words,
                Speech& out) {
  out.say(words, t[i].begin, t[j - 1].end);
}

// 1 to 12, or 0: the name of a month or its abbreviation.
int month_of(std::string_view lower);
// A word with a capital that often begins a sentence ("The", "He"), after which a dot before it
// ends one.
bool begins_sentence(const Tokens& t, std::size_t i);
// Whether letters can be read as a word: it has a vowel and no impossible cluster.
bool pronounceable(std::string_view lower);
// Steps over the dot of an abbreviation at i, if there is one; says "." when it also ends the
// sentence. ends_readily: a capital after it is enough ("etc."); else a typical first word is
// wanted ("U.S.").
std::size_t abbreviation_dot(const Tokens& t, std::size_t i, bool ends_readily, Speech& out);
// A unit at i: "km" -> its singular and plural. Returns the tokens used, 0 for none.
// joined: directly after the number.
std::size_t read_unit(const Tokens& t, std::size_t i, bool joined, std::string& one,
                      std::string& many);

}  // namespace antiphon::tts
