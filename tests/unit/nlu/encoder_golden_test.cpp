// The encoder and its heads against PyTorch (tests/golden/nlu, training/nlu/golden.py), at every
// precision.
#include <gtest/gtest.h>

#include <cmath>

#include "nlu/encoder.h"
#include "nlu/labels.h"
#include "nlu/pack.h"
#include "nlu/tag_chain.h"

namespace antiphon::nlu {
namespace {

struct Case {
  const char* name;
  bool is_question;
};
constexpr Case kCases[] = {{"alarm", false},    {"playlist", false}, {"weather", false},
                           {"one_word", false}, {"lights", false},   {"nonsense", false},
                           {"opening", true}};

std::vector<float> golden_values(const Weights& golden, const std::string& name) {
  const auto tensor = golden.tensor(name);
  EXPECT_TRUE(tensor.ok()) << name;
  const auto span = tensor->f32();
  return {span.begin(), span.end()};
}

std::vector<std::int32_t> golden_ids(const Weights& golden, const std::string& name) {
  const auto tensor = golden.tensor(name);
  EXPECT_TRUE(tensor.ok()) << name;
  const auto* data = static_cast<const std::int32_t*>(tensor->data);
  return {data, data + tensor->num_elements()};
}

// Largest difference, in units of the golden values' root mean square.
double error_of(std::span<const float> got, const std::vector<float>& want) {
  EXPECT_EQ(got.size(), want.size());
  double worst = 0, square = 0;
  for (std::size_t i = 0; i < std::min(got.size(), want.size()); ++i) {
    if (std::isinf(want[i])) continue;
    worst = std::max(worst, std::abs(static_cast<double>(got[i]) - want[i]));
    square += static_cast<double>(want[i]) * want[i];
  }
  return worst / std::sqrt(square / static_cast<double>(want.size()));
}

std::unique_ptr<Encoder> encoder_of(Precision precision, const std::string& isa) {
  const std::string dir = ANTIPHON_SOURCE_DIR "/models/nlu-en";
  const auto manifest = read_pack(dir);
  EXPECT_TRUE(manifest.ok());
  const auto weights = Weights::load(manifest->weights_path);
  EXPECT_TRUE(weights.ok());
  EncoderOptions options;
  options.config = {.layers = manifest->layers, .heads = manifest->heads, .shape = {}};
  options.config.shape.max_tokens = manifest->labels.question.window_pieces;
  options.config.shape.intents = static_cast<int>(manifest->labels.intents.size());
  options.config.shape.tags = static_cast<int>(manifest->labels.tags.size());
  options.config.shape.answers = true;
  options.precision = precision;
  options.max_isa = isa;
  auto encoder = Encoder::create(**weights, options);
  EXPECT_TRUE(encoder.ok()) << encoder.status().message();
  return std::move(encoder).value();
}

// The words' best tags with the pack's learnt scores, in each domain that has tags.
void expect_chains(const Weights& golden, std::span<const float> logits, const char* name) {
  const std::string dir = ANTIPHON_SOURCE_DIR "/models/nlu-en";
  const auto manifest = read_pack(dir);
  ASSERT_TRUE(manifest.ok());
  const auto weights = Weights::load(manifest->weights_path);
  ASSERT_TRUE(weights.ok());
  const auto next = read_next_tags(**weights);
  ASSERT_TRUE(next.ok()) << next.status().message();
  const std::size_t num_tags = manifest->labels.tags.size();
  ASSERT_EQ(next->size(), num_tags * num_tags) << "the pack has learnt scores";
  const TagChain chain(manifest->labels, *next);
  std::vector<const float*> words;
  for (const std::int32_t place : golden_ids(golden, "places"))
    words.push_back(logits.data() + static_cast<std::size_t>(place) * num_tags);
  ASSERT_FALSE(words.empty());
  for (const char* domain : {"snips", "hwu64"})
    EXPECT_EQ(chain.best(manifest->labels.domains.at(domain).tags, words),
              golden_ids(golden, std::string("chain.") + domain))
        << name << " " << domain;
}

// Errors of all heads over all cases stay below `bound`; `family` says which golden values.
void expect_close(Encoder& encoder, const std::string& family, double bound) {
  for (const Case& c : kCases) {
    const auto golden = Weights::load(std::string(ANTIPHON_SOURCE_DIR "/tests/golden/nlu/") +
                                      c.name + ".safetensors");
    ASSERT_TRUE(golden.ok()) << golden.status().message();
    const auto ids = golden_ids(**golden, "ids"), types = golden_ids(**golden, "types");
    const auto got = encoder.run(ids, types);
    ASSERT_TRUE(got.ok()) << got.status().message();
    const auto want = [&](const char* name) {
      return golden_values(**golden, family + "." + name);
    };
    if (c.is_question) {
      const std::vector<float> start = want("start"), end = want("end");
      std::vector<float> both;
      for (std::size_t i = 0; i < start.size(); ++i) both.insert(both.end(), {start[i], end[i]});
      EXPECT_LT(error_of(got->answer, both), bound) << c.name << " answer";
      continue;
    }
    EXPECT_LT(error_of(got->intent, want("intent")), bound) << c.name << " intent";
    EXPECT_LT(error_of(got->tags, want("slots")), bound) << c.name << " slots";
    expect_chains(**golden, got->tags, c.name);
    std::vector<float> unit(got->sentence.begin(), got->sentence.end());
    double square = 0;
    for (const float x : unit) square += static_cast<double>(x) * x;
    for (float& x : unit) x = static_cast<float>(x / std::sqrt(square));
    EXPECT_LT(error_of(unit, want("embed")), bound) << c.name << " sentence";
  }
}

// The pack's INT8 weights expanded to f32: the same arithmetic as PyTorch's, in another order.
// Sums of 1536 terms through six layers: 2e-5 of the root mean square (4e-6 when written).
TEST(EncoderGolden, F32) { expect_close(*encoder_of(Precision::kF32, ""), "int8", 2e-5); }
TEST(EncoderGolden, F32Portable) {
  expect_close(*encoder_of(Precision::kF32, "portable"), "int8", 2e-5);
}
// INT8 weights are streamed and scaled after the sum; u8 x s8 products would cost much more than
// this bound (9e-4 when written).
TEST(EncoderGolden, Int8) { expect_close(*encoder_of(Precision::kInt8, ""), "int8", 5e-3); }
TEST(EncoderGolden, Int8Portable) {
  expect_close(*encoder_of(Precision::kInt8, "portable"), "int8", 5e-3);
}

}  // namespace
}  // namespace antiphon::nlu
