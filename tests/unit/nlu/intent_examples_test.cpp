// Intents by example: nearest vector, evidence from slots, thresholds.
#include "nlu/intent_examples.h"

#include <gtest/gtest.h>

namespace antiphon::nlu {
namespace {

AssistantSpec two_intents() {
  AssistantSpec spec;
  spec.intents.resize(2);
  spec.intents[0].name = "order";
  spec.intents[0].slots.resize(1);
  spec.intents[0].slots[0].name = "drink";
  spec.intents[0].slots[0].values = {{"tea", {"tea"}}};
  spec.intents[1].name = "hours";
  return spec;
}

TEST(IntentExamples, RanksByTheNearestExample) {
  const AssistantSpec spec = two_intents();
  IntentExamples examples(&spec);
  const float a[] = {2, 0, 0}, b[] = {0, 3, 0}, c[] = {0, 0, 1};
  examples.add(&spec.intents[0], 0, a);
  examples.add(&spec.intents[1], 0, b);
  examples.add(&spec.intents[1], 0, c);
  const float query[] = {0.6f, 0, 0.8f};
  const auto ranked = examples.rank(query, "hello");
  ASSERT_EQ(ranked.size(), 2u);
  EXPECT_EQ(ranked[0].intent->name, "hours");
  EXPECT_NEAR(ranked[0].score, 0.8f, 1e-6);
  EXPECT_NEAR(ranked[1].score, 0.6f, 1e-6);
}

// One phrase of the first intent comes near by chance; all others say that the second is meant.
TEST(IntentExamples, TheRegressionDecidesBetweenNeighbours) {
  const AssistantSpec spec = two_intents();
  IntentExamples examples(&spec);
  const float first[][3] = {{1, 0, 0}, {0.8f, 0.6f, 0}, {0.3f, 0.1f, 0.95f}};
  const float second[][3] = {{0, 0.2f, 0.98f}, {0, 0.5f, 0.87f}, {0.1f, 0.4f, 0.91f}};
  for (const auto& v : first) examples.add(&spec.intents[0], 0, v);
  for (const auto& v : second) examples.add(&spec.intents[1], 0, v);
  const float query[] = {0.2f, 0.16f, 0.967f};
  const auto before = examples.rank(query, "hello");
  EXPECT_EQ(before[0].intent->name, "order");
  examples.learn();
  const auto after = examples.rank(query, "hello");
  EXPECT_EQ(after[0].intent->name, "hours");
  EXPECT_FLOAT_EQ(after[0].score, before[1].score);  // the likelier one keeps its cosine
  EXPECT_LT(after[1].score, before[0].score);
}

TEST(IntentExamples, SlotsSpeakForAndAgainst) {
  const AssistantSpec spec = two_intents();
  IntentExamples examples(&spec);
  const float a[] = {1, 0};
  examples.add(&spec.intents[0], 1, a);
  const float query[] = {0.6f, 0.8f};
  const float with = examples.rank(query, "some tea")[0].score;
  const float without = examples.rank(query, "some")[0].score;
  EXPECT_GT(with, 0.6f);
  EXPECT_LT(without, 0.6f);
  EXPECT_EQ(examples.rank(query, "some tea")[0].slots.size(), 1u);
}

TEST(IntentExamples, ThresholdAndMargin) {
  const AssistantSpec spec = two_intents();
  const ExampleThresholds t{0.5f, 0.8f, 0.1f};
  const auto best = [&](float first, float second) {
    std::vector<IntentScore> ranked = {{&spec.intents[0], first, {}},
                                       {&spec.intents[1], second, {}}};
    return accepted(ranked, t) != nullptr;
  };
  EXPECT_TRUE(best(0.6f, 0.4f));
  EXPECT_FALSE(best(0.6f, 0.55f));
  EXPECT_FALSE(best(0.49f, 0.0f));
  EXPECT_TRUE(best(0.85f, 0.84f));
  EXPECT_EQ(accepted({}, t), nullptr);
}

TEST(IntentExamples, OddVectorsAreHarmless) {
  const AssistantSpec spec = two_intents();
  IntentExamples examples(&spec);
  const float a[] = {1, 0};
  examples.add(&spec.intents[0], 0, a);
  const float zero[] = {0, 0};
  EXPECT_EQ(examples.rank(zero, "x")[0].score, 0);
  const float longer[] = {1, 0, 0};
  EXPECT_TRUE(examples.rank(longer, "x").empty());
}

}  // namespace
}  // namespace antiphon::nlu
