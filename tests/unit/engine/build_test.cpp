// build() and load_or_build(): what a plan on disk must fit, tuning with a cache, the ISA cap.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "engine/engine.h"
#include "engine/kernels/isa.h"
#include "tests/support/seeded_weights.h"

namespace antiphon {
namespace {

namespace fs = std::filesystem;

class Log final : public Logger {
 public:
  void log(LogLevel, std::string_view, std::string_view message) override { text += message; }
  std::string text;
};

Network two_layers(std::uint32_t seed) {
  test::SeededWeights weights(true, seed);
  weights.linear("a", 192, 96);
  weights.linear("b", 48, 192);
  weights.matrix("c.weight", {48, 48, 3});
  Network net("two_layers");
  const Value x = net.input("x", DType::kF32, {1, "T", 96});
  Value y = net.relu(net.linear(x, net.weight(weights, "a.weight"), net.weight(weights, "a.bias")));
  y = net.linear(y, net.weight(weights, "b.weight"), net.weight(weights, "b.bias"));
  y = net.conv1d(net.transpose(y, {0, 2, 1}), net.weight(weights, "c.weight"), {},
                 {.pad_left = 1, .pad_right = 1});
  net.output("y", y);
  return net;
}

Network recurrent(std::uint32_t seed) {
  test::SeededWeights weights(true, seed);
  weights.linear("a", 4 * 48, 96);
  weights.linear("b", 4 * 48, 48);
  Network net("recurrent");
  const Value x = net.input("x", DType::kF32, {1, "T", 96});
  const Value zero = net.zeros({1, 48});
  net.output(
      "y", net.lstm(x, zero, zero, net.weight(weights, "a.weight"), net.weight(weights, "b.weight"),
                    net.weight(weights, "a.bias"), net.weight(weights, "b.bias"))
               .y);
  return net;
}

class Build : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = fs::temp_directory_path() / ("antiphon_build_" + std::to_string(::getpid()));
    fs::create_directories(dir_);
    options_.profile["T"] = {1, 40, 64};
    options_.logger = &log_;
  }
  void TearDown() override { fs::remove_all(dir_); }

  std::string path(const char* name) const { return (dir_ / name).string(); }
  static std::string bytes(const std::string& file) {
    std::ifstream in(file, std::ios::binary);
    return std::string((std::istreambuf_iterator<char>(in)), {});
  }
  // What the logger was told.
  std::string load_or_build_with(const BuildOptions& options, std::uint32_t seed = 1) {
    log_.text.clear();
    const auto plan = load_or_build(two_layers(seed), options, path("plan"));
    EXPECT_TRUE(plan.ok()) << plan.status().to_string();
    return log_.text;
  }

  fs::path dir_;
  BuildOptions options_;
  Log log_;
};

// Where a part of a value begins follows from the extents of the run, not from the largest.
TEST_F(Build, PartsOfAValueAreReadWhereTheyLie) {
  Network net("halves");
  const Value x = net.relu(net.input("x", DType::kF32, {1, 6, "T"}));
  const Value a = net.slice(x, 1, 0, 3), b = net.slice(x, 1, 3, 6);
  net.output("y", net.concat({net.sub(b, a), net.softmax(b, 2)}, 1));
  const auto plan = build(net, options_);
  ASSERT_TRUE(plan.ok()) << plan.status().to_string();
  for (const LayerReport& layer : (*plan)->report().layers) EXPECT_NE(layer.op, "slice");
  const auto context = Context::create(*plan, nullptr);
  ASSERT_TRUE(context.ok()) << context.status().to_string();
  for (const std::int64_t steps : {std::int64_t{1}, std::int64_t{7}, std::int64_t{64}}) {
    const std::int64_t dims[] = {1, 6, steps};
    const auto memory = (*context)->input("x", dims);
    ASSERT_TRUE(memory.ok()) << memory.status().to_string();
    for (std::int64_t i = 0; i < 6 * steps; ++i)
      static_cast<float*>(*memory)[i] = static_cast<float>(i);
    ASSERT_TRUE((*context)->run().ok());
    const auto* y = static_cast<const float*>((*context)->output("y")->data);
    for (std::int64_t i = 0; i < 3 * steps; ++i)
      ASSERT_EQ(y[i], static_cast<float>(3 * steps)) << steps << " steps, at " << i;
    double sum = 0;
    for (std::int64_t i = 0; i < steps; ++i) sum += y[3 * steps + i];
    EXPECT_NEAR(sum, 1, 1e-5) << steps << " steps";
  }
}

