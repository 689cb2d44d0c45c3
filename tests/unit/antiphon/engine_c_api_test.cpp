// The engine over the C ABI: equal to ONNX Runtime, and every wrong call an error with its reason.
#include "antiphon/engine_c_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "antiphon/c_api.h"
#include "engine/kernels/plugin_abi.h"  // a program may use both: they share their element types
#include "engine/weights.h"

namespace antiphon {
namespace {

using nlohmann::json;
using testing::HasSubstr;

std::string golden(const std::string& file) {
  return std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/" + file;
}

struct NetworkEnd {
  void operator()(antiphon_network* n) const { antiphon_network_destroy(n); }
};
struct PlanEnd {
  void operator()(antiphon_plan* p) const { antiphon_plan_destroy(p); }
};
struct ContextEnd {
  void operator()(antiphon_context* c) const { antiphon_context_destroy(c); }
};
using Network = std::unique_ptr<antiphon_network, NetworkEnd>;
using CPlan = std::unique_ptr<antiphon_plan, PlanEnd>;
using CContext = std::unique_ptr<antiphon_context, ContextEnd>;

template <typename Options>
Options options_of() {
  Options out{};
  out.struct_bytes = sizeof(out);
  return out;
}

std::string taken(char* text) {
  const std::string out = text ? text : "";
  antiphon_free(text);
  return out;
}

class EngineCApi : public testing::Test {
 protected:
  void SetUp() override {
    data_ = *Weights::load(golden("onnx/bert.safetensors"));
    network_.reset(antiphon_import_onnx(golden("onnx/bert.onnx").c_str(), nullptr));
    ASSERT_NE(network_, nullptr) << antiphon_last_error();
  }
  void TearDown() override { std::filesystem::remove(file_); }

  CPlan build_bert() const {
    const antiphon_range profile[] = {{"B", 1, 2, 4}, {"T", 1, 7, 9}};
    auto options = options_of<antiphon_build_options>();
    options.profile = profile;
    options.num_ranges = 2;
    return CPlan(antiphon_build(network_.get(), &options));
  }
  void set_input(antiphon_context* context, const char* name) const {
    const TensorView view = *data_->tensor(std::string("in.") + name);
    void* memory = nullptr;
    ASSERT_EQ(antiphon_input(context, name, view.dims.data(), 2, &memory), 0)
        << antiphon_last_error();
    std::memcpy(memory, view.data,
                static_cast<std::size_t>(view.num_elements()) * dtype_bytes(view.dtype));
  }
  void expect_golden(antiphon_plan* plan, int threads) const {
    const CContext context(antiphon_context_create(plan, threads));
    ASSERT_NE(context, nullptr) << antiphon_last_error();
    set_input(context.get(), "ids");
    set_input(context.get(), "mask");
    ASSERT_EQ(antiphon_run(context.get()), 0) << antiphon_last_error();
    antiphon_tensor got;
    ASSERT_EQ(antiphon_output(context.get(), "hidden", &got), 0) << antiphon_last_error();
    const TensorView want = *data_->tensor("out.hidden");
    ASSERT_EQ(std::vector<std::int64_t>(got.dims, got.dims + got.rank), want.dims);
    ASSERT_EQ(got.dtype, ANTIPHON_F32);
    for (std::int64_t i = 0; i < want.num_elements(); ++i)
      ASSERT_NEAR(static_cast<const float*>(got.data)[i], want.f32()[i], 1e-4) << i;
  }

