// Text normalisation: the golden table, places of words, and anything that can be typed.
#include "tts/text/normalise.h"

#include <gtest/gtest.h>

#include <chrono>
#include <fstream>
#include <map>
#include <random>
#include <string>

namespace antiphon::tts {
namespace {

std::string unescape(std::string text) {
  for (std::size_t at; (at = text.find("\\n")) != std::string::npos;) text.replace(at, 2, "\n");
  return text;
}

TEST(Normalise, GoldenTable) {
  std::ifstream file(ANTIPHON_SOURCE_DIR "/tests/golden/tts/normalise.tsv");
  ASSERT_TRUE(file.is_open());
  std::string line;
  int cases = 0;
  std::map<std::string, int> groups;
  while (std::getline(file, line)) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t first = line.find('\t');
    const std::size_t second = line.find('\t', first + 1);
    ASSERT_NE(second, std::string::npos) << line;
    const std::string text = unescape(line.substr(first + 1, second - first - 1));
    const auto speech = normalise(text);
    ASSERT_TRUE(speech.ok()) << line;
    EXPECT_EQ(to_string(*speech), line.substr(second + 1)) << line.substr(0, first) << ": " << text;
    ++cases;
    ++groups[line.substr(0, first)];
  }
  EXPECT_GE(cases, 250);
  EXPECT_GE(groups.size(), 18u);
}

// What every result must keep, whatever the text was.
void check_words(const std::string& text, const Speech& speech) {
  std::int32_t before = 0;
  for (const SpokenWord& word : speech.words) {
    ASSERT_FALSE(word.text.empty());
    ASSERT_LE(before, word.begin);
    ASSERT_LT(word.begin, word.end);
    ASSERT_LE(static_cast<std::size_t>(word.end), text.size());
    before = word.begin;
    for (const char c : word.text) {
      const bool letter = (c >= 'a' && c <= 'z') || (word.letters && c >= 'A' && c <= 'Z');
      ASSERT_TRUE(letter || c == '\'' || c == '-') << "in " << word.text;
    }
    const std::string marks(",.!?;:");
    ASSERT_TRUE(!word.punctuation || marks.find(word.punctuation) != std::string::npos);
  }
}

TEST(Normalise, WordsNameTheUsersBytes) {
  const std::string text = "Zoë paid $3.50 to Dr. Smith.";
  const auto speech = normalise(text);
  ASSERT_TRUE(speech.ok());
  std::map<std::string, std::string> said;
  for (const SpokenWord& w : speech->words)
    said[w.text] =
        text.substr(static_cast<std::size_t>(w.begin), static_cast<std::size_t>(w.end - w.begin));
  EXPECT_EQ(said["zoe"], "Zoë");
  EXPECT_EQ(said["dollars"], "$3.50");
  EXPECT_EQ(said["fifty"], "$3.50");
  EXPECT_EQ(said["doctor"], "Dr");
  EXPECT_EQ(said["smith"], "Smith");
}

TEST(Normalise, CapitalsAreRemembered) {
  const auto speech = normalise("Who said HELLO WORLD to me");
  ASSERT_TRUE(speech.ok());
  EXPECT_EQ(speech->words[0].writing, Writing::kCapital);
  EXPECT_EQ(speech->words[1].writing, Writing::kLower);
  EXPECT_EQ(speech->words[2].writing, Writing::kUpper);
}

TEST(Normalise, RefusesWhatItCannotTake) {
  const auto bad = normalise("ab\xff");
  EXPECT_EQ(bad.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(bad.status().message().find("byte 2"), std::string::npos) << bad.status().message();
  for (const char* text : {"\xc3", "\xe2\x82", "\xed\xa0\x80", "\xc0\xaf", "\xf5\x80\x80\x80"})
    EXPECT_FALSE(normalise(text).ok());
  EXPECT_FALSE(normalise(std::string(20001, 'a')).ok());
  EXPECT_TRUE(normalise(std::string(20000, 'a')).ok());
  ASSERT_TRUE(normalise("").ok());
  EXPECT_TRUE(normalise("")->words.empty());
  EXPECT_TRUE(normalise(" \n\t ")->words.empty());
  EXPECT_TRUE(normalise("…")->words.empty());
  EXPECT_TRUE(normalise(std::string(3, '\0'))->words.empty());
}

TEST(Normalise, EveryAsciiCharacterInEveryCompany) {
  for (int c = 1; c < 128; ++c) {
    for (const std::string frame :
         {"%", "a%b", "1%2", " % ", "a %", "% 1", "1%", "%1", "A%", "%%", "3.%4", "Dr%", "$%5"}) {
      std::string text;
      for (const char f : frame) text += f == '%' ? static_cast<char>(c) : f;
      const auto speech = normalise(text);
      ASSERT_TRUE(speech.ok()) << c;
      check_words(text, *speech);
    }
  }
}

TEST(Normalise, RandomPiecesKeepTheInvariants) {
  const std::string pieces[] = {
      "1",     "23",      "2024", "0",    ".",  ",",      ":",   "-",    "–",      "$",  "€",
      "%",     "°C",      "km",   "p.m.", "am", "Dr.",    "St.", "U.S.", "I",      "II", "XIV",
      "Henry", "March",   "May",  "/",    "'",  "\"",     "(",   ")",    "@",      "#",  "&",
      "+",     "http://", "www.", ".com", " ",  " ",      " ",   "the",  "a",      "A",  "x",
      "½",     "²",       "😀",    "é",    "\n", "\n\n",   "- ",  "1st",  "5'10\"", "v",  "FBI",
      "PCs",   "and",     "_",    "~",    "^",  "million"};
  std::mt19937 random(7);
  for (int round = 0; round < 4000; ++round) {
    std::string text;
    const int count = 1 + static_cast<int>(random() % 12);
    for (int k = 0; k < count; ++k) text += pieces[random() % std::size(pieces)];
    const auto speech = normalise(text);
    ASSERT_TRUE(speech.ok());
    check_words(text, *speech);
    if (HasFatalFailure()) FAIL() << text;
  }
}

TEST(Normalise, RandomBytesNeverCrash) {
  std::mt19937 random(11);
  for (int round = 0; round < 3000; ++round) {
    std::string text(random() % 60, ' ');
    for (char& c : text) c = static_cast<char>(random() & 0xFF);
    if (const auto speech = normalise(text); speech.ok()) check_words(text, *speech);
  }
}

TEST(Normalise, TwentyThousandBytesInTime) {
  for (const std::string piece :
       {"a",    "1",  "1,",  ".",   "-",  "1.2",  "a.",  "(a",   "1-", "a@",
        "/",    "I ", "1 ",  "$1 ", "#",  "'",    "1:2", "a/b.", "é",  "1x",
        "1 x ", "m/", "1m/", "a-",  "a'", "1/2 ", "I.",  "II "}) {
    std::string text;
    while (text.size() + piece.size() <= 20000) text += piece;
    const auto began = std::chrono::steady_clock::now();
    const auto speech = normalise(text);
    const std::chrono::duration<double> took = std::chrono::steady_clock::now() - began;
    ASSERT_TRUE(speech.ok());
    check_words(text, *speech);
    EXPECT_LT(took.count(), 5.0) << piece;  // generous: sanitizers; it takes milliseconds
  }
}

}  // namespace
}  // namespace antiphon::tts
