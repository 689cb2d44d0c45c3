// The understanding stage over a made-up encoder: sums of a vector for each word.
#include "nlu/text_understander.h"

#include <gtest/gtest.h>

#include <random>
#include <sstream>

namespace antiphon::nlu {
namespace {

// "weather" in the text speaks for the trained intent a/weather, "fish" for out of scope; the
// answer to a question is the word "nine".
class BagOfWords final : public TextEncoder {
 public:
  explicit BagOfWords(EncoderShape shape) : shape_(shape) {}
  const EncoderShape& shape() const override { return shape_; }
  Result<Encoded> run(std::span<const std::int32_t> ids, std::span<const std::int32_t>) override {
    EXPECT_LE(static_cast<int>(ids.size()), shape_.max_tokens);
    sentence_.assign(static_cast<std::size_t>(shape_.width), 0.0f);
    intent_ = {0, 0, 1};
    tags_.assign(ids.size() * 3, 0.0f);
    answer_.assign(ids.size() * 2, 0.0f);
    answer_[0] = answer_[1] = 2;
    for (std::size_t i = 0; i < ids.size(); ++i) {
      std::mt19937 random(static_cast<unsigned>(ids[i]));
      std::normal_distribution<float> normal;
      if (ids[i] > 3)
        for (float& x : sentence_) x += normal(random);
      if (ids[i] == kWeather) intent_[0] = 9;
      if (ids[i] == kFish) intent_[2] = 9;
      tags_[i * 3 + (ids[i] == kParis ? 1 : 0)] = 4;
      if (ids[i] == kNine) answer_[i * 2] = answer_[i * 2 + 1] = 8;
    }
    if (shape_.intents == 0) return Encoded{sentence_, {}, {}, {}};
    return Encoded{sentence_, intent_, tags_, answer_};
  }
  static constexpr int kWeather = 4, kFish = 5, kParis = 6, kNine = 7;

 private:
  EncoderShape shape_;
  std::vector<float> sentence_, intent_, tags_, answer_;
};

constexpr const char* kShop = R"(
name = "shop"
[[intent]]
name = "order_drink"
phrases = ["a {size} {drink}", "order a {drink} please", "my name is {name}"]
reply = "ok"
[[intent.slot]]
name = "size"
required = true
ask = "Which size?"
values = ["small", "large"]
[[intent.slot]]
name = "drink"
values = ["latte"]
[[intent.slot]]
name = "name"
type = "text"
[[intent]]
name = "opening_hours"
phrases = ["when do you open", "what time do you close"]
reply = "At nine."
)";

std::vector<std::string> vocabulary() {
  std::vector<std::string> pieces = {"[PAD]",   "[UNK]", "[CLS]", "[SEP]",
                                     "weather", "fish",  "paris", "nine"};
  std::istringstream words("what when do you open close time a large small latte order please my");
  for (std::string w; words >> w;) pieces.push_back(w);
  for (char c = 'b'; c <= 'z'; ++c) {
    pieces.push_back(std::string(1, c));
    pieces.push_back("##" + std::string(1, c));
  }
  return pieces;
}

UnderstanderParts parts(bool heads) {
  UnderstanderParts p;
  p.assistant = *parse_assistant(kShop, "shop");
  p.tokenizer = *WordPiece::create(vocabulary());
  EncoderShape shape{64, 24, heads ? 3 : 0, heads ? 3 : 0, heads};
  p.encoder = std::make_unique<BagOfWords>(shape);
  if (heads) {
    p.labels.intents = {"a/weather", "a/news", "oos"};
    p.labels.tags = {"O", "B-a/city", "I-a/city"};
    p.labels.domains["a"] = {{0, 1, 2}, {0, 1, 2}, 0.3f};
    p.labels.question = {0, 5, 24, 8, 8};
    p.served = {"a"};
  }
  return p;
}

class UnderstandText : public testing::Test {
 protected:
  void SetUp() override { make(true); }
  void make(bool heads) {
    auto made = TextUnderstander::create(parts(heads));
    ASSERT_TRUE(made.ok()) << made.status().message();
    understander_ = std::move(made).value();
  }
  Understanding understand(std::string_view text, std::string_view context = "",
                           const DialogState* state = nullptr) {
    const auto u = understander_->understand({text, context, state});
    EXPECT_TRUE(u.ok()) << u.status().message();
    return u.ok() ? *u : Understanding{};
  }
  std::unique_ptr<TextUnderstander> understander_;
};

TEST_F(UnderstandText, OwnIntents) {
  const Understanding u = understand("a large latte");
  EXPECT_EQ(u.domain, kAssistantDomain);
  EXPECT_EQ(u.intent, "order_drink");
  EXPECT_TRUE(u.in_scope);
  EXPECT_EQ(u.text, "a large latte");
  ASSERT_EQ(u.slots.size(), 2u);
  EXPECT_EQ(understand("when do you open please").intent, "opening_hours");
}

// Phrases of both intents come as near; that most phrases with the word are the first one's
// decides.
TEST(UnderstandExamples, AllPhrasesOfAnIntentSpeakForIt) {
  UnderstanderParts p = parts(false);
  p.assistant = *parse_assistant(R"(
name = "hours"
[[intent]]
name = "open"
phrases = ["do open", "time open", "you open", "what open"]
reply = "At nine."
[[intent]]
name = "close"
phrases = ["please open", "latte close", "order close", "small close"]
reply = "At six."
)",
                                 "hours");
  const auto understander = TextUnderstander::create(std::move(p));
  ASSERT_TRUE(understander.ok()) << understander.status().message();
  const auto u = (*understander)->understand({"do close open", "", nullptr});
  ASSERT_TRUE(u.ok());
  EXPECT_EQ(u->intent, "open");
  EXPECT_LT(u->confidence, 0.76f);
  EXPECT_GT(u->confidence, 0.7f);
}

