// The network-definition API: graphs as text, shapes, and errors that stick.
#include "engine/network.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cstring>

#include "engine/ir/graph.h"
#include "engine/ir/schema.h"

namespace antiphon {
namespace {

using testing::AllOf;
using testing::HasSubstr;

constexpr std::int64_t kEnd = INT64_MAX;

Value filled(Network& net, const char* name, std::vector<std::int64_t> dims, float value = 0.5f) {
  std::int64_t count = 1;
  for (const std::int64_t d : dims) count *= d;
  const std::vector<float> data(static_cast<std::size_t>(count), value);
  return net.constant(name, {DType::kF32, dims, data.data()});
}

const void* constant_data(const ir::Graph& graph, std::string_view name) {
  for (const ir::ValueInfo& info : graph.values)
    if (info.name == name) return info.constant.data;
  return nullptr;
}

void expect_valid(const Network& net) {
  ASSERT_TRUE(net.status().ok()) << net.status().to_string();
  const Status status = ir::verify(net.graph());
  EXPECT_TRUE(status.ok()) << status.to_string() << "\n" << ir::to_text(net.graph());
}

TEST(Network, StreamingConvolutionKeepsItsSymbol) {
  Network net("front");
  const Value x = net.input("mel", DType::kF32, {"B", 8, "T"});
  const Value wide = net.delay_line("history", x, 4);
  const Value w = filled(net, "w", {6, 8, 5});
  const Value y = net.relu(net.conv1d(wide, w, filled(net, "b", {6})));
  net.output("y", y);
  expect_valid(net);
  EXPECT_EQ(
      ir::to_text(net.graph()),
      "graph front\n"
      "  input %mel: f32[B, 8, T]\n"
      "  state %history: f32[B, 8, 4] -> %slice_0\n"
      "  const %w: f32[6, 8, 5]\n"
      "  const %b: f32[6]\n"
      "  %concat_0: f32[B, 8, T+4] = concat(%history, %mel) {axis=2}\n"
      "  %slice_0: f32[B, 8, 4] = slice(%concat_0) {axis=2, begin=-4, end=9223372036854775807}\n"
      "  %conv_0: f32[B, 6, T] = conv(%concat_0, %w, -, %b)\n"
      "  %relu_0: f32[B, 6, T] = unary(%conv_0) {op=relu}\n"
      "  output y = %relu_0\n");
}

TEST(Network, LstmHoistsTheInputProduct) {
  Network net("acoustic");
  const Value x = net.input("x", DType::kF32, {"B", "T", 3});
  const Value h = net.state("h", {"B", 2});
  const Value c = net.state("c", {"B", 2});
  const auto out = net.lstm(x, h, c, filled(net, "w_ih", {8, 3}), filled(net, "w_hh", {8, 2}),
                            filled(net, "b_ih", {8}), filled(net, "b_hh", {8}));
  net.update(h, out.h);
  net.update(c, out.c);
  net.output("y", out.y);
  expect_valid(net);
  const std::string text = ir::to_text(net.graph());
  EXPECT_THAT(text, HasSubstr("  %linear_0: f32[B, T, 8] = linear(%x, %w_ih, -, %add_0)\n"));
  EXPECT_THAT(text,
              HasSubstr("%lstm_0.0: f32[B, 2], %lstm_0.1: f32[B, 2], %lstm_0.2: f32[B, T, 2] = "
                        "loop(%h, %c, %linear_0) {has_stop=0, num_carried=2, num_emitted=1, "
                        "num_scanned=1, scan_axis=1, trip_limit=0}\n"));
  EXPECT_THAT(text, HasSubstr("      const %w_hh: f32[8, 2]\n"));  // held by the body
  EXPECT_EQ(constant_data(*net.graph().nodes.back().body, "w_hh"),
            constant_data(net.graph(), "w_hh"));
}

TEST(Network, LoopCapturesInvariantsThroughNestedBodies) {
  Network net("nested");
  const Value memory = net.input("memory", DType::kF32, {"B", 4});
  const Value start = net.zeros({"B", 4});
  const std::array<Value, 1> carried = {start};
  const auto outer = net.loop("outer", carried, {}, 1, 3, [&](LoopBody& body) {
    const std::array<Value, 1> again = {body.carried(0)};
    const auto inner = net.loop("inner", again, {}, 1, 2, [&](LoopBody& step) {
      step.next(0, net.add(step.carried(0), memory));
      step.stop(net.reduce(Reduce::kMax, net.reduce(Reduce::kMax, step.carried(0), 1), 0));
    });
    body.next(0, inner[0]);
    body.emit(inner[0]);
  });
  net.output("last", outer[0]);
  net.output("all", outer[1]);
  expect_valid(net);
  EXPECT_THAT(ir::to_text(net.graph()),
              HasSubstr("%outer_0.1: f32[B, 3, 4] = loop(%zeros_0, %memory)"));
}

TEST(Network, AttentionInfersHeadsAndLengths) {
  Network net("bert");
  const Value x = net.input("x", DType::kF32, {"B", "T", 12});
  const Value mask = net.input("mask", DType::kF32, {"B", "T"});
  net.output("y", net.attention(x, x, x, 3, mask));
  expect_valid(net);
  EXPECT_THAT(ir::to_text(net.graph()), AllOf(HasSubstr("f32[B, 3, T, T] = matmul("),
                                              HasSubstr("%reshape_3: f32[B, 1, 1, T]"),
                                              HasSubstr("%reshape_4: f32[B, T, 12]")));
}

TEST(Network, WeightsExpandOrDequantize) {
  // a: F16 [2] = 1, -0.5; b: I8 [2, 3] with scales.
  std::string data;
  const std::uint16_t half[] = {0x3c00, 0xb800};
  data.append(reinterpret_cast<const char*>(half), 4);
  data.append(std::string("\x01\x02\x03\x04\x05\x06\x00\x00", 8));
  const float scale[] = {0.5f, 2.0f};
  data.append(reinterpret_cast<const char*>(scale), 8);
  const std::string header =
      R"({"a":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"I8","shape":[2,3],"data_offsets":[4,10]},)"
      R"("b.scale":{"dtype":"F32","shape":[2],"data_offsets":[12,20]},"c":{"dtype":"I8","shape":[1],"data_offsets":[10,11]}})";
  std::string bytes(8, '\0');
  const std::uint64_t count = header.size();
  std::memcpy(bytes.data(), &count, 8);
  const auto weights = Weights::parse(bytes + header + data, "pack.st");
  ASSERT_TRUE(weights.ok()) << weights.status().to_string();
  Network net("quantized");
  const Value x = net.input("x", DType::kF32, {"B", 3});
  net.output("y", net.linear(x, net.weight(**weights, "b"), net.weight(**weights, "a")));
  expect_valid(net);
  EXPECT_THAT(ir::to_text(net.graph()),
              HasSubstr("%dequantize_0: f32[2, 3] = dequantize(%b, %b.scale) {axis=0}"));
  for (const ir::ValueInfo& info : net.graph().values)
    if (info.name == "a") {
      EXPECT_EQ(static_cast<const float*>(info.constant.data)[1], -0.5f);
    }
  net.weight(**weights, "c");
  EXPECT_THAT(net.status().message(),
              AllOf(HasSubstr("network 'quantized'"), HasSubstr("'c.scale'")));
}

TEST(Network, FirstErrorSticksWithItsName) {
  Network net("broken");
  const Value x = net.input("x", DType::kF32, {"B", 4});
  EXPECT_FALSE(net.linear(x, filled(net, "w", {3, 5})).valid());
  const std::string message = net.status().message();
  EXPECT_EQ(message, "network 'broken': linear_0: last axis of x: wanted 5, got 4");
  net.softmax(x, 7);
  net.output("y", Value{});
  EXPECT_EQ(net.status().message(), message);
}

TEST(Network, MisuseIsAnError) {
  const auto message = [](auto&& define) {
    Network net("n");
    const Value x = net.input("x", DType::kF32, {"B", 4, "T"});
    define(net, x);
    EXPECT_FALSE(net.status().ok());
    return net.status().message();
  };
  const std::array<Value, 0> none = {};
  EXPECT_THAT(message([](Network& n, Value) { n.input("x", DType::kF32, {1}); }),
              HasSubstr("input 'x': declared twice"));
  EXPECT_THAT(message([](Network& n, Value) { n.input("y", DType::kF32, {"T+1"}); }),
              HasSubstr("'T+1'"));
  EXPECT_THAT(message([](Network& n, Value) {
                n.state("s", {"B", "T"});
              }),
              HasSubstr("static extents"));
  EXPECT_THAT(message([](Network& n, Value) {
                n.update(n.state("s", {"B", 4}), n.state("r", {"B", 5}));
              }),
              HasSubstr("update of 's'"));
  EXPECT_THAT(message([](Network& n, Value x) { n.update(x, x); }), HasSubstr("not a state"));
  EXPECT_THAT(message([](Network& n, Value x) { n.softmax(x, 3); }), HasSubstr("axis 3 of x"));
  EXPECT_THAT(message([](Network& n, Value x) { n.split(x, 3, 1); }), HasSubstr("into 3 parts"));
  EXPECT_THAT(message([](Network& n, Value x) { n.add(x, Value{}); }),
              HasSubstr("add_0: inputs: wanted 2, got 1"));
  EXPECT_THAT(message([](Network& n, Value) { n.zeros({"Q"}); }), HasSubstr("'Q'"));
  EXPECT_THAT(message([](Network& n, Value x) { n.output("y", x), n.output("y", x); }),
              HasSubstr("output 'y'"));
  EXPECT_THAT(message([&](Network& n, Value x) {
                const std::array<Value, 1> carried = {x};
                n.loop("l", carried, none, 0, 2, [](LoopBody&) {});
              }),
              HasSubstr("l: no next() for carried value 0"));
  EXPECT_THAT(message([&](Network& n, Value x) {
                Value inside;
                const std::array<Value, 1> carried = {x};
                n.loop("l", carried, none, 0, 2,
                       [&](LoopBody& b) { inside = n.relu(b.carried(0)), b.next(0, inside); });
                n.relu(inside);
              }),
              HasSubstr("closed loop body"));
  EXPECT_THAT(message([&](Network& n, Value x) {
                const std::array<Value, 1> carried = {x};
                n.loop("l", carried, none, 0, 2,
                       [&](LoopBody& b) { b.next(0, n.slice(b.carried(0), 1, 1, kEnd)); });
              }),
              HasSubstr("next of carried value 0"));
}

TEST(Network, SlicesAndRepeatsFollowTheSymbol) {
  Network net("moves");
  const Value x = net.input("x", DType::kF32, {"B", 4, "T"});
  const Value up = net.repeat(x, 4, 2);
  net.output("cut", net.slice(up, 2, 2, -3));
  net.output("folded", net.reshape(net.transpose(up, {0, 2, 1}), {0, -1, 16}));
  net.output("flat", net.reshape(x, {-1}));
  expect_valid(net);
  EXPECT_THAT(ir::to_text(net.graph()),
              AllOf(HasSubstr("%slice_0: f32[B, 4, 4*T-5]"), HasSubstr("%reshape_0: f32[B, T, 16]"),
                    HasSubstr("%reshape_1: f32[?]")));
}

}  // namespace
}  // namespace antiphon
