// E-mail and web addresses: "john dot smith at example dot com".
#include "asr/text/number_words.h"

namespace antiphon::asr {
namespace {

constexpr const char* kEndings[] = {"com", "org", "net",  "edu", "gov", "io",  "co", "uk",
                                    "de",  "fr",  "info", "ai",  "app", "dev", "tv", "us",
                                    "eu",  "ch",  "at",   "nl",  "es",  "it",  "ca"};
constexpr const char* kProviders[] = {"gmail", "yahoo",      "hotmail", "outlook", "icloud",
                                      "aol",   "protonmail", "gmx",     "mail"};

struct Piece {
  std::string text;
  std::size_t num_words = 0;
};

char joint_of(std::string_view word) {
  if (word == "dot") return '.';
  if (word == "underscore") return '_';
  if (word == "dash" || word == "hyphen") return '-';
  return 0;
}

// "example dot com", "mail dot example dot co dot uk"; nothing if it does not end like a domain.
Piece domain_at(Words& words, std::size_t place) {
  Piece piece;
  std::string_view last;
  while (true) {
    const std::string_view word = words.at(place + piece.num_words);
    if (word.empty() || joint_of(word)) return {};
    piece.text += word;
    piece.num_words += 1;
    last = word;
    const std::string_view joint = words.at(place + piece.num_words);
    const char c = joint == "dot" ? '.' : joint == "dash" || joint == "hyphen" ? '-' : 0;
    if (!c) break;
    piece.text += c;
    piece.num_words += 1;
  }
  if (piece.num_words < 3 || !is_one_of(last, kEndings)) return {};
  return piece;
}

// The part before "at": words joined by dots and dashes, digits behind them.
Piece local_at(Words& words, std::size_t place) {
  Piece piece;
  while (true) {
    const std::string_view word = words.at(place + piece.num_words);
    if (word.empty() || joint_of(word) || word == "at") return {};
    const int digit = digit_of(word);
    piece.text += digit >= 0 && word != "o" ? std::to_string(digit) : std::string(word);
    piece.num_words += 1;
    while (digit_of(words.at(place + piece.num_words)) >= 0) {
      piece.text += std::to_string(digit_of(words.at(place + piece.num_words)));
      piece.num_words += 1;
    }
    const char joint = joint_of(words.at(place + piece.num_words));
    if (!joint) return piece;
    piece.text += joint;
    piece.num_words += 1;
  }
}

bool speaks_of_mail(Words& words, std::size_t place) {
  for (std::size_t back = 1; back <= 5; ++back)
    if (is_one_of(words.before(place, back),
                  {"email", "mail", "e-mail", "write", "send", "address", "contact", "reach"}))
      return true;
  return false;
}

}  // namespace

bool write_address(Words& words, std::size_t place, Part& part) {
  part.keeps_case = true;
  // A lone word before "at" is mail only where something says so: "look at example dot com".
  if (const Piece local = local_at(words, place);
      local.num_words && words.at(place + local.num_words) == "at") {
    const Piece domain = domain_at(words, place + local.num_words + 1);
    const bool provider = is_one_of(domain.text.substr(0, domain.text.find('.')), kProviders);
    const bool sure = provider || local.num_words > 1 ||
                      (speaks_of_mail(words, place) &&
                       !is_one_of(local.text, {"me", "us", "it", "him", "her", "them"}));
    if (domain.num_words && sure) {
      part.text = local.text + "@" + domain.text;
      part.num_words = local.num_words + 1 + domain.num_words;
      return true;
    }
  }
  std::size_t lead = 0;
  if (words.at(place) == "w" && words.at(place + 1) == "w" && words.at(place + 2) == "w" &&
      words.at(place + 3) == "dot")
    lead = 4;
  const Piece domain = domain_at(words, place + lead);
  if (!domain.num_words) return false;
  part.text = (lead ? "www." : "") + domain.text;
  part.num_words = lead + domain.num_words;
  while (words.at(place + part.num_words) == "slash" &&
         !words.at(place + part.num_words + 1).empty()) {
    part.text += "/" + std::string(words.at(place + part.num_words + 1));
    part.num_words += 2;
  }
  return true;
}

}  // namespace antiphon::asr
