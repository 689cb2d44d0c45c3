// The reference interpreter and the network-definition API against values made by PyTorch in double
// precision.
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "engine/ir/op_enums.h"
#include "engine/network.h"
#include "tests/support/reference_interpreter.h"

namespace antiphon::test {
namespace {

class Golden : public testing::Test {
 protected:
  void load(const std::string& name) {
    std::ifstream file(ANTIPHON_SOURCE_DIR "/tests/golden/engine/reference.json");
    case_ = nlohmann::json::parse(file).at(name);
  }
  RefTensor tensor(const std::string& name) const {
    const auto& entry = case_.at(name);
    return {DType::kF32, entry.at("dims").get<std::vector<std::int64_t>>(),
            entry.at("values").get<std::vector<double>>()};
  }
  // Declares the tensor as an input and sets it.
  Value input(const std::string& name, DType dtype = DType::kF32) {
    RefTensor t = tensor(name);
    t.dtype = dtype;
    Shape shape;
    for (const std::int64_t d : t.dims) shape.emplace_back(d);
    inputs_[name] = std::move(t);
    return net_.input(name, dtype, shape);
  }
  void run() {
    ASSERT_TRUE(net_.status().ok()) << net_.status().to_string();
    const auto out = run_reference(net_.graph(), inputs_);
    ASSERT_TRUE(out.ok()) << out.status().to_string();
    for (const auto& [name, got] : *out) expect_equal(name, got, tensor(name));
  }
  static void expect_equal(const std::string& name, const RefTensor& got, const RefTensor& want) {
    EXPECT_EQ(got.dims, want.dims) << name;
    ASSERT_EQ(got.values.size(), want.values.size()) << name;
    // 15 digits are stored; sums of up to 60 terms.
    for (std::size_t i = 0; i < want.values.size(); ++i)
      EXPECT_NEAR(got.values[i], want.values[i], 1e-12 * (1 + std::abs(want.values[i])))
          << name << " at " << i;
  }

