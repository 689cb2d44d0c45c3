// The vocabulary of the attention decoder: equal to training/asr/pieces.py, and every damage of the
// file is an error that says where.
#include "asr/pieces.h"

#include <gtest/gtest.h>

#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

constexpr std::string_view kLetters = "abcdefghijklmnopqrstuvwxyz'";

// The marks, then a, _a, b, _b, ... ', _': lines 1 to 57.
std::string marks_and_letters() {
  std::string lines = "<end>\n<begin>\n<text>\n";
  for (const char c : kLetters) lines += std::string{c, '\n', '_', c, '\n'};
  return lines;
}

// Pieces 57 to 70.
std::string small_vocabulary() {
  return marks_and_letters() +
         "_the\nth\n_th\ner\n_caf\ning\n's\n_i'm\n_large\n_lat\nlatte\ntte\n_with\nwit\n";
}

class PiecesFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + "pieces_" +
            testing::UnitTest::GetInstance()->current_test_info()->name() + ".txt";
  }
  void TearDown() override { std::filesystem::remove(path_); }
  Result<Pieces> load(const std::string& lines) {
    test::write_file(path_, lines);
    return Pieces::load(path_, test::kAlphabet);
  }
  // The message of loading `lines`; empty: it loads.
  std::string error(const std::string& lines) {
    const auto pieces = load(lines);
    if (pieces.ok()) return "";
    EXPECT_EQ(pieces.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(pieces.status().message().find(path_), std::string::npos)
        << pieces.status().message();
    return pieces.status().message();
  }
  // All of `parts` are in the message of loading `lines`.
  void expect_error(const std::string& lines, std::initializer_list<std::string> parts) {
    const std::string message = error(lines);
    for (const std::string& part : parts)
      EXPECT_NE(message.find(part), std::string::npos) << "no \"" << part << "\" in: " << message;
  }

  std::string path_;
};

struct SplitCase {
  std::string text;
  std::vector<std::int32_t> numbers;  // Pieces.split(text) of pieces.py
  std::string back;                   // Pieces.text(numbers)
};

TEST_F(PiecesFile, SplitsLikeTheReference) {
  const auto pieces = load(small_vocabulary());
  ASSERT_TRUE(pieces.ok()) << pieces.status().to_string();
  EXPECT_EQ(pieces->size(), 71);
  const SplitCase cases[] = {
      {"", {}, ""},
      {"   ", {}, ""},
      {"a", {4}, "a"},
      {" a ", {4}, "a"},
      {"the", {57}, "the"},
      {"x", {50}, "x"},
      {"then there", {57, 29, 57, 37, 11}, "then there"},
      {"  the   latte's  ", {57, 66, 41, 11, 63}, "the latte's"},
      {"lattes large", {66, 41, 11, 39, 65}, "lattes large"},
      {"i'm withering", {64, 69, 60, 62}, "i'm withering"},
      {"larger than a latte", {65, 37, 59, 3, 29, 4, 66, 41, 11}, "larger than a latte"},
      {"'s'", {56, 39, 55}, "'s'"},
      {"thing other ing", {59, 62, 32, 58, 60, 20, 29, 15}, "thing other ing"},
      {"qu'z", {36, 43, 55, 53}, "qu'z"},
  };
  for (const SplitCase& c : cases) {
    EXPECT_EQ(pieces->split(c.text), c.numbers) << c.text;
    EXPECT_EQ(pieces->text(c.numbers), c.back);
  }
}

TEST_F(PiecesFile, TextLeavesMarksOutLikeTheReference) {
  const auto pieces = load(small_vocabulary());
  ASSERT_TRUE(pieces.ok()) << pieces.status().to_string();
  const auto text = [&](std::vector<std::int32_t> numbers) { return pieces->text(numbers); };
  EXPECT_EQ(text({}), "");
  EXPECT_EQ(text({kEndMark}), "");
  EXPECT_EQ(text({kBeginMark, kTextMark, kEndMark}), "");
  EXPECT_EQ(text({kBeginMark, kTextMark, 57, 4, kEndMark}), "the a");
  EXPECT_EQ(text({57, kEndMark, 60, kTextMark, 59}), "theer th");
  EXPECT_EQ(text({3, 5}), "ab");
  EXPECT_EQ(text({4, 4}), "a a");
  EXPECT_EQ(text({kTextMark, 62, 4, kBeginMark}), "ing a");
}

