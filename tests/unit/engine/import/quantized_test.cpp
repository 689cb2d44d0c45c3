// Networks that ONNX Runtime's quantizers wrote run on INT8 layers and give what it gives
// (tests/golden/quantized, with its script).
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <cstring>
#include <fstream>

#include "engine/engine.h"
#include "engine/onnx.h"
#include "engine/weights.h"

namespace antiphon {
namespace {

constexpr int kNumInputs = 2;
constexpr const char* kLevels[] = {"portable", "avx2", "avx_vnni", "avx512_vnni", "amx_int8"};

class Golden {
 public:
  explicit Golden(const std::string& name)
      : path_(std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/quantized/" + name) {
    auto data = Weights::load(path_ + ".safetensors");
    EXPECT_TRUE(data.ok()) << data.status().message();
    data_ = *data;
  }
  std::string model() const { return path_ + ".onnx"; }
  std::vector<float> values(const char* what, int i) const {
    const auto view = data_->tensor(what + std::to_string(i));
    EXPECT_TRUE(view.ok()) << view.status().message();
    return {view->f32().begin(), view->f32().end()};
  }

 private:
  std::string path_;
  std::shared_ptr<const Weights> data_;
};

std::shared_ptr<const Plan> plan_of(const Golden& golden, const char* isa, Precision precision) {
  const auto network = import_onnx(golden.model());
  EXPECT_TRUE(network.ok()) << network.status().message();
  if (!network.ok()) return nullptr;
  BuildOptions options;
  options.precision = precision;
  options.max_isa = isa;
  const auto plan = build(*network, options);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return plan.ok() ? *plan : nullptr;
}

std::vector<float> run(const std::shared_ptr<const Plan>& plan, const std::vector<float>& x) {
  auto context = Context::create(plan, nullptr);
  EXPECT_TRUE(context.ok());
  std::vector<std::int64_t> dims;
  const std::vector<TensorSpec> inputs = plan->inputs();
  for (const Dim& d : inputs[0].shape) dims.push_back(d.extent);
  std::memcpy(*(*context)->input("x", dims), x.data(), x.size() * sizeof(float));
  EXPECT_TRUE((*context)->run().ok());
  const auto y = (*context)->output("y")->f32();
  return {y.begin(), y.end()};
}

double rms(const std::vector<float>& a, const std::vector<float>& b) {
  double change = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    change += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    size += double{b[i]} * b[i];
  }
  return std::sqrt(change / size);
}

// Layers by kernels whose names hold one of these.
std::ptrdiff_t count(const Plan& plan, std::initializer_list<const char*> names) {
  const auto& layers = plan.report().layers;
  return std::count_if(layers.begin(), layers.end(), [&](const LayerReport& layer) {
    return std::any_of(names.begin(), names.end(), [&](const char* name) {
      return layer.kernel.find(name) != std::string::npos;
    });
  });
}

// What products of whole numbers and steps between types would run on.
std::ptrdiff_t count_plain(const Plan& plan) {
  return count(plan, {"matmul_integer", "conv_nd_plain", "conv_plain"});
}

template <typename Case>
std::string name_of(const testing::TestParamInfo<Case>& info) {
  return info.param.name;
}

struct Static {
  const char* name;
  int byte_layers;
  double bound;  // rms of the difference to ONNX Runtime, relative
};

class QuantizedStatically : public testing::TestWithParam<Static> {};

// The CNNs' outputs are bytes: on inputs where no sum lies between two of them all are the same. A
// value of a layer norm is made of f32 sums in another order, so one next to the middle of two
// steps may round the other way: a hundredth of a value, of a few in thousands.
TEST_P(QuantizedStatically, RunsOnBytesAndEqualsOnnxRuntime) {
  const Golden golden(GetParam().name);
  for (const char* isa : kLevels) {
    const auto int8 = plan_of(golden, isa, Precision::kInt8);
    const auto f32 = plan_of(golden, isa, Precision::kF32);
    ASSERT_TRUE(int8 && f32);
    EXPECT_EQ(count(*int8, {"static_u8", "tapped_u8", "depthwise_u8"}), GetParam().byte_layers)
        << isa;
    EXPECT_EQ(count_plain(*int8), 0) << isa;
    EXPECT_EQ(count_plain(*f32), 0) << isa;
    for (int i = 0; i < kNumInputs; ++i) {
      const auto x = golden.values("in.x.", i), want = golden.values("out.y.", i);
      EXPECT_LE(rms(run(int8, x), want), GetParam().bound) << isa << " input " << i;
      EXPECT_LE(rms(run(f32, x), want), GetParam().bound) << isa << " input " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, QuantizedStatically,
    testing::Values(Static{"cnn_u8", 7, 0}, Static{"cnn_s8", 7, 0}, Static{"cnn_u8_uneven", 7, 0},
                    Static{"filters_pairs_uneven", 5, 0}, Static{"filters_3d_uneven", 5, 0},
                    Static{"separable_u8", 8, 0}, Static{"separable_pairs_uneven", 8, 0},
                    Static{"block_u8", 6, 5e-3}),
    name_of<Static>);

// The residual's sum is a program on bytes that a plan file holds as it is.
TEST(QuantizedPlans, ResidualsStayBytes) {
  for (const char* name : {"cnn_u8", "cnn_s8"}) {
    const Golden golden(name);
    const auto plan = plan_of(golden, "avx2", Precision::kInt8);
    ASSERT_TRUE(plan);
    int bytes = 0, sums = 0;
    for (const LayerReport& layer : plan->report().layers) {
      const bool is_bytes = layer.output.starts_with("u8[");
      bytes += is_bytes ? 1 : 0;
      sums += is_bytes && layer.op == "pointwise" ? 1 : 0;
    }
    EXPECT_GE(bytes, 9) << name;
    EXPECT_GE(sums, 2) << name;  // the residual, and the gate's sigmoid
    const std::string path = testing::TempDir() + name + ".plan";
    ASSERT_TRUE(plan->save(path).ok());
    const auto loaded = Plan::load(path);
    ASSERT_TRUE(loaded.ok()) << loaded.status().message();
    for (int i = 0; i < kNumInputs; ++i)
      EXPECT_EQ(run(*loaded, golden.values("in.x.", i)), run(plan, golden.values("in.x.", i)));
  }
}

struct Dynamic {
  const char* name;
  int byte_layers;
  int loops = 0;
  int casts = 0;  // which steps lie within a sequence
};

class QuantizedDynamically : public testing::TestWithParam<Dynamic> {};

// Weights are the model's bytes, x has 16 bits a row instead of 8 a tensor: an error of 2^-15 of a
// row's largest value in each of up to seven layers, a hundredth of what the model's own rounding
// changes.
TEST_P(QuantizedDynamically, RunsOnByteWeightsAndRoundsLess) {
  const Golden golden(GetParam().name);
  for (const char* isa : kLevels) {
    const auto int8 = plan_of(golden, isa, Precision::kInt8);
    const auto f32 = plan_of(golden, isa, Precision::kF32);
    ASSERT_TRUE(int8 && f32);
    EXPECT_EQ(count(*int8, {"linear_panels_int8"}), GetParam().byte_layers) << isa;
    EXPECT_EQ(count(*int8, {"loop_program"}), GetParam().loops) << isa;
    for (const auto& plan : {int8, f32}) {
      EXPECT_EQ(count_plain(*plan) + count(*plan, {"math", "reduce_plain"}), 0) << isa;
      EXPECT_EQ(count(*plan, {"cast"}), GetParam().casts) << isa;
    }
    for (int i = 0; i < kNumInputs; ++i) {
      const auto x = golden.values("in.x.", i), real = golden.values("real.y.", i);
      const double theirs = rms(golden.values("out.y.", i), real);
      EXPECT_LT(rms(run(int8, x), real), 3e-4) << isa << " input " << i;
      EXPECT_LT(rms(run(int8, x), real), theirs / 5) << isa << " input " << i;
      EXPECT_LT(rms(run(f32, x), real), 1e-5) << isa << " input " << i;
    }
  }
}

// q, k and v of one DynamicQuantizeLinear are one layer of the block's four.
INSTANTIATE_TEST_SUITE_P(All, QuantizedDynamically,
                         testing::Values(Dynamic{"block_dynamic", 4}, Dynamic{"block_fused", 4},
                                         Dynamic{"mlp_uneven", 3}, Dynamic{"mlp_fused", 3},
                                         Dynamic{"lstm_dynamic", 4, 3},
                                         Dynamic{"lstm_node_uneven", 2, 2, 1},
                                         Dynamic{"lstm_node_reverse", 1, 1, 1},
                                         Dynamic{"lstm_node_activations", 1, 1, 1}),
                         name_of<Dynamic>);

// A tuned plan of the times that a first tuning found, but that `kernel` wins by far and the
// linear layers keep the 16 bits of x.
std::shared_ptr<const Plan> plan_where_wins(const std::string& kernel, const Golden& golden,
                                            const char* isa, const std::string& times) {
  const auto network = import_onnx(golden.model());
  EXPECT_TRUE(network.ok()) << network.status().message();
  if (!network.ok()) return nullptr;
  BuildOptions options;
  options.max_isa = isa;
  options.tune = true;
  options.timing_cache = times;
  std::remove(times.c_str());
  EXPECT_TRUE(build(*network, options).ok());
  std::ifstream in(times);
  std::string faked, line;
  while (std::getline(in, line)) {
    const std::string before = line.substr(0, line.rfind('\t') + 1);
    if (before.ends_with("\t" + kernel + "\t")) line = before + "0.001";
    if (before.ends_with("\tcpu/linear_panels_u8\t")) line = before + "1e9";
    faked += line + "\n";
  }
  in.close();
  std::ofstream(times) << faked;
  const auto plan = build(*network, options);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return plan.ok() ? *plan : nullptr;
}

class QuantizedState : public testing::TestWithParam<Dynamic> {};

// The inputs are such that nothing but the state between steps loses anything by the model's
// rounding. What is left on bytes is x in 16 bits, and of 1120 bytes or more one or two that lie
// next to the middle of two.
TEST_P(QuantizedState, OnBytesIsOnnxRuntimes) {
  const Golden golden(GetParam().name);
  for (const char* isa : kLevels) {
    const std::string times = testing::TempDir() + GetParam().name + isa + ".times";
    const auto bytes = plan_where_wins("cpu/loop_program_u8", golden, isa, times);
    const auto words = plan_of(golden, isa, Precision::kInt8);
    ASSERT_TRUE(bytes && words);
    EXPECT_EQ(count(*bytes, {"loop_program_u8"}), GetParam().loops) << isa;
    EXPECT_EQ(count(*words, {"loop_program_u8"}), 0) << isa;
    for (int i = 0; i < kNumInputs; ++i) {
      const auto x = golden.values("in.x.", i), theirs = golden.values("out.y.", i);
      const double rounding = rms(theirs, golden.values("real.y.", i));
      EXPECT_LT(rms(run(bytes, x), theirs), rounding / 3) << isa << " input " << i;
      EXPECT_GT(rms(run(words, x), theirs), rounding * 0.8) << isa << " input " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(All, QuantizedState,
                         testing::Values(Dynamic{"lstm_state_forward", 1, 1},
                                         Dynamic{"lstm_state_reverse", 1, 1},
                                         Dynamic{"lstm_state_both", 2, 2}),
                         name_of<Dynamic>);

struct Filters {
  const char* name;
  int byte_layers;
  bool all;  // there are no other layers that round
};

class QuantizedFilters : public testing::TestWithParam<Filters> {};

// Convolutions find the range of their input as they run, in ONNX Runtime's numbers: on every level
// the same bytes, so the same numbers. Linear and depthwise layers round less than ONNX Runtime's.
TEST_P(QuantizedFilters, RunOnBytesAndEqualOnnxRuntime) {
  const Golden golden(GetParam().name);
  for (const char* isa : kLevels) {
    const auto int8 = plan_of(golden, isa, Precision::kInt8);
    const auto f32 = plan_of(golden, isa, Precision::kF32);
    ASSERT_TRUE(int8 && f32);
    EXPECT_EQ(count(*int8, {"static_u8", "tapped_u8"}), GetParam().byte_layers) << isa;
    EXPECT_EQ(count(*f32, {"_u8"}), 0) << isa;
    for (const auto& plan : {int8, f32}) EXPECT_EQ(count_plain(*plan), 0) << isa;
    for (int i = 0; i < kNumInputs; ++i) {
      const auto x = golden.values("in.x.", i), real = golden.values("real.y.", i);
      const auto want = golden.values("out.y.", i);
      const double theirs = rms(want, real);
      const auto got = run(int8, x);
      if (GetParam().all) {
        EXPECT_LT(rms(got, want), 1e-6) << isa << " input " << i;
      }
      EXPECT_LT(rms(got, real), 1.001 * theirs) << isa << " input " << i;
      EXPECT_LT(rms(run(f32, x), real), 1e-5) << isa << " input " << i;
    }
  }
}

INSTANTIATE_TEST_SUITE_P(
    All, QuantizedFilters,
    testing::Values(Filters{"cnn_dynamic", 6, false}, Filters{"filters_s8", 5, true},
                    Filters{"filters_u8", 5, true}, Filters{"separable_dynamic", 5, false},
                    Filters{"filters_3d_s8", 5, true}, Filters{"filters_3d_u8", 5, true}),
    name_of<Filters>);

// Where bytes have 255 levels the tuner may round a row to them, as the model does to a tensor: an
// error like the model's own. AVX2 has 127, so x keeps its 16 bits there.
TEST(QuantizedPlans, TuningMayRoundAsTheModelDoes) {
  const Golden golden("block_dynamic");
  const auto network = import_onnx(golden.model());
  ASSERT_TRUE(network.ok()) << network.status().message();
  for (const char* isa : {"avx2", "portable", "avx512_vnni"}) {
    BuildOptions options;
    options.max_isa = isa;
    options.tune = true;
    options.timing_cache = testing::TempDir() + "dynamic_" + isa + ".times";
    std::remove(options.timing_cache.c_str());
    const auto plan = build(*network, options);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    std::ifstream file(options.timing_cache);
    const std::string times((std::istreambuf_iterator<char>(file)), {});
    const bool coarse = times.find("linear_panels_u8") != std::string::npos;
    EXPECT_EQ(coarse, (*plan)->report().isa != "avx2") << isa;
    for (int i = 0; i < kNumInputs; ++i) {
      const auto x = golden.values("in.x.", i), real = golden.values("real.y.", i);
      EXPECT_LT(rms(run(*plan, x), real), 1.5 * rms(golden.values("out.y.", i), real)) << isa;
    }
  }
}

}  // namespace
}  // namespace antiphon
