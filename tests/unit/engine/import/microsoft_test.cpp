// Operators of ONNX Runtime's transformer optimiser give what ONNX Runtime gives
// (tests/golden/microsoft, with its script), and say what they do not take.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "tests/unit/engine/import/golden_model.h"
#include "tests/unit/engine/import/model_maker.h"

namespace antiphon {
namespace {

using test::int_attr, test::kFloat, test::Message;

std::string golden(const std::string& file) {
  return std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/microsoft/" + file;
}

// A product of 4 terms, a softmax of at most 7 and a sum of as many, or a norm of 4: a few
// roundings of values around 1.
constexpr double kBound = 1e-5;

class MicrosoftNode : public testing::TestWithParam<const char*> {};

TEST_P(MicrosoftNode, EqualsOnnxRuntime) { test::expect_golden(golden(GetParam()), kBound, 3); }

INSTANTIATE_TEST_SUITE_P(
    All, MicrosoftNode,
    testing::Values("attention_bias_by_head", "attention_bias_once", "attention_by_query",
                    "attention_causal", "attention_causal_mask", "attention_ends_starts",
                    "attention_lengths", "attention_mask", "attention_no_bias", "attention_past",
                    "attention_past_mask", "attention_plain", "attention_scale", "attention_sizes",
                    "attention_weights_of_run_time", "bias_gelu", "bias_split_gelu", "embed",
                    "embed_positions", "fast_gelu", "fast_gelu_bias", "gelu", "grouped_bias",
                    "grouped_both_ways", "grouped_chunk", "grouped_layers", "grouped_packed",
                    "grouped_part", "grouped_past", "grouped_plain", "grouped_positions",
                    "grouped_rotary", "grouped_uneven", "grouped_window", "grouped_window_past",
                    "heads_bias_by_head", "heads_bias_once", "heads_by_head", "heads_by_query",
                    "heads_causal", "heads_lengths", "heads_mask", "heads_past", "heads_plain",
                    "heads_present", "heads_sizes", "qattention_of_run_time", "qattention_past",
                    "qattention_signed", "qattention_unsigned", "qembed", "qembed_bare",
                    "quick_gelu", "quick_gelu_alpha", "rotary_by_head", "rotary_offset",
                    "rotary_part", "rotary_plain", "rotary_standard_angles", "rotary_standard_part",
                    "rotary_standard_plain", "simplified", "simplified_axis", "skip_layer_norm",
                    "skip_layer_norm_plain", "skip_simplified", "skip_simplified_plain"),
    [](const auto& info) { return std::string(info.param); });

std::shared_ptr<const Plan> bert_plan(const std::string& path, Precision precision) {
  const auto network = import_onnx(path);
  EXPECT_TRUE(network.ok()) << network.status().message();
  if (!network.ok()) return nullptr;
  BuildOptions options;
  options.precision = precision;
  options.profile = {{"B", {1, 2, 4}}, {"T", {1, 7, 16}}};
  const auto plan = build(*network, options);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return plan.ok() ? *plan : nullptr;
}

// All that attention may have in ONNX Runtime's operators: a past, a bias for each head, values of
// another width than keys.
TEST(MicrosoftAttention, IsOneLayer) {
  for (const char* name : {"attention_bias_by_head", "attention_bias_once",
                           "attention_by_query",     "attention_causal",
                           "attention_causal_mask",  "attention_ends_starts",
                           "attention_past",         "attention_past_mask",
                           "attention_scale",        "attention_sizes",
                           "heads_bias_by_head",     "heads_by_head",
                           "heads_causal",           "heads_past",
                           "heads_present",          "heads_sizes",
                           "qattention_past",        "grouped_bias",
                           "grouped_chunk",          "grouped_packed",
                           "grouped_past",           "grouped_rotary",
                           "grouped_uneven",         "grouped_window"}) {
    const auto plan = test::plan_of(golden(name), 3);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    EXPECT_EQ(test::count_layers(**plan, "attention"), 1) << name;
    EXPECT_EQ(test::count_layers(**plan, "softmax") + test::count_layers(**plan, "matmul"), 0)
        << name;
  }
}

// Positions, angles and the mask are made once; of a layer stay its products, rotations, joins with
// the past and the attention. Where a batch may have sequences of other lengths they are gathered.
TEST(MicrosoftAttention, LayersShareTheMask) {
  for (const bool one : {false, true}) {
    const auto plan =
        test::plan_of(golden(one ? "grouped_layers_of_one" : "grouped_layers"), one ? 0 : 3);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    for (const auto& [op, count] : {std::pair("attention", 2),
                                    {"linear", 8},
                                    {"rotary", 4},
                                    {"concat", 4},
                                    {"gather_nd", one ? 0 : 4},
                                    {"gather", 2},
                                    {"softmax", 0}})
      EXPECT_EQ(test::count_layers(**plan, op), count) << op;
  }
}

// The mask's length is one of its own: a profile's numbers must be those of past and step together.
TEST(MicrosoftAttention, OfOneSequenceEqualsOnnxRuntime) {
  test::expect_golden(golden("grouped_layers_of_one"), kBound, 0);
}

// A past as long as the present, as where both are one memory, is no shorter one with what is new
// behind it.
TEST(MicrosoftAttention, RefusesOtherLengthsWhenItRuns) {
  const auto network = import_onnx(golden("grouped_layers_of_one.onnx"));
  ASSERT_TRUE(network.ok()) << network.status().message();
  BuildOptions options;
  options.profile = {{"P", {3, 3, 4}}, {"T", {4, 4, 5}}};
  const auto plan = build(*network, options);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const auto context = Context::create(*plan, nullptr);
  ASSERT_TRUE(context.ok()) << context.status().message();
  for (const TensorSpec& spec : (*plan)->inputs()) {
    TensorView view{spec.dtype, {}, nullptr};
    for (const Dim& dim : spec.shape) view.dims.push_back(dim.is_static() ? dim.extent : 4);
    const auto memory = (*context)->input(spec.name, view.dims);
    ASSERT_TRUE(memory.ok()) << memory.status().message();
    std::memset(*memory, 0,
                static_cast<std::size_t>(view.num_elements()) * dtype_bytes(view.dtype));
  }
  const Status status = (*context)->run();
  EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << status.message();
  EXPECT_NE(status.message().find("[1, 1, 5, 16] does not fit [1, 1, 4, 16]"), std::string::npos)
      << status.message();
}

// Up to thirty layers with other orders of sums, as golden_test has of the network before.
TEST(OptimisedBert, EqualsOnnxRuntime) { test::expect_golden(golden("bert"), 3e-5, 3); }

// Against the network with the numbers that the bytes stand for. In int8 a row of x keeps 16 bits:
// 2^-15 of at most 3, by columns whose norm is a tenth, is 1e-5 a layer, in what norms add up. What
// the model's own rounding to 8 bits changes is 2e-4 to 8e-4.
TEST(OptimisedBert, RoundsLessThanItsDynamicFormSays) {
  for (const Precision precision : {Precision::kF32, Precision::kInt8})
    test::expect_golden(golden("bert_dynamic"), 3e-5, 3, precision);
}

// The optimiser takes nothing away that our own passes do not find again.
TEST(OptimisedBert, IsAsFusedAsTheNetworkBefore) {
  const auto before =
      bert_plan(std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/onnx/bert.onnx", Precision::kF32);
  const auto optimised = bert_plan(golden("bert.onnx"), Precision::kF32);
  const auto dynamic = bert_plan(golden("bert_dynamic.onnx"), Precision::kInt8);
  ASSERT_TRUE(before && optimised && dynamic);
  for (const auto& plan : {optimised, dynamic}) {
    EXPECT_LE(plan->report().layers.size(), before->report().layers.size());
    for (const char* op : {"attention", "linear", "layer_norm"})
      EXPECT_EQ(test::count_layers(*plan, op), test::count_layers(*before, op)) << op;
    EXPECT_EQ(test::count_layers(*plan, "softmax") + test::count_layers(*plan, "matmul"), 0);
  }
}

// A tensor of zeros of an element type of so many bytes.
constexpr int kUInt8 = 2, kInt32 = 6;
Message zeros(const std::string& name, const std::vector<std::int64_t>& dims,
              int element = kFloat) {
  std::size_t count = element == kUInt8 ? 1 : 4;
  for (const std::int64_t d : dims) count *= static_cast<std::size_t>(d);
  return test::tensor(name, element, dims, std::string(count, '\0'));
}

// The node of `op` reads "c" [1, 2, 3], made of x, and constants.
Status refused(const std::string& op, const std::vector<std::string>& inputs,
               std::vector<Message> tensors, const std::vector<Message>& attributes = {},
               const std::vector<std::string>& outputs = {"y"}) {
  tensors.push_back(test::tensor("dims", test::kInt64, {3},
                                 {"\1\0\0\0\0\0\0\0\2\0\0\0\0\0\0\0\3\0\0\0\0\0\0\0", 24}));
  const Message cube = test::node("cube", "Reshape", {"x", "dims"}, {"c"});
  const Message node = test::microsoft(test::node("odd", op, inputs, outputs, attributes));
  return import_onnx_bytes(test::model({cube, node}, tensors), "model").status();
}

void expect_parts(const Status& status, StatusCode code, const std::vector<std::string>& parts) {
  EXPECT_EQ(status.code(), code) << status.message();
  EXPECT_NE(status.message().find("node 'odd'"), std::string::npos) << status.message();
  for (const std::string& part : parts)
    EXPECT_NE(status.message().find(part), std::string::npos)
        << "no '" << part << "' in: " << status.message();
}

constexpr StatusCode kInvalid = StatusCode::kInvalidArgument,
                     kUnsupported = StatusCode::kUnsupported;

TEST(MicrosoftRefused, AttentionNamesWhatItWants) {
  const Message w = zeros("w", {3, 9}), b = zeros("b", {9}), three = int_attr("num_heads", 3);
  EXPECT_TRUE(refused("Attention", {"c", "w", "b"}, {w, b}, {three}).ok());
  expect_parts(refused("Attention", {"c", "w", "b"}, {w, b}), kInvalid, {"num_heads", "got 0"});
  expect_parts(refused("Attention", {"c", "w", "b"}, {w, b}, {int_attr("num_heads", 2)}), kInvalid,
               {"weights (input 1)", "multiples of num_heads (2)"});
  expect_parts(refused("Attention", {"c"}, {}, {three}), kInvalid, {"input 1 is absent"});
  expect_parts(refused("Attention", {"x", "w", "b"}, {w, b}, {three}), kInvalid,
               {"input (input 0)", "got 2 axes"});
  expect_parts(refused("Attention", {"c", "w", "b"}, {w, zeros("b", {8})}, {three}), kInvalid,
               {"bias (input 2)"});
  expect_parts(
      refused("Attention", {"c", "w", "b", "m"}, {w, b, zeros("m", {1, 1, 2, 2}, kInt32)}, {three}),
      kUnsupported, {"mask (input 3) of 4 axes", "[B, T]"});
  expect_parts(refused("Attention", {"c", "w", "b", "m"}, {w, b, zeros("m", {5}, kInt32)}, {three}),
               kUnsupported, {"mask of 5 numbers"});
  expect_parts(refused("Attention", {"c", "w", "b", "", "p"}, {w, b, zeros("p", {2, 1})}, {three}),
               kInvalid, {"past (input 4)", "got 2 axes"});
  expect_parts(refused("Attention", {"c", "w", "b"}, {w, b}, {three, int_attr("do_rotary", 1)}),
               kUnsupported, {"do_rotary: wanted 0"});
}

TEST(MicrosoftRefused, MultiHeadAttentionNamesWhatItWants) {
  const Message three = int_attr("num_heads", 3);
  EXPECT_TRUE(refused("MultiHeadAttention", {"c", "c", "c"}, {}, {three}).ok());
  expect_parts(refused("MultiHeadAttention", {"c"}, {}, {three}), kUnsupported,
               {"packed", "inputs 0 to 2"});
  expect_parts(refused("MultiHeadAttention", {"x", "c", "c"}, {}, {three}), kInvalid,
               {"query (input 0)", "got 2 axes"});
  expect_parts(refused("MultiHeadAttention", {"c", "c", "c"}, {}, {int_attr("num_heads", 2)}),
               kInvalid, {"query", "num_heads (2)"});
  expect_parts(refused("MultiHeadAttention", {"c", "c", "c", "", "", "", "c"}, {}, {three}),
               kInvalid, {"past_key and past_value"});
  expect_parts(refused("MultiHeadAttention", {"c", "c", "c", "", "", "", "", "", "n"},
                       {zeros("n", {1}, kInt32)}, {three}),
               kUnsupported, {"past_sequence_length (input 8)"});
  expect_parts(refused("MultiHeadAttention", {"c", "c", "c"}, {}, {three}, {"y", "", "", "qk"}),
               kUnsupported, {"output qk (3)"});
}

TEST(MicrosoftRefused, RotationsNameWhatTheyWant) {
  const Message x = zeros("q", {1, 2, 8}), at = zeros("at", {1, 2}, kInt32),
                table = zeros("t", {9, 2}), two = int_attr("num_heads", 2);
  const std::vector<std::string> inputs = {"q", "at", "t", "t"};
  EXPECT_TRUE(refused("RotaryEmbedding", inputs, {x, at, table}).ok());
  expect_parts(refused("RotaryEmbedding", inputs, {zeros("q", {1, 2, 9}), at, table}), kInvalid,
               {"num_heads: wanted 1 or more"});
  expect_parts(
      refused("RotaryEmbedding", inputs, {x, at, table}, {int_attr("is_packed_batching", 1)}),
      kUnsupported, {"is_packed_batching: wanted 0"});
  expect_parts(refused("RotaryEmbedding", inputs, {x, at, zeros("t", {9, 3})}, {two}), kInvalid,
               {"cos_cache and sin_cache", "half as many", "2"});
  expect_parts(refused("RotaryEmbedding", inputs, {x, at, zeros("t", {9})}, {two}), kInvalid,
               {"cos_cache and sin_cache: wanted [positions, w]", "got 1 axes"});
  expect_parts(refused("RotaryEmbedding", inputs, {x, at, table},
                       {two, int_attr("rotary_embedding_dim", 6)}),
               kInvalid, {"rotary_embedding_dim: wanted an even number", "(4), got 6"});
  expect_parts(refused("RotaryEmbedding", inputs, {x, zeros("at", {1, 1, 2}, kInt32), table}),
               kInvalid, {"position_ids (input 1)", "got 3 axes"});
  expect_parts(refused("RotaryEmbedding", inputs, {zeros("q", {2, 8}), at, table}, {two}), kInvalid,
               {"input (input 0): wanted [B, S, H]", "got 2 axes"});
}

TEST(MicrosoftRefused, GroupQueryAttentionNamesWhatItWants) {
  const std::vector<Message> tensors = {
      zeros("q", {1, 2, 16}),  zeros("k", {1, 2, 8}),      zeros("p", {1, 2, 3, 4}),
      zeros("n", {1}, kInt32), zeros("total", {}, kInt32), zeros("t", {9, 2}),
      zeros("w", {4}),         zeros("packed", {1, 2, 30})};
  const Message four = int_attr("num_heads", 4), two = int_attr("kv_num_heads", 2);
  const auto said = [&](const std::vector<std::string>& inputs, std::vector<Message> attributes,
                        const std::vector<std::string>& outputs = {"y"}) {
    attributes.push_back(four);
    return refused("GroupQueryAttention", inputs, tensors, attributes, outputs);
  };
  const std::vector<std::string> plain = {"q", "k", "k", "", "", "n", "x"};
  const auto with = [&](std::size_t input, const char* name) {
    std::vector<std::string> inputs = plain;
    inputs.resize(std::max(inputs.size(), input + 1));
    inputs[input] = name;
    return inputs;
  };
  EXPECT_TRUE(said(plain, {two}).ok()) << said(plain, {two}).message();
  expect_parts(said(plain, {}), kInvalid, {"kv_num_heads", "divisor of num_heads (4), got 0"});
  expect_parts(said(plain, {int_attr("kv_num_heads", 3)}), kInvalid, {"kv_num_heads", "got 3"});
  for (const char* name : {"smooth_softmax", "qk_output", "sliding_window_cache"})
    expect_parts(said(plain, {two, int_attr(name, 1)}), kUnsupported,
                 {std::string(name) + ": wanted 0, got 1"});
  expect_parts(said(plain, {two, test::float_attr("softcap", 30.0f)}), kUnsupported,
               {"softcap: wanted 0"});
  expect_parts(said(plain, {two, test::string_attr("k_quant_type", "PER_TENSOR")}), kUnsupported,
               {"k_quant_type: wanted NONE, got PER_TENSOR"});
  expect_parts(said(plain, {two, int_attr("do_rotary", 1)}), kInvalid, {"do_rotary", "cos_cache"});
  expect_parts(said(plain, {two, int_attr("causal", 0), int_attr("local_window_size", 2)}),
               kInvalid, {"local_window_size: wanted -1"});
  const char* others[] = {"head_sink",     "k_scale",       "v_scale",
                          "q_norm_weight", "k_norm_weight", "query_seqlens"};
  for (std::size_t i = 0; i < std::size(others); ++i)
    expect_parts(said(with(11 + i, "w"), {two}), kUnsupported,
                 {std::string(others[i]) + " (input " + std::to_string(11 + i) + ")"});
  expect_parts(said(plain, {two}, {"y", "", "", "qk"}), kUnsupported, {"output qk (3)"});
  expect_parts(said(with(3, "p"), {two}), kInvalid, {"past_key and past_value"});
  expect_parts(said(with(0, "p"), {two}), kInvalid, {"query (input 0)", "got 4 axes"});
  expect_parts(said(with(2, ""), {two}), kInvalid, {"key and value (inputs 1, 2)"});
  expect_parts(said({"packed", "", "", "", "", "n", "x"}, {two}), kInvalid,
               {"query (input 0): wanted packed", "8 heads"});
  expect_parts(said({"q", "k", "k", "p", "p", "n", "total"}, {two}), kUnsupported,
               {"total_sequence_length (input 6)", "5", "shares its memory"});
}

TEST(MicrosoftRefused, QuantisedNodesNameWhatTheyWant) {
  const Message three = int_attr("num_heads", 3), scale = zeros("s", {}),
                w = zeros("w", {3, 9}, kUInt8);
  expect_parts(
      refused("QAttention", {"c", "w", "b", "s", "s"}, {w, zeros("b", {9}), scale}, {three}),
      kInvalid, {"values (input 0)", "got float"});
  expect_parts(refused("QAttention", {"c", "f", "b", "", "s"},
                       {zeros("f", {3, 9}), zeros("b", {9}), scale}, {three}),
               kInvalid, {"values (input 1)", "got float"});
  const std::vector<std::string> lstm = {"c", "lw", "lr", "", "", "", "", "", "ls", "", "ls", ""};
  const std::vector<Message> good = {zeros("lw", {1, 3, 8}, kUInt8), zeros("lr", {1, 2, 8}, kUInt8),
                                     zeros("ls", {1})};
  EXPECT_TRUE(refused("DynamicQuantizeLSTM", lstm, good).ok());
  expect_parts(
      refused("DynamicQuantizeLSTM", lstm, {zeros("lw", {1, 8, 3}, kUInt8), good[1], good[2]}),
      kInvalid, {"W: wanted [1, ..., 8]"});
  expect_parts(refused("DynamicQuantizeLSTM", lstm, {good[0], good[1], zeros("ls", {1, 4})}),
               kInvalid, {"scale or zero point of W (input 8)"});
  expect_parts(refused("DynamicQuantizeLSTM", {"c", "lw", "lr"}, good), kInvalid,
               {"scale (input 8) is absent"});
  expect_parts(
      refused("DynamicQuantizeLSTM", lstm, {good[0], zeros("lr", {2, 8}, kUInt8), good[2]}),
      kInvalid, {"three axes each"});
}

TEST(MicrosoftRefused, NormsAndEmbeddingsNameWhatTheyWant) {
  const Message g = zeros("g", {3});
  EXPECT_TRUE(refused("SkipLayerNormalization", {"c", "c", "g"}, {g}).ok());
  expect_parts(refused("SkipLayerNormalization", {"c", "c", "g"}, {g}, {}, {"y", "mean"}),
               kUnsupported, {"mean and inv_std_var"});
  expect_parts(refused("SkipLayerNormalization", {"c", "c", "g"}, {zeros("g", {4})}), kInvalid,
               {"gamma"});
  EXPECT_TRUE(refused("SkipSimplifiedLayerNormalization", {"c", "c", "g"}, {g}).ok());
  expect_parts(refused("SkipSimplifiedLayerNormalization", {"s", "s", "g"}, {zeros("s", {}), g}),
               kInvalid, {"input (0): wanted one axis or more"});
  expect_parts(refused("SkipSimplifiedLayerNormalization", {"c", "c", "f"}, {zeros("f", {4})}),
               kInvalid, {"gamma"});
  const std::vector<Message> tables = {zeros("i", {1, 2}, kInt32), zeros("t", {5, 3}),
                                       zeros("p", {4, 3}), g};
  EXPECT_TRUE(refused("EmbedLayerNormalization", {"i", "", "t", "p", "", "g", "g"}, tables).ok());
  expect_parts(refused("EmbedLayerNormalization", {"i", "i", "t", "p", "", "g", "g"}, tables),
               kInvalid, {"segment_ids (input 1)", "both or neither"});
  expect_parts(refused("EmbedLayerNormalization", {"i", "", "g", "p", "", "g", "g"}, tables),
               kInvalid, {"embeddings", "got 1 axes"});
  expect_parts(refused("BiasSplitGelu", {"c", "g"}, {g}), kInvalid, {"even number of channels"});
}

}  // namespace
}  // namespace antiphon
