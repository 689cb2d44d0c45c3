// Chooses the phonemes of every word of an utterance.
#include "tts/phonemes/phonemiser.h"

#include <algorithm>
#include <array>

#include "tts/phonemes/heteronyms.h"

namespace antiphon::tts {

// What follows a word in its clause.
struct Phonemiser::Sounds {
  bool any = false;    // false: the clause ends here
  bool vowel = false;  // the next sound
};

namespace {

bool ends_with(std::string_view word, std::string_view end) {
  return word.size() > end.size() && word.ends_with(end);
}

// Symbols the network may lack, and what comes near.
constexpr std::pair<char32_t, std::u32string_view> kNear[] = {
    {U'ɾ', U"T"},  {U'T', U"t"},  {U'ʔ', U"t"},  {U'ᵻ', U"ɪ"},  {U'ɐ', U"ə"},
    {U'ᵊ', U"ə"},  {U'ɚ', U"əɹ"}, {U'g', U"ɡ"},  {U'ɡ', U"g"},  {U'r', U"ɹ"},
    {U'ɜ', U"ə"},  {U'ʤ', U"dʒ"}, {U'ʧ', U"tʃ"}, {U'A', U"eɪ"}, {U'I', U"aɪ"},
    {U'W', U"aʊ"}, {U'Y', U"ɔɪ"}, {U'O', U"oʊ"}, {U';', U","},  {U':', U","},
    {U'!', U"."},  {U'?', U"."},  {U'—', U","},  {U'…', U"."},  {U',', U""}};

void append_known(Phonemes& out, char32_t c, std::u32string_view symbols, int depth = 0) {
  if (symbols.empty() || symbols.find(c) != std::u32string_view::npos) {
    out += c;
    return;
  }
  if (depth > 1) return;
  for (const auto& [from, to] : kNear) {
    if (from != c) continue;
    for (const char32_t near : to) append_known(out, near, symbols, depth + 1);
    return;
  }
}

bool is_past_word(std::string_view w) {
  return w == "yesterday" || w == "ago" || w == "earlier" || w == "previously" || w == "once";
}

WordContext context_of(const Speech& speech, const Utterance& u, std::size_t i) {
  WordContext context;
  const auto& words = speech.words;
  if (i > u.begin && !words[i - 1].punctuation) {
    context.before = words[i - 1].text;
    if (i > u.begin + 1 && !words[i - 2].punctuation) context.earlier = words[i - 2].text;
  }
  if (i + 1 < u.end && !words[i].punctuation) context.after = words[i + 1].text;
  for (std::size_t k = u.begin; k < u.end; ++k)
    context.past_time = context.past_time || is_past_word(words[k].text);
  return context;
}

}  // namespace

Phonemes Phonemiser::spelled(std::string_view letters) const {
  const bool with_s = letters.size() > 1 && letters.back() == 's';
  if (with_s) letters.remove_suffix(1);
  Phonemes all;
  for (const char c : letters) {
    const char lower = c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    all += to_phonemes(lexicon_.find(std::string(1, lower) + "."));
  }
  if (letters.size() > 1) {  // one group: the last letter carries the stress
    all = all.find(kPrimary) != Phonemes::npos ? with_stress(all, Stress::kWeaken)
                                               : with_stress(all, Stress::kMarkIfNone);
    if (const std::size_t last = all.rfind(kSecondary); last != Phonemes::npos)
      all[last] = kPrimary;
  }
  return with_s ? plural(std::move(all)) : all;
}

Phonemes Phonemiser::known(std::string_view w) const {
  const auto find = [&](std::string_view word) { return to_phonemes(lexicon_.find(word)); };
  if (Phonemes p = find(w); !p.empty()) return p;
  const auto cut = [&](std::size_t n, std::string_view add = {}) {
    return find(std::string(w.substr(0, w.size() - n)) + std::string(add));
  };
  if (ends_with(w, "'")) return known(w.substr(0, w.size() - 1));
  if (ends_with(w, "'s")) return plural(known(w.substr(0, w.size() - 2)));
  if (ends_with(w, "s'")) return known(w.substr(0, w.size() - 1));
  if (w.size() > 3 && ends_with(w, "s") && !ends_with(w, "ss")) {
    if (Phonemes p = cut(1); !p.empty()) return plural(p);
    if (Phonemes p = ends_with(w, "ies")  ? cut(3, "y")
                     : ends_with(w, "es") ? cut(2)
                                          : Phonemes();
        !p.empty())
      return plural(p);
  }
  if (w.size() > 4 && ends_with(w, "ed") && !ends_with(w, "eed")) {
    if (Phonemes p = cut(1); !p.empty()) return past(p);
    if (Phonemes p = cut(2); !p.empty()) return past(p);
    if (Phonemes p = ends_with(w, "ied")                  ? cut(3, "y")
                     : w[w.size() - 3] == w[w.size() - 4] ? cut(3)
                                                          : Phonemes();
        !p.empty())
      return past(p);
  }
  if (w.size() > 5 && ends_with(w, "ing")) {
    if (Phonemes p = cut(3); !p.empty()) return ing(p);
    if (Phonemes p = cut(3, "e"); !p.empty()) return ing(p);
    if (Phonemes p = w[w.size() - 4] == w[w.size() - 5] ? cut(4) : Phonemes(); !p.empty())
      return ing(p);
  }
  if (w.size() > 5 && ends_with(w, "ly")) {
    if (Phonemes p = cut(2); !p.empty()) return p + U"li";
  }
  for (const std::string_view prefix :
       {"un", "re", "non", "pre", "anti", "over", "under", "super", "micro", "multi"}) {
    if (!w.starts_with(prefix) || w.size() < prefix.size() + 4) continue;
    const Phonemes head = find(prefix), tail = find(w.substr(prefix.size()));
    if (!head.empty() && !tail.empty() && prefix.size() > 3)
      return with_stress(head, Stress::kWeaken) + tail;
  }
  // A closed compound of two known words: the first carries the stress.
  for (std::size_t k = 4; w.size() >= 9 && k + 4 <= w.size(); ++k) {
    const Phonemes head = find(w.substr(0, k)), tail = find(w.substr(k));
    if (!head.empty() && !tail.empty()) return head + with_stress(tail, Stress::kWeaken);
  }
  return {};
}

Result<Phonemes> Phonemiser::any_word(std::string_view text) const {
  if (Phonemes p = known(text); !p.empty()) return p;
  if (const std::size_t hyphen = text.find('-'); hyphen != std::string_view::npos) {
    ANTIPHON_ASSIGN_OR_RETURN(Phonemes head, any_word(text.substr(0, hyphen)));
    ANTIPHON_ASSIGN_OR_RETURN(Phonemes tail, any_word(text.substr(hyphen + 1)));
    return tail.empty() ? head : with_stress(head, Stress::kWeaken) + tail;
  }
  if (ends_with(text, "'s")) {
    ANTIPHON_ASSIGN_OR_RETURN(Phonemes stem, any_word(text.substr(0, text.size() - 2)));
    return plural(std::move(stem));
  }
  std::string letters;
  std::copy_if(text.begin(), text.end(), std::back_inserter(letters),
               [](char c) { return (c >= 'a' && c <= 'z') || c == '\''; });
  const bool mumble =
      letters.size() > 2 && letters.find_first_not_of(letters[0]) == std::string::npos;  // "aaaa"
  if (letters.empty()) return Phonemes();
  if (fallback_ && letters.size() > 1 && !mumble) {
    ANTIPHON_ASSIGN_OR_RETURN(Phonemes said, fallback_->say(letters));
    if (!said.empty()) return said;
  }
  std::erase(letters, '\'');
  return spelled(std::string_view(letters).substr(0, 12));
}

Result<Phonemes> Phonemiser::word(const SpokenWord& w, const Speech& speech, const Utterance& u,
                                  std::size_t i, const Sounds& after) const {
  if (w.letters) return spelled(w.text);
  const std::string& text = w.text;
  const auto form = [&](const char* marked) { return to_phonemes(lexicon_.find(text + marked)); };
  if (text == "the" || text == "to") {
    const Phonemes p = !after.any    ? (text == "to" ? form("") : form("(c)"))
                       : after.vowel ? form("(v)")
                                     : form("(c)");
    return p.empty() ? form("") : p;
  }
  if (text == "a") return i + 1 == u.end && u.end - u.begin == 1 ? spelled("A") : form("");
  if (text == "i") return form("");
  if (text == "august") return Phonemes(U"ˈɔɡəst");  // the month; the lexicon has the adjective
  if (text == "that") {
    const WordContext c = context_of(speech, u, i);
    const bool points =
        c.after.empty() || is_form_of_be(c.after) || (c.before.empty() && !is_subject(c.after));
    return Phonemes(points ? U"ðˈæt" : U"ðæt");
  }
  if (after.any) {
    if (text == "am") return Phonemes(U"ɐm");
    if (text == "an") return Phonemes(U"ɐn");
    if (text == "in") return Phonemes(U"ɪn");
  }
  Phonemes p;
  if (const Heteronym* h = find_heteronym(text)) {
    const WordClass kind = class_of(text, context_of(speech, u, i));
    p = to_phonemes(kind == WordClass::kNoun   ? h->noun
                    : kind == WordClass::kVerb ? h->verb
                    : kind == WordClass::kPast ? h->past
                                               : h->adjective);
  } else if (const std::string_view weak = weak_form(text); after.any && !weak.empty()) {
    p = to_phonemes(weak);
  } else {
    ANTIPHON_ASSIGN_OR_RETURN(p, any_word(text));
  }
  if (w.writing == Writing::kCapital) p = with_stress(p, Stress::kMarkIfNone);
  if (w.writing == Writing::kUpper) p = with_stress(p, Stress::kStrong);
  return p;
}

Result<SpokenSymbols> Phonemiser::phonemise(const Speech& speech, const Utterance& u,
                                            std::u32string_view symbols) const {
  // From the end: "the" depends on the sound that follows.
  std::vector<Phonemes> sounds(u.end - u.begin);
  Sounds after;
  for (std::size_t i = u.end; i-- > u.begin;) {
    const SpokenWord& w = speech.words[i];
    if (w.punctuation) after = {};
    ANTIPHON_ASSIGN_OR_RETURN(sounds[i - u.begin], word(w, speech, u, i, after));
    const Phonemes& p = sounds[i - u.begin];
    const auto first = std::find_if(
        p.begin(), p.end(), [](char32_t c) { return is_vowel_sound(c) || is_consonant_sound(c); });
    if (first != p.end()) after = {true, is_vowel_sound(*first)};
  }
  SpokenSymbols out;
  append_known(out.symbols, U'^', symbols);
  bool space = false;
  for (std::size_t i = u.begin; i < u.end; ++i) {
    Phonemes filtered;
    for (const char32_t c : sounds[i - u.begin]) append_known(filtered, c, symbols);
    if (!filtered.empty()) {
      if (space) append_known(out.symbols, U' ', symbols);
      out.words.push_back({i, out.symbols.size(), out.symbols.size() + filtered.size()});
      out.symbols += filtered;
      space = true;
    }
    const char mark = speech.words[i].punctuation;
    if (mark && space) append_known(out.symbols, static_cast<char32_t>(mark), symbols);
  }
  append_known(out.symbols, U'$', symbols);
  return out;
}

}  // namespace antiphon::tts
