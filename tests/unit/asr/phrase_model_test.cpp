// The automaton of an assistant's phrases, and what it does for words that the language model does
// not expect.
#include "asr/phrase_model.h"

#include <gtest/gtest.h>

#include <sstream>

#include "asr/ctc_decoder.h"
#include "tests/unit/asr/tiny_pack.h"

namespace antiphon::asr {
namespace {

AssistantSpec coffee() {
  const auto spec = read_assistant(ANTIPHON_SOURCE_DIR "/models/assistants/coffee.toml");
  EXPECT_TRUE(spec.ok()) << spec.status().to_string();
  return *spec;
}

// How likely the model finds the last word after the others.
float last_word(const PhraseModel& model, const std::string& text) {
  std::istringstream words(text);
  std::string word;
  std::int32_t state = model.start();
  float p = 0;
  while (words >> word) p = model.probability(state, word, &state);
  return p;
}

TEST(PhraseModel, FollowsPhrasesThroughSlots) {
  const PhraseModel model = PhraseModel::create(coffee(), test::kAlphabet);
  EXPECT_GT(last_word(model, "i would like a"), 0.1f);
  EXPECT_GT(last_word(model, "i would like a large"), 0);
  EXPECT_GT(last_word(model, "i would like a large latte"), 0);
  EXPECT_GT(last_word(model, "i would like a large latte macchiato"), 0);
  EXPECT_GT(last_word(model, "i'll have twenty one large"), 0);
  EXPECT_GT(last_word(model, "um well i'll have two small mochas and a double espresso"), 0)
      << "a phrase may begin anywhere";
  EXPECT_GT(last_word(model, "oat milk"), 0) << "values answer questions alone";
  EXPECT_GT(last_word(model, "large"), 0);
  EXPECT_EQ(last_word(model, "a large zebra"), 0);
  EXPECT_EQ(last_word(model, "zebra"), 0);
  // Free text: three words of anything, and the phrase goes on after them.
  AssistantSpec spec = coffee();
  spec.intents.resize(1);
  spec.intents[0].phrases = {"order for {name} quickly"};
  const PhraseModel text = PhraseModel::create(spec, test::kAlphabet);
  EXPECT_EQ(last_word(text, "order for"), last_word(text, "latte order for"));
  EXPECT_EQ(last_word(text, "order for john"), 0);
  EXPECT_GT(last_word(text, "order for john maynard keynes quickly"), 0.3f);
}

TEST(PhraseModel, ProbabilitiesOfAStateSumToOne) {
  const PhraseModel model = PhraseModel::create(coffee(), test::kAlphabet);
  // All words that occur in the assistant.
  std::set<std::string> words;
  for (const IntentSpec& intent : coffee().intents) {
    std::string all;
    for (const auto& p : intent.phrases) all += p + " ";
    for (const auto& s : intent.slots)
      for (const auto& v : s.values)
        for (const auto& said : v.said_as) all += said + " ";
    all +=
        "one two three four five six seven eight nine ten eleven twelve thirteen fourteen "
        "fifteen sixteen seventeen eighteen nineteen twenty thirty forty fifty sixty seventy "
        "eighty ninety hundred thousand zero oh a couple dozen";
    std::istringstream in(all);
    for (std::string w; in >> w;) words.insert(w);
  }
  for (const char* text : {"", "i would", "a large", "what", "zebra", "order for john"}) {
    std::int32_t state = model.start(), unused = 0;
    std::istringstream in(text);
    for (std::string w; in >> w;) model.probability(state, w, &state);
    double sum = 0;
    for (const auto& w : words) sum += static_cast<double>(model.probability(state, w, &unused));
    EXPECT_NEAR(sum, 1.0, 1e-4) << "after '" << text << "'";
  }
}

TEST(PhraseModel, StaysSmallAndBounded) {
  const PhraseModel model = PhraseModel::create(coffee(), test::kAlphabet);
  EXPECT_LT(model.num_states(), 3000u);
  EXPECT_TRUE(PhraseModel::create({}, test::kAlphabet).empty());
  // Phrases whose sets of places explode stop at the limit instead of eating memory.
  AssistantSpec hard = coffee();
  hard.intents.resize(1);
  for (int i = 0; i < 16; ++i) {
    std::string phrase = "a";
    for (int k = 0; k <= i; ++k) phrase += " {name}";
    hard.intents[0].phrases.push_back(phrase + " a");
  }
  EXPECT_LE(PhraseModel::create(hard, test::kAlphabet).num_states(), 20000u);
}

std::vector<float> spelled(const std::string& text, const std::string& doubt, std::size_t at) {
  std::vector<float> out;
  for (std::size_t i = 0; i < text.size(); ++i) {
    std::vector<float> row(29, 0.002f);
    row[test::kAlphabet.find(text[i]) + 1] = 0.9f;
    if (i == at) {
      row[test::kAlphabet.find(text[i]) + 1] = 0.50f;
      row[test::kAlphabet.find(doubt) + 1] = 0.40f;
    }
    for (float& p : row) p = std::log(p);
    out.insert(out.end(), row.begin(), row.end());
    std::vector<float> blank(29, std::log(0.001f));
    blank[0] = std::log(0.97f);
    out.insert(out.end(), blank.begin(), blank.end());
  }
  return out;
}

std::string decode(const std::vector<float>& log_probs, const LanguageModel* lm,
                   const PhraseModel* phrases) {
  CtcDecoder decoder({}, lm, {}, phrases);
  decoder.advance(log_probs, static_cast<int>(log_probs.size() / 29));
  return decoder.finish(1).front().text;
}

TEST(PhraseModel, DecidesBetweenNearEqualsAndLeavesOthersAlone) {
  const auto lm = std::move(LanguageModel::load(test::kGolden + "tiny.anlm")).value();
  const PhraseModel phrases = PhraseModel::create(coffee(), test::kAlphabet);
  // "a large moccachino": the value is written "mochaccino"; here "macchiato" with a doubtful
  // letter.
  const auto doubtful = spelled("a large mackhiato", "c", 11);
  EXPECT_EQ(decode(doubtful, lm.get(), nullptr), "a large mackhiato");
  EXPECT_EQ(decode(doubtful, lm.get(), &phrases), "a large macchiato");
  EXPECT_EQ(decode(doubtful, nullptr, &phrases), "a large macchiato") << "also without a model";
  const auto clear = spelled("my zebra sings", "x", 99);
  EXPECT_EQ(decode(clear, lm.get(), &phrases), "my zebra sings");
}

// By the tiny model, whose words "macchiato" is not among.
TEST(PhraseModel, TheGainCountsAsOftenAsThePackSays) {
  const auto lm = std::move(LanguageModel::load(test::kGolden + "tiny.anlm")).value();
  const PhraseModel phrases = PhraseModel::create(coffee(), test::kAlphabet);
  const auto scores = [&](float gain, const PhraseModel* model) {
    CtcDecoderConfig config;
    config.phrase_gain = gain;
    CtcDecoder decoder(config, lm.get(), {}, model);
    const auto heard = spelled("a large macchiato", "c", 99);
    decoder.advance(heard, static_cast<int>(heard.size() / 29));
    const std::string texts[] = {"a large macchiato", "zebra"};
    std::vector<float> language;
    for (const TextScore& score : decoder.scores(texts)) language.push_back(score.language);
    return language;
  };
  const auto without = scores(0, &phrases), once = scores(1, &phrases), twice = scores(2, &phrases);
  EXPECT_GT(once[0], without[0] + 0.5f);
  EXPECT_NEAR(twice[0] - once[0], once[0] - without[0], 1e-3);
  EXPECT_EQ(twice[1], once[1]) << "no phrase has it";
  EXPECT_EQ(scores(1, nullptr), scores(2, nullptr));
}

}  // namespace
}  // namespace antiphon::asr
