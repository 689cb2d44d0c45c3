// Conversations with the coffee assistant: the shipped pack, understanding and dialogue together.
#include <gtest/gtest.h>

#include <fstream>
#include <map>

#include "dialog/template_dialog.h"
#include "nlu/understander.h"

namespace antiphon {
namespace {

struct Dialogue {
  int line = 0;
  std::vector<std::pair<std::string, std::string>> turns;  // said, wanted
};

std::vector<Dialogue> read_dialogues(const std::string& path) {
  std::ifstream in(path);
  std::vector<Dialogue> out(1);
  int number = 0;
  for (std::string line; std::getline(in, line);) {
    ++number;
    if (line.empty() && !out.back().turns.empty()) out.emplace_back();
    if (line.starts_with("U ")) {
      if (out.back().turns.empty()) out.back().line = number;
      out.back().turns.emplace_back(line.substr(2), "");
    }
    if (line.starts_with("S ")) out.back().turns.back().second = line.substr(2);
  }
  if (out.back().turns.empty()) out.pop_back();
  return out;
}

class CoffeeDialogues : public testing::Test {
 protected:
  void SetUp() override {
    const std::string models = ANTIPHON_SOURCE_DIR "/models/";
    const auto spec = read_assistant(models + "assistants/coffee.toml");
    ASSERT_TRUE(spec.ok()) << spec.status().message();
    spec_ = *spec;
    nlu::UnderstanderConfig config;
    config.pack_dir = models + "nlu-en";
    config.assistant = spec_;
    auto understander = nlu::create_understander(config);
    ASSERT_TRUE(understander.ok()) << understander.status().message();
    understander_ = std::move(understander).value();
    auto dialog = dialog::create_dialog(
        {.responses_path = models + "nlu-en/responses.toml", .assistant = spec_});
    ASSERT_TRUE(dialog.ok()) << dialog.status().message();
    dialog_ = std::move(dialog).value();
  }

  std::string reply_to(const std::string& text, DialogState& state) {
    auto u = understander_->understand({.text = text, .context = {}, .dialog = &state});
    EXPECT_TRUE(u.ok()) << text;
    understood_ = u->domain + "/" + u->intent;
    const auto reply = dialog_->respond(*u, state);
    EXPECT_TRUE(reply.ok()) << text;
    return reply->text;
  }

  // What a word of the file stands for.
  std::string text_of(const std::string& word) const {
    const IntentSpec& order = *spec_.find("order_drink");
    if (word.starts_with("?"))
      for (const SlotSpec& slot : order.slots)
        if (slot.name == word.substr(1)) return slot.ask;
    static const std::map<std::string, std::string> kIntents = {{"hours", "opening_hours"}};
    if (word == "cancelled") return order.cancelled;
    if (word == "unknown") return spec_.not_understood;
    const auto named = kIntents.find(word);
    const IntentSpec* intent = spec_.find(named == kIntents.end() ? word : named->second);
    return intent == nullptr ? "" : intent->reply;
  }

  bool is_right(const std::string& reply, const std::string& wanted) const {
    const std::size_t space = wanted.find(' ');
    const std::string first = wanted.substr(0, space);
    const std::string rest = space == std::string::npos ? "" : wanted.substr(space + 1);
    if (first == "confirm") return reply == "That is " + rest + ". Shall I order it?";
    if (first == "done")
      return reply.starts_with("Thank you") && reply.ends_with("in a few minutes.");
    if (first == "trained") {
      const bool own = reply.starts_with(spec_.not_understood);
      return !own && (rest.empty() ? !reply.empty() : reply.ends_with(" " + text_of(rest)));
    }
    const std::string text = text_of(first);
    EXPECT_FALSE(text.empty()) << wanted;
    if (rest.empty()) return reply == text;
    return reply.starts_with(text + " ") && is_right(reply.substr(text.size() + 1), rest);
  }

  AssistantSpec spec_;
  std::unique_ptr<Understander> understander_;
  std::unique_ptr<Dialog> dialog_;
  std::string understood_;
};

// A dialogue is right when every answer in it is.
TEST_F(CoffeeDialogues, AreRight) {
  const auto dialogues =
      read_dialogues(ANTIPHON_SOURCE_DIR "/tests/golden/nlu/coffee_dialogues.txt");
  ASSERT_GE(dialogues.size(), 60u);
  std::size_t right = 0;
  std::string wrong;
  for (const Dialogue& dialogue : dialogues) {
    DialogState state;
    bool good = true;
    for (const auto& [said, wanted] : dialogue.turns) {
      const std::string reply = reply_to(said, state);
      if (is_right(reply, wanted)) continue;
      good = false;
      wrong += "line " + std::to_string(dialogue.line) + ": \"" + said + "\": wanted " + wanted +
               ", got \"" + reply + "\" (" + understood_ + ")\n";
      break;
    }
    right += good;
  }
  RecordProperty("right", static_cast<int>(right));
  RecordProperty("dialogues", static_cast<int>(dialogues.size()));
  EXPECT_GE(100 * right, 90 * dialogues.size())
      << right << " of " << dialogues.size() << " are right:\n"
      << wrong;
  if (!wrong.empty())
    std::printf("%zu of %zu dialogues are right\n%s", right, dialogues.size(), wrong.c_str());
}

}  // namespace
}  // namespace antiphon