TEST_F(PiecesFile, TheLastLineNeedsNoEnd) {
  std::string lines = small_vocabulary();
  lines.pop_back();
  const auto pieces = load(lines);
  ASSERT_TRUE(pieces.ok()) << pieces.status().to_string();
  EXPECT_EQ(pieces->size(), 71);
  EXPECT_EQ(pieces->text(std::vector<std::int32_t>{70}), "wit");
}

TEST_F(PiecesFile, NoFile) {
  for (const std::string& path : {path_, testing::TempDir()}) {  // a folder is none
    const auto pieces = Pieces::load(path, test::kAlphabet);
    ASSERT_FALSE(pieces.ok());
    EXPECT_EQ(pieces.status().code(), StatusCode::kNotFound);
    EXPECT_NE(pieces.status().message().find(path), std::string::npos);
  }
}

TEST_F(PiecesFile, FewerThanTheMarks) {
  expect_error("", {"has 0 lines", "wanted the marks <end>, <begin>, <text>"});
  expect_error("<end>\n<begin>\n", {"has 2 lines", "wanted the marks"});
}

TEST_F(PiecesFile, OtherMarks) {
  expect_error("<begin>\n<end>\n<text>\n", {"line 1", "'<begin>'", "wanted '<end>'"});
  expect_error("<end>\n<begin>\na\n", {"line 3", "'a'", "wanted '<text>'"});
  expect_error("<end>\n\n<text>\n", {"line 2", "wanted '<begin>'"});
  expect_error("<end>\r\n<begin>\r\n<text>\r\n", {"line 1", "wanted '<end>'"});
}

TEST_F(PiecesFile, AnEmptyLine) {
  expect_error(marks_and_letters() + "\nthe\n", {"line 58", "empty", "wanted a piece"});
  expect_error(marks_and_letters() + "the\n\n", {"line 59", "empty"});
}

TEST_F(PiecesFile, APieceTwice) {
  expect_error(marks_and_letters() + "_the\nthe\n_the\n", {"line 60", "'_the'", "twice", "wanted"});
  EXPECT_EQ(error(marks_and_letters() + "_the\nthe\n"), "");  // two pieces
}

TEST_F(PiecesFile, APieceOutsideOfTheAlphabet) {
  for (const std::string piece :
       {"The", "caf\xc3\xa9", "a b", " a", "a_b", "the_", "__a", "<end>", "the\r", "7", "the\t"})
    expect_error(marks_and_letters() + piece + "\n", {"line 58", piece, "wanted letters"});
  expect_error(marks_and_letters() + std::string("a\0b\n", 4), {"line 58", "wanted letters"});
  expect_error(marks_and_letters() + "_\n", {"line 58", "a space without letters", "wanted"});
}

TEST_F(PiecesFile, ALetterWithoutItsPiece) {
  for (const std::string letter : {"a", "_a", "q", "_q", "'", "_'"}) {
    std::string lines = small_vocabulary();
    lines.erase(lines.find("\n" + letter + "\n"), letter.size() + 1);
    expect_error(lines, {"no piece '" + letter + "'", "wanted every letter"});
  }
}

// `count` pieces of four letters, none twice.
std::string four_letters(std::size_t count) {
  std::string lines;
  for (std::size_t k = 0; k < count; ++k) {
    std::size_t rest = k;
    for (int place = 0; place < 4; ++place, rest /= 26) lines += static_cast<char>('a' + rest % 26);
    lines += '\n';
  }
  return lines;
}

TEST_F(PiecesFile, TooManyPieces) {
  const auto most = load(marks_and_letters() + four_letters(65536 - 57));
  ASSERT_TRUE(most.ok()) << most.status().to_string();
  EXPECT_EQ(most->size(), 65536);
  expect_error(marks_and_letters() + four_letters(65537 - 57), {"line 65537", "at most 65536"});
}

TEST_F(PiecesFile, TooManyBytes) {
  constexpr std::size_t kMost = 4 << 20;
  const std::string lines = marks_and_letters();
  EXPECT_EQ(error(lines + std::string(kMost - lines.size(), 'a')), "");
  expect_error(lines + std::string(kMost + 1 - lines.size(), 'a'), {"4194305", "at most 4194304"});
}

}  // namespace
}  // namespace antiphon::asr
