// What listed words earn, keep and give back.
#include "asr/hot_words.h"

#include <gtest/gtest.h>

#include <string>

namespace antiphon::asr {
namespace {

TEST(HotWords, EarnedScoreIsTakenBack) {
  const std::string alphabet = " abcdefghijklmnopqrstuvwxyz";
  const HotWord words[] = {{"latte macchiato", 6.0f}};
  const HotWords hot = *HotWords::create(words, alphabet);
  const auto total = [&](const std::string& text) {
    HotWords::State state;
    float sum = 0;
    bool start = true;
    for (const char c : text) {
      sum += hot.advance(state, c, start && c != ' ');
      start = c == ' ';
    }
    return sum + hot.finish(state);
  };
  EXPECT_NEAR(total("latte"), 0, 1e-5);
  EXPECT_NEAR(total("latte please"), 0, 1e-5);
  EXPECT_NEAR(total("a latte macchiato"), 6, 1e-5);
  EXPECT_NEAR(total("latte macchiato latte macchiato"), 12, 1e-5);
  EXPECT_NEAR(total("latte macchiatos"), 0, 1e-5);
  EXPECT_NEAR(total("platte macchiato"), 0, 1e-5);
}

TEST(HotWords, BadPhrasesAreNamed) {
  const std::string alphabet = " abc";
  const HotWord no_letters[] = {{"123", 1}}, too_strong[] = {{"abc", 21}};
  EXPECT_NE(HotWords::create(no_letters, alphabet).status().message().find("123"),
            std::string::npos);
  EXPECT_NE(HotWords::create(too_strong, alphabet).status().message().find("abc"),
            std::string::npos);
}

}  // namespace
}  // namespace antiphon::asr
