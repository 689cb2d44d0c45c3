// What the importer refuses, and that each refusal names the node and the reason.
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <limits>
#include <random>

#include "engine/engine.h"
#include "engine/onnx.h"
#include "tests/unit/engine/import/model_maker.h"

namespace antiphon::test {
namespace {

using testing::Test;

Status status_of(const std::string& bytes, const OnnxOptions& options = {}) {
  return import_onnx_bytes(bytes, "model", options).status();
}

void expect_parts(const Status& status, StatusCode code, const std::vector<std::string>& parts) {
  EXPECT_EQ(status.code(), code) << status.message();
  for (const std::string& part : parts)
    EXPECT_NE(status.message().find(part), std::string::npos)
        << "no '" << part << "' in: " << status.message();
}

TEST(OnnxRejected, GoodModelIsTaken) {
  const Status status = status_of(model({node("a", "Relu", {"x"}, {"y"})}));
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(OnnxRejected, OneErrorListsEveryUnsupportedNode) {
  const Status status = status_of(
      model({node("first", "NoSuchThing", {"x"}, {"a"}), node("second", "Relu", {"a"}, {"b"}),
             node("third", "NoOtherThing", {"b"}, {"y"})}));
  expect_parts(status, StatusCode::kUnsupported,
               {"model: 2 nodes", "'first' (NoSuchThing)", "'third' (NoOtherThing)"});
  EXPECT_EQ(status.message().find("second"), std::string::npos) << status.message();
}

TEST(OnnxRejected, NodesThatNobodyNeedsDoNotCount) {
  const Status status =
      status_of(model({node("odd", "NoSuchThing", {"x"}, {"a"}), node("n", "Relu", {"x"}, {"y"})}));
  EXPECT_TRUE(status.ok()) << status.message();
}

TEST(OnnxRejected, CyclesAndMissingInputs) {
  expect_parts(
      status_of(model({node("a", "Add", {"x", "b"}, {"y"}), node("c", "Relu", {"y"}, {"b"})})),
      StatusCode::kInvalidArgument, {"node 'a' (Add)", "'b'", "cycle"});
  expect_parts(status_of(model({node("a", "Add", {"x", "nowhere"}, {"y"})})),
               StatusCode::kInvalidArgument, {"node 'a' (Add)", "'nowhere'"});
  expect_parts(status_of(model({node("a", "Relu", {"x"}, {"z"})})), StatusCode::kInvalidArgument,
               {"output 'y'", "no node makes it"});
  expect_parts(status_of(model({node("a", "Add", {"x"}, {"y"})})), StatusCode::kInvalidArgument,
               {"node 'a' (Add)", "input 1 is absent"});
}

TEST(OnnxRejected, WrongTypesAndShapes) {
  const Message three = tensor("w", kFloat, {3}, std::string(12, '\0'));
  const Message whole = tensor("k", kInt64, {2, 3}, std::string(48, '\0'));
  EXPECT_TRUE(status_of(model({node("a", "Add", {"x", "w"}, {"y"})}, {three})).ok());
  expect_parts(status_of(model({node("a", "MatMul", {"x", "v"}, {"y"})},
                               {tensor("v", kFloat, {4, 2}, std::string(32, '\0'))})),
               StatusCode::kInvalidArgument, {"node 'a' (MatMul)", "3"});
  // A vector on either side, whose axis is not there to be left out again.
  for (const bool left : {false, true})
    expect_parts(status_of(model({node("a", "MatMul", {left ? "v" : "x", left ? "x" : "v"}, {"y"})},
                                 {tensor("v", kFloat, {5}, std::string(20, '\0'))})),
                 StatusCode::kInvalidArgument, {"node 'a' (MatMul)", "5"});
  expect_parts(status_of(model({node("a", "And", {"x", "x"}, {"y"})})),
               StatusCode::kInvalidArgument, {"node 'a' (And)", "bool"});
  expect_parts(status_of(model({node("a", "Softmax", {"x"}, {"y"}, {int_attr("axis", 7)})})),
               StatusCode::kInvalidArgument, {"node 'a' (Softmax)", "axis 7"});
}

TEST(OnnxRejected, TensorsThatLie) {
  const auto with = [](const Message& tensor) {
    return status_of(model({node("a", "Add", {"x", "w"}, {"y"})}, {tensor}));
  };
  expect_parts(with(tensor("w", kFloat, {3}, "short")), StatusCode::kInvalidArgument,
               {"initialiser 'w'", "wanted 12 bytes, got 5"});
  expect_parts(with(tensor("w", kFloat, {1LL << 40, 1LL << 40}, "")), StatusCode::kInvalidArgument,
               {"initialiser 'w'", "dims"});
  expect_parts(with(tensor("w", kFloat, {-3}, "")), StatusCode::kInvalidArgument,
               {"initialiser 'w'", "dims"});
  expect_parts(with(tensor("w", 8, {1}, "")), StatusCode::kUnsupported,
               {"initialiser 'w'", "string"});
}

TEST(OnnxRejected, AbsurdShapesTakeNoMemory) {
  const std::string huge("\0\0\0\0\0\1\0\0\0\0\0\0\0\1\0\0", 16);  // 2^40, 2^48
  const Message dims = tensor("d", kInt64, {2}, huge);
  const auto network = import_onnx_bytes(
      model({node("a", "ConstantOfShape", {"d"}, {"c"}), node("b", "ReduceSum", {"c"}, {"s"}),
             node("e", "Add", {"x", "s"}, {"y"})},
            {dims}),
      "model");
  ASSERT_TRUE(network.ok()) << network.status().message();
  const auto plan = build(*network, {});
  EXPECT_FALSE(plan.ok());
}

TEST(OnnxRejected, PadsThatCannotBeCounted) {
  for (const std::int64_t pad :
       {std::numeric_limits<std::int64_t>::min(), std::numeric_limits<std::int64_t>::max()}) {
    std::string pads(32, '\0');
    std::memcpy(pads.data() + 8, &pad, sizeof pad);
    expect_parts(
        status_of(model({node("a", "Pad", {"x", "p"}, {"y"})}, {tensor("p", kInt64, {4}, pads)})),
        StatusCode::kInvalidArgument, {"node 'a' (Pad)", "pads: wanted numbers within 2^40"});
  }
}

TEST(OnnxRejected, OpsetsOutsideTheRange) {
  expect_parts(status_of(model({node("a", "Relu", {"x"}, {"y"})}, {}, 6)), StatusCode::kUnsupported,
               {"opset 6", "7 to"});
  expect_parts(status_of(model({node("a", "Relu", {"x"}, {"y"})}, {}, 99)),
               StatusCode::kUnsupported, {"opset 99"});
}

TEST(OnnxRejected, BytesThatAreNotAModel) {
  expect_parts(status_of(""), StatusCode::kInvalidArgument, {"not an ONNX model"});
  expect_parts(status_of("hello"), StatusCode::kInvalidArgument, {"not an ONNX model"});
  const std::string good = model({node("a", "Relu", {"x"}, {"y"})});
  for (std::size_t n = 0; n < good.size(); ++n)
    EXPECT_FALSE(status_of(good.substr(0, n)).ok()) << n << " of " << good.size() << " bytes";
}

TEST(OnnxRejected, ExternalDataStaysInTheFolder) {
  for (const char* location : {"../secret", "/etc/passwd", "a/../../b", ""}) {
    Message w = Message().number(1, 3).number(2, kFloat).text(8, "w");
    w.add(13, Message().text(1, "location").text(2, location)).number(14, 1);
    const auto status =
        import_onnx_bytes(model({node("a", "Add", {"x", "w"}, {"y"})}, {w}), "model", {}, ".")
            .status();
    expect_parts(status, StatusCode::kInvalidArgument, {"initialiser 'w'", "outside the folder"});
  }
}

TEST(OnnxRejected, RunTimeShapesSayWhatToFreeze) {
  Message graph;
  graph.add(1, node("r", "Reshape", {"x", "shape"}, {"y"})).text(2, "test");
  graph.add(11, value_info("x", kFloat, {2, 3})).add(11, value_info("shape", kInt64, {1}));
  graph.add(12, value_info("y", kFloat, {6}));
  const std::string bytes =
      Message().number(1, 8).add(7, graph).add(8, Message().number(2, 17)).bytes();
  expect_parts(status_of(bytes), StatusCode::kUnsupported,
               {"node 'r' (Reshape)", "shape (input 1)", "frozen"});
  OnnxOptions options;
  HostTensor six{DType::kI64, {1}, std::vector<std::byte>(8)};
  six.bytes[0] = std::byte{6};
  options.frozen["shape"] = six;
  EXPECT_TRUE(status_of(bytes, options).ok()) << status_of(bytes, options).message();
}

// Bytes of real models, changed at random places: an answer, whatever it is.
TEST(OnnxRejected, MutatedModelsGetAnAnswer) {
  std::mt19937 random(7);
  for (const char* name :
       {"onnx/speech", "onnx/decoder", "onnx/resize_cubic", "onnx/lstm_peepholes_lengths",
        "quantized/cnn_u8_uneven", "quantized/block_dynamic", "quantized/mlp_fused",
        "quantized/lstm_node_uneven", "microsoft/bert_dynamic", "microsoft/attention_past",
        "microsoft/qattention_unsigned", "microsoft/heads_past"}) {
    std::ifstream file(std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/" + name + ".onnx",
                       std::ios::binary);
    const std::string good((std::istreambuf_iterator<char>(file)),
                           std::istreambuf_iterator<char>());
    ASSERT_FALSE(good.empty()) << name;
    int taken = 0;
    for (int round = 0; round < 150; ++round) {
      std::string bytes = good;
      for (int k = 0; k < 1 + round % 8; ++k)
        bytes[random() % bytes.size()] = static_cast<char>(random() & 255);
      const auto network = import_onnx_bytes(bytes, name);
      if (network.ok())
        ++taken;
      else
        EXPECT_FALSE(network.status().message().empty());
    }
    EXPECT_GT(taken, 0) << name;  // most bytes are weights
  }
}

}  // namespace
}  // namespace antiphon::test
