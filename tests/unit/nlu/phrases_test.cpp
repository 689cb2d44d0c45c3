// Example phrases: their parts and their variants.
#include "nlu/phrases.h"

#include <gtest/gtest.h>

namespace antiphon::nlu {
namespace {

IntentSpec intent_with(std::vector<std::string> phrases) {
  IntentSpec intent;
  intent.name = "order";
  intent.phrases = std::move(phrases);
  SlotSpec size;
  size.name = "size";
  size.values = {{"small", {"small"}}, {"large", {"large", "big"}}};
  SlotSpec who;
  who.name = "who";
  who.type = SlotType::kText;
  SlotSpec empty;
  empty.name = "empty";
  intent.slots = {size, who, empty};
  return intent;
}

TEST(Phrases, SplitsAtSlots) {
  const auto parts = phrase_parts("a {size} one {who}");
  ASSERT_EQ(parts.size(), 4u);
  EXPECT_EQ(parts[0].text, "a ");
  EXPECT_TRUE(parts[1].is_slot);
  EXPECT_EQ(parts[1].text, "size");
  EXPECT_EQ(parts[3].text, "who");
  EXPECT_TRUE(phrase_parts("").empty());
  EXPECT_EQ(phrase_parts("open {brace").size(), 1u);
}

TEST(Phrases, FillsValuesInTurn) {
  const auto examples = expand_phrases(intent_with({"a {size} one for {who}", "plain"}), 2);
  ASSERT_EQ(examples.size(), 3u);
  EXPECT_EQ(examples[0].text, "a large one for who");
  EXPECT_EQ(examples[1].text, "a small one for who");
  EXPECT_EQ(examples[0].num_slots, 2);
  EXPECT_EQ(examples[2].text, "plain");
  EXPECT_EQ(examples[2].num_slots, 0);
  EXPECT_EQ(examples[2].phrase, 1);
}

TEST(Phrases, UnknownAndEmptySlotsAreHarmless) {
  EXPECT_EQ(expand_phrases(intent_with({"{nothing} x"}), 3).size(), 1u);
  EXPECT_EQ(expand_phrases(intent_with({"{empty}"}), 1)[0].text, "empty");
}

}  // namespace
}  // namespace antiphon::nlu