  std::shared_ptr<const Weights> data_;
  Network network_;
  const std::string file_ = testing::TempDir() + "engine_c_" + std::to_string(getpid());
};

TEST_F(EngineCApi, BuildsSavesLoadsAndRuns) {
  CPlan plan = build_bert();
  ASSERT_NE(plan, nullptr) << antiphon_last_error();
  network_.reset();  // plans do not need it
  expect_golden(plan.get(), 1);
  expect_golden(plan.get(), 2);
  ASSERT_EQ(antiphon_plan_save(plan.get(), file_.c_str()), 0) << antiphon_last_error();
  plan.reset(antiphon_plan_load(file_.c_str(), nullptr));
  ASSERT_NE(plan, nullptr) << antiphon_last_error();
  expect_golden(plan.get(), 0);
}

TEST_F(EngineCApi, ImportsFromMemoryWithFrozenInputsAndExtents) {
  std::ifstream in(golden("onnx/bert.onnx"), std::ios::binary);
  const std::string bytes((std::istreambuf_iterator<char>(in)), {});
  const TensorView mask = *data_->tensor("in.mask");
  const antiphon_tensor frozen = {"mask", mask.dims.data(), mask.data, 2, ANTIPHON_I64};
  const antiphon_extent extents[] = {{"B", 2}, {"T", 7}};
  auto options = options_of<antiphon_import_options>();
  options.frozen = &frozen;
  options.num_frozen = 1;
  options.extents = extents;
  options.num_extents = 2;
  const Network network(
      antiphon_import_onnx_bytes(bytes.data(), bytes.size(), "mem", nullptr, &options));
  ASSERT_NE(network, nullptr) << antiphon_last_error();
  char* text = nullptr;
  ASSERT_EQ(antiphon_network_describe(network.get(), &text), 0);
  EXPECT_EQ(json::parse(taken(text)),
            json::parse(R"({"inputs":[{"name":"ids","dtype":"i64","shape":[2,7]}]})"));
  const CPlan plan(antiphon_build(network.get(), nullptr));
  EXPECT_NE(plan, nullptr) << antiphon_last_error();
  EXPECT_EQ(antiphon_import_onnx_bytes("x", 1, "broken", nullptr, nullptr), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("broken"));
}

TEST_F(EngineCApi, DescribesAndReports) {
  const CPlan plan = build_bert();
  char* text = nullptr;
  ASSERT_EQ(antiphon_plan_describe(plan.get(), &text), 0);
  const json told = json::parse(taken(text));
  EXPECT_EQ(told["inputs"][0], json::parse(R"({"name":"ids","dtype":"i64","shape":["B","T"]})"));
  EXPECT_EQ(told["outputs"][0]["shape"], json::parse(R"(["B","T",16])"));
  EXPECT_GT(told["nodes_before"].get<int>(), told["nodes_after"].get<int>());
  EXPECT_GE(told["arena_bytes"].get<int>(), told["live_bytes_bound"].get<int>());
  EXPECT_EQ(told["state_bytes"], 0);
  EXPECT_THAT(told["layers"][0]["kernel"].get<std::string>(), HasSubstr("cpu/"));
  ASSERT_EQ(antiphon_plan_report(network_.get(), plan.get(), &text), 0) << antiphon_last_error();
  EXPECT_THAT(taken(text), testing::StartsWith("<!DOCTYPE html>"));
}

// An example plug-in's operator.
TEST_F(EngineCApi, TakesPlugins) {
  const std::string path = std::string(ANTIPHON_BINARY_DIR) + "/plugins/snake.so";
  const char* plugins[] = {path.c_str()};
  auto options = options_of<antiphon_import_options>();
  options.plugins = plugins;
  options.num_plugins = 1;
  const std::string model = golden("onnx/plugin_snake.onnx");
  EXPECT_EQ(antiphon_import_onnx(model.c_str(), nullptr), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("Snake"));
  const Network network(antiphon_import_onnx(model.c_str(), &options));
  ASSERT_NE(network, nullptr) << antiphon_last_error();
  const antiphon_range profile[] = {{"B", 2, 2, 2}, {"T", 5, 5, 5}};
  auto how = options_of<antiphon_build_options>();
  how.profile = profile;
  how.num_ranges = 2;
  const CPlan built(antiphon_build(network.get(), &how));
  ASSERT_NE(built, nullptr) << antiphon_last_error();
  ASSERT_EQ(antiphon_plan_save(built.get(), file_.c_str()), 0);
  EXPECT_EQ(antiphon_plan_load(file_.c_str(), nullptr), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("Snake"));
  auto load = options_of<antiphon_load_options>();
  load.plugins = plugins;
  load.num_plugins = 1;
  const CPlan plan(antiphon_plan_load(file_.c_str(), &load));
  ASSERT_NE(plan, nullptr) << antiphon_last_error();

  std::vector<float> golden_values(60);  // x [2, 3, 5], then y
  std::ifstream in(golden("onnx/plugin_snake.f32"), std::ios::binary);
  in.read(reinterpret_cast<char*>(golden_values.data()), 240);
  const CContext context(antiphon_context_create(plan.get(), 1));
  const std::int64_t dims[] = {2, 3, 5};
  void* memory = nullptr;
  ASSERT_EQ(antiphon_input(context.get(), "x", dims, 3, &memory), 0) << antiphon_last_error();
  std::memcpy(memory, golden_values.data(), 120);
  ASSERT_EQ(antiphon_run(context.get()), 0) << antiphon_last_error();
  antiphon_tensor y;
  ASSERT_EQ(antiphon_output(context.get(), "y", &y), 0);
  for (std::size_t i = 0; i < 30; ++i)
    EXPECT_NEAR(static_cast<const float*>(y.data)[i], golden_values[30 + i], 4e-6) << i;
}

TEST_F(EngineCApi, NullsAreErrors) {
  void* memory = nullptr;
  antiphon_tensor tensor;
  char* text = nullptr;
  EXPECT_EQ(antiphon_import_onnx(nullptr, nullptr), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("path is null"));
  EXPECT_EQ(antiphon_import_onnx_bytes(nullptr, 4, "n", nullptr, nullptr), nullptr);
  EXPECT_EQ(antiphon_build(nullptr, nullptr), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("network is null"));
  EXPECT_EQ(antiphon_build_within(network_.get(), nullptr, "1%", nullptr, nullptr), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("evaluate is null"));
  EXPECT_NE(antiphon_calibrate(network_.get(), 1, nullptr, nullptr, nullptr, "r"), 0);
  EXPECT_EQ(antiphon_plan_load(nullptr, nullptr), nullptr);
  auto load = options_of<antiphon_load_options>();
  load.num_plugins = 1;
  EXPECT_EQ(antiphon_plan_load("p", &load), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("plugins is null"));
  EXPECT_NE(antiphon_plan_save(nullptr, "p"), 0);
  EXPECT_NE(antiphon_plan_describe(nullptr, &text), 0);
  EXPECT_NE(antiphon_plan_report(network_.get(), nullptr, &text), 0);
  EXPECT_NE(antiphon_network_describe(network_.get(), nullptr), 0);
  EXPECT_EQ(antiphon_context_create(nullptr, 1), nullptr);
  EXPECT_NE(antiphon_input(nullptr, "x", nullptr, 0, &memory), 0);
  EXPECT_NE(antiphon_run(nullptr), 0);
  EXPECT_NE(antiphon_output(nullptr, "y", &tensor), 0);
  antiphon_network_destroy(nullptr);
  antiphon_plan_destroy(nullptr);
  antiphon_context_destroy(nullptr);
}

TEST_F(EngineCApi, WrongOptionsAreRefused) {
  antiphon_build_options short_options{};
  EXPECT_EQ(antiphon_build(network_.get(), &short_options), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("antiphon_build_options.struct_bytes is 0"));
  EXPECT_EQ(antiphon_build(network_.get(), nullptr), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("no range given for symbol 'B'"));
  auto options = options_of<antiphon_build_options>();
  options.max_isa = "avx3";
  EXPECT_EQ(antiphon_build(network_.get(), &options), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("avx3"));
  auto import = options_of<antiphon_import_options>();
  const std::int64_t dims[] = {1, -3};
  antiphon_tensor frozen = {"mask", dims, dims, 2, ANTIPHON_I64};
  import.frozen = &frozen;
  import.num_frozen = 1;
  const auto refused = [&](const char* text) {
    EXPECT_EQ(antiphon_import_onnx(golden("onnx/bert.onnx").c_str(), &import), nullptr);
    EXPECT_THAT(antiphon_last_error(), HasSubstr(text));
  };
  refused("frozen 'mask': dims[1] is -3");
  frozen.dtype = 99;
  refused("dtype is 99");
  frozen.dtype = ANTIPHON_I64;
  frozen.rank = 9;
  refused("rank is 9");
  frozen = {"mask", dims, nullptr, 1, ANTIPHON_I64};
  refused("data is null");
  import = options_of<antiphon_import_options>();
  import.onnxruntime = "/nowhere.so";
  refused("pip install onnxruntime");
}

TEST_F(EngineCApi, AContextGoesOnAfterAnError) {
  const CPlan plan = build_bert();
  const CContext context(antiphon_context_create(plan.get(), 1));
  antiphon_tensor out;
  EXPECT_NE(antiphon_output(context.get(), "hidden", &out), 0);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("nothing was run yet"));
  EXPECT_NE(antiphon_run(context.get()), 0);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("input 'ids' was not set"));
  const std::int64_t wrong[] = {1, 10};
  void* memory = nullptr;
  EXPECT_NE(antiphon_input(context.get(), "ids", wrong, 2, &memory), 0);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("T is 10, the plan takes 1 to 9"));
  EXPECT_NE(antiphon_input(context.get(), "ids", wrong, 1, &memory), 0);
  EXPECT_NE(antiphon_input(context.get(), "ids", wrong, -1, &memory), 0);
  EXPECT_NE(antiphon_input(context.get(), "none", wrong, 2, &memory), 0);
  set_input(context.get(), "ids");  // another B than the one that was refused
  set_input(context.get(), "mask");
  ASSERT_EQ(antiphon_run(context.get()), 0) << antiphon_last_error();
  EXPECT_NE(antiphon_output(context.get(), "none", &out), 0);
  EXPECT_EQ(antiphon_output(context.get(), "pooled", &out), 0);
}

