// Weights that an adapter changes: equal to PyTorch's sums and scales, and every misfit named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <limits>

#include "engine/network.h"
#include "engine/weights.h"
#include "tests/support/safetensors_file.h"

namespace antiphon {
namespace {

using test::f32_tensor;
using test::FileTensor;
using test::FileTensors;
using testing::AllOf;
using testing::HasSubstr;

std::shared_ptr<const Weights> golden(const std::string& name) {
  const auto weights =
      Weights::load(ANTIPHON_SOURCE_DIR "/tests/golden/engine/adapter_" + name + ".safetensors");
  EXPECT_TRUE(weights.ok()) << weights.status().to_string();
  return weights.ok() ? *weights : nullptr;
}

std::shared_ptr<const Weights> parse(const FileTensors& tensors, const std::string& name) {
  const auto weights = Weights::parse(test::safetensors_bytes(tensors), name);
  EXPECT_TRUE(weights.ok()) << weights.status().to_string();
  return weights.ok() ? *weights : nullptr;
}

TEST(AdaptedWeights, EqualsPyTorch) {
  const auto base = golden("base"), pairs = golden("pairs"), wanted = golden("wanted");
  ASSERT_TRUE(base && pairs && wanted);
  const auto got = Weights::adapted(base, pairs);
  ASSERT_TRUE(got.ok()) << got.status().to_string();
  EXPECT_EQ((*got)->names(), wanted->names());
  for (const std::string& name : wanted->names()) {
    const auto g = (*got)->tensor(name), w = wanted->tensor(name);
    ASSERT_TRUE(g.ok()) << g.status().to_string();
    EXPECT_EQ(g->dtype, w->dtype) << name;
    EXPECT_EQ(g->dims, w->dims) << name;
    EXPECT_TRUE(test::file_tensor(*g).bytes == test::file_tensor(*w).bytes) << name;
  }
  const std::vector<std::int64_t> wider = {8, 12};
  EXPECT_EQ((*got)->tensor("start")->dims, wider);  // [8, 4] in the base
  EXPECT_TRUE((*got)->has("pitch.start"));
  EXPECT_FALSE((*got)->has("told.scale"));  // the base's, of an I8 that F16 stands in place of
  EXPECT_FALSE((*got)->has("flow.gate.down"));
  EXPECT_FALSE((*got)->has("flow.cond.up.scale"));
  EXPECT_EQ((*got)->path(), base->path() + " with " + pairs->path());
  const Status missing = (*got)->tensor("flow.gates").status();
  EXPECT_EQ(missing.code(), StatusCode::kNotFound);
  EXPECT_THAT(missing.message(), AllOf(HasSubstr("adapter_base.safetensors with "),
                                       HasSubstr("the nearest is 'flow.gate'")));
}

TEST(AdaptedWeights, LeavesTheBaseAsItWas) {
  const auto base = golden("base");
  const std::string before = test::safetensors_bytes(test::file_tensors(*base));
  ASSERT_TRUE(Weights::adapted(base, golden("pairs")).ok());
  EXPECT_TRUE(test::safetensors_bytes(test::file_tensors(*base)) == before);
  const auto same = Weights::adapted(base, parse({}, "empty.st"));
  ASSERT_TRUE(same.ok()) << same.status().to_string();
  EXPECT_TRUE(test::safetensors_bytes(test::file_tensors(**same)) == before);
}

TEST(AdaptedWeights, KeepsBothFiles) {
  auto base = golden("base"), pairs = golden("pairs");
  const std::string bias = test::file_tensor(*base->tensor("bias")).bytes;
  const std::string start = test::file_tensor(*pairs->tensor("start")).bytes;
  const auto got = *Weights::adapted(base, pairs);
  base.reset(), pairs.reset();
  EXPECT_EQ(test::file_tensor(*got->tensor("bias")).bytes, bias);
  EXPECT_EQ(test::file_tensor(*got->tensor("start")).bytes, start);
}

// Exact in f32, so that any order of sums gives the same.
TEST(AdaptedWeights, AddsTheTransposeOfUpTimesDown) {
  const auto base = parse({{"w", f32_tensor({2, 3}, {1, 2, 3, 4, 5, 6})}}, "base.st");
  const auto pair = parse({{"w.down", f32_tensor({2, 3}, {1, 0, 2, 0, 10, 0})},
                           {"w.up", f32_tensor({2, 2}, {100, 200, 1, 2})}},
                          "pair.st");
  const auto got = Weights::adapted(base, pair);
  ASSERT_TRUE(got.ok()) << got.status().to_string();
  const auto sum = (*got)->tensor("w")->f32();
  EXPECT_THAT(std::vector<float>(sum.begin(), sum.end()),
              testing::ElementsAre(101, 12, 203, 204, 25, 406));
}

TEST(AdaptedWeights, NetworksTakeTheSums) {
  const auto got = *Weights::adapted(golden("base"), golden("pairs"));
  Network net("adapted");
  const Value x = net.input("x", DType::kF32, {1, "T", 37});
  net.output("y", net.linear(x, net.weight(*got, "flow.gate")));
  EXPECT_TRUE(net.status().ok()) << net.status().to_string();
}

class Misfits : public testing::Test {
 protected:
  static FileTensor ones(std::vector<std::int64_t> dims) {
    std::size_t count = 1;
    for (const std::int64_t n : dims) count *= static_cast<std::size_t>(n);
    return f32_tensor(std::move(dims), std::vector<float>(count, 1.0f));
  }
  static FileTensor bytes(const char* dtype, std::vector<std::int64_t> dims, std::string data) {
    return {dtype, std::move(dims), std::move(data)};
  }
  // What is said of an adapter of gate [6, 4], bias [6], cube [2, 3, 4], numbers [2, 2] of integers
  // and bare [2, 2], an I8 without scales.
  static std::string error(const FileTensors& adapter) {
    const auto base = parse({{"gate", ones({6, 4})},
                             {"bias", ones({6})},
                             {"cube", ones({2, 3, 4})},
                             {"numbers", bytes("I32", {2, 2}, std::string(16, '\0'))},
                             {"bare", bytes("I8", {2, 2}, "abcd")}},
                            "base.st");
    const auto got = Weights::adapted(base, parse(adapter, "voice.st"));
    EXPECT_EQ(got.status().code(), StatusCode::kInvalidArgument);
    EXPECT_THAT(got.status().message(), testing::StartsWith("voice.st: "));
    return got.status().message();
  }
};

TEST_F(Misfits, HalvesWantTheOther) {
  EXPECT_THAT(error({{"gate.down", ones({2, 4})}}),
              HasSubstr("gate.up: wanted beside gate.down, got none"));
  EXPECT_THAT(error({{"gate.up", ones({2, 6})}}),
              HasSubstr("gate.down: wanted beside gate.up, got none"));
  EXPECT_THAT(error({{"gate.up.scale", ones({2})}}), HasSubstr("gate.down: wanted beside"));
}

TEST_F(Misfits, ShapesMustFit) {
  const auto pair = [](std::vector<std::int64_t> down, std::vector<std::int64_t> up) {
    return error({{"gate.down", ones(std::move(down))}, {"gate.up", ones(std::move(up))}});
  };
  EXPECT_THAT(pair({2, 5}, {2, 6}),
              HasSubstr("gate.down: wanted [rank, 4] for gate [6, 4] of base.st, got [2, 5]"));
  EXPECT_THAT(pair({0, 4}, {0, 6}),
              HasSubstr("gate.down: wanted two dimensions, not empty, got [0, 4]"));
  EXPECT_THAT(pair({2, 4}, {3, 6}),
              HasSubstr("gate.up: wanted [2, 6] for gate [6, 4] of base.st, got [3, 6]"));
  EXPECT_THAT(pair({2, 4}, {2, 4}), HasSubstr("gate.up: wanted [2, 6]"));
  EXPECT_THAT(pair({8}, {2, 6}), HasSubstr("gate.down: wanted two dimensions, not empty, got [8]"));
  EXPECT_THAT(pair({2, 4}, {2, 3, 2}),
              HasSubstr("gate.up: wanted two dimensions, not empty, got [2, 3, 2]"));
}

TEST_F(Misfits, TheBaseMustHaveAMatrix) {
  const auto pair = [](const std::string& name) {
    return error({{name + ".down", ones({1, 4})}, {name + ".up", ones({1, 6})}});
  };
  EXPECT_THAT(pair("gates"),
              HasSubstr("gates.down: base.st: no tensor 'gates'; the nearest is 'gate'"));
  EXPECT_THAT(pair("bias"),
              HasSubstr("bias.down: base.st: bias: wanted two dimensions, not empty, got [6]"));
  EXPECT_THAT(pair("cube"), HasSubstr("cube: wanted two dimensions, not empty, got [2, 3, 4]"));
  EXPECT_THAT(pair("numbers"), HasSubstr("numbers: wanted f32, f16 or i8, got i32"));
  EXPECT_THAT(pair("bare"),
              HasSubstr("bare.scale: wanted f32 [2], one for each row of bare, got none"));
}

TEST_F(Misfits, OneOrTheOther) {
  const FileTensors pair = {{"gate.down", ones({1, 4})}, {"gate.up", ones({1, 6})}};
  for (const std::string name : {"gate", "gate.scale"}) {
    FileTensors both = pair;
    both[name] = ones({6});
    EXPECT_THAT(error(both), HasSubstr(name + ": wanted it or gate.down with gate.up, got both"));
  }
}

TEST_F(Misfits, BytesWantScales) {
  FileTensors pair = {{"gate.down", bytes("I8", {2, 4}, "abcdefgh")}, {"gate.up", ones({2, 6})}};
  const std::string wanted = "gate.down.scale: wanted f32 [2], one for each row of gate.down, got ";
  EXPECT_THAT(error(pair), HasSubstr(wanted + "none"));
  pair["gate.down.scale"] = ones({3});
  EXPECT_THAT(error(pair), HasSubstr(wanted + "f32 [3]"));
  pair["gate.down.scale"] = bytes("I8", {2}, "ab");
  EXPECT_THAT(error(pair), HasSubstr(wanted + "i8 [2]"));
  pair["gate.down"] = bytes("U8", {2, 4}, "abcdefgh");
  EXPECT_THAT(error(pair), HasSubstr("gate.down: wanted f32, f16 or i8, got u8"));
}

TEST_F(Misfits, ValuesMustBeFinite) {
  const FileTensors pair = {{"gate.down", ones({1, 4})}, {"gate.up", ones({1, 6})}};
  const auto with = [&](const std::string& name, FileTensor tensor) {
    FileTensors changed = pair;
    changed[name] = std::move(tensor);
    return error(changed);
  };
  const float inf = std::numeric_limits<float>::infinity();
  const std::string wanted = ": wanted finite values, got one that is not";
  EXPECT_THAT(with("gate.down", f32_tensor({1, 4}, {1, 1, inf, 1})),
              HasSubstr("gate.down" + wanted));
  EXPECT_THAT(with("gate.up", f32_tensor({1, 6}, {1, 1, 1, 1, 1, NAN})),
              HasSubstr("gate.up" + wanted));
  EXPECT_THAT(with("bias", f32_tensor({6}, {1, -inf, 1, 1, 1, 1})), HasSubstr("bias" + wanted));
  EXPECT_THAT(with("added", bytes("F16", {1}, std::string("\x01\x7c", 2))),  // not a number
              HasSubstr("added" + wanted));
  FileTensors large = pair;
  large["gate.down"] = f32_tensor({1, 4}, {1, 1, 2, 1});
  large["gate.up"] = f32_tensor({1, 6}, {1, 1, 1, 1, 1, 3e38f});
  EXPECT_THAT(error(large), HasSubstr("voice.st: gate" + wanted));
}

}  // namespace
}  // namespace antiphon
