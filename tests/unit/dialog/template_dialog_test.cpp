// The dialogue with made-up understanding: fill, ask, confirm, cancel, side questions.
#include "dialog/template_dialog.h"

#include <gtest/gtest.h>

#include <string>

namespace antiphon::dialog {
namespace {

class CoffeeDialog : public testing::Test {
 protected:
  void SetUp() override {
    TemplateDialogConfig config;
    config.responses_path = ANTIPHON_SOURCE_DIR "/models/nlu-en/responses.toml";
    auto spec = read_assistant(ANTIPHON_SOURCE_DIR "/models/assistants/coffee.toml");
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    config.assistant = *spec;
    auto made = create_dialog(config);
    ASSERT_TRUE(made.ok());
    dialog_ = std::move(made).value();
  }

  std::string say(const std::string& domain, const std::string& intent,
                  std::vector<Slot> slots = {}) {
    Understanding u;
    u.ref = {5, 9};
    u.domain = domain;
    u.intent = intent;
    u.in_scope = !intent.empty();
    u.slots = std::move(slots);
    return say(u);
  }
  std::string say(const Understanding& u) {
    const auto reply = dialog_->respond(u, state_);
    EXPECT_TRUE(reply.ok());
    ended_ = reply->end_of_dialog;
    EXPECT_EQ(reply->ref.turn, u.ref.turn);
    return reply->text;
  }
  static Slot slot(const std::string& name, const std::string& value) {
    return {name, value, value, 0, 0};
  }
  std::string order(std::vector<Slot> slots) {
    return say(kAssistantDomain, "order_drink", std::move(slots));
  }

  std::unique_ptr<Dialog> dialog_;
  DialogState state_;
  bool ended_ = false;
};

TEST_F(CoffeeDialog, AsksForWhatIsMissingAndConfirms) {
  EXPECT_EQ(order({}), "What would you like to drink?");
  EXPECT_EQ(state_.asked_slot, "drink");
  EXPECT_EQ(order({slot("drink", "latte")}), "Which size: small, medium or large?");
  EXPECT_EQ(order({slot("size", "large")}), "What name shall I call out?");
  EXPECT_EQ(order({slot("name", "Anna")}), "That is one large latte for Anna. Shall I order it?");
  EXPECT_TRUE(state_.awaiting_confirmation);
  EXPECT_EQ(say(kDialogDomain, kAffirm),
            "Thank you, Anna. Your large latte will be ready at the counter in a few minutes.");
  EXPECT_TRUE(state_.pending_intent.empty());
}

TEST_F(CoffeeDialog, CorrectsBeforeItIsDone) {
  order({slot("drink", "latte"), slot("size", "large"), slot("name", "Bo")});
  EXPECT_TRUE(state_.awaiting_confirmation);
  EXPECT_EQ(order({slot("size", "small"), slot("milk", "oat milk")}),
            "That is one small latte with oat milk for Bo. Shall I order it?");
}

TEST_F(CoffeeDialog, CancelAndNoEndIt) {
  order({slot("drink", "latte")});
  EXPECT_EQ(say(kDialogDomain, kCancel), "All right, I have cancelled the order.");
  EXPECT_TRUE(state_.pending_intent.empty());
  order({slot("drink", "latte"), slot("size", "large"), slot("name", "Bo")});
  EXPECT_EQ(say(kDialogDomain, kDeny), "All right, I have cancelled the order.");
  EXPECT_TRUE(state_.filled.empty());
}

TEST_F(CoffeeDialog, AnswersSideQuestionsAndGoesOn) {
  order({slot("drink", "latte")});
  const std::string hours = say(kAssistantDomain, "opening_hours");
  EXPECT_EQ(hours.find("We are open"), 0u) << hours;
  EXPECT_NE(hours.find("Which size"), std::string::npos) << hours;
  EXPECT_EQ(state_.pending_intent, "order_drink");
  const std::string weather = say("hwu64", "weather_query");
  EXPECT_NE(weather.find("weather"), std::string::npos) << weather;
  EXPECT_NE(weather.find("Which size"), std::string::npos) << weather;
  Understanding u;
  u.answer = "nine";
  u.in_scope = true;
  EXPECT_EQ(say(u).find("nine Which size"), 0u);
}

TEST_F(CoffeeDialog, AsksAgainThenGivesUp) {
  order({slot("drink", "latte")});
  EXPECT_EQ(say("", ""), "Sorry, I did not catch that. Which size: small, medium or large?");
  say("", "");
  EXPECT_EQ(say("", ""), "Sorry, I did not catch that. All right, I have cancelled the order.");
  EXPECT_TRUE(state_.pending_intent.empty());
}

TEST_F(CoffeeDialog, AnswersResetMisses) {
  order({slot("drink", "latte")});
  say("", "");
  order({slot("size", "small")});
  EXPECT_EQ(state_.misses, 0);
}

TEST_F(CoffeeDialog, GoodbyeEndsEvenAnOpenOrder) {
  order({slot("drink", "latte")});
  EXPECT_EQ(say(kAssistantDomain, "goodbye"), "Goodbye, enjoy your coffee!");
  EXPECT_TRUE(ended_);
  EXPECT_TRUE(state_.pending_intent.empty());
}

TEST_F(CoffeeDialog, WithoutADialogue) {
  EXPECT_EQ(say("", ""), "Sorry, I did not catch that.");
  EXPECT_EQ(say(kDialogDomain, kAffirm), "Sorry, I did not catch that.");
  EXPECT_EQ(say("hwu64", "audio_volume_up"), "Turning it up.");
  EXPECT_EQ(say(kAssistantDomain, "no_such_intent"), "I understood the request: no such intent.");
}

TEST(TemplateDialog, RefusesBadConfig) {
  TemplateDialogConfig config;
  config.max_misses = 0;
  EXPECT_EQ(create_dialog(config).status().code(), StatusCode::kInvalidArgument);
  config.max_misses = 1;
  config.responses_path = "/nowhere.toml";
  EXPECT_EQ(create_dialog(config).status().code(), StatusCode::kNotFound);
}

TEST(TemplateDialog, NothingConfiguredStillAnswers) {
  auto dialog = create_dialog({});
  ASSERT_TRUE(dialog.ok());
  DialogState state;
  state.pending_intent = "of_another_assistant";
  const auto reply = (*dialog)->respond({}, state);
  ASSERT_TRUE(reply.ok());
  EXPECT_FALSE(reply->text.empty());
}

}  // namespace
}  // namespace antiphon::dialog
