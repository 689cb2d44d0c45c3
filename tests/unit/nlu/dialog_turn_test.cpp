// Readings in the middle of a coffee order.
#include "nlu/dialog_turn.h"

#include <gtest/gtest.h>

namespace antiphon::nlu {
namespace {

class DialogTurn : public testing::Test {
 protected:
  void SetUp() override {
    auto spec = read_assistant(ANTIPHON_SOURCE_DIR "/models/assistants/coffee.toml");
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    spec_ = *spec;
    state_.pending_intent = "order_drink";
  }

  // "domain/intent name=value ..."; scores: of opening_hours and order_drink.
  std::string read(const std::string& text, float other = 0, float own = 0) {
    std::vector<IntentScore> ranked = {{spec_.find("opening_hours"), other, {}},
                                       {spec_.find("order_drink"), own, {}}};
    if (own > other) std::swap(ranked[0], ranked[1]);
    const auto u = continue_dialog(spec_, state_, text, ranked, {});
    if (!u) return "none";
    std::string out = u->domain + "/" + u->intent;
    for (const Slot& s : u->slots) {
      EXPECT_EQ(s.text, text.substr(static_cast<std::size_t>(s.start),
                                    static_cast<std::size_t>(s.end - s.start)));
      out += " " + s.name + "=" + s.value;
    }
    return out;
  }

  AssistantSpec spec_;
  DialogState state_;
};

TEST_F(DialogTurn, TakesWhatWasAsked) {
  state_.asked_slot = "size";
  EXPECT_EQ(read("large please"), "assistant/order_drink size=large");
  EXPECT_EQ(read("a big one with oat milk"),
            "assistant/order_drink size=large number=1 milk=oat milk");
  EXPECT_EQ(read("hmm let me think"), "none");
  EXPECT_EQ(read("no"), "none");
  EXPECT_EQ(read(""), "none");
}

TEST_F(DialogTurn, TakesFreeText) {
  state_.asked_slot = "name";
  EXPECT_EQ(read("Anna"), "assistant/order_drink name=Anna");
  EXPECT_EQ(read("Mocha"), "assistant/order_drink name=Mocha");
  EXPECT_EQ(read("you can call me Bob please", 0.7f), "assistant/order_drink name=Bob");
}

TEST_F(DialogTurn, SwitchesWhenAnotherIntentIsClear) {
  state_.asked_slot = "size";
  EXPECT_EQ(read("what time do you close today", 0.9f), "assistant/opening_hours");
  EXPECT_EQ(read("what time do you close today", 0.6f), "none");
  EXPECT_EQ(read("how late is it", 0.8f, 0.78f), "none");
  state_.asked_slot = "name";
  EXPECT_EQ(read("what time do you close today", 0.95f), "assistant/opening_hours");
}

TEST_F(DialogTurn, CancelsAnywhere) {
  state_.asked_slot = "name";
  EXPECT_EQ(read("never mind"), "dialog/cancel");
  state_.asked_slot.clear();
  state_.awaiting_confirmation = true;
  EXPECT_EQ(read("cancel the order please"), "dialog/cancel");
}

TEST_F(DialogTurn, Confirms) {
  state_.awaiting_confirmation = true;
  state_.filled = {{"size", "large", "", 0, 0}, {"drink", "latte", "", 0, 0}};
  EXPECT_EQ(read("yes please"), "dialog/affirm");
  EXPECT_EQ(read("yes that one"), "dialog/affirm");
  EXPECT_EQ(read("yes, the large latte"), "dialog/affirm");
  EXPECT_EQ(read("no"), "dialog/deny");
  EXPECT_EQ(read("no that's wrong"), "dialog/deny");
  EXPECT_EQ(read("no make it small"), "assistant/order_drink size=small");
  EXPECT_EQ(read("with oat milk"), "assistant/order_drink milk=oat milk");
  EXPECT_EQ(read("yes but with oat milk"), "assistant/order_drink milk=oat milk");
  EXPECT_EQ(read("hm"), "none");
}

TEST_F(DialogTurn, WithoutAPendingIntent) {
  state_ = {};
  EXPECT_EQ(read("cancel"), "none");
  state_.pending_intent = "gone";
  EXPECT_EQ(read("yes"), "none");
}

}  // namespace
}  // namespace antiphon::nlu
