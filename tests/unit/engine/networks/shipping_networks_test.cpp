// The shipping networks through the engine: valid after every pass, fused loops, arenas near their
// bound, no allocation in the steady state, one result on every ISA and for both precisions.
#include "tests/support/shipping_networks.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>

#include "engine/kernels/isa.h"
#include "engine/passes/pipeline.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon::test {
namespace {

// Small extents: the weights, and so the kernels, are those that ship.
std::vector<NetworkCase> small_cases() {
  std::vector<NetworkCase> cases = shipping_cases();
  const std::vector<std::string> wanted = {
      "asr acoustic 4x688, 2 steps x1", "asr listener 4x384 + 3x576, 2 steps x1",
      "nlu bert 6x384, 12 tokens", "tts encoder, 64 symbols", "tts postnet, 24 frames"};
  std::erase_if(cases, [&](const NetworkCase& c) {
    return std::find(wanted.begin(), wanted.end(), c.name) == wanted.end();
  });
  cases.push_back(decoder_case(20));
  cases.push_back(vocoder_case(8));
  cases.push_back(pitched_vocoder_case(8));
  cases.push_back(pitch_case(8));
  return cases;
}

class ShippingNetworks : public testing::TestWithParam<NetworkCase> {
 protected:
  static BuildOptions options(Precision precision, int threads = 1, std::string isa = {}) {
    BuildOptions o;
    o.precision = precision;
    o.profile = GetParam().profile;
    o.num_threads = threads;
    o.max_isa = std::move(isa);
    return o;
  }
  static std::shared_ptr<const Plan> built(const BuildOptions& o) {
    auto plan = build(GetParam().network(true), o);
    EXPECT_TRUE(plan.ok()) << plan.status().to_string();
    return plan.ok() ? *plan : nullptr;
  }
  // The first output after `runs` runs.
  static std::vector<float> result_of(const BuildOptions& o, int runs = 2) {
    const auto plan = built(o);
    if (!plan) return {};
    auto team = ThreadTeam::create(o.num_threads, false);
    auto runner = NetworkRunner::create(plan, GetParam(), team->get());
    EXPECT_TRUE(runner.ok()) << runner.status().to_string();
    if (!runner.ok()) return {};
    for (int i = 0; i < runs; ++i) EXPECT_TRUE((*runner)->run().ok());
    std::vector<float> all;
    for (const TensorSpec& spec : plan->outputs()) {
      const auto values = (*runner)->output(spec.name)->f32();
      all.insert(all.end(), values.begin(), values.end());
    }
    return all;
  }
  static double difference(const std::vector<float>& a, const std::vector<float>& b) {
    EXPECT_EQ(a.size(), b.size());
    EXPECT_FALSE(a.empty());
    double most = 0;
    for (std::size_t i = 0; i < std::min(a.size(), b.size()); ++i) {
      EXPECT_TRUE(std::isfinite(a[i])) << i;
      most = std::max(most, double{std::abs(a[i] - b[i])});
    }
    return most;
  }
};

TEST_P(ShippingNetworks, AreValidAfterEveryPass) {
  for (const bool expand : {false, true}) {
    ir::Graph graph = GetParam().network(true).graph().clone();
    const auto report =
        passes::run_passes(graph, {.expand_int8 = expand, .verify = true, .dump_dir = ""});
    ASSERT_TRUE(report.ok()) << report.status().to_string();
    EXPECT_LT(report->nodes_after, report->nodes_before);
  }
}

TEST_P(ShippingNetworks, LoopsAreOneProgramAndArenasNearTheirBound) {
  const auto plan = built(options(Precision::kInt8));
  ASSERT_TRUE(plan);
  const PlanReport& report = plan->report();
  EXPECT_LE(report.arena_bytes, report.live_bytes_bound * 115 / 100);
  int loops = 0;
  for (const LayerReport& layer : report.layers)
    if (layer.op == "loop") {
      ++loops;
      EXPECT_EQ(layer.kernel, "cpu/loop_program");
    }
  const std::string& name = GetParam().name;
  if (name.starts_with("asr")) {
    EXPECT_EQ(loops, name.starts_with("asr listener") ? 3 : 4);
  }
  if (name.starts_with("tts encoder")) {
    EXPECT_EQ(loops, 2);
  }
  if (name.starts_with("tts tacotron")) {
    EXPECT_EQ(loops, 1);
    EXPECT_EQ(report.layers.size(), 1u) << "the decoder is more than its loop";
  }
}

TEST_P(ShippingNetworks, AllocateNothingInTheSteadyState) {
  for (const Precision precision : {Precision::kF32, Precision::kInt8})
    for (const int threads : {1, 2}) {
      const auto plan = built(options(precision, threads));
      ASSERT_TRUE(plan);
      auto team = ThreadTeam::create(threads, false);
      auto runner = NetworkRunner::create(plan, GetParam(), team->get());
      ASSERT_TRUE(runner.ok()) << runner.status().to_string();
      ASSERT_TRUE((*runner)->run().ok());  // binds the extents
      const long before = allocations();
      for (int i = 0; i < 3; ++i) ASSERT_TRUE((*runner)->run().ok());
      EXPECT_EQ(allocations(), before) << threads << " threads";
    }
}

// Both expand the same int8 weights, or stream them with activations of 16 bits.
TEST_P(ShippingNetworks, Int8IsNearF32) {
  const double diff =
      difference(result_of(options(Precision::kF32)), result_of(options(Precision::kInt8)));
  EXPECT_LE(diff, 4e-3);
  RecordProperty("difference", std::to_string(diff));
}

TEST_P(ShippingNetworks, EveryIsaGivesTheSameWithinRounding) {
  for (const Precision precision : {Precision::kF32, Precision::kInt8}) {
    const std::vector<float> plain = result_of(options(precision, 1, "portable"), 1);
    for (const Isa isa : isas()) {
      if (isa == Isa::kPortable) continue;
      const auto fast = result_of(options(precision, 1, std::string(isa_name(isa))), 1);
      EXPECT_LE(difference(plain, fast), 4e-3) << isa_name(isa);
    }
  }
}

TEST_P(ShippingNetworks, AnyNumberOfThreadsGivesTheSameInt8) {
  const auto one = result_of(options(Precision::kInt8, 1));
  EXPECT_EQ(difference(one, result_of(options(Precision::kInt8, 3))), 0);
}

INSTANTIATE_TEST_SUITE_P(All, ShippingNetworks, testing::ValuesIn(small_cases()),
                         [](const testing::TestParamInfo<NetworkCase>& at) {
                           std::string name = at.param.name;
                           name = name.substr(0, name.find(','));
                           std::erase_if(name, [](char c) { return !std::isalnum(c); });
                           return name;
                         });

}  // namespace
}  // namespace antiphon::test
