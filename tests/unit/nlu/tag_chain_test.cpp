// The best labelling against every labelling there is; the scores of a pack.
#include "nlu/tag_chain.h"

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
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

// A pack's weights with these tensors, one entry of `header` each; `bytes` are their values.
std::shared_ptr<const Weights> weights_of(const std::string& header, const std::string& bytes) {
  const std::string path = testing::TempDir() + "/next_tags.safetensors";
  std::uint64_t header_bytes = header.size();
  std::string head(8, '\0');
  std::memcpy(head.data(), &header_bytes, 8);
  std::ofstream(path, std::ios::binary | std::ios::trunc) << head << header << bytes;
  auto weights = Weights::load(path);
  EXPECT_TRUE(weights.ok()) << weights.status().message();
  return std::move(weights).value();
}

std::string f32_bytes(std::vector<float> values) {
  return {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(float)};
}

TEST(NextTags, EachRowHasItsScale) {
  const auto weights =
      weights_of(R"({"slot_next":{"dtype":"I8","shape":[2,2],"data_offsets":[0,4]},)"
                 R"("slot_next.scale":{"dtype":"F32","shape":[2],"data_offsets":[4,12]}})",
                 std::string("\x02\xff\x04\x7f", 4) + f32_bytes({0.5f, 0.25f}));
  const auto next = read_next_tags(*weights);
  ASSERT_TRUE(next.ok()) << next.status().message();
  EXPECT_EQ(*next, (std::vector<float>{1.0f, -0.5f, 1.0f, 31.75f}));
}

TEST(NextTags, NoneInAPackWithoutThem) {
  const auto next = read_next_tags(
      *weights_of(R"({"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}})", f32_bytes({1})));
  ASSERT_TRUE(next.ok()) << next.status().message();
  EXPECT_TRUE(next->empty());
}

TEST(NextTags, OtherTypesAndMissingScalesAreRefused) {
  const std::string scale =
      R"(,"slot_next.scale":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}})";
  const auto refused = [](const std::string& header) {
    const auto next = read_next_tags(*weights_of(header, f32_bytes({1, 1})));
    EXPECT_FALSE(next.ok());
    return next.ok() ? std::string() : next.status().message();
  };
  EXPECT_NE(refused(R"({"slot_next":{"dtype":"F32","shape":[1,1],"data_offsets":[0,4]})" + scale)
                .find("next_tags.safetensors: slot_next: wanted int8 [tags, tags]"),
            std::string::npos);
  EXPECT_NE(refused(R"({"slot_next":{"dtype":"I8","shape":[2,2],"data_offsets":[0,4]})" + scale)
                .find("slot_next.scale f32 [tags]"),
            std::string::npos);
  EXPECT_NE(refused(R"({"slot_next":{"dtype":"I8","shape":[2,4],"data_offsets":[0,8]}})")
                .find("slot_next.scale"),
            std::string::npos);
}

}  // namespace
}  // namespace antiphon::nlu
