// Words to phonemes: lexicon, rules for forms and neighbours, letter-to-sound for the rest.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "tts/phonemes/lexicon.h"
#include "tts/phonemes/sounds.h"
#include "tts/text/speech.h"
#include "tts/text/utterances.h"

namespace antiphon::tts {

// The learned fallback, as the phonemiser sees it.
class LetterToSound {
 public:
  virtual ~LetterToSound() = default;
  // letters: a to z and '. Empty: it has no idea.
  virtual Result<Phonemes> say(std::string_view letters) = 0;
};

// Symbols [begin, end) of an utterance belong to the word with this index in the Speech.
struct WordSpan {
  std::size_t word = 0;
  std::size_t begin = 0;
  std::size_t end = 0;
};

// What the acoustic network reads: "^", phonemes with spaces between words and punctuation, "$".
struct SpokenSymbols {
  Phonemes symbols;
  std::vector<WordSpan> words;
};

class Phonemiser {
 public:
  // lexicon is borrowed; letter_to_sound may be null (unknown words are then spelled).
  Phonemiser(const Lexicon& lexicon, LetterToSound* letter_to_sound)
      : lexicon_(lexicon), fallback_(letter_to_sound) {}

  // symbols: those the network knows; others are replaced by a near one or dropped. Fails only when
  // the fallback does.
  Result<SpokenSymbols> phonemise(const Speech& speech, const Utterance& utterance,
                                  std::u32string_view symbols) const;

  // One word by lexicon and rules of form, without its neighbours; empty: unknown.
  Phonemes known(std::string_view word) const;

 private:
  struct Sounds;  // of the word after
  Result<Phonemes> word(const SpokenWord& word, const Speech& speech, const Utterance& utterance,
                        std::size_t i, const Sounds& after) const;
  Result<Phonemes> any_word(std::string_view text) const;
  Phonemes spelled(std::string_view letters) const;

  const Lexicon& lexicon_;
  LetterToSound* fallback_;
};

}  // namespace antiphon::tts
