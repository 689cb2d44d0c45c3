// Intents and slots from logits.
#include "nlu/trained_intents.h"

#include <gtest/gtest.h>

#include <cmath>

namespace antiphon::nlu {
namespace {

Labels labels() {
  Labels l;
  l.intents = {"a/x", "a/y", "b/z", "oos"};
  l.tags = {"O", "B-a/what", "I-a/what", "B-a/time", "I-a/time", "B-b/q", "I-b/q"};
  l.domains["a"] = {{0, 1, 3}, {0, 1, 2, 3, 4}, 0.6f};
  l.domains["b"] = {{2, 3}, {0, 5, 6}, 0.3f};
  return l;
}

TEST(Classify, ServedDomainsOnly) {
  const float logits[] = {3, 1, 9, 0};
  const TrainedIntent a = classify(labels(), {"a"}, logits);
  EXPECT_TRUE(a.in_scope);
  EXPECT_EQ(a.domain, "a");
  EXPECT_EQ(a.intent, "x");
  EXPECT_NEAR(a.confidence, 1 / (1 + std::exp(-2.0) + std::exp(-3.0)), 1e-5);
  EXPECT_EQ(classify(labels(), {"a", "b"}, logits).intent, "z");
  EXPECT_FALSE(classify(labels(), {}, logits).in_scope);
  EXPECT_FALSE(classify(labels(), {"none"}, logits).in_scope);
}

TEST(Classify, OutOfScope) {
  const float oos[] = {0, 0, 0, 5};
  const TrainedIntent a = classify(labels(), {"a"}, oos);
  EXPECT_FALSE(a.in_scope);
  EXPECT_TRUE(a.intent.empty());
  EXPECT_GT(a.confidence, 0.9f);
  const float unsure[] = {1, 0.9f, 0, 0};
  EXPECT_FALSE(classify(labels(), {"a"}, unsure).in_scope);
}

// One piece a word; tags[i] is the best row of word i.
std::vector<Slot> slots_of(const std::string& text, const std::vector<int>& tags,
                           const std::string& domain = "a") {
  std::vector<Piece> pieces;
  for (std::size_t at = 0; at < text.size();) {
    const std::size_t end = std::min(text.find(' ', at), text.size());
    pieces.push_back({0, static_cast<std::int32_t>(at), static_cast<std::int32_t>(end), 0, true});
    at = end + 1;
  }
  std::vector<float> logits((pieces.size() + 2) * 7, 0.0f);
  for (std::size_t i = 0; i < tags.size(); ++i)
    logits[(i + 1) * 7 + static_cast<std::size_t>(tags[i])] = 5;
  return tagged_slots(labels(), TagChain(labels()), domain, text, pieces, logits);
}

TEST(TaggedSlots, Spans) {
  const auto s = slots_of("play one two at half past six", {0, 1, 2, 0, 3, 4, 4});
  ASSERT_EQ(s.size(), 2u);
  EXPECT_EQ(s[0].name, "what");
  EXPECT_EQ(s[0].text, "one two");
  EXPECT_EQ(s[0].start, 5);
  EXPECT_EQ(s[0].end, 12);
  EXPECT_EQ(s[1].name, "time");
  EXPECT_EQ(s[1].value, "06:30");
}

TEST(TaggedSlots, BrokenSequences) {
  // An I- without its B- is no labelling: the next best is a span of that name, begun where it can.
  const auto one = slots_of("a b", {2, 2});
  ASSERT_EQ(one.size(), 1u);
  EXPECT_EQ(one[0].text, "a b");
  EXPECT_EQ(one[0].name, "what");
  EXPECT_EQ(slots_of("a b c", {1, 2, 4}).size(), 1u);  // another name's I- does not end a span
  EXPECT_EQ(slots_of("a b", {1, 1}).size(), 2u);
  EXPECT_EQ(slots_of("a b", {1, 6}).size(), 1u);  // rows of another domain do not count
  EXPECT_TRUE(slots_of("a b", {1, 1}, "none").empty());
  EXPECT_TRUE(slots_of("", {}).empty());
}

TEST(TaggedSlots, LaterPiecesOfAWordBelongToIt) {
  const std::vector<Piece> pieces = {{0, 0, 2, 0, true}, {0, 2, 5, 0, false}};
  std::vector<float> logits(4 * 7, 0.0f);
  logits[7 + 1] = 5;
  const auto s = tagged_slots(labels(), TagChain(labels()), "a", "hello", pieces, logits);
  ASSERT_EQ(s.size(), 1u);
  EXPECT_EQ(s[0].text, "hello");
}

TEST(NormalisedValue, NumbersAndTimes) {
  EXPECT_EQ(normalised_value("party_size_number", "twenty one"), "21");
  EXPECT_EQ(normalised_value("time", "at seven"), "07:00");
  EXPECT_EQ(normalised_value("time", "seven pm"), "19:00");
  EXPECT_EQ(normalised_value("timeRange", "next week"), "next week");
  EXPECT_EQ(normalised_value("artist", "one direction"), "one direction");
}

}  // namespace
}  // namespace antiphon::nlu
