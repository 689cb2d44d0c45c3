// Imported networks and nodes give what ONNX Runtime gives (tests/golden/onnx, with its script).
#include <gtest/gtest.h>

#include "engine/engine.h"
#include "engine/onnx.h"
#include "tests/unit/engine/import/golden_model.h"

namespace antiphon {
namespace {

struct Case {
  const char* name;
  double bound;           // |got - want| <= bound * max(1, |want|)
  std::int64_t room = 3;  // of the profile above the extents
};

// Nodes: a few roundings of values around 1, and sums of at most 100 terms. Networks: that for each
// of up to 30 layers, with the different order of sums on both sides. Quantised and indices: exact.
const Case kCases[] = {
    {"bert", 3e-5},
    {"resnet", 1e-5},
    {"unet", 1e-5, 0} /* halved and doubled: even extents only */,
    {"speech", 3e-5},
    {"decoder", 1e-5},
    {"lstm_peepholes_lengths", 1e-5},
    {"gru_before_reset", 1e-5},
    {"rnn_reverse_relu", 1e-5},
    {"conv_groups_dilated", 1e-5},
    {"conv_same_upper", 1e-5},
    {"resize_cubic", 1e-5},
    {"pad_reflect", 0},
    {"qlinear_matmul", 0},
    {"layer_norm_axis", 1e-5},
    {"einsum_batched", 1e-5},
    {"scatter_add", 1e-6},
    {"top_k", 0},
};

std::string golden(const std::string& file) {
  return std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/onnx/" + file;
}

class OnnxGolden : public testing::TestWithParam<Case> {};

TEST_P(OnnxGolden, EqualsOnnxRuntime) {
  const Case& c = GetParam();
  test::expect_golden(golden(c.name), c.bound, c.room);
}

INSTANTIATE_TEST_SUITE_P(All, OnnxGolden, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

// A batch normalisation leaves no trace behind a convolution with constant weights.
TEST(OnnxImport, FoldsBatchNormalisation) {
  const auto network = import_onnx(golden("resnet.onnx"));
  ASSERT_TRUE(network.ok()) << network.status().message();
  BuildOptions options;
  options.profile["B"] = {1, 1, 1};
  const auto plan = build(*network, options);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  // 4 convolutions, with bias, activation and residual inside; a pool, a mean with two reshapes, a
  // product and a softmax.
  EXPECT_LE((*plan)->report().nodes_after, 10);
}

// Both extents are open; the position embeddings are a slice to T of a longer table.
TEST(OnnxImport, FusesAttentionOfOpenExtents) {
  const auto network = import_onnx(golden("bert.onnx"));
  ASSERT_TRUE(network.ok()) << network.status().message();
  BuildOptions options;
  options.profile = {{"B", {1, 1, 4}}, {"T", {1, 7, 16}}};
  const auto plan = build(*network, options);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  int attentions = 0, softmaxes = 0;
  for (const LayerReport& layer : (*plan)->report().layers) {
    attentions += layer.op == "attention" ? 1 : 0;
    softmaxes += layer.op == "softmax" ? 1 : 0;
  }
  EXPECT_EQ(attentions, 2);
  EXPECT_EQ(softmaxes, 0);
}

// The recurrences became structured loops, each of which the loop compiler takes as one program.
TEST(OnnxImport, RecurrencesAreLoops) {
  const auto network = import_onnx(golden("speech.onnx"));
  ASSERT_TRUE(network.ok()) << network.status().message();
  BuildOptions options;
  for (const TensorSpec& spec : network->inputs())
    for (const Dim& dim : spec.shape)
      if (!dim.is_static()) options.profile[dim.symbol] = {8, 8, 8};
  const auto plan = build(*network, options);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  int loops = 0;
  for (const LayerReport& layer : (*plan)->report().layers) loops += layer.op == "loop" ? 1 : 0;
  EXPECT_EQ(loops, 5);  // two layers in both directions, and the GRU
}

}  // namespace
}  // namespace antiphon
