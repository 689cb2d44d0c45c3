// The tokenizer: pieces and byte ranges of plain and odd text, and against golden ids.
#include "nlu/wordpiece.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <random>
#include <sstream>

namespace antiphon::nlu {
namespace {

WordPiece small() {
  return *WordPiece::create({"[PAD]", "[UNK]", "[CLS]", "[SEP]", "play", "##ing", "cafe", "don",
                             "'", "t", "un", "##aff", "##able", "!", "\xE4\xBD\xA0"});
}

std::string cut(const std::string& text) {
  const auto pieces = small().encode(text);
  if (!pieces.ok()) return pieces.status().message();
  std::string out;
  for (const Piece& p : *pieces)
    out += std::to_string(p.id) + ":" + std::to_string(p.start) + "-" + std::to_string(p.end) +
           (p.first_of_word ? " " : "+ ");
  return out;
}

TEST(WordPiece, CutsGreedily) {
  EXPECT_EQ(cut("playing"), "4:0-4 5:4-7+ ");
  EXPECT_EQ(cut("UnAffable"), "10:0-2 11:2-5+ 12:5-9+ ");
  EXPECT_EQ(cut("unaffpotato play"), "1:0-11 4:12-16 ");
}

TEST(WordPiece, SplitsAtPunctuationAndStripsAccents) {
  EXPECT_EQ(cut("don't!"), "7:0-3 8:3-4 9:4-5 13:5-6 ");
  EXPECT_EQ(cut("Caf\xC3\xA9 play"), "6:0-5 4:6-10 ");
  EXPECT_EQ(cut("cafe\xCC\x81"), "6:0-4 ");  // the accent as a mark of its own
  EXPECT_EQ(cut("\xE4\xBD\xA0\xE4\xBD\xA0"), "14:0-3 14:3-6 ");
}

TEST(WordPiece, NothingToCut) {
  EXPECT_EQ(cut(""), "");
  EXPECT_EQ(cut(" \t\n\xC2\xA0"), "");
  EXPECT_EQ(cut(std::string("\0\x01", 2)), "");
}

TEST(WordPiece, BadBytesAreNamed) {
  EXPECT_EQ(cut("play\xFF"), "text: byte 4 is not UTF-8");
  EXPECT_EQ(small().encode("\xC3").status().code(), StatusCode::kInvalidArgument);
}

TEST(WordPiece, LongWordsAreUnknown) {
  EXPECT_EQ(small().encode(std::string(101, 'a'))->size(), 1u);
  EXPECT_EQ(small().encode(std::string(20000, 'a'))->size(), 1u);
}

TEST(WordPiece, VocabularyWithoutSpecialPiecesIsRefused) {
  EXPECT_EQ(WordPiece::create({"a"}).status().code(), StatusCode::kInvalidArgument);
  EXPECT_EQ(WordPiece::load("/nowhere").status().code(), StatusCode::kNotFound);
}

TEST(WordPiece, RandomBytesNeverBreakIt) {
  const WordPiece tokenizer = small();
  std::mt19937 random(3);
  for (int i = 0; i < 3000; ++i) {
    std::string text(random() % 64, ' ');
    for (char& c : text) c = static_cast<char>(random() % (i % 2 ? 256 : 128));
    const auto pieces = tokenizer.encode(text);
    if (!pieces.ok()) continue;
    std::int32_t last = 0;
    for (const Piece& p : *pieces) {
      ASSERT_LE(last, p.start);
      ASSERT_LT(p.start, p.end);
      ASSERT_LE(p.end, static_cast<std::int32_t>(text.size()));
      last = p.start;
    }
  }
}

TEST(WordPiece, LongOddTextIsCutInTime) {
  std::string text;
  while (text.size() < 20000)
    text += "\xF0\x9F\x98\x80 playing caf\xC3\xA9 \xF0\x9F\x91\xA9\xE2\x80\x8D\xF0\x9F\x91\xA9!";
  const auto pieces = small().encode(text);
  ASSERT_TRUE(pieces.ok());
  EXPECT_GT(pieces->size(), 1000u);
}

// tests/golden/nlu/tokenizer.tsv: a JSON string, a tab, the ids of another tokenizer with the
// pack's vocabulary (training/nlu/golden.py).
TEST(WordPiece, EqualsTheGoldenIds) {
  const std::string golden = ANTIPHON_SOURCE_DIR "/tests/golden/nlu/tokenizer.tsv";
  const std::string vocab = ANTIPHON_SOURCE_DIR "/models/nlu-en/vocab.txt";
  if (!std::filesystem::exists(golden) || !std::filesystem::exists(vocab))
    GTEST_SKIP() << "no pack yet";
  const auto tokenizer = WordPiece::load(vocab);
  ASSERT_TRUE(tokenizer.ok()) << tokenizer.status().message();
  std::ifstream in(golden);
  int num_lines = 0;
  for (std::string line; std::getline(in, line); ++num_lines) {
    const std::size_t tab = line.rfind('\t');
    const auto text = nlohmann::json::parse(line.substr(0, tab)).get<std::string>();
    std::istringstream numbers(line.substr(tab + 1));
    std::vector<std::int32_t> want, got;
    for (std::int32_t id; numbers >> id;) want.push_back(id);
    const auto pieces = tokenizer->encode(text);
    ASSERT_TRUE(pieces.ok()) << line;
    for (const Piece& p : *pieces) got.push_back(p.id);
    EXPECT_EQ(got, want) << line;
  }
  EXPECT_GE(num_lines, 100);
}

}  // namespace
}  // namespace antiphon::nlu
