// Phonemes as code points, and what endings and stress do to them.
#pragma once

#include <string>
#include <string_view>

namespace antiphon::tts {

using Phonemes = std::u32string;

inline constexpr char32_t kPrimary = U'ˈ';
inline constexpr char32_t kSecondary = U'ˌ';

// Text that is not UTF-8 is cut there.
Phonemes to_phonemes(std::string_view utf8);
std::string to_utf8(std::u32string_view phonemes);

bool is_vowel_sound(char32_t c);
bool is_consonant_sound(char32_t c);

// How a compound's first parts and capitals change stress.
enum class Stress { kWeaken, kMarkIfNone, kStrong };
// kWeaken: a primary stress becomes secondary. kMarkIfNone: a word without any stress gets a
// secondary one. kStrong: the secondary becomes primary; without any, a primary.
Phonemes with_stress(const Phonemes& phonemes, Stress stress);

Phonemes plural(Phonemes stem);  // cats, dogs, buses
Phonemes past(Phonemes stem);    // walked, played, wanted
Phonemes ing(Phonemes stem);     // waiting with its flap

}  // namespace antiphon::tts