// An input that is an output too is nobody else's memory: what was written stays for later runs,
// whatever is bound beside it.
TEST_F(Build, InputsThatAreOutputsKeepWhatIsWritten) {
  Network net("kept");
  const Value past = net.input("past", DType::kF32, {1, "T", 96});
  const Value x = net.input("x", DType::kF32, {1, "S", 96});
  net.output("kept", past);
  Value y = net.concat({past, x}, 1);
  for (int i = 0; i < 3; ++i) y = net.relu(net.add(y, y));  // temporaries enough to lie over it
  net.output("y", y);
  options_.profile["S"] = {1, 2, 64};
  const auto plan = build(std::move(net), options_);
  ASSERT_TRUE(plan.ok()) << plan.status().to_string();
  const auto context = std::move(Context::create(*plan, nullptr)).value();
  const auto bound = [&](const char* name, std::int64_t rows) {
    const std::int64_t dims[] = {1, rows, 96};
    return static_cast<float*>(*context->input(name, dims));
  };
  std::fill_n(bound("past", 40), 40 * 96, 1.0f);
  for (const std::int64_t rows : {40, 8, 64, 41}) {
    float* const kept = bound("past", rows);
    if (rows == 64) std::fill_n(kept + 40 * 96, 24 * 96, 1.0f);
    for (const std::int64_t more : {3, 64}) {
      EXPECT_EQ(bound("past", rows), kept);
      std::fill_n(bound("x", more), more * 96, 2.0f);
      ASSERT_TRUE(context->run().ok());
      const auto got = context->output("y")->f32();
      const auto fed = static_cast<std::ptrdiff_t>(rows * 96);
      EXPECT_EQ(std::count(got.begin(), got.begin() + fed, 8.0f), fed) << rows << ' ' << more;
      EXPECT_EQ(std::count(got.begin() + fed, got.end(), 16.0f), more * 96);
    }
  }
}

TEST_F(Build, APlanThatFitsIsLoadedAndOneThatDoesNotIsBuiltAgain) {
  EXPECT_EQ(load_or_build_with(options_), "");
  EXPECT_EQ(load_or_build_with(options_), "") << "loaded";
  EXPECT_NE(load_or_build_with(options_, 2).find("network hash"), std::string::npos);
  EXPECT_EQ(load_or_build_with(options_, 2), "") << "kept";
  BuildOptions other = options_;
  other.precision = Precision::kF32;
  EXPECT_NE(load_or_build_with(other, 2).find("precision"), std::string::npos);
  other.num_threads = 2;
  EXPECT_NE(load_or_build_with(other, 2).find("threads"), std::string::npos);
  other.profile["T"].max = 65;
  EXPECT_NE(load_or_build_with(other, 2).find("profile"), std::string::npos);
  other.tune = true;
  EXPECT_NE(load_or_build_with(other, 2).find("tuned"), std::string::npos);
  other.tune = false;
  EXPECT_EQ(load_or_build_with(other, 2), "") << "a tuned plan serves where none was asked for";
  if (detect_isa() != Isa::kPortable) {
    other.max_isa = "portable";
    EXPECT_NE(load_or_build_with(other, 2).find("isa"), std::string::npos);
  }
}

TEST_F(Build, DamagedPlansAndFoldersThatTakeNoneAreNoReasonToFail) {
  EXPECT_EQ(load_or_build_with(options_), "");
  const std::string half = bytes(path("plan")).substr(0, 1000);
  std::ofstream(path("plan"), std::ios::binary) << half;
  EXPECT_NE(load_or_build_with(options_).find("file bytes"), std::string::npos);
  const auto plan = load_or_build(two_layers(1), options_, path("absent/plan"));
  ASSERT_TRUE(plan.ok());
  EXPECT_NE(log_.text.find("cannot be written"), std::string::npos);
}

