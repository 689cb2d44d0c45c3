// What letters can be: a readable word, an acronym, a Roman numeral, the start of a sentence.
#include "tts/text/letters.h"

#include <algorithm>
#include <array>

#include "tts/text/rules.h"

namespace antiphon::tts {
namespace {

constexpr std::array kAcronyms = {
    "nasa",   "nato",  "unesco", "unicef", "opec",   "aids",  "laser", "scuba", "radar",    "sonar",
    "fifa",   "uefa",  "nafta",  "pin",    "sim",    "ram",   "rom",   "lan",   "wan",      "wifi",
    "swat",   "covid", "yaml",   "crispr", "nasdaq", "fema",  "osha",  "darpa", "captcha",  "yolo",
    "sars",   "mers",  "icann",  "ansi",   "ikea",   "lego",  "visa",  "asean", "interpol", "hamas",
    "brexit", "sat",   "zip",    "gif",    "ascii",  "lidar", "nimby", "potus", "scotus",   "cern",
    "esa",    "tesol", "moma",   "soho",   "noho",   "cad",   "gan",   "bert",  "cuda",     "simd"};

struct Said {
  const char* lower;
  const char* words;
};
constexpr Said kSaid[] = {{"jpeg", "jay peg"}, {"json", "jason"},     {"ascii", "askey"},
                          {"ok", "okay"},      {"gui", "gooey"},      {"cern", "surn"},
                          {"mpeg", "em peg"},  {"nginx", "engine x"}, {"sql", "sequel"},
                          {"png", "ping"}};

// Short words that are shouted rather than spelled.
constexpr std::array kWords = {
    "a",    "i",    "am",   "an",   "and",  "are",  "as",   "at",   "be",   "big",   "but",
    "by",   "can",  "do",   "dont", "eat",  "end",  "far",  "for",  "free", "from",  "full",
    "get",  "go",   "good", "had",  "has",  "have", "he",   "help", "her",  "here",  "him",
    "his",  "hot",  "how",  "if",   "in",   "is",   "it",   "its",  "just", "keep",  "know",
    "last", "left", "let",  "like", "live", "long", "look", "made", "make", "man",   "many",
    "may",  "me",   "more", "most", "much", "must", "my",   "need", "new",  "next",  "no",
    "not",  "now",  "of",   "off",  "old",  "on",   "one",  "only", "open", "or",    "our",
    "out",  "over", "own",  "play", "push", "pull", "put",  "read", "red",  "run",   "said",
    "save", "say",  "see",  "she",  "show", "side", "so",   "some", "soon", "stay",  "stop",
    "such", "take", "tell", "than", "that", "the",  "them", "then", "they", "this",  "time",
    "to",   "too",  "top",  "two",  "up",   "use",  "very", "wait", "want", "was",   "way",
    "we",   "well", "were", "what", "when", "who",  "why",  "will", "win",  "with",  "work",
    "yes",  "you",  "your", "zero", "call", "done", "exit", "fire", "love", "north", "south",
    "sale", "sold", "day",  "all",  "any",  "back", "both", "came", "come", "each",  "even",
    "ever", "food", "did"};

constexpr std::array kOnsets = {
    "bl",  "br", "ch",  "cl", "cr", "dr", "dw",  "fl",  "fr",  "gh",  "gl",  "gn",  "gr",
    "kn",  "kr", "ph",  "pl", "pn", "pr", "ps",  "qu",  "rh",  "sc",  "sch", "scr", "sh",
    "shr", "sk", "sl",  "sm", "sn", "sp", "sph", "spl", "spr", "sq",  "squ", "st",  "str",
    "sw",  "th", "thr", "tr", "ts", "tw", "wh",  "wr",  "kl",  "chr", "mc",  "vl",  "zh"};
constexpr std::array kFinals = {
    "ch",  "ck",  "ct",  "ft",  "ld",  "lf",  "lk",  "lm",  "lp",   "lt",  "mp",  "nd",
    "ng",  "nk",  "nt",  "pt",  "rd",  "rk",  "rl",  "rm",  "rn",   "rp",  "rt",  "sh",
    "sk",  "sp",  "st",  "th",  "ss",  "ll",  "ff",  "gh",  "ht",   "tt",  "zz",  "nn",
    "rr",  "ts",  "ps",  "ks",  "ds",  "ns",  "ms",  "ls",  "rs",   "bs",  "gs",  "cs",
    "ws",  "wn",  "wl",  "wk",  "ys",  "sm",  "xt",  "ph",  "bt",   "mb",  "gn",  "mn",
    "hn",  "rc",  "nc",  "lc",  "sc",  "rf",  "rb",  "rg",  "rv",   "dd",  "gg",  "bb",
    "pp",  "mm",  "lb",  "ln",  "tz",  "nx",  "rth", "rst", "rld",  "tch", "nch", "rch",
    "ght", "nds", "nts", "rds", "sts", "cks", "ngs", "lts", "nks",  "mps", "rts", "rks",
    "rms", "rns", "lls", "sks", "cts", "fts", "lds", "ths", "ngth", "mpt", "nst", "lth",
    "nth", "dth", "wth", "pth", "rsh", "lch", "wns", "wls", "xts",  "ghts"};

bool is_vowel(char c) {
  return c == 'a' || c == 'e' || c == 'i' || c == 'o' || c == 'u' || c == 'y';
}

template <typename List>
bool in(const List& list, std::string_view word) {
  return std::find(list.begin(), list.end(), word) != list.end();
}

}  // namespace

bool pronounceable(std::string_view lower) {
  const auto first = std::find_if(lower.begin(), lower.end(), is_vowel);
  if (first == lower.end()) return false;
  const auto start = static_cast<std::size_t>(first - lower.begin());
  if (start >= 2 && !in(kOnsets, lower.substr(0, start))) return false;
  std::size_t tail = 0;
  while (!is_vowel(lower[lower.size() - 1 - tail])) ++tail;
  if (tail >= 2 && !in(kFinals, lower.substr(lower.size() - tail))) return false;
  std::size_t run = 0;
  for (const char c : lower) {
    run = is_vowel(c) ? 0 : run + 1;
    if (run > 5) return false;
  }
  return true;
}

bool is_acronym(std::string_view lower) { return in(kAcronyms, lower); }
bool is_short_word(std::string_view lower) { return in(kWords, lower); }

std::string_view said_as(std::string_view lower) {
  for (const Said& said : kSaid) {
    if (lower == said.lower) return said.words;
  }
  return {};
}

int roman_value(std::string_view upper) {
  const auto value = [](char c) {
    return c == 'I'   ? 1
           : c == 'V' ? 5
           : c == 'X' ? 10
           : c == 'L' ? 50
           : c == 'C' ? 100
           : c == 'M' ? 1000
           : c == 'D' ? 500
                      : 0;
  };
  if (upper.empty() || upper.size() > 9) return 0;
  int total = 0;
  for (std::size_t i = 0; i < upper.size(); ++i) {
    const int now = value(upper[i]);
    if (now == 0) return 0;
    const int next = i + 1 < upper.size() ? value(upper[i + 1]) : 0;
    total += now < next ? -now : now;
  }
  return total > 0 && roman_text(total) == upper ? total : 0;
}

std::string roman_text(int value) {
  constexpr std::pair<int, const char*> kParts[] = {
      {1000, "M"}, {900, "CM"}, {500, "D"}, {400, "CD"}, {100, "C"}, {90, "XC"}, {50, "L"},
      {40, "XL"},  {10, "X"},   {9, "IX"},  {5, "V"},    {4, "IV"},  {1, "I"}};
  std::string text;
  for (const auto& [part, letters] : kParts) {
    for (; value >= part; value -= part) text += letters;
  }
  return text;
}

bool begins_sentence(const Tokens& t, std::size_t i) {
  constexpr std::array kStarters = {
      "the",   "he",    "she",    "it",   "they",  "we",    "you",     "this", "that", "these",
      "those", "in",    "on",     "at",   "but",   "and",   "a",       "an",   "if",   "when",
      "what",  "where", "who",    "why",  "how",   "there", "here",    "is",   "are",  "do",
      "my",    "his",   "her",    "our",  "their", "its",   "however", "then", "so",   "as",
      "for",   "with",  "please", "no",   "yes",   "after", "before",  "not",  "let",  "call",
      "i'm",   "it's",  "we're",  "i'll", "can",   "will",  "both"};
  if (i >= t.count()) return true;
  return t.is_capital(i) && in(kStarters, t[i].lower);
}

}  // namespace antiphon::tts