// x is [B, 3, 12, 14].
struct Samples {
  std::vector<std::int64_t> dims = {1, 3, 12, 14};
  std::vector<float> values = std::vector<float>(504);
  std::int32_t code = 0, dtype = ANTIPHON_F32;
  int calls = 0;

  static std::int32_t read(void* user, std::size_t sample, const char* name,
                           antiphon_tensor* tensor) {
    auto* self = static_cast<Samples*>(user);
    ++self->calls;
    EXPECT_STREQ(name, "x");
    for (std::size_t i = 0; i < 504; ++i)
      self->values[i] = std::sin(0.7f * static_cast<float>(i) + static_cast<float>(sample));
    *tensor = {nullptr, self->dims.data(), self->values.data(), 4, self->dtype};
    return self->code;
  }
};

TEST(EngineCApiCalibrate, WritesRangesThatBuildsTake) {
  const Network network(antiphon_import_onnx(golden("calibration/net.onnx").c_str(), nullptr));
  ASSERT_NE(network, nullptr) << antiphon_last_error();
  const std::string file = testing::TempDir() + "c_ranges_" + std::to_string(getpid());
  Samples samples;
  auto how = options_of<antiphon_calibration_options>();
  how.method = ANTIPHON_MINMAX;
  ASSERT_EQ(antiphon_calibrate(network.get(), 3, Samples::read, &samples, &how, file.c_str()), 0)
      << antiphon_last_error();
  EXPECT_GE(samples.calls, 3);

  const antiphon_range profile = {"B", 1, 1, 2};
  auto options = options_of<antiphon_build_options>();
  options.profile = &profile;
  options.num_ranges = 1;
  options.ranges = file.c_str();
  const auto asked = [](void* user, antiphon_plan* plan, double* accuracy) -> std::int32_t {
    char* text = nullptr;
    EXPECT_EQ(antiphon_plan_describe(plan, &text), 0);
    const bool int8 = taken(text).find("static_u8") != std::string::npos;
    *accuracy = int8 ? *static_cast<double*>(user) : 1.0;
    return 0;
  };
  double accuracy = 0.995;
  const CPlan good(antiphon_build_within(network.get(), &options, "0.6%", asked, &accuracy));
  EXPECT_NE(good, nullptr) << antiphon_last_error();
  accuracy = 0.99;
  EXPECT_EQ(antiphon_build_within(network.get(), &options, "0.6%", asked, &accuracy), nullptr);
  EXPECT_THAT(antiphon_last_error(), HasSubstr("0.99"));
  EXPECT_EQ(antiphon_build_within(network.get(), &options, "some", asked, &accuracy), nullptr);

  const auto refused = [&](const char* text) {
    EXPECT_NE(antiphon_calibrate(network.get(), 2, Samples::read, &samples, &how, file.c_str()), 0);
    EXPECT_THAT(antiphon_last_error(), HasSubstr(text));
  };
  samples.code = 7;
  refused("sample 0, input 'x': the reader returned 7");
  samples.code = 0;
  samples.dtype = 12;
  refused("sample 0, input 'x': dtype is 12");
  samples.dtype = ANTIPHON_I32;
  refused("sample 0");
  how.method = 3;
  refused("method is 3");
  std::filesystem::remove(file);
}

}  // namespace
}  // namespace antiphon
