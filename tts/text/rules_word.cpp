// Words: abbreviations, initialisms, Roman numerals, hyphenated and plain words.
#include <algorithm>
#include <array>

#include "tts/text/letters.h"
#include "tts/text/number_words.h"
#include "tts/text/rules.h"

namespace antiphon::tts {
namespace {

enum class When : std::uint8_t { kAlways, kDot, kTitle, kAfterName, kBeforeNumber };

struct Abbreviation {
  const char* lower;
  const char* words;
  When when;
  bool ends_readily = false;
};

// kDot: only with its dot. kTitle: a capital follows. kAfterName: a capital or a number stands
// before.
constexpr Abbreviation kAbbreviations[] = {{"dr", "doctor", When::kTitle},
                                           {"dr", "drive", When::kAfterName, true},
                                           {"st", "saint", When::kTitle},
                                           {"st", "street", When::kAfterName, true},
                                           {"mr", "mister", When::kAlways},
                                           {"mrs", "missus", When::kAlways},
                                           {"ms", "miz", When::kTitle},
                                           {"prof", "professor", When::kDot},
                                           {"gen", "general", When::kDot},
                                           {"sen", "senator", When::kDot},
                                           {"rep", "representative", When::kDot},
                                           {"gov", "governor", When::kDot},
                                           {"pres", "president", When::kDot},
                                           {"capt", "captain", When::kDot},
                                           {"col", "colonel", When::kDot},
                                           {"sgt", "sergeant", When::kDot},
                                           {"lt", "lieutenant", When::kDot},
                                           {"cmdr", "commander", When::kDot},
                                           {"maj", "major", When::kDot},
                                           {"rev", "reverend", When::kDot},
                                           {"hon", "honorable", When::kDot},
                                           {"sr", "senior", When::kDot, true},
                                           {"jr", "junior", When::kAlways, true},
                                           {"esq", "esquire", When::kDot, true},
                                           {"ave", "avenue", When::kAfterName, true},
                                           {"blvd", "boulevard", When::kAlways, true},
                                           {"rd", "road", When::kAfterName, true},
                                           {"ln", "lane", When::kAfterName, true},
                                           {"hwy", "highway", When::kAlways},
                                           {"pkwy", "parkway", When::kAlways, true},
                                           {"apt", "apartment", When::kBeforeNumber},
                                           {"mt", "mount", When::kTitle},
                                           {"ft", "fort", When::kTitle},
                                           {"inc", "incorporated", When::kDot, true},
                                           {"corp", "corporation", When::kDot, true},
                                           {"co", "company", When::kDot, true},
                                           {"ltd", "limited", When::kAlways, true},
                                           {"dept", "department", When::kAlways},
                                           {"univ", "university", When::kDot},
                                           {"assn", "association", When::kDot},
                                           {"bros", "brothers", When::kDot, true},
                                           {"etc", "et cetera", When::kAlways, true},
                                           {"vs", "versus", When::kAlways},
                                           {"approx", "approximately", When::kAlways},
                                           {"no", "number", When::kBeforeNumber},
                                           {"nos", "numbers", When::kBeforeNumber},
                                           {"vol", "volume", When::kBeforeNumber},
                                           {"fig", "figure", When::kBeforeNumber},
                                           {"pp", "pages", When::kBeforeNumber},
                                           {"p", "page", When::kBeforeNumber},
                                           {"ch", "chapter", When::kBeforeNumber},
                                           {"sec", "section", When::kBeforeNumber},
                                           {"est", "established", When::kDot},
                                           {"max", "maximum", When::kDot},
                                           {"min", "minimum", When::kDot},
                                           {"avg", "average", When::kAlways},
                                           {"temp", "temperature", When::kDot},
                                           {"tel", "telephone", When::kDot},
                                           {"cf", "compare", When::kDot},
                                           {"ca", "circa", When::kBeforeNumber},
                                           {"c", "circa", When::kBeforeNumber},
                                           {"misc", "miscellaneous", When::kAlways},
                                           {"ext", "extension", When::kBeforeNumber},
                                           {"hrs", "hours", When::kAlways},
                                           {"mins", "minutes", When::kAlways},
                                           {"govt", "government", When::kAlways},
                                           {"intl", "international", When::kAlways},
                                           {"tbd", "to be determined", When::kAlways},
                                           {"al", "al", When::kDot}};

struct Dotted {
  const char* letters;
  const char* words;
};
constexpr Dotted kDotted[] = {{"eg", "for example"}, {"ie", "that is"}, {"aka", "also known as"}};

constexpr std::array kRegnal = {
    "henry",     "louis",    "elizabeth", "george",    "edward",    "william", "charles",
    "james",     "paul",     "benedict",  "pius",      "francis",   "leo",     "gregory",
    "clement",   "innocent", "urban",     "alexander", "catherine", "philip",  "ferdinand",
    "frederick", "napoleon", "richard",   "nicholas",  "ivan",      "peter",   "otto",
    "ramses",    "ptolemy",  "alfonso",   "mary",      "xerxes",    "darius",  "rudolf",
    "leopold",   "wilhelm",  "harald",    "olaf",      "john"};
constexpr std::array kNumbered = {
    "chapter", "part",    "act",   "scene", "volume",  "section",  "book",    "phase",
    "type",    "class",   "level", "stage", "war",     "title",    "article", "appendix",
    "unit",    "grade",   "mark",  "bowl",  "fantasy", "episode",  "season",  "figure",
    "table",   "version", "round", "step",  "day",     "schedule", "tier",    "category"};

template <typename List>
bool in(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

bool applies(const Tokens& t, std::size_t i, const Abbreviation& a) {
  const bool dot = t.joined_sign(i + 1, '.');
  const std::size_t next = i + 1 + (dot ? 1 : 0);
  switch (a.when) {
    case When::kAlways: return true;
    case When::kDot: return dot && t[i].text != "Al";
    case When::kTitle:
      return t.is_capital(i) && !t.is_upper(i) && t.is_capital(next) &&
             !(i > 0 && !t[i].space_before);
    case When::kAfterName:
      return t.is_capital(i) && i > 0 &&
             (t.is_capital(i - 1) || t.is_digits(i - 1) || t[i - 1].lower == "th" ||
              t[i - 1].lower == "st" || t[i - 1].lower == "nd" || t[i - 1].lower == "rd");
    case When::kBeforeNumber:
      return dot && (t.is_digits(next) || (t[next].text.size() > 1 && t.is_upper(next) &&
                                           roman_value(t[next].text) > 0));
  }
  return false;
}

// Letters with a trailing plural or possessive s: "PCs", "FBI's".
bool is_letters_with_s(const std::string& text) {
  const bool apostrophe = text.size() > 3 && text.ends_with("'s");
  const std::size_t stem = text.size() - (apostrophe ? 2 : 1);
  if (text.size() < 3 || !text.ends_with("s")) return false;
  return std::all_of(text.begin(), text.begin() + static_cast<std::ptrdiff_t>(stem),
                     [](char c) { return c >= 'A' && c <= 'Z'; });
}

bool shouted(const Tokens& t, std::size_t i) {
  const auto upper_neighbour = [&](std::size_t k) {
    return t.is_upper(k) && t[k].text.size() > 1 &&
           (is_short_word(t[k].lower) || t[k].text.size() > 4);
  };
  return (i > 0 && upper_neighbour(i - 1)) || upper_neighbour(i + 1);
}

bool is_spelled(const Tokens& t, std::size_t i) {
  const std::string& lower = t[i].lower;
  if (is_acronym(lower) || is_short_word(lower)) return false;
  if (!pronounceable(lower))
    return lower != "hmm" && lower != "shh" && lower != "mmm" && lower != "psst" && lower != "brr";
  if (lower.size() <= 3) return true;
  return lower.size() == 4 && !shouted(t, i);
}

}  // namespace

std::size_t abbreviation_dot(const Tokens& t, std::size_t i, bool ends_readily, Speech& out) {
  if (!t.joined_sign(i, '.')) return 0;
  const bool ends = i + 1 >= t.count() || t.is_sign(i + 1, kParagraph) ||
                    (ends_readily && t.is_capital(i + 1) && !t.joined(i + 1)) ||
                    begins_sentence(t, i + 1);
  const bool more =
      t.joined(i + 1) && t[i + 1].kind == TokenKind::kSign;  // a comma or a quote decides
  if (ends && !more) out.mark('.');
  if (more && t.is_sign(i + 1, '"') && i + 2 >= t.count()) out.mark('.');
  return 1;
}

std::size_t abbreviation(const Tokens& t, std::size_t i, Speech& out) {
  if (!t.is_word(i) || t.joined_sign(i + 1, '\'')) return 0;
  if (t[i].lower == "w" && t.joined_sign(i + 1, '/')) {
    const bool without = t.joined(i + 2) && t.lower_is(i + 2, "o");
    say(t, i, i + 2, without ? "without" : "with", out);
    return without ? 3 : 2;
  }
  if (t[i].text == "Ph" && t.joined_sign(i + 1, '.') && t.joined(i + 2) && t[i + 2].text == "D") {
    out.spell("PHD", t[i].begin, t[i + 2].end);
    return 3 + abbreviation_dot(t, i + 3, false, out);
  }
  for (const Abbreviation& a : kAbbreviations) {
    if (t[i].lower != a.lower || !applies(t, i, a)) continue;
    if ((t[i].lower == "max" || t[i].lower == "c") && t.is_capital(i)) return 0;  // a name
    say(t, i, i + 1, a.words, out);
    return 1 + abbreviation_dot(t, i + 1, a.ends_readily, out);
  }
  return 0;
}

std::size_t dotted_letters(const Tokens& t, std::size_t i, Speech& out) {
  std::string letters;
  std::size_t j = i;
  while (t.is_word(j) && t[j].text.size() == 1 && t.joined_sign(j + 1, '.') &&
         (j == i || t.joined(j))) {
    letters += t[j].text;
    j += 2;
  }
  const bool tail =
      !letters.empty() && t.is_word(j) && t.joined(j) && t[j].text.size() == 1;  // "U.S" and "i.e"
  if (tail) letters += t[j++].text;
  if (letters.empty()) return 0;
  if (letters.size() ==
      1) {  // an initial: "J. Smith"; the letter I or "a" at a sentence's end is not
    if (!t.is_capital(i) || !t.is_capital(j) || t.joined(i) || begins_sentence(t, j)) return 0;
    out.spell(letters, t[i].begin, t[i].end);
    return 2;
  }
  const std::string lower = to_lower(letters);
  for (const Dotted& d : kDotted) {
    if (lower != d.letters) continue;
    say(t, i, j, d.words, out);
    return j - i;
  }
  out.spell(letters, t[i].begin, t[j - 1].end);
  return tail ? j - i : j - 1 - i + abbreviation_dot(t, j - 1, false, out);
}

std::size_t roman_numeral(const Tokens& t, std::size_t i, Speech& out) {
  if (!t.is_upper(i) || t.joined(i) || i == 0 ||
      (t.joined(i + 1) && t.is_sign(i + 1, '.') && t.is_word(i + 2) && t.joined(i + 2)))
    return 0;
  const int value = roman_value(t[i].text);
  if (value == 0 || value > 100) return 0;
  const std::string& before = t[i - 1].lower;
  const bool single = t[i].text.size() == 1;
  if (t.is_capital(i - 1) && in(kRegnal, before)) {
    if (t[i].text == "I" && t.is_word(i + 1) && t[i + 1].lower != "of" && t[i + 1].lower != "was" &&
        t[i + 1].lower != "and" && t[i + 1].lower != "is")
      return 0;
    say(t, i, i + 1, "the " + ordinal(std::to_string(value)), out);
    return 1;
  }
  const bool numbered = in(kNumbered, before) && (value < 40 || !single);
  const bool small = std::all_of(t[i].text.begin(), t[i].text.end(),
                                 [](char c) { return c == 'I' || c == 'V' || c == 'X'; });
  if (!numbered && !(t.is_capital(i - 1) && !t.is_upper(i - 1) && !single && small && i > 1))
    return 0;
  if (t[i].text == "I" && t.is_word(i + 1) &&
      (t[i + 1].lower == "am" || t[i + 1].lower == "was" || t[i + 1].lower == "have"))
    return 0;
  say(t, i, i + 1, cardinal(std::to_string(value)), out);
  return 1;
}

std::size_t initialism(const Tokens& t, std::size_t i, Speech& out) {
  if (!t.is_word(i)) return 0;
  const std::string& text = t[i].text;
  if (const std::string_view words = said_as(t[i].lower);
      !words.empty() && (t.is_upper(i) || t[i].lower != "png")) {
    say(t, i, i + 1, words, out);
    return 1;
  }
  if (text == "PhD" || text == "iOS") {
    out.spell(text == "PhD" ? "PHD" : "IOS", t[i].begin, t[i].end);
    return 1;
  }
  if (t[i].lower == "n" && i > 0 && t.is_sign(i - 1, '\'') && t.joined_sign(i + 1, '\'')) {
    say(t, i, i + 1, "and", out);  // rock 'n' roll
    return 1;
  }
  if (is_letters_with_s(text) && text.size() <= 6 && !is_short_word(t[i].lower)) {
    const std::string stem = text.substr(0, text.size() - (text.ends_with("'s") ? 2 : 1));
    if (!is_acronym(to_lower(stem)) && stem.size() <= 5) {
      out.spell(stem, t[i].begin, t[i].end);
      out.words.back().text += 's';
      return 1;
    }
  }
  const bool upper = t.is_upper(i) && text.size() > 1 && text.find('\'') == std::string::npos;
  const bool lower_letters =
      !upper && text.size() > 1 && text.size() <= 5 && text.find('\'') == std::string::npos &&
      !pronounceable(t[i].lower) && t[i].lower == text &&
      std::none_of(
          text.begin(), text.end(),
          [](char c) { return std::string_view("aeiouy").find(c) != std::string_view::npos; }) &&
      text.find_first_not_of(text[0]) != std::string::npos && text != "hmm" && text != "shh" &&
      text != "psst" && text != "brr";
  const bool single = text.size() == 1 && ((t.is_capital(i) && text != "I" && text != "A") ||
                                           (!t.is_capital(i) && text != "a" && text != "i"));
  const bool letter_a = text == "A" && i > 0 && !t.is_sign(i - 1, '.') && !t.is_sign(i - 1, '"') &&
                        (t.joined(i + 1) || i + 1 >= t.count()) && !t.is_sign(i - 1, kParagraph);
  const auto other_letter = [&](std::size_t k) {
    return t.is_capital(k) && t[k].text.size() == 1 && t[k].text != "I";
  };
  // "is it A or B": the article is no capital between words in small letters.
  const bool between = text == "A" && i > 0 && t.is_word(i - 1) && !t.is_upper(i - 1) &&
                       t.is_word(i + 1) && !t.is_capital(i + 1);
  const bool beside_letter = text == "A" && (other_letter(i + 1) || (i > 0 && other_letter(i - 1)));
  const bool grade =
      beside_letter || (text == "A" && (t.joined_sign(i + 1, '+') ||
                                        (t.joined_sign(i + 1, '-') && !t.joined(i + 2))));
  if (grade || between || (upper && is_spelled(t, i)) || lower_letters || single || letter_a) {
    out.spell(text, t[i].begin, t[i].end);
    return 1;
  }
  return 0;
}

std::size_t plain_word(const Tokens& t, std::size_t i, Speech& out) {
  if (!t.is_word(i)) return 0;
  std::size_t j = i + 1;
  std::string text = t[i].text;
  const auto joins = [&](std::size_t k) {
    return t.joined_sign(k, '-') && t.joined(k + 1) && t.is_word(k + 1) &&
           t[k + 1].text.size() > 1 && !(t.is_upper(k + 1) && is_spelled(t, k + 1));
  };
  if (t[i].text.size() > 1) {
    for (int parts = 1; joins(j) && parts < 5; ++parts, j += 2) text += "-" + t[j + 1].text;
  }
  if (text.size() > 60) {  // no word: its first letters, so that nothing runs away
    text.resize(60);
  }
  out.say_written(text, t[i].begin, t[j - 1].end);
  return j - i;
}

}  // namespace antiphon::tts
