// assistant.toml: what is read, and how each mistake is named.
#include "pipeline/assistant_spec.h"

#include <gtest/gtest.h>

#include <random>
#include <string>

namespace antiphon {
namespace {

constexpr const char* kSmall = R"(
name = "bar"
greeting = "Hi"
voice = "am_puck"
[[intent]]
name = "order"
phrases = ["a {size} {drink}", "coffee please"]
reply = "One {drink}[ in {size}]."
confirm = "One {drink}?"
cancelled = "Gone."
ends_dialog = true
[[intent.slot]]
name = "drink"
values = ["latte", ["tea", "cup of tea"]]
required = true
ask = "Which drink?"
[[intent.slot]]
name = "size"
type = "text"
default = "small"
)";

std::string error_of(const std::string& toml) {
  const auto spec = parse_assistant(toml, "my.toml");
  if (spec.ok()) return "ok";
  EXPECT_EQ(spec.status().code(), StatusCode::kInvalidArgument);
  return spec.status().message();
}

std::string intent(const std::string& lines) {
  return "name = \"x\"\n[[intent]]\nname = \"i\"\n" + lines;
}

TEST(AssistantSpec, ReadsEveryKey) {
  const auto spec = parse_assistant(kSmall, "my.toml");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_EQ(spec->name, "bar");
  EXPECT_EQ(spec->greeting, "Hi");
  EXPECT_EQ(spec->voice, "am_puck");
  ASSERT_EQ(spec->intents.size(), 1u);
  const IntentSpec& order = spec->intents[0];
  EXPECT_EQ(spec->find("order"), &order);
  EXPECT_EQ(spec->find("other"), nullptr);
  EXPECT_EQ(order.phrases.size(), 2u);
  EXPECT_EQ(order.confirm, "One {drink}?");
  EXPECT_EQ(order.cancelled, "Gone.");
  EXPECT_TRUE(order.ends_dialog);
  ASSERT_EQ(order.slots.size(), 2u);
  EXPECT_TRUE(order.slots[0].required);
  EXPECT_EQ(order.slots[0].type, SlotType::kList);
  ASSERT_EQ(order.slots[0].values.size(), 2u);
  EXPECT_EQ(order.slots[0].values[1].value, "tea");
  EXPECT_EQ(order.slots[0].values[1].said_as.size(), 2u);
  EXPECT_EQ(order.slots[1].type, SlotType::kText);
  EXPECT_EQ(order.slots[1].fallback, "small");
}

TEST(AssistantSpec, NamesEachMistake) {
  const auto says = [](const std::string& toml, const std::string& wanted) {
    const std::string message = error_of(toml);
    EXPECT_NE(message.find(wanted), std::string::npos) << message;
    EXPECT_EQ(message.find("my.toml"), 0u) << message;
  };
  says("name = \"x\"", "[[intent]]");
  says("name = 3\n", "wanted a string");
  says("[[intent]]\n", "'name' is missing");
  says("name = \"x\"\ncolour = 1\n", "unknown key 'colour'");
  says("name = \"x\"\n= 3", "line 2");
  says("name = \"x\"\nintent = 3", "[[intent]]");
  says("name = \"x\"\nintent = [3]", "[[intent]]");
  says(intent("reply = \"r\""), "phrases");
  says(intent("phrases = []\nreply = \"r\""), "at least one");
  says(intent("phrases = [\"\"]\nreply = \"r\""), "not empty");
  says(intent("phrases = [\"a\"]"), "'reply' is missing");
  says(intent("phrases = [\"a {b}\"]\nreply = \"r\""), "names no slot 'b'");
  says(intent("phrases = [\"a {b\"]\nreply = \"r\""), "names no slot");
  says(intent("phrases = [\"a\"]\nreply = \"r {c}\""), "names no slot 'c'");
  says(intent("phrases = [\"a\"]\nreply = \"r\"\nconfirm = \"{c}\""), "names no slot 'c'");
  says(intent("phrases = [\"a\"]\nreply = \"{c in words}\""), "names no slot 'c in words'");
  const std::string slot = "\n[[intent.slot]]\nname = \"n\"\ntype = \"number\"";
  says(intent("phrases = [\"{n in words}\"]\nreply = \"r\"" + slot), "'n in words'");
  says(intent("phrases = [\"a\"]\nreply = \"{n by }\"" + slot), "'n by '");
  says(intent("phrases = [\"a\"]\nreply = \"{n by m}\"" + slot), "'n by m'");
  says(intent("phrases = [\"a\"]\nreply = \"r\"\nends_dialog = 1"), "true or false");
  says(intent("phrases = [\"a\"]\nreply = \"r\"\nslot = 1"), "slot");
  const std::string good = "phrases = [\"a\"]\nreply = \"r\"\n[[intent.slot]]\n";
  says(intent(good), "'name' is missing");
  says(intent(good + "name = \"s\"\ntype = \"colour\""), "wanted list, number, time");
  says(intent(good + "name = \"s\""), "values");
  says(intent(good + "name = \"s\"\nvalues = [1]"), "values");
  says(intent(good + "name = \"s\"\nvalues = [[]]"), "empty");
  says(intent(good + "name = \"s\"\ntype = \"text\"\nrequired = true"), "'ask' is missing");
  says(intent(good +
              "name = \"s\"\ntype = \"text\"\n[[intent.slot]]\nname = \"s\"\ntype = \"text\""),
       "twice");
  says(intent("phrases = [\"a\"]\nreply = \"r\"\n") +
           "[[intent]]\nname = \"i\"\nphrases = [\"a\"]\nreply = \"r\"",
       "twice");
}

TEST(AssistantSpec, MissingFileIsNotFound) {
  EXPECT_EQ(read_assistant("/nowhere/a.toml").status().code(), StatusCode::kNotFound);
}

TEST(AssistantSpec, ShippedAssistantReads) {
  const auto spec = read_assistant(ANTIPHON_SOURCE_DIR "/models/assistants/coffee.toml");
  ASSERT_TRUE(spec.ok()) << spec.status().message();
  EXPECT_NE(spec->find("order_drink"), nullptr);
}

TEST(AssistantSpec, TruncatedAndDamagedTextIsAnErrorOrASpec) {
  const std::string text = kSmall;
  for (std::size_t cut = 0; cut <= text.size(); ++cut)
    (void)parse_assistant(text.substr(0, cut), "f");
  std::mt19937 random(7);
  for (int i = 0; i < 2000; ++i) {
    std::string damaged = text;
    for (int k = 0; k < 3; ++k) damaged[random() % damaged.size()] = static_cast<char>(random());
    (void)parse_assistant(damaged, "f");
  }
}

}  // namespace
}  // namespace antiphon