  Network net_{"golden"};
  RefTensors inputs_;
  nlohmann::json case_;
};

TEST_F(Golden, Lstm) {
  load("lstm");
  const Value x = input("x"), h = input("h"), c = input("c");
  const auto direction = [&](int d, const std::string& suffix) {
    const auto initial = [&](Value v) { return net_.reshape(net_.slice(v, 0, d, d + 1), {2, 4}); };
    const Value w_ih = input("weight_ih_l0" + suffix), w_hh = input("weight_hh_l0" + suffix);
    const Value b_ih = input("bias_ih_l0" + suffix), b_hh = input("bias_hh_l0" + suffix);
    return net_.lstm(x, initial(h), initial(c), w_ih, w_hh, b_ih, b_hh, d == 1);
  };
  const auto forward = direction(0, ""), backward = direction(1, "_reverse");
  const auto stack = [&](Value a, Value b) {
    return net_.concat({net_.reshape(a, {1, 2, 4}), net_.reshape(b, {1, 2, 4})}, 0);
  };
  net_.output("y", net_.concat({forward.y, backward.y}, 2));
  net_.output("hn", stack(forward.h, backward.h));
  net_.output("cn", stack(forward.c, backward.c));
  run();
}

TEST_F(Golden, Conv) {
  load("conv");
  const Value x = input("x"), w = input("w"), b = input("b");
  net_.output(
      "y", net_.conv1d(x, w, b,
                       {.stride = 2, .dilation = 2, .groups = 2, .pad_left = 3, .pad_right = 1}));
  run();
}

TEST_F(Golden, AttentionAsABlock) {
  load("attention");
  const Value q = input("q"), k = input("k"), v = input("v"), mask = input("mask");
  net_.output("y", net_.attention(q, k, v, 2, mask));
  run();
}

TEST_F(Golden, AttentionAsOneNode) {
  load("attention");
  ir::Node node;
  node.op = ir::OpKind::kAttention;
  node.attrs.set("heads", std::int64_t{2});
  node.outputs = {0};
  const RefTensor q = tensor("q"), k = tensor("k"), v = tensor("v"), mask = tensor("mask");
  const auto out = run_reference_node(node, {&q, &k, &v, &mask});
  ASSERT_TRUE(out.ok()) << out.status().to_string();
  expect_equal("y", (*out)[0], tensor("y"));
}

TEST_F(Golden, RotaryInEveryLayout) {
  load("rotary");
  const auto by_head = [](const RefTensor& x) {  // [2, 3, 2, 8] as [2, 2, 3, 8]
    RefTensor out{x.dtype, {2, 2, 3, 8}, {}};
    for (std::size_t i = 0; i < x.values.size(); ++i)
      out.values.push_back(x.values[((i / 48 * 3 + i / 8 % 3) * 2 + i / 24 % 2) * 8 + i % 8]);
    return out;
  };
  const auto flat = [](RefTensor x) {
    x.dims = {2, 3, 16};
    return x;
  };
  // The first `count` of the four numbers of each step.
  const auto first = [](const RefTensor& t, std::size_t count) {
    RefTensor out{t.dtype, {2, 3, static_cast<std::int64_t>(count)}, {}};
    for (std::size_t i = 0; i < t.values.size(); ++i)
      if (i % 4 < count) out.values.push_back(t.values[i]);
    return out;
  };
  for (const bool neighbours : {false, true}) {
    ir::Node node;
    node.op = ir::kOpRotary;
    node.outputs = {0};
    node.attrs.set("heads", std::int64_t{2});
    node.attrs.set("width", std::int64_t{neighbours ? 8 : 6});
    node.attrs.set("interleaved", std::int64_t{neighbours});
    const RefTensor x = tensor("x"), want = tensor(neighbours ? "neighbours" : "halves");
    const RefTensor cos = first(tensor("cos"), neighbours ? 4 : 3),
                    sin = first(tensor("sin"), neighbours ? 4 : 3);
    const auto expect = [&](const RefTensor& in, const RefTensor& out) {
      const auto got = run_reference_node(node, {&in, &cos, &sin});
      ASSERT_TRUE(got.ok()) << got.status().to_string();
      expect_equal("y", (*got)[0], out);
    };
    expect(flat(x), flat(want));
    expect(by_head(x), by_head(want));
    node.attrs.set("by_head", std::int64_t{1});
    expect(flat(x), by_head(want));
    node.attrs.set("steps_first", std::int64_t{1});
    expect(x, by_head(want));
  }
}

TEST_F(Golden, Rows) {
  load("rows");
  const Value x = input("x"), gamma = input("gamma"), beta = input("beta"), w = input("w");
  net_.output("norm", net_.layer_norm(x, gamma, beta));
  net_.output("softmax", net_.softmax(x, 0));
  net_.output("log_softmax", net_.log_softmax(x, 1));
  net_.output("sum", net_.reduce(Reduce::kSum, x, 0));
  net_.output("mean", net_.reduce(Reduce::kMean, x, 1));
  net_.output("max", net_.reduce(Reduce::kMax, x, -1));
  net_.output("argmax", net_.reduce(Reduce::kArgMax, x, 1));
  net_.output("linear", net_.linear(x, w, net_.slice(beta, 0, 0, 2)));
  run();
}

TEST_F(Golden, Unary) {
  load("unary");
  const Value x = input("x"), p = input("p");
  const std::pair<const char*, Unary> on_x[] = {
      {"neg", Unary::kNeg},   {"abs", Unary::kAbs},         {"exp", Unary::kExp},
      {"tanh", Unary::kTanh}, {"sigmoid", Unary::kSigmoid}, {"relu", Unary::kRelu},
      {"gelu", Unary::kGelu}, {"erf", Unary::kErf},         {"sin", Unary::kSin},
      {"cos", Unary::kCos},   {"floor", Unary::kFloor}};
  for (const auto& [name, op] : on_x) net_.output(name, net_.unary(op, x));
  const std::pair<const char*, Unary> on_p[] = {{"log", Unary::kLog},
                                                {"sqrt", Unary::kSqrt},
                                                {"rsqrt", Unary::kRsqrt},
                                                {"reciprocal", Unary::kReciprocal}};
  for (const auto& [name, op] : on_p) net_.output(name, net_.unary(op, p));
  net_.output("clamp", net_.clamp(x, -0.5f, 1.0f));
  run();
}

TEST_F(Golden, Binary) {
  load("binary");
  const Value a = input("a"), b = input("b"), p = input("p");
  net_.output("add", net_.add(a, b));
  net_.output("sub", net_.sub(a, b));
  net_.output("mul", net_.mul(a, b));
  net_.output("div", net_.div(a, b));
  net_.output("max", net_.binary(Binary::kMax, a, b));
  net_.output("min", net_.binary(Binary::kMin, a, b));
  net_.output("pow", net_.binary(Binary::kPow, p, b));
  net_.output("where", net_.where(net_.binary(Binary::kGreater, a, b), a, b));
  run();
}

TEST_F(Golden, Moves) {
  load("moves");
  const Value x = input("x"), y = input("y");
  net_.output("transpose", net_.transpose(x, {2, 0, 1}));
  net_.output("reshape", net_.reshape(x, {0, -1}));
  net_.output("slice",
              net_.slice(net_.slice(x, 1, 1, std::numeric_limits<std::int64_t>::max()), 2, 1, -1));
  net_.output("concat", net_.concat({x, y}, 1));
  net_.output("repeat", net_.repeat(x, 3, 2));
  net_.output("reverse", net_.reverse(x, 1));
  net_.output("pad", net_.pad(x, 2, 1, 2, 0.5f));
  run();
}

TEST_F(Golden, MatMul) {
  load("matmul");
  const Value a = input("a");
  net_.output("y", net_.matmul(a, input("b")));
  run();
}

TEST_F(Golden, Embedding) {
  load("embedding");
  const Value ids = input("ids", DType::kI32);
  net_.output("y", net_.embedding(ids, input("table")));
  run();
}

TEST_F(Golden, LoopStopsAfterTheIterationThatSaysSo) {
  Network net("counter");
  const float zero = 0;
  const Value start = net.constant("zero", {DType::kF32, {1}, &zero});
  const std::array<Value, 1> carried = {start};
  const std::array<Value, 0> none = {};
  const auto out = net.loop("count", carried, none, 0, 6, [&](LoopBody& body) {
    const Value n = net.add(body.carried(0), net.scalar(1));
    body.next(0, n);
    body.emit(n);
    body.stop(net.sub(n, net.scalar(2.5f)));
  });
  net.output("last", out[0]);
  net.output("all", out[1]);
  net.output("count", out[2]);
  const auto got = run_reference(net.graph(), {});
  ASSERT_TRUE(got.ok()) << got.status().to_string();
  EXPECT_EQ(got->at("last").values, std::vector<double>{3});
  EXPECT_EQ(got->at("all").values, (std::vector<double>{1, 2, 3, 0, 0, 0}));
  EXPECT_EQ(got->at("count").values, std::vector<double>{3});
}

TEST_F(Golden, DelayLineEqualsTheWholeSequence) {
  const auto build = [](bool streaming) {
    Network net("delay");
    const Value x = net.input("x", DType::kF32, {1, 2, "T"});
    const RefTensor w = random_ref({3, 2, 4}, 1);
    const std::vector<float> data(w.values.begin(), w.values.end());
    const Value weight = net.constant("w", {DType::kF32, {3, 2, 4}, data.data()});
    net.output("y", net.conv1d(streaming ? net.delay_line("past", x, 3) : x, weight, {},
                               {.pad_left = streaming ? 0 : 3}));
    return net;
  };
  const Network whole = build(false), stream = build(true);
  const RefTensor x = random_ref({1, 2, 7}, 2);
  const auto want = run_reference(whole.graph(), {{"x", x}});
  ASSERT_TRUE(want.ok()) << want.status().to_string();
  RefTensors states;
  std::int64_t done = 0;
  for (const std::int64_t n : {1, 4, 2}) {
    RefTensor part{DType::kF32, {1, 2, n}, {}};
    for (std::int64_t c = 0; c < 2; ++c)
      for (std::int64_t t = 0; t < n; ++t)
        part.values.push_back(x.values[static_cast<std::size_t>(c * 7 + done + t)]);
    const auto got = run_reference(stream.graph(), {{"x", part}}, &states);
    ASSERT_TRUE(got.ok()) << got.status().to_string();
    for (std::int64_t c = 0; c < 3; ++c)
      for (std::int64_t t = 0; t < n; ++t)
        EXPECT_EQ(got->at("y").values[static_cast<std::size_t>(c * n + t)],
                  want->at("y").values[static_cast<std::size_t>(c * 7 + done + t)]);
    done += n;
  }
}

}  // namespace
}  // namespace antiphon::test
