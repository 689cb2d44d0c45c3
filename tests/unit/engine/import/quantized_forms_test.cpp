// Operators on bytes node by node: extreme weights, weights that are not constant, and what is
// refused.
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>

#include "engine/engine.h"
#include "engine/onnx.h"
#include "tests/unit/engine/import/model_maker.h"

namespace antiphon::test {
namespace {

constexpr int kUInt8 = 2, kInt8 = 3;

template <typename T>
Message list(const std::string& name, int element, const std::vector<std::int64_t>& dims,
             const std::vector<T>& values) {
  return tensor(name, element, dims,
                {reinterpret_cast<const char*>(values.data()), values.size() * sizeof(T)});
}
Message scale(const std::string& name, float value) {
  return list<float>(name, kFloat, {}, {value});
}
Message zero(const std::string& name, int element, std::uint8_t value) {
  return list<std::uint8_t>(name, element, {}, {value});
}

// y of x [2, 3].
std::vector<float> output_of(const std::string& bytes, const std::vector<float>& x, const char* isa,
                             std::string* kernels = nullptr) {
  const auto network = import_onnx_bytes(bytes, "model");
  EXPECT_TRUE(network.ok()) << network.status().message();
  if (!network.ok()) return {};
  BuildOptions options;
  options.max_isa = isa;
  const auto plan = build(*network, options);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  if (!plan.ok()) return {};
  for (const LayerReport& layer : (*plan)->report().layers)
    if (kernels) *kernels += layer.kernel + " ";
  const auto context = Context::create(*plan, nullptr);
  const std::int64_t dims[] = {2, 3};
  std::memcpy(*(*context)->input("x", dims), x.data(), x.size() * sizeof(float));
  EXPECT_TRUE((*context)->run().ok());
  const auto y = (*context)->output("y")->f32();
  return {y.begin(), y.end()};
}

const std::vector<Message> kNumbers = {scale("s", 1),        zero("z", kUInt8, 0),
                                       scale("w_s", 0.5f),   zero("w_z", kUInt8, 128),
                                       scale("y_s", 1024.f), zero("y_z", kUInt8, 127)};

// Whole numbers of x within a byte times w, between QuantizeLinear and DequantizeLinear.
std::string product(std::vector<Message> tensors, const std::vector<Message>& before = {}) {
  std::vector<Message> nodes = {node("q", "QuantizeLinear", {"x", "s", "z"}, {"b"})};
  nodes.insert(nodes.end(), before.begin(), before.end());
  nodes.push_back(
      node("p", "QLinearMatMul", {"b", "s", "z", "w", "w_s", "w_z", "y_s", "y_z"}, {"c"}));
  nodes.push_back(node("d", "DequantizeLinear", {"c", "y_s", "y_z"}, {"y"}));
  tensors.insert(tensors.end(), kNumbers.begin(), kNumbers.end());
  return model(nodes, tensors);
}

// All bytes of x and w at their limits: sums of pairs are beyond 16 bits.
TEST(QuantizedForms, ExtremeBytesDoNotSaturate) {
  const std::vector<std::uint8_t> w = {0, 255, 0, 0, 255, 255, 0, 255, 128};
  const std::vector<float> x = {255, 255, 255, 0, 255, 1};
  std::vector<float> want;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 3; ++j) {
      double sum = 0;
      for (int k = 0; k < 3; ++k) sum += double{x[3 * i + k]} * (w[3 * k + j] - 128);
      want.push_back(static_cast<float>(std::nearbyint(sum * 0.5 / 1024) * 1024));
    }
  for (const char* isa : {"portable", "avx2", "avx_vnni", "avx512_vnni", "amx_int8"}) {
    std::string kernels;
    EXPECT_EQ(output_of(product({list("w", kUInt8, {3, 3}, w)}), x, isa, &kernels), want) << isa;
    EXPECT_NE(kernels.find("linear_static_u8"), std::string::npos) << kernels;
  }
}

// Weights that are computed at run time: sums of whole numbers, exact.
TEST(QuantizedForms, WeightsOfRunTimeStayExact) {
  const std::vector<Message> before = {node("t", "Transpose", {"b"}, {"w"})};
  const std::vector<float> x = {255, 17, 3, 0, 255, 101};
  std::vector<float> want;
  for (int i = 0; i < 2; ++i)
    for (int j = 0; j < 2; ++j) {
      double sum = 0;
      for (int k = 0; k < 3; ++k) sum += double{x[3 * i + k]} * (x[3 * j + k] - 128.0);
      want.push_back(static_cast<float>(std::nearbyint(sum * 0.5 / 1024) * 1024));
    }
  EXPECT_EQ(output_of(product({}, before), x, "avx2"), want);
}

Status refused(const std::vector<Message>& nodes, std::vector<Message> tensors) {
  tensors.insert(tensors.end(), kNumbers.begin(), kNumbers.end());
  return import_onnx_bytes(model(nodes, tensors), "model").status();
}
void expect_parts(const Status& status, StatusCode code, const std::vector<std::string>& parts) {
  EXPECT_EQ(status.code(), code) << status.message();
  for (const std::string& part : parts)
    EXPECT_NE(status.message().find(part), std::string::npos)
        << "no '" << part << "' in: " << status.message();
}

const Message kBytes = node("q", "QuantizeLinear", {"x", "s", "z"}, {"b"});

TEST(QuantizedForms, WrongTypesAreNamed) {
  const auto add = [](const std::string& a, const std::string& a_scale, const std::string& a_zero) {
    return microsoft(
        node("sum", "QLinearAdd", {a, a_scale, a_zero, "b", "s", "z", "y_s", "y_z"}, {"y"}));
  };
  EXPECT_TRUE(refused({kBytes, add("b", "s", "z")}, {}).ok());
  expect_parts(refused({kBytes, add("x", "s", "z")}, {}), StatusCode::kInvalidArgument,
               {"node 'sum' (QLinearAdd)", "values (input 0)", "wanted int8 or uint8, got float"});
  expect_parts(refused({kBytes, add("b", "", "z")}, {}), StatusCode::kInvalidArgument,
               {"node 'sum' (QLinearAdd)", "scale (input 1) is absent"});
  expect_parts(refused({kBytes, add("b", "z", "z")}, {}), StatusCode::kInvalidArgument,
               {"node 'sum' (QLinearAdd)", "scale (input 1)", "wanted real numbers, got uint8"});
  expect_parts(
      refused({kBytes, add("b", "s", "signed")}, {zero("signed", kInt8, 0)}),
      StatusCode::kInvalidArgument,
      {"node 'sum' (QLinearAdd)", "zero point (input 2)", "wanted uint8 as the values, got int8"});
}

TEST(QuantizedForms, ZeroPointsOfRunTimeAreNamed) {
  const Message dynamic = node("d", "DynamicQuantizeLinear", {"x"}, {"b", "b_scale", "b_zero"});
  const Message sum =
      microsoft(node("sum", "QLinearMul",
                     {"b", "b_scale", "b_zero", "b", "b_scale", "b_zero", "y_s", "y_z"}, {"y"}));
  expect_parts(refused({dynamic, sum}, {}), StatusCode::kUnsupported,
               {"node 'sum' (QLinearMul)", "zero point (input 2) is computed at run time",
                "must be a constant"});
}

TEST(QuantizedForms, LayersSayWhatTheyWant) {
  const Message w = list<std::uint8_t>("w", kUInt8, {3, 1, 1}, {1, 2, 3});
  const auto conv = [](const std::string& scale, const std::string& bias) {
    return node("c", "QLinearConv", {"b", "s", "z", "w", scale, "w_z", "y_s", "y_z", bias}, {"y"});
  };
  expect_parts(refused({kBytes, conv("", "")}, {w}), StatusCode::kInvalidArgument,
               {"node 'c' (QLinearConv)", "scale (input 4) is absent"});
  expect_parts(refused({kBytes, conv("w_s", "s")}, {w}), StatusCode::kInvalidArgument,
               {"node 'c' (QLinearConv)", "bias (input 8)", "wanted int32, got float"});
  const Message gemm =
      microsoft(node("g", "QGemm", {"b", "s", "z", "w", "w_s", "w_z", "", "y_s", "y_z"}, {"y"}));
  expect_parts(refused({kBytes, gemm}, {w}), StatusCode::kInvalidArgument,
               {"node 'g' (QGemm)", "a, b: wanted two axes each"});
  const Message mean =
      microsoft(node("m", "QLinearGlobalAveragePool", {"b", "s", "z", "y_s", "y_z"}, {"y"},
                     {int_attr("channels_last", 1)}));
  expect_parts(refused({kBytes, mean}, {}), StatusCode::kUnsupported,
               {"node 'm' (QLinearGlobalAveragePool)", "channels_last: wanted 0"});
  const Message other = node("o", "QLinearAdd", {"b"}, {"y"});
  expect_parts(refused({kBytes, other}, {}), StatusCode::kUnsupported,
               {"node 'o' (QLinearAdd)", "the operator is not supported"});
}

// What is not a dynamic layer of constant weights stays as it is written, exact.
TEST(QuantizedForms, IntegerProductsOfRunTimeStayExact) {
  const std::vector<Message> nodes = {
      node("d", "DynamicQuantizeLinear", {"x"}, {"b", "b_s", "b_z"}),
      node("t", "Transpose", {"b"}, {"w"}),
      node("m", "MatMulInteger", {"b", "w", "b_z", "b_z"}, {"i"}),
      node("c", "Cast", {"i"}, {"f"}, {int_attr("to", kFloat)}),
      node("s", "Mul", {"b_s", "b_s"}, {"ss"}),
      node("y", "Mul", {"f", "ss"}, {"y"})};
  const std::vector<float> x = {0, 51, 102, 153, 204, 255};  // steps of 1
  EXPECT_EQ(output_of(model(nodes), x, "avx2"), (std::vector<float>{13005, 36414, 36414, 130050}));
}

}  // namespace
}  // namespace antiphon::test
