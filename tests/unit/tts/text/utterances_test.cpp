// Where a speech is cut into utterances.
#include "tts/text/utterances.h"

#include <gtest/gtest.h>

#include "tts/text/normalise.h"
#include "tts/text/ssml.h"

namespace antiphon::tts {
namespace {

TEST(Utterances, OnePerSentence) {
  const auto speech = normalise(
      "Dr. Smith lives at 5 Elm St. in the U.S. and likes it. Do you? Yes! Mr. Jones, too");
  ASSERT_TRUE(speech.ok());
  EXPECT_EQ(cut_utterances(*speech).size(), 4u);
  EXPECT_TRUE(cut_utterances(Speech{}).empty());
}

TEST(Utterances, CoverEveryWordOnceAndStayShort) {
  std::string text;
  for (int k = 0; k < 300; ++k) text += k % 40 == 39 ? "word, " : "word ";
  for (const std::string& t :
       {text, std::string(2000, 'a'), std::string("a ") + std::string(500, 'b') + " c"}) {
    const auto speech = normalise(t);
    ASSERT_TRUE(speech.ok());
    std::size_t at = 0;
    for (const Utterance& u : cut_utterances(*speech, 100)) {
      EXPECT_EQ(u.begin, at);
      EXPECT_GT(u.end, u.begin);
      at = u.end;
      std::size_t letters = 0;
      for (std::size_t k = u.begin; k < u.end; ++k) letters += speech->words[k].text.size() + 1;
      EXPECT_TRUE(letters <= 100 || u.end == u.begin + 1);
    }
    EXPECT_EQ(at, speech->words.size());
  }
}

TEST(Utterances, VoicesCut) {
  const std::string voices[] = {"heart", "puck"};
  const auto speech =
      parse_ssml("<speak>one two <voice name='puck'>three</voice> four five</speak>", voices);
  ASSERT_TRUE(speech.ok());
  const auto cut = cut_utterances(*speech);
  ASSERT_EQ(cut.size(), 3u);
  EXPECT_EQ(cut[0].voice, -1);
  EXPECT_EQ(cut[1].voice, 1);
  EXPECT_EQ(cut[1].end, 3u);
}

TEST(Utterances, PausesAndRatesCut) {
  const auto speech = parse_ssml(
      "<speak>one two<break time='1s'/> three <prosody rate='slow'>four</prosody> five</speak>");
  ASSERT_TRUE(speech.ok());
  const auto cut = cut_utterances(*speech);
  ASSERT_EQ(cut.size(), 4u);
  EXPECT_EQ(cut[0].pause_after_ms, 1000);
  EXPECT_FLOAT_EQ(cut[2].rate, 0.8f);
}

}  // namespace
}  // namespace antiphon::tts
