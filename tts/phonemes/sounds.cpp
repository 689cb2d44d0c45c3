// Code points of phonemes, endings and stress.
#include "tts/phonemes/sounds.h"

#include <algorithm>

namespace antiphon::tts {
namespace {

bool in(std::u32string_view set, char32_t c) { return set.find(c) != std::u32string_view::npos; }

bool has(const Phonemes& p, char32_t c) { return p.find(c) != Phonemes::npos; }

// A stress mark goes directly before the first vowel after it.
Phonemes with_mark_at_vowel(const Phonemes& phonemes, char32_t mark) {
  const auto vowel = std::find_if(phonemes.begin(), phonemes.end(), is_vowel_sound);
  if (vowel == phonemes.end()) return phonemes;
  Phonemes marked(phonemes.begin(), vowel);
  marked += mark;
  marked.append(vowel, phonemes.end());
  return marked;
}

}  // namespace

Phonemes to_phonemes(std::string_view utf8) {
  Phonemes out;
  for (std::size_t i = 0; i < utf8.size();) {
    const auto lead = static_cast<unsigned char>(utf8[i]);
    const std::size_t n = lead < 0x80    ? 1
                          : lead >= 0xF0 ? 4
                          : lead >= 0xE0 ? 3
                          : lead >= 0xC0 ? 2
                                         : 0;
    if (n == 0 || i + n > utf8.size()) break;
    char32_t code = n == 1 ? lead : lead & (0xFF >> (n + 1));
    for (std::size_t k = 1; k < n; ++k)
      code = (code << 6) | (static_cast<unsigned char>(utf8[i + k]) & 0x3F);
    out += code;
    i += n;
  }
  return out;
}

std::string to_utf8(std::u32string_view phonemes) {
  std::string out;
  for (const char32_t c : phonemes) {
    if (c < 0x80) {
      out += static_cast<char>(c);
    } else if (c < 0x800) {
      out += {static_cast<char>(0xC0 | (c >> 6)), static_cast<char>(0x80 | (c & 63))};
    } else if (c < 0x10000) {
      out += {static_cast<char>(0xE0 | (c >> 12)), static_cast<char>(0x80 | ((c >> 6) & 63)),
              static_cast<char>(0x80 | (c & 63))};
    } else {
      out += {static_cast<char>(0xF0 | (c >> 18)), static_cast<char>(0x80 | ((c >> 12) & 63)),
              static_cast<char>(0x80 | ((c >> 6) & 63)), static_cast<char>(0x80 | (c & 63))};
    }
  }
  return out;
}

bool is_vowel_sound(char32_t c) { return in(U"AIOQWYaiuæɑɐɒɔəɛɜɪʊʌᵻ", c); }
bool is_consonant_sound(char32_t c) { return in(U"bdfhjklmnpstvwzðŋɡɹɾʃʒʤʧθT", c); }

Phonemes with_stress(const Phonemes& phonemes, Stress stress) {
  Phonemes out = phonemes;
  const bool primary = has(phonemes, kPrimary);
  const bool secondary = has(phonemes, kSecondary);
  switch (stress) {
    case Stress::kWeaken:
      if (!primary) return out;
      std::erase(out, kSecondary);
      std::replace(out.begin(), out.end(), kPrimary, kSecondary);
      return out;
    case Stress::kMarkIfNone:
      return primary || secondary ? out : with_mark_at_vowel(out, kSecondary);
    case Stress::kStrong:
      if (primary) return out;
      if (!secondary) return with_mark_at_vowel(out, kPrimary);
      std::replace(out.begin(), out.end(), kSecondary, kPrimary);
      return out;
  }
  return out;
}

Phonemes plural(Phonemes stem) {
  if (stem.empty()) return stem;
  if (in(U"ptkfθ", stem.back())) return stem + U"s";
  if (in(U"szʃʒʧʤ", stem.back())) return stem + U"ᵻz";
  return stem + U"z";
}

Phonemes past(Phonemes stem) {
  if (stem.empty()) return stem;
  if (in(U"pkfθʃsʧ", stem.back())) return stem + U"t";
  if (stem.back() == U'd') return stem + U"ᵻd";
  if (stem.back() != U't') return stem + U"d";
  if (stem.size() > 1 && in(U"AIOWYiuæɑəɛɪɹʊʌ", stem[stem.size() - 2])) {
    stem.back() = U'T';
    return stem + U"ᵻd";
  }
  return stem + U"ᵻd";
}

Phonemes ing(Phonemes stem) {
  if (stem.size() > 1 && stem.back() == U't' && in(U"AIOWYiuæɑəɛɪɹʊʌ", stem[stem.size() - 2]))
    stem.back() = U'T';
  return stem.empty() ? stem : stem + U"ɪŋ";
}

}  // namespace antiphon::tts
