// The deck's networks, small: equal to ONNX Runtime, as fused as they should be, in little memory
// (tests/golden/deck, with its script).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/engine.h"
#include "engine/onnx.h"
#include "engine/weights.h"

namespace antiphon {
namespace {

struct Case {
  const char* name;
  int most_layers;      // that run, after the passes
  double bound = 3e-5;  // |got - want| <= bound * max(1, |want|): the order of sums, layer by layer
};

const Case kCases[] = {
    {"vgg19", 14},
    {"inception_v3", 14},
    {"resnet50", 19},
    {"ssd300", 16},
    {"unet", 18},
    {"mobilenet_v2", 14},
    {"mobilenet_v3", 23},
    {"efficientnet_b0", 26},
    {"r3d18", 9},
    {"r2plus1d18", 14},
    {"unet3d", 18},
    {"bert", 28},
    {"roberta", 36},
    {"ncf", 11},
    {"gnmt_encoder", 25},
    {"gnmt_decoder", 3},
    {"deep_asr", 17},
    {"peephole_lstm", 5},
    {"lstm_autoencoder", 19},
    {"wavernn", 7},
    {"tacotron2_encoder", 21},
    {"tacotron2_decoder", 34},
    {"tacotron2_postnet", 5},
    {"waveglow", 57},
};

std::string golden(const std::string& file) {
  return std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/deck/" + file;
}

class Deck : public testing::TestWithParam<Case> {
 protected:
  void build_plan(bool tune, const char* max_isa = "") {
    auto data = Weights::load(golden(std::string(GetParam().name) + ".safetensors"));
    ASSERT_TRUE(data.ok()) << data.status().message();
    data_ = *data;
    const auto network = import_onnx(golden(std::string(GetParam().name) + ".onnx"));
    ASSERT_TRUE(network.ok()) << network.status().message();
    BuildOptions options;
    options.precision = Precision::kF32;
    options.tune = tune;
    options.max_isa = max_isa;
    const auto plan = build(*network, options);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    plan_ = *plan;
  }

  void run_and_compare() {
    const auto context = Context::create(plan_, nullptr);
    ASSERT_TRUE(context.ok()) << context.status().message();
    for (const TensorSpec& spec : plan_->inputs()) {
      const TensorView value = *data_->tensor("in." + spec.name);
      const auto memory = (*context)->input(spec.name, value.dims);
      ASSERT_TRUE(memory.ok()) << memory.status().message();
      std::memcpy(*memory, value.data,
                  static_cast<std::size_t>(value.num_elements()) * dtype_bytes(value.dtype));
    }
    ASSERT_TRUE((*context)->run().ok());
    for (const TensorSpec& spec : plan_->outputs()) {
      const TensorView want = *data_->tensor("out." + spec.name);
      const TensorView got = *(*context)->output(spec.name);
      ASSERT_EQ(got.dims, want.dims) << spec.name;
      ASSERT_EQ(got.dtype, DType::kF32) << spec.name;
      for (std::int64_t i = 0; i < want.num_elements(); ++i) {
        const double w = want.f32()[i];
        ASSERT_NEAR(got.f32()[i], w, GetParam().bound * std::max(1.0, std::abs(w)))
            << spec.name << " at " << i;
      }
    }
  }

  std::shared_ptr<const Weights> data_;
  std::shared_ptr<const Plan> plan_;
};

TEST_P(Deck, EqualsOnnxRuntime) {
  build_plan(false);
  if (HasFatalFailure()) return;
  run_and_compare();
}

// Whatever kernels the tuner takes.
TEST_P(Deck, EqualsOnnxRuntimeWhenTuned) {
  build_plan(true);
  if (HasFatalFailure()) return;
  run_and_compare();
}

TEST_P(Deck, EqualsOnnxRuntimeOnEveryLevel) {
  for (const char* level :
       {"portable", "avx2", "avx_vnni", "avx512_vnni"}) {  // or the machine's, below it
    SCOPED_TRACE(level);
    build_plan(false, level);
    if (HasFatalFailure()) return;
    run_and_compare();
  }
}

TEST_P(Deck, IsFusedAndFitsItsMemory) {
  build_plan(false);
  if (HasFatalFailure()) return;
  const PlanReport& report = plan_->report();
  EXPECT_LE(static_cast<int>(report.layers.size()), GetParam().most_layers);
  EXPECT_LE(static_cast<double>(report.arena_bytes),
            1.1 * static_cast<double>(report.live_bytes_bound));
}

INSTANTIATE_TEST_SUITE_P(All, Deck, testing::ValuesIn(kCases),
                         [](const auto& info) { return std::string(info.param.name); });

}  // namespace
}  // namespace antiphon
