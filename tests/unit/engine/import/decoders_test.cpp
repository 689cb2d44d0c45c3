// Decoders as PyTorch exports them give what ONNX Runtime gives (tests/golden/decoders, with its
// script), and every attention of theirs is one layer.
#include <gtest/gtest.h>

#include <string>

#include "tests/unit/engine/import/golden_model.h"

namespace antiphon {
namespace {

std::string golden(const std::string& file) {
  return std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/" + file;
}

struct Decoder {
  const char* name;
  int attentions, linears, norms, wheres;
  std::size_t most_layers;
  int rotations = 0;
  // Of the profile; none where the mask's length must stay that of the past and the steps.
  std::int64_t room = 3;
};

class Decoders : public testing::TestWithParam<Decoder> {};

// Up to twenty layers with other orders of sums, of values up to 3.
TEST_P(Decoders, EqualOnnxRuntime) {
  test::expect_golden(golden(std::string("decoders/") + GetParam().name), 3e-5, GetParam().room);
}

TEST_P(Decoders, AreAFewLayers) {
  const Decoder& want = GetParam();
  const auto plan = test::plan_of(golden(std::string("decoders/") + want.name), want.room);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(test::count_layers(**plan, "attention"), want.attentions);
  EXPECT_EQ(test::count_layers(**plan, "linear"), want.linears);
  EXPECT_EQ(test::count_layers(**plan, "layer_norm"), want.norms);
  EXPECT_EQ(test::count_layers(**plan, "softmax") + test::count_layers(**plan, "matmul"), 0);
  // The mask once for all layers; the other of T5 is for its relative positions.
  EXPECT_EQ(test::count_layers(**plan, "where"), want.wheres);
  EXPECT_EQ(test::count_layers(**plan, "rotary"), want.rotations);
  EXPECT_LE((*plan)->report().layers.size(), want.most_layers);
}

INSTANTIATE_TEST_SUITE_P(All, Decoders,
                         testing::Values(Decoder{"gpt2", 2, 8, 5, 1, 33},
                                         Decoder{"gpt2_past", 2, 8, 5, 1, 50},
                                         Decoder{"t5", 2, 8, 4, 2, 43},
                                         Decoder{"t5_encoder", 2, 8, 5, 2, 48},
                                         Decoder{"opt_past", 2, 12, 5, 1, 51, 0, 0},
                                         Decoder{"bloom_past", 2, 8, 6, 1, 57, 0, 0},
                                         Decoder{"llama_past", 2, 12, 5, 1, 53, 4},
                                         Decoder{"qwen3_past", 2, 12, 9, 1, 58, 4},
                                         Decoder{"llama_step", 2, 12, 5, 1, 51, 4, 0},
                                         Decoder{"gptj_past", 2, 12, 3, 1, 52, 4},
                                         Decoder{"neox_past", 2, 8, 3, 1, 53, 4}),
                         [](const auto& of) { return std::string(of.param.name); });

}  // namespace
}  // namespace antiphon
