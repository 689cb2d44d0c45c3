// Cuts a speech at its sentences, clauses and pauses.
#include "tts/text/utterances.h"

#include <string_view>

namespace antiphon::tts {
namespace {

bool ends_sentence(char mark) { return mark == '.' || mark == '!' || mark == '?'; }

// Letters said one by one are longer than they look.
std::size_t spoken_letters(const SpokenWord& word) {
  return word.letters ? 3 * word.text.size() + 1 : word.text.size() + 1;
}

}  // namespace

std::vector<Utterance> cut_utterances(const Speech& speech, std::size_t max_letters) {
  std::vector<Utterance> utterances;
  const auto& words = speech.words;
  std::size_t begin = 0, letters = 0, clause = 0;  // clause: just after the last clause mark
  const auto close = [&](std::size_t end) {
    utterances.push_back(
        {begin, end, words[end - 1].pause_ms, words[begin].rate, words[begin].voice});
    begin = end;
    clause = 0;
    letters = 0;
  };
  for (std::size_t i = 0; i < words.size(); ++i) {
    letters += spoken_letters(words[i]);
    if (letters > max_letters && i > begin) {
      const std::size_t resume = clause > begin ? clause : i;
      close(resume);
      for (std::size_t k = resume; k <= i; ++k) letters += spoken_letters(words[k]);
    }
    if (words[i].punctuation) clause = i + 1;
    const bool changes = i + 1 < words.size() && (words[i + 1].rate != words[i].rate ||
                                                  words[i + 1].voice != words[i].voice);
    if (ends_sentence(words[i].punctuation) || words[i].pause_ms > 0 || changes ||
        i + 1 == words.size())
      close(i + 1);
  }
  return utterances;
}

}  // namespace antiphon::tts
