// Spoken words become written text: the list written by hand, and the promise about stable
// prefixes.
#include "asr/text/written_text.h"

#include <gtest/gtest.h>

#include <fstream>
#include <random>
#include <vector>

namespace antiphon::asr {
namespace {

struct Line {
  std::string group, spoken, written;
};

std::vector<Line> lines_of(const std::string& file) {
  std::ifstream in(ANTIPHON_SOURCE_DIR "/tests/golden/asr/" + file);
  std::vector<Line> lines;
  for (std::string line; std::getline(in, line);) {
    if (line.empty() || line[0] == '#') continue;
    const std::size_t a = line.find('\t'), b = line.find('\t', a + 1);
    lines.push_back({line.substr(0, a), line.substr(a + 1, b - a - 1), line.substr(b + 1)});
  }
  return lines;
}

TEST(WrittenText, MatchesTheListWrittenByHand) {
  const auto lines = lines_of("itn.tsv");
  ASSERT_GE(lines.size(), 250u);
  for (const Line& line : lines)
    EXPECT_EQ(written_text(line.spoken), line.written) << line.group << ": " << line.spoken;
}

// What a partial promises holds in every later partial and in the final, whatever is said next.
void expect_promises_kept(const std::string& spoken, std::size_t at) {
  std::string promised;
  for (std::size_t length = 1; length <= spoken.size(); ++length) {
    const std::string heard = spoken.substr(0, length);
    std::size_t stable = 0;
    const std::string text = written_partial(heard, std::min(length, at + length / 2), &stable);
    ASSERT_LE(stable, text.size());
    ASSERT_TRUE(text.starts_with(promised)) << "'" << promised << "' became '" << text << "'";
    ASSERT_GE(stable, promised.size()) << heard;
    promised = text.substr(0, stable);
  }
  ASSERT_TRUE(written_text(spoken).starts_with(promised)) << promised << " / " << spoken;
}

TEST(WrittenText, PartialsKeepTheirPromises) {
  const auto lines = lines_of("itn.tsv");
  std::mt19937 random(11);
  for (const Line& line : lines)
    for (const std::size_t at : {0u, 6u, 1000u}) expect_promises_kept(line.spoken, at);
  // The same start, another end: what was promised after the start holds for both.
  for (int round = 0; round < 4000; ++round) {
    const std::string& a = lines[random() % lines.size()].spoken;
    const std::string& b = lines[random() % lines.size()].spoken;
    std::size_t cut = random() % (a.size() + 1);
    std::size_t stable = 0;
    const std::string text = written_partial(a, cut, &stable);
    const std::string other = a.substr(0, cut) + (random() % 2 ? " " : "") + b;
    ASSERT_TRUE(written_text(other).starts_with(text.substr(0, stable)))
        << "'" << text.substr(0, stable) << "' of '" << a << "' became '" << written_text(other)
        << "'";
  }
}

TEST(WrittenText, PartialsPromiseMostOfWhatIsOld) {
  std::size_t stable = 0;
  const std::string spoken = "please book a table for twelve people on monday at seven thirty p m ";
  const std::string text = written_partial(spoken, spoken.size(), &stable);
  EXPECT_EQ(text, "Please book a table for 12 people on Monday at 7:30 PM");
  EXPECT_GE(stable, std::string("Please book a table for 12 people on Monday").size());
}

TEST(WrittenText, AnythingIsTaken) {
  EXPECT_EQ(written_text(""), "");
  EXPECT_EQ(written_text(" "), "");
  EXPECT_EQ(written_text("'"), "'.");
  EXPECT_EQ(written_text("  two   teas "), "Two teas.");
  const char* words[] = {"one",     "twenty", "hundred", "thousand", "million", "and",    "a",
                         "point",   "oh",     "zero",    "dot",      "at",      "com",    "may",
                         "first",   "second", "dollars", "cents",    "half",    "past",   "to",
                         "quarter", "p",      "m",       "percent",  "minus",   "double", "plus",
                         "slash",   "of",     "the",     "i",        "degrees", "w",      "my",
                         "name",    "is"};
  std::mt19937 random(7);
  for (int round = 0; round < 5000; ++round) {
    std::string spoken;
    for (std::size_t n = 1 + random() % 9; n > 0; --n)
      spoken += std::string(spoken.empty() ? "" : " ") + words[random() % std::size(words)];
    EXPECT_FALSE(written_text(spoken).empty()) << spoken;
    expect_promises_kept(spoken, random() % 12);
  }
  // Numbers too long for a machine word stay sane.
  std::string nines;
  for (int i = 0; i < 40; ++i) nines += "nine hundred ninety nine trillion ";
  EXPECT_FALSE(written_text(nines).empty());
  std::string digits;
  for (int i = 0; i < 5000; ++i) digits += "seven ";
  EXPECT_GT(written_text(digits).size(), 4999u);
}

TEST(WrittenPartial, AFirstLetterIsNotSpelledYet) {
  std::size_t stable = 0;
  EXPECT_EQ(written_partial("i'd like a l", 0, &stable), "I'd like a l");
  EXPECT_EQ(written_partial("so do i", 0, &stable), "So do I");
  EXPECT_EQ(written_partial("the u s", 0, &stable), "The US");
}

}  // namespace
}  // namespace antiphon::asr
