// Slots in text: each type, forgiveness, overlaps, corrections and refusals.
#include "nlu/slot_matcher.h"

#include <gtest/gtest.h>

#include <random>

namespace antiphon::nlu {
namespace {

IntentSpec booking() {
  IntentSpec intent;
  intent.name = "book";
  intent.phrases = {"a table for {people} at {when}", "my name is {name}", "under {name} please",
                    "send {note} to them", "the code is {code}"};
  const auto add = [&](const char* name, SlotType type, std::vector<SlotValue> values = {}) {
    SlotSpec slot;
    slot.name = name;
    slot.type = type;
    slot.values = std::move(values);
    intent.slots.push_back(std::move(slot));
  };
  add("room", SlotType::kList,
      {{"garden", {"garden", "outside"}},
       {"hall", {"hall", "main hall"}},
       {"balcony", {"balcony"}},
       {"hall annex", {"hall annex"}}});
  add("people", SlotType::kNumber);
  add("when", SlotType::kTime);
  add("code", SlotType::kLetters);
  add("name", SlotType::kText);
  add("note", SlotType::kText);
  return intent;
}

std::string found(const std::string& text, const std::string& asked = "") {
  std::string out;
  for (const Slot& s : match_slots(booking(), text, asked)) {
    EXPECT_EQ(s.text, text.substr(static_cast<std::size_t>(s.start),
                                  static_cast<std::size_t>(s.end - s.start)));
    out += (out.empty() ? "" : ", ") + s.name + "=" + s.value;
  }
  return out;
}

TEST(MatchSlots, ListValues) {
  EXPECT_EQ(found("in the Garden"), "room=garden");
  EXPECT_EQ(found("outside, please"), "room=garden");
  EXPECT_EQ(found("the hall annex"), "room=hall annex");
  EXPECT_EQ(found("gardens"), "room=garden");
  EXPECT_EQ(found("the balcany"), "room=balcony");
  EXPECT_EQ(found("the hallway"), "");
  EXPECT_EQ(found("a guard"), "");
}

TEST(MatchSlots, NumbersAndTimes) {
  EXPECT_EQ(found("a table for four at half past seven"), "people=4, when=07:30");
  EXPECT_EQ(found("four people at eight"), "people=4, when=08:00");
  EXPECT_EQ(found("for two"), "people=2");
  EXPECT_EQ(found("seven thirty for 12"), "when=07:30, people=12");
  EXPECT_EQ(found("two", "when"), "when=02:00");
  EXPECT_EQ(found("two", "people"), "people=2");
}

TEST(MatchSlots, Letters) {
  EXPECT_EQ(found("the code is a b seven"), "code=AB7");
  EXPECT_EQ(found("k l m", "code"), "code=KLM");
  EXPECT_EQ(found("KLM", "code"), "code=KLM");
  EXPECT_EQ(found("b", "code"), "code=B");
}

TEST(MatchSlots, FreeTextBehindItsWords) {
  EXPECT_EQ(found("my name is Anna Smith please"), "name=Anna Smith");
  EXPECT_EQ(found("put it under Smith, in the hall"), "name=Smith, room=hall");
  EXPECT_EQ(found("my name is Anna in the garden"), "name=Anna, room=garden");
  EXPECT_EQ(found("under the bridge"), "");
  EXPECT_EQ(found("my name is"), "");
  EXPECT_EQ(found("send all my love to them"), "");
  EXPECT_EQ(found("send greetings to them"), "note=greetings");
}

TEST(MatchSlots, FreeTextThatWasAskedFor) {
  EXPECT_EQ(found("Anna", "name"), "name=Anna");
  EXPECT_EQ(found("it's for Anna Smith, thanks", "name"), "name=Anna Smith");
  EXPECT_EQ(found("my name is outside", "name"), "name=outside");
  EXPECT_EQ(found("please", "name"), "name=please");
  EXPECT_EQ(found("", "name"), "");
  EXPECT_EQ(found("?!", "name"), "");
}

TEST(MatchSlots, CorrectionsAndRefusals) {
  EXPECT_EQ(found("the garden no i mean the hall"), "room=hall");
  EXPECT_EQ(found("for four, sorry, five"), "people=5");
  EXPECT_EQ(found("not the garden but the hall"), "room=hall");
  EXPECT_EQ(found("the hall instead of the garden"), "room=hall");
  EXPECT_EQ(found("no, garden"), "room=garden");
  EXPECT_EQ(found("no garden"), "");
}

TEST(MatchSlots, EachSlotOnceAndInOrder) {
  EXPECT_EQ(found("two or three in the hall or garden"), "people=2, room=hall");
}

TEST(MatchSlots, LongAndRandomText) {
  std::string text;
  while (text.size() < 20000) text += "the main hall annex for two hundred at seven under x ";
  EXPECT_FALSE(found(text).empty());
  std::mt19937 random(11);
  for (int i = 0; i < 1000; ++i) {
    std::string odd(random() % 80, ' ');
    for (char& c : odd) c = static_cast<char>(random());
    (void)found(odd);
    (void)found(odd, "name");
    (void)found(odd, "code");
  }
}

}  // namespace
}  // namespace antiphon::nlu