TEST_F(Build, TuningWithOneCacheGivesTheSameBytesAndKeepsItsTimes) {
  options_.tune = true;
  options_.u8_activations = true;
  options_.timing_cache = path("times");
  const auto first = build(two_layers(1), options_);
  ASSERT_TRUE(first.ok()) << first.status().to_string();
  const std::string times = bytes(path("times"));
  EXPECT_NE(times.find("cpu/linear_panels_u8"), std::string::npos);
  EXPECT_NE(times.find("cpu/conv_panels_u8"), std::string::npos);
  const auto second = build(two_layers(1), options_);
  ASSERT_TRUE(second.ok());
  EXPECT_EQ(bytes(path("times")), times) << "nothing was measured again";
  ASSERT_TRUE((*first)->save(path("a")).ok());
  ASSERT_TRUE((*second)->save(path("b")).ok());
  EXPECT_EQ(bytes(path("a")), bytes(path("b")));
  const auto loaded = Plan::load(path("a"));
  ASSERT_TRUE(loaded.ok());
  EXPECT_TRUE((*loaded)->report().tuned);
  for (std::size_t i = 0; i < (*first)->report().layers.size(); ++i) {
    const LayerReport &a = (*first)->report().layers[i], &b = (*loaded)->report().layers[i];
    EXPECT_EQ(a.kernel, b.kernel);
    EXPECT_EQ(a.time_us, b.time_us);
  }
}

TEST_F(Build, BytesForActivationsAreTakenOnlyWhereTheyAreAllowed) {
  // A cache in which they win by far.
  options_.tune = true;
  options_.timing_cache = path("times");
  options_.u8_activations = true;
  ASSERT_TRUE(build(two_layers(1), options_).ok());
  ASSERT_TRUE(build(recurrent(1), options_).ok());
  std::ifstream in(path("times"));
  std::string faked, line;
  while (std::getline(in, line))
    faked +=
        (line.find("_u8\t") == std::string::npos ? line
                                                 : line.substr(0, line.rfind('\t')) + "\t0.001") +
        "\n";
  std::ofstream(path("times")) << faked;
  const auto names = [&] {
    std::string all;
    for (const auto make : {two_layers, recurrent}) {
      const auto plan = build(make(1), options_);
      EXPECT_TRUE(plan.ok());
      for (const LayerReport& layer : (*plan)->report().layers) all += layer.kernel + " ";
    }
    return all;
  };
  EXPECT_NE(names().find("cpu/linear_panels_u8"), std::string::npos);
  EXPECT_NE(names().find("cpu/loop_program_u8"), std::string::npos);
  options_.u8_activations = false;
  EXPECT_EQ(names().find("_u8"), std::string::npos);
}

TEST_F(Build, WeightsOf24BitsAreTakenWhereTheyWinClearly) {
  options_.precision = Precision::kF32;
  options_.timing_cache = path("times");
  const auto kernels_at = [&](const char* time) {
    options_.tune = true;
    EXPECT_TRUE(build(recurrent(1), options_).ok());
    std::ifstream in(path("times"));
    std::string faked, line;
    while (std::getline(in, line)) {
      const bool i24 = line.find("_i24\t") != std::string::npos;
      if (line.find('\t') != std::string::npos)
        line = line.substr(0, line.rfind('\t')) + "\t" + (i24 ? time : "100.000");
      faked += line + "\n";
    }
    std::ofstream(path("times")) << faked;
    const auto plan = build(recurrent(1), options_);
    EXPECT_TRUE(plan.ok());
    std::string all;
    for (const LayerReport& layer : (*plan)->report().layers) all += layer.kernel + " ";
    return all;
  };
  EXPECT_NE(kernels_at("90.000").find("cpu/loop_program_i24"), std::string::npos);
  EXPECT_EQ(kernels_at("97.000").find("_i24"), std::string::npos);
  options_.tune = false;
  const auto plan = build(recurrent(1), options_);
  ASSERT_TRUE(plan.ok());
  for (const LayerReport& layer : (*plan)->report().layers)
    EXPECT_EQ(layer.kernel.find("_i24"), std::string::npos) << layer.kernel;
}

TEST_F(Build, PlansBelowTheMachineNeverUseAnUncappedOnednn) {
  if (detect_isa() < Isa::kAvx512Vnni) GTEST_SKIP() << "needs AVX-512";
  options_.tune = true;
  options_.timing_cache = path("times");
  options_.max_isa = "avx2";
  ASSERT_TRUE(build(two_layers(1), options_).ok());
  EXPECT_EQ(bytes(path("times")).find("onednn"), std::string::npos);
  options_.max_isa.clear();
  ASSERT_TRUE(build(two_layers(1), options_).ok());
  EXPECT_NE(bytes(path("times")).find("cpu/linear_onednn_conv"), std::string::npos);
  EXPECT_NE(bytes(path("times")).find("cpu/linear_onednn_sgemm"), std::string::npos);
  EXPECT_NE(bytes(path("times")).find("cpu/conv_onednn"), std::string::npos);
  EXPECT_EQ(cap_isa("avx3").code(), StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace antiphon
