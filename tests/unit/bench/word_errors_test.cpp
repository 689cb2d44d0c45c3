// Word errors are the least edits, and numbers count the same however they are written.
#include "bench/word_errors.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace antiphon::bench {
namespace {

using testing::ElementsAre;

TEST(WordErrors, NumbersAndSymbolsAreReadOut) {
  EXPECT_THAT(scored_words("I have 3 cats."), ElementsAre("i", "have", "three", "cats"));
  EXPECT_EQ(scored_words("It's 105 steps"), scored_words("it's one hundred and five steps"));
  EXPECT_EQ(scored_words("one hundred five"), scored_words("one hundred and five"));
  EXPECT_EQ(scored_words("5% of 20"), scored_words("five percent of twenty"));
  EXPECT_EQ(scored_words("twenty-two"), scored_words("22"));
  EXPECT_NE(scored_words("you and one"), scored_words("you one"));
  EXPECT_TRUE(scored_words("").empty());
}

TEST(WordErrors, CountsTheLeastEdits) {
  const auto errors = [](const char* reference, const char* heard) {
    return word_errors(scored_words(reference), scored_words(heard));
  };
  EXPECT_EQ(errors("a b c", "a b c").all(), 0);
  EXPECT_EQ(errors("the cat sat", "the cat").deleted, 1);
  EXPECT_EQ(errors("the cat", "the big cat").inserted, 1);
  EXPECT_EQ(errors("the cat sat", "the mat sat").substituted, 1);
  const WordErrors mixed = errors("go to the old house now", "do to old mouse now please");
  EXPECT_EQ(mixed.all(), 4);
  EXPECT_EQ(mixed.words, 6);
  EXPECT_EQ(errors("", "a b").inserted, 2);
  EXPECT_EQ(errors("a b", "").deleted, 2);
  WordErrors sum = errors("the cat", "the");
  sum += errors("the dog", "a dog");
  EXPECT_EQ(sum.all(), 2);
  EXPECT_DOUBLE_EQ(sum.rate(), 50.0);
}

TEST(WordErrors, TellsWhichHeardWordsWereSaid) {
  const auto right = [](const char* reference, const char* heard) {
    return words_right(scored_words(reference), scored_words(heard));
  };
  EXPECT_THAT(right("the cat sat", "the cat sat"), ElementsAre(true, true, true));
  EXPECT_THAT(right("the cat sat", "the mat sat"), ElementsAre(true, false, true));
  EXPECT_THAT(right("the cat", "the big cat"), ElementsAre(true, false, true));
  EXPECT_THAT(right("go to the old house", "to old house"), ElementsAre(true, true, true));
  EXPECT_THAT(right("", "a b"), ElementsAre(false, false));
  EXPECT_TRUE(right("a b", "").empty());
}

}  // namespace
}  // namespace antiphon::bench
