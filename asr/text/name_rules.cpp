// Names with capitals, spelled letters and initialisms, phrases with a form of their own.
#include <iterator>

#include "asr/text/number_words.h"

namespace antiphon::asr {
namespace {

constexpr const char* kNames[] = {
    "monday",        "tuesday",        "wednesday",      "thursday",
    "friday",        "saturday",       "sunday",         "christmas",
    "easter",        "halloween",      "thanksgiving",   "hanukkah",
    "ramadan",       "english",        "french",         "german",
    "spanish",       "italian",        "portuguese",     "dutch",
    "russian",       "chinese",        "japanese",       "korean",
    "arabic",        "hindi",          "greek",          "swedish",
    "norwegian",     "danish",         "irish",          "british",
    "american",      "canadian",       "mexican",        "indian",
    "african",       "european",       "asian",          "australian",
    "america",       "europe",         "africa",         "asia",
    "australia",     "england",        "scotland",       "wales",
    "ireland",       "britain",        "france",         "germany",
    "spain",         "italy",          "portugal",       "netherlands",
    "belgium",       "switzerland",    "austria",        "sweden",
    "norway",        "denmark",        "finland",        "poland",
    "russia",        "ukraine",        "greece",         "egypt",
    "israel",        "india",          "china",          "japan",
    "korea",         "vietnam",        "thailand",       "indonesia",
    "canada",        "mexico",         "brazil",         "argentina",
    "chile",         "peru",           "colombia",       "cuba",
    "kenya",         "nigeria",        "ethiopia",       "london",
    "paris",         "berlin",         "rome",           "madrid",
    "vienna",        "prague",         "moscow",         "dublin",
    "edinburgh",     "amsterdam",      "brussels",       "stockholm",
    "oslo",          "helsinki",       "lisbon",         "athens",
    "istanbul",      "tokyo",          "beijing",        "shanghai",
    "singapore",     "sydney",         "melbourne",      "toronto",
    "montreal",      "vancouver",      "chicago",        "boston",
    "seattle",       "houston",        "dallas",         "denver",
    "miami",         "atlanta",        "philadelphia",   "detroit",
    "california",    "texas",          "florida",        "washington",
    "oregon",        "alaska",         "hawaii",         "colorado",
    "arizona",       "nevada",         "virginia",       "ohio",
    "michigan",      "pennsylvania",   "google",         "amazon",
    "microsoft",     "spotify",        "netflix",        "internet explorer",
    "bluetooth",     "atlantic ocean", "pacific ocean",  "new york",
    "new york city", "los angeles",    "san francisco",  "san diego",
    "las vegas",     "new orleans",    "new zealand",    "hong kong",
    "south africa",  "south korea",    "north america",  "south america",
    "united states", "united kingdom", "saudi arabia",   "costa rica",
    "puerto rico",   "buenos aires",   "rio de janeiro", "new delhi",
    "cape town",     "tel aviv",       "st louis"};

constexpr const char* kInitials[] = {
    "am",  "pm",  "usa", "us",   "uk",   "un",  "eu",  "tv",  "ibm",  "pdf", "usb", "dvd", "cd",
    "atm", "gps", "url", "faq",  "ceo",  "cto", "cfo", "phd", "nasa", "bbc", "cnn", "fbi", "cia",
    "nba", "nfl", "id",  "it",   "ip",   "iq",  "ac",  "ai",  "api",  "cpu", "gpu", "hr",  "pr",
    "pc",  "dj",  "diy", "rsvp", "asap", "vip", "suv", "mp",  "hd",   "sms", "pin", "dna", "er",
    "ok",  "ui",  "led", "lcd",  "iou",  "abc", "aaa", "sos", "wc",   "ufo", "mri", "adhd"};
// Written like this where the recogniser gives them as one word.
constexpr const char* kInitialWords[] = {"tv",   "usa", "bbc", "cnn", "fbi", "cia",
                                         "nasa", "dvd", "usb", "pdf", "gps", "atm",
                                         "ceo",  "ibm", "suv", "dj",  "uk"};

struct Fixed {
  const char* said;
  const char* written;
};
constexpr Fixed kFixed[] = {{"twenty four seven", "24/7"},
                            {"fifty fifty", "50/50"},
                            {"t shirt", "T-shirt"},
                            {"t shirts", "T-shirts"},
                            {"x ray", "X-ray"},
                            {"x rays", "X-rays"},
                            {"e mail", "e-mail"},
                            {"e mails", "e-mails"},
                            {"wi fi", "Wi-Fi"},
                            {"wifi", "Wi-Fi"}};

bool is_letter(std::string_view word) {
  return word.size() == 1 && word[0] >= 'a' && word[0] <= 'z';
}

std::string upper(std::string_view word) {
  std::string out(word);
  for (char& c : out)
    if (c >= 'a' && c <= 'z') c = static_cast<char>(c - 'a' + 'A');
  return out;
}

std::string capitalised(std::string_view phrase) {
  std::string out(phrase);
  for (std::size_t i = 0; i < out.size(); ++i)
    if ((i == 0 || out[i - 1] == ' ') && out.compare(i, 3, "de ") != 0)
      out[i] = upper(out.substr(i, 1))[0];
  return out;
}

// The words of `phrase` stand at `place`; how many they are.
std::size_t match(Words& words, std::size_t place, std::string_view phrase) {
  std::size_t count = 0;
  while (true) {
    const std::size_t space = phrase.find(' ');
    if (words.at(place + count) != phrase.substr(0, space)) return 0;
    ++count;
    if (space == std::string_view::npos) return count;
    phrase.remove_prefix(space + 1);
  }
}

}  // namespace

bool write_fixed(Words& words, std::size_t place, Part& part) {
  for (const Fixed& fixed : kFixed) {
    const std::size_t count = match(words, place, fixed.said);
    if (!count) continue;
    part = {.text = fixed.written, .num_words = count};
    return true;
  }
  if (const std::string_view w = words.at(place); w == "mister" || w == "missus") {
    const std::string_view name = words.at(place + 1);
    if (name.size() < 2) return false;
    part = {.text = (w == "mister" ? "Mr. " : "Mrs. ") + capitalised(name), .num_words = 2};
    return true;
  }
  return false;
}

// Letters one by one, "n a s a": an initialism, or something spelled. "a" and "i" are also words.
bool write_letters(Words& words, std::size_t place, Part& part) {
  if (!is_letter(words.at(place))) {
    if (!is_one_of(words.at(place), kInitialWords)) return false;
    part.text = upper(words.at(place));
    return true;
  }
  std::string run;
  while (is_letter(words.at(place + run.size()))) run += words.at(place + run.size());
  // The last letter may begin a phrase: "a t shirt".
  Part unused;
  if (run.size() > 1 && write_fixed(words, place + run.size() - 1, unused)) run.pop_back();
  const bool word = run[0] == 'a' || run[0] == 'i';
  std::size_t take = run.size();
  if (!is_one_of(run, kInitials)) {
    const std::string rest = run.substr(1);
    if (word && (rest.empty() || rest.size() == 1 || is_one_of(rest, kInitials))) return false;
    // "the t v i bought": the longest that is known, where a word may follow.
    for (std::size_t n = run.size() - 1; n >= 2; --n)
      if ((run[n] == 'i' || run[n] == 'a') && is_one_of(run.substr(0, n), kInitials)) {
        take = n;
        break;
      }
  }
  part.text = upper(run.substr(0, take));
  part.num_words = take;
  return true;
}

bool write_name(Words& words, std::size_t place, Part& part) {
  const std::string_view word = words.at(place);
  if (word == "i" || word.starts_with("i'")) {
    part.text = capitalised(word);
    return true;
  }
  if (words.before(place) == "is" && words.before(place, 2) == "name" &&
      words.before(place, 3) == "my" &&
      !is_one_of(word,
                 {"not", "on", "in", "a", "the", "spelled", "too", "also", "written", "under"})) {
    part.text = capitalised(word);
    return true;
  }
  std::string_view stem = word;
  const bool owns = stem.ends_with("'s");
  if (owns) stem.remove_suffix(2);
  const bool many = !owns && stem.ends_with("days");
  if (many) stem.remove_suffix(1);
  std::size_t longest = 0;
  for (const char* name : kNames) {
    const std::string_view phrase = name;
    if (phrase.find(' ') == std::string_view::npos) {
      if (phrase == stem && longest == 0) longest = 1;
    } else if (phrase.substr(0, phrase.find(' ')) == word) {
      longest = std::max(longest, match(words, place, phrase));
    }
  }
  if (longest == 0) return false;
  part.text.clear();
  for (std::size_t i = 0; i < longest; ++i) {
    if (i) part.text += ' ';
    part.text += words.at(place + i) == "de" ? "de" : capitalised(words.at(place + i));
  }
  part.num_words = longest;
  return true;
}

}  // namespace antiphon::asr
