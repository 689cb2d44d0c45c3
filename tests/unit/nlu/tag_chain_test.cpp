// The best labelling against every labelling there is.
#include "nlu/tag_chain.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>

namespace antiphon::nlu {
namespace {

Labels labels() {
  Labels l;
  l.tags = {"O", "B-d/a", "I-d/a", "B-d/b", "I-d/b", "B-e/a", "I-e/a"};
  return l;
}

bool permitted(const std::vector<int>& path) {
  const Labels l = labels();
  for (std::size_t i = 0; i < path.size(); ++i) {
    const std::string& tag = l.tags[static_cast<std::size_t>(path[i])];
    if (tag[0] != 'I') continue;
    if (i == 0) return false;
    const std::string& before = l.tags[static_cast<std::size_t>(path[i - 1])];
    if (before == "O" || before.substr(2) != tag.substr(2)) return false;
  }
  return true;
}

struct Case {
  std::vector<float> logits, next;  // [words, 7], [7, 7] or none
  std::vector<int> tags;

  double score(const std::vector<int>& path) const {
    double sum = 0;
    for (std::size_t i = 0; i < path.size(); ++i) {
      const auto b = static_cast<std::size_t>(path[i]);
      sum += static_cast<double>(logits[i * 7 + b]);
      if (i > 0 && !next.empty())
        sum += static_cast<double>(next[static_cast<std::size_t>(path[i - 1]) * 7 + b]);
    }
    return sum;
  }

  // By trying every one.
  std::vector<int> want() const {
    const std::size_t num_words = logits.size() / 7;
    std::vector<std::size_t> at(num_words, 0);
    std::vector<int> best, path(num_words);
    double top = -std::numeric_limits<double>::infinity();
    for (std::size_t i = 0; i < num_words;) {
      for (std::size_t w = 0; w < num_words; ++w) path[w] = tags[at[w]];
      if (permitted(path) && score(path) > top) top = score(path), best = path;
      for (i = 0; i < num_words && ++at[i] == tags.size(); ++i) at[i] = 0;
    }
    return best;
  }

  std::vector<int> got() const {
    std::vector<const float*> words;
    for (std::size_t i = 0; i < logits.size(); i += 7) words.push_back(&logits[i]);
    return TagChain(labels(), next).best(tags, words);
  }
};

TEST(TagChain, BestOfAllLabellings) {
  std::mt19937 random(4);
  std::normal_distribution<float> normal(0, 2);
  for (int round = 0; round < 200; ++round) {
    Case c;
    c.logits.resize((1 + static_cast<std::size_t>(round) % 5) * 7);
    for (float& x : c.logits) x = normal(random);
    if (round % 3) c.next.resize(49);
    for (float& x : c.next) x = normal(random);
    c.tags = round % 2 ? std::vector<int>{0, 1, 2, 3, 4} : std::vector<int>{0, 5, 6};
    EXPECT_EQ(c.got(), c.want()) << "round " << round;
  }
}

TEST(TagChain, NoWords) { EXPECT_TRUE(TagChain(labels()).best(std::vector<int>{0}, {}).empty()); }

TEST(TagChain, LearntScoresDecideBetweenEqualWords) {
  Case c;
  c.logits.assign(14, 0);
  c.tags = {0, 1, 3};
  c.next.assign(49, 0);
  c.next[3 * 7 + 1] = 1;  // B-d/a behind B-d/b
  EXPECT_EQ(c.got(), (std::vector<int>{3, 1}));
}

}  // namespace
}  // namespace antiphon::nlu
