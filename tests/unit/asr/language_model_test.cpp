// The n-gram file: equal to the slow reader (training/asr/lm_reader.py), and every damage is an
// error that says where.
#include "asr/language_model.h"

#include <gtest/gtest.h>

#include <cstring>
#include <sstream>

#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

using test::kGolden;

TEST(LanguageModel, AnswersLikeTheReference) {
  const auto lm = LanguageModel::load(kGolden + "tiny.anlm");
  ASSERT_TRUE(lm.ok()) << lm.status().to_string();
  std::istringstream lines(test::read_file(kGolden + "lm_queries.tsv"));
  std::string u, v, w, score;
  int num_queries = 0;
  while (std::getline(lines, u, '\t') && std::getline(lines, v, '\t') &&
         std::getline(lines, w, '\t') && std::getline(lines, score)) {
    LmState state = (*lm)->start(), next;
    if (v != "<s>") {
      if (u != "<s>") (*lm)->score(state, (*lm)->word(u), &state);
      (*lm)->score(state, (*lm)->word(v), &state);
    }
    const bool end = w == "</s>";
    const float got = end ? (*lm)->end(state) : (*lm)->score(state, (*lm)->word(w), &next);
    // The scores are printed with six decimals, sums of at most three f32.
    EXPECT_NEAR(got, std::stof(score), 3e-6) << u << " " << v << " " << w;
    ++num_queries;
  }
  EXPECT_GE(num_queries, 350);
}

TEST(LanguageModel, KnowsItsWords) {
  const auto lm = std::move(LanguageModel::load(kGolden + "tiny.anlm")).value();
  EXPECT_GE(lm->word("latte"), 0);
  EXPECT_EQ(lm->word("espresso"), -1);
}

TEST(LanguageModel, NarrowsToWordsThatBeginAlike) {
  const auto lm = std::move(LanguageModel::load(kGolden + "tiny.anlm")).value();
  const auto range_of = [&](const std::string& prefix) {
    WordRange range = lm->all_words();
    for (std::size_t i = 0; i < prefix.size(); ++i) range = lm->narrowed(range, i, prefix[i]);
    return range;
  };
  const std::int32_t latte = lm->word("latte");
  EXPECT_LE(range_of("lat").begin, latte);
  EXPECT_GT(range_of("lat").end, latte);
  EXPECT_EQ(range_of("latte").begin, latte);  // the shortest comes first
  EXPECT_TRUE(range_of("latx").empty());
  EXPECT_TRUE(lm->narrowed(range_of("latx"), 4, 'e').empty());
}

TEST(LanguageModel, LooksAheadToTheMostLikelyWord) {
  const auto lm = std::move(LanguageModel::load(kGolden + "tiny.anlm")).value();
  const WordRange all = lm->all_words();
  float most = -INFINITY;
  for (std::int32_t i = all.begin; i < all.end; ++i)
    most = std::max(most, lm->most_likely({i, i + 1}));
  EXPECT_EQ(lm->most_likely(all), most);
  const std::int32_t latte = lm->word("latte");
  EXPECT_LE(lm->most_likely({latte, latte + 1}), lm->most_likely(lm->narrowed(all, 0, 'l')));
  EXPECT_EQ(lm->most_likely({}), lm->most_likely({lm->word("<unk>"), lm->word("<unk>") + 1}));
}

class BrokenModel : public testing::Test {
 protected:
  void SetUp() override {
    path_ = testing::TempDir() + testing::UnitTest::GetInstance()->current_test_info()->name() +
            ".anlm";
    bytes_ = test::read_file(kGolden + "tiny.anlm");
  }
  void TearDown() override { std::filesystem::remove(path_); }
  // The message of loading `bytes`; empty: it loads.
  std::string error(const std::string& bytes) {
    test::write_file(path_, bytes);
    const auto lm = LanguageModel::load(path_);
    if (lm.ok()) return "";
    EXPECT_EQ(lm.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(lm.status().message().find(path_), std::string::npos) << lm.status().message();
    return lm.status().message();
  }
  std::string with_u32(std::size_t at, std::uint32_t value) {
    std::string changed = bytes_;
    std::memcpy(changed.data() + at, &value, sizeof value);
    return changed;
  }
  std::string path_, bytes_;
};

TEST_F(BrokenModel, EveryTruncationIsRefusedAndNamesASection) {
  for (std::size_t length = 0; length < bytes_.size();
       length += length < 64 || length + 64 > bytes_.size() ? 1 : 13) {
    const std::string message = error(bytes_.substr(0, length));
    EXPECT_NE(message.find(": reaches beyond"), std::string::npos)
        << length << " bytes: " << message;
  }
  EXPECT_EQ(error(bytes_), "");
  EXPECT_NE(error(bytes_ + "x").find("left over"), std::string::npos);
}

TEST_F(BrokenModel, WrongHeadsAreNamed) {
  EXPECT_NE(error(with_u32(0, 7)).find("magic"), std::string::npos);
  EXPECT_NE(error(with_u32(4, 2)).find("version: is 2, wanted 1"), std::string::npos);
  EXPECT_NE(error(with_u32(8, 4)).find("order: is 4, wanted 3"), std::string::npos);
  EXPECT_NE(error(with_u32(12, 70000)).find("vocabulary"), std::string::npos);
  for (const std::size_t at : {12u, 16u, 20u, 24u})  // a count that the file does not hold
    EXPECT_NE(error(with_u32(at, 65535)), "") << at;
  EXPECT_NE(error(with_u32(24, 0xffffffff)), "");
}

TEST_F(BrokenModel, AnyFlippedByteLoadsOrIsRefused) {
  // No crash and no endless loop; most flips change a probability and are not seen.
  int refused = 0;
  for (std::size_t at = 0; at < bytes_.size(); at += 7) {
    std::string changed = bytes_;
    changed[at] = static_cast<char>(changed[at] ^ 0x5a);
    test::write_file(path_, changed);
    const auto lm = LanguageModel::load(path_);
    if (!lm.ok()) {
      ++refused;
      continue;
    }
    LmState state = (*lm)->start();
    for (const char* word : {"give", "me", "a", "latte"})
      (*lm)->score(state, (*lm)->word(word), &state);
  }
  EXPECT_GT(refused, 20);
}

TEST(LanguageModel, MissingFileIsNamed) {
  const auto lm = LanguageModel::load("/nonexistent/lm.anlm");
  EXPECT_EQ(lm.status().code(), StatusCode::kNotFound);
  EXPECT_NE(lm.status().message().find("/nonexistent/lm.anlm"), std::string::npos);
}

}  // namespace
}  // namespace antiphon::asr