TEST_F(UnderstandText, TrainedIntentsAndSlots) {
  const Understanding u = understand("weather in Paris");
  EXPECT_EQ(u.domain, "a");
  EXPECT_EQ(u.intent, "weather");
  ASSERT_EQ(u.slots.size(), 1u);
  EXPECT_EQ(u.slots[0].name, "city");
  EXPECT_EQ(u.slots[0].text, "Paris");
  EXPECT_EQ(u.slots[0].start, 11);
}

TEST_F(UnderstandText, OutOfScope) {
  const Understanding u = understand("fish zzz qqq");
  EXPECT_FALSE(u.in_scope);
  EXPECT_TRUE(u.intent.empty());
  EXPECT_GT(u.confidence, 0.5f);
  for (const char* text : {"", "   ", "\t\n"}) {
    EXPECT_FALSE(understand(text).in_scope);
    EXPECT_EQ(understand(text).text, text);
  }
}

TEST_F(UnderstandText, AnswersFromAContext) {
  const std::string context =
      "fish fish fish fish fish fish fish fish fish fish the shop has nine doors";
  const Understanding u = understand("fish q", context);
  EXPECT_EQ(u.answer, "nine");
  EXPECT_TRUE(u.in_scope);
  EXPECT_GT(u.answer_confidence, 0.9f);
  const Understanding none = understand("fish q", "nothing here");
  EXPECT_TRUE(none.answer.empty());
  EXPECT_FALSE(none.in_scope);
  EXPECT_EQ(understand("a large latte", context).intent, "order_drink");
}

TEST_F(UnderstandText, DialogueComesFirst) {
  DialogState state;
  state.pending_intent = "order_drink";
  state.asked_slot = "name";
  const Understanding u = understand("Paris", "", &state);
  EXPECT_EQ(u.domain, kAssistantDomain);
  ASSERT_EQ(u.slots.size(), 1u);
  EXPECT_EQ(u.slots[0].value, "Paris");
  EXPECT_EQ(understand("cancel", "", &state).intent, kCancel);
  state.asked_slot = "size";
  EXPECT_EQ(understand("weather", "", &state).intent, "weather");  // a side question, sure enough
}

TEST_F(UnderstandText, WithoutTrainedHeads) {
  make(false);
  EXPECT_EQ(understand("a large latte").intent, "order_drink");
  EXPECT_FALSE(understand("weather in paris").in_scope);
  EXPECT_TRUE(understand("fish q", "nine").answer.empty());
}

TEST_F(UnderstandText, RefusesBadText) {
  const auto code = [&](std::string_view text, std::string_view context = "") {
    return understander_->understand({text, context, nullptr}).status().code();
  };
  EXPECT_EQ(code("\xFF"), StatusCode::kInvalidArgument);
  EXPECT_EQ(code("fish", "\xC3"), StatusCode::kInvalidArgument);
  EXPECT_EQ(code(std::string(20001, 'a')), StatusCode::kInvalidArgument);
  EXPECT_EQ(code("a", std::string(20001, 'a')), StatusCode::kInvalidArgument);
}

TEST_F(UnderstandText, LongAndOddText) {
  std::string text;
  while (text.size() + 20 < 20000) text += "zz \xF0\x9F\x98\x80 fish q! ";
  EXPECT_FALSE(understand(text, text).in_scope);
  EXPECT_FALSE(understand("\xF0\x9F\x98\x80\xF0\x9F\x91\x8D").in_scope);
  std::mt19937 random(2);
  for (int i = 0; i < 300; ++i) {
    std::string odd(random() % 60, ' ');
    for (char& c : odd) c = static_cast<char>(random() % 128);
    (void)understand(odd, odd);
  }
}

TEST(TextUnderstander, RefusesLabelsThatDoNotFit) {
  UnderstanderParts p = parts(true);
  p.labels.intents.push_back("a/more");
  EXPECT_EQ(TextUnderstander::create(std::move(p)).status().code(), StatusCode::kInvalidArgument);
  p = parts(true);
  p.served = {"nowhere"};
  EXPECT_EQ(TextUnderstander::create(std::move(p)).status().code(), StatusCode::kInvalidArgument);
  p = parts(true);
  p.next_tags.assign(3, 0);
  EXPECT_EQ(TextUnderstander::create(std::move(p)).status().code(), StatusCode::kInvalidArgument);
  p = parts(true);
  p.assistant.intents[0].phrases = {"\xFF"};
  EXPECT_EQ(TextUnderstander::create(std::move(p)).status().code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace antiphon::nlu
