// Question answering: the best span of a window, and windows over a long text.
#include "nlu/answers.h"

#include <gtest/gtest.h>

namespace antiphon::nlu {
namespace {

std::vector<Piece> pieces(int count) {
  std::vector<Piece> out;
  for (int i = 0; i < count; ++i) out.push_back({i, i * 3, i * 3 + 2, i, true});
  return out;
}

TEST(BestSpan, TakesTheBestPairWithinTheLongest) {
  QuestionRules rules;
  rules.max_answer_pieces = 2;
  const auto context = pieces(5);
  std::vector<float> logits((3 + 5 + 1) * 2, 0.0f);
  const auto at = [&](std::size_t i) { return (3 + i) * 2; };
  logits[at(1)] = 5;      // start
  logits[at(4) + 1] = 5;  // an end too far away
  logits[at(2) + 1] = 3;
  const AnswerSpan span = best_span(rules, 1, context, logits);
  EXPECT_TRUE(span.found);
  EXPECT_EQ(span.start, 3);
  EXPECT_EQ(span.end, 8);
  EXPECT_FLOAT_EQ(span.score, 8);
}

TEST(BestSpan, NoAnswerWins) {
  std::vector<float> logits((3 + 2 + 1) * 2, 0.0f);
  logits[0] = logits[1] = 4;
  const AnswerSpan span = best_span({}, 1, pieces(2), logits);
  EXPECT_FALSE(span.found);
  EXPECT_LT(span.confidence, 0.1f);
}

// Says that the piece with id 77 is the answer, and counts its runs.
class Finder final : public TextEncoder {
 public:
  const EncoderShape& shape() const override { return shape_; }
  Result<Encoded> run(std::span<const std::int32_t> ids,
                      std::span<const std::int32_t> types) override {
    EXPECT_LE(static_cast<int>(ids.size()), shape_.max_tokens);
    EXPECT_EQ(ids.size(), types.size());
    EXPECT_EQ(types.front(), 0);
    EXPECT_EQ(types.back(), 1);
    ++runs;
    logits_.assign(ids.size() * 2, 0.0f);
    logits_[0] = logits_[1] = 1;
    for (std::size_t i = 0; i < ids.size(); ++i)
      if (ids[i] == 77) logits_[i * 2] = logits_[i * 2 + 1] = 9;
    return Encoded{{}, {}, {}, logits_};
  }
  int runs = 0;

 private:
  EncoderShape shape_{4, 20, 0, 0, true};
  std::vector<float> logits_;
};

TEST(FindAnswer, WalksTheWindows) {
  const auto tokenizer = WordPiece::create({"[PAD]", "[UNK]", "[CLS]", "[SEP]"});
  ASSERT_TRUE(tokenizer.ok());
  QuestionRules rules{0, 5, 20, 8, 4};
  Finder finder;
  const auto context = pieces(100);
  const auto answer = find_answer(rules, *tokenizer, finder, pieces(10), context);
  ASSERT_TRUE(answer.ok());
  EXPECT_TRUE(answer->found);
  EXPECT_EQ(answer->start, 77 * 3);
  EXPECT_EQ(answer->end, 77 * 3 + 2);
  EXPECT_EQ(finder.runs, 1 + (100 - 13 + 7) / 8);
  const auto none = find_answer(rules, *tokenizer, finder, pieces(2), pieces(10));
  ASSERT_TRUE(none.ok());
  EXPECT_FALSE(none->found);
  EXPECT_FALSE(find_answer(rules, *tokenizer, finder, {}, context)->found);
  EXPECT_FALSE(find_answer(rules, *tokenizer, finder, context, {})->found);
}

}  // namespace
}  // namespace antiphon::nlu
