// responses.toml: templates, their order, and the mistakes in a file.
#include "dialog/responses.h"

#include <gtest/gtest.h>

#include <cstdio>
#include <fstream>
#include <string>

#include "dialog/wording.h"

namespace antiphon::dialog {
namespace {

const std::vector<Slot> kSlots = {{"size", "large", "big", 0, 3}, {"who", "", "Anna", 4, 8}};

std::string filled(const std::string& text) {
  std::string out;
  return fill_template(text, kSlots, out) ? out : "(missing)";
}

TEST(FillTemplate, PutsValuesInPlace) {
  EXPECT_EQ(filled("a {size} one for {who}."), "a large one for Anna.");
  EXPECT_EQ(filled("plain"), "plain");
  EXPECT_EQ(filled(""), "");
}

TEST(FillTemplate, LeavesOutPartsWithMissingSlots) {
  EXPECT_EQ(filled("one[ {size}][ with {milk}][ for {who}]"), "one large for Anna");
  EXPECT_EQ(filled("[{size} {milk}]"), "");
}

TEST(FillTemplate, MissingSlotOutsideBracketsFails) {
  EXPECT_EQ(filled("with {milk}"), "(missing)");
  EXPECT_EQ(filled("with {milk"), "(missing)");
}

TEST(FillTemplate, OpenBracketsAndValuesWithBracesAreHarmless) {
  EXPECT_EQ(filled("a[ {size}"), "a large");
  EXPECT_EQ(filled("a]"), "a]");
  std::string out;
  EXPECT_TRUE(fill_template("{a}", {{"a", "{a}[", "", 0, 0}}, out));
  EXPECT_EQ(out, "{a}[");
}

TEST(FillTemplate, CountsInWordsAndPlurals) {
  const auto order = [](const char* number, const char* text) {
    std::string out;
    const std::vector<Slot> slots = {{"n", number, "", 0, 0}, {"drink", "latte", "", 0, 0}};
    return fill_template(text, slots, out) ? out : "(missing)";
  };
  const char* both = "{n in words} {drink by n}";
  EXPECT_EQ(order("1", both), "one latte");
  EXPECT_EQ(order("2", both), "two lattes");
  EXPECT_EQ(order("0", both), "zero lattes");
  EXPECT_EQ(order("12", both), "twelve lattes");
  EXPECT_EQ(order("13", both), "13 lattes");
  EXPECT_EQ(order("2.5", both), "2.5 lattes");
  EXPECT_EQ(order("2", "{drink in words}"), "latte") << "no number: as it is";
  EXPECT_EQ(order("2", "{drink by size}"), "(missing)");
  EXPECT_EQ(order("2", "a[ {drink by size}]"), "a");
  for (const char* broken : {"{}", "{ by n}", "{drink by }", "{ in words}", "{n in word}"})
    EXPECT_EQ(order("2", broken), "(missing)") << broken;
}

TEST(Plural, FollowsTheRulesOfSpelling) {
  const std::pair<const char*, const char*> kCases[] = {{"flat white", "flat whites"},
                                                        {"espresso", "espressos"},
                                                        {"box", "boxes"},
                                                        {"glass", "glasses"},
                                                        {"sandwich", "sandwiches"},
                                                        {"berry", "berries"},
                                                        {"day", "days"},
                                                        {"y", "ies"},
                                                        {"cup of tea", "cups of tea"},
                                                        {"box of berries", "boxes of berries"},
                                                        {"tea with milk", "teas with milk"},
                                                        {"", ""}};
  for (const auto& [one, many] : kCases) EXPECT_EQ(plural(one), many);
}

class ResponsesFile : public testing::Test {
 protected:
  Result<Responses> load(const std::string& toml) {
    path_ = testing::TempDir() + "responses_test.toml";
    std::ofstream(path_) << toml;
    return Responses::load(path_);
  }
  void TearDown() override { std::remove(path_.c_str()); }
  std::string path_;
};

TEST_F(ResponsesFile, TakesTheFirstReplyWhoseSlotsAreKnown) {
  const auto r = load(
      "not_understood = \"what\"\nfallback = \"got {intent}\"\n[reply]\n"
      "play = [\"{song} now\", \"{size} now\", \"now\"]\nhi = \"hello\"\n");
  ASSERT_TRUE(r.ok()) << r.status().message();
  EXPECT_EQ(r->reply("play", kSlots), "large now");
  EXPECT_EQ(r->reply("play", {}), "now");
  EXPECT_EQ(r->reply("hi", {}), "hello");
  EXPECT_EQ(r->reply("set_alarm", {}), "got set alarm");
  EXPECT_EQ(r->not_understood(), "what");
}

TEST_F(ResponsesFile, NamesMistakes) {
  const auto says = [&](const std::string& toml, const std::string& wanted) {
    const auto r = load(toml);
    ASSERT_FALSE(r.ok()) << toml;
    EXPECT_EQ(r.status().code(), StatusCode::kInvalidArgument);
    EXPECT_NE(r.status().message().find(wanted), std::string::npos) << r.status().message();
    EXPECT_NE(r.status().message().find(path_), std::string::npos) << r.status().message();
  };
  says("", "[reply]");
  says("replies = 1\n[reply]\n", "unknown key 'replies'");
  says("fallback = 1\n[reply]\n", "wanted a string");
  says("reply = 3\n", "unknown key");
  says("[reply]\na = 3\n", "reply.a");
  says("[reply]\na = []\n", "reply.a");
  says("[reply]\na = [1]\n", "reply.a");
  says("[reply\n", "line 1");
}

TEST(Responses, MissingFileIsNotFound) {
  EXPECT_EQ(Responses::load("/nowhere.toml").status().code(), StatusCode::kNotFound);
}

TEST(Responses, ShippedRepliesNeedNoSlot) {
  const auto r = Responses::load(ANTIPHON_SOURCE_DIR "/models/nlu-en/responses.toml");
  ASSERT_TRUE(r.ok()) << r.status().message();
  for (const char* intent :
       {"alarm_set", "play_music", "BookRestaurant", "weather", "qa_factoid"}) {
    const std::string said = r->reply(intent, {});
    EXPECT_FALSE(said.empty()) << intent;
    EXPECT_EQ(said.find("I understood the request"), std::string::npos) << intent;
    EXPECT_EQ(said.find_first_of("{}[]"), std::string::npos) << said;
  }
  EXPECT_EQ(r->reply("alarm_set", {{"time", "07:30", "half past seven", 0, 1}}),
            "An alarm for 07:30, understood.");
}

}  // namespace
}  // namespace antiphon::dialog
