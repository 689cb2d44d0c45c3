// Plug-ins: the one that ships runs like any operator; bad ones are refused and harm nothing.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <map>
#include <string>

#include "engine/engine.h"
#include "engine/onnx.h"

namespace antiphon {
namespace {

using testing::HasSubstr;

const std::string kFolder = ANTIPHON_BINARY_DIR "/plugins/";

std::shared_ptr<const PluginSet> load(const std::string& name) {
  auto set = PluginSet::load({kFolder + name + ".so"});
  EXPECT_TRUE(set.ok()) << set.status().message();
  return set.ok() ? *set : nullptr;
}

std::string load_error(const std::vector<std::string>& paths) {
  const auto set = PluginSet::load(paths);
  return set.ok() ? "" : set.status().message();
}

std::vector<float> run(const std::shared_ptr<const Plan>& plan, std::vector<std::int64_t> dims,
                       const std::vector<float>& x, ThreadTeam* team = nullptr) {
  auto context = Context::create(plan, team);
  EXPECT_TRUE(context.ok());
  const auto room = (*context)->input("x", dims);
  EXPECT_TRUE(room.ok()) << room.status().message();
  std::memcpy(*room, x.data(), x.size() * sizeof(float));
  const Status status = (*context)->run();
  EXPECT_TRUE(status.ok()) << status.message();
  const TensorView* y = (*context)->output("y");
  if (!y) return {};
  return {y->f32().begin(), y->f32().end()};
}

struct SnakeTest : testing::Test {
  static constexpr std::int64_t kChannels = 3;
  std::shared_ptr<const PluginSet> plugins = load("snake");
  std::vector<float> alpha = {0.5f, 1.0f, 2.5f};

  Network network(bool logs = false) {
    Network net("vocoder");
    const Value x = net.input("x", DType::kF32, {"B", kChannels, "T"});
    std::vector<float> given = alpha;
    for (float& a : given) a = logs ? std::log(a) : a;
    const Value scale = net.constant("alpha", {DType::kF32, {kChannels}, given.data()});
    const Value inputs[] = {net.add(x, x), scale};
    const auto out = net.custom(plugins->find("antiphon.example::Snake"), inputs,
                                {{"log_scale", std::int64_t{logs}}});
    if (!out.empty()) net.output("y", net.relu(out[0]));
    return net;
  }
  BuildOptions options(bool tune = false) const {
    BuildOptions out;
    out.profile = {{"B", {1, 1, 4}}, {"T", {1, 8, 64}}};
    out.tune = tune;
    out.plugins = plugins;
    return out;
  }
  void expect_snake(const std::vector<float>& x, const std::vector<float>& y,
                    std::int64_t T) const {
    ASSERT_EQ(x.size(), y.size());
    for (std::size_t i = 0; i < x.size(); ++i) {
      const double a = alpha[i / static_cast<std::size_t>(T) % kChannels], v = 2.0 * x[i];
      const double want = std::max(0.0, v + std::pow(std::sin(a * v), 2) / a);
      ASSERT_NEAR(y[i], want, 8 * std::numeric_limits<float>::epsilon() * (1 + std::abs(v))) << i;
    }
  }
};

std::vector<float> wave(std::size_t n) {
  std::vector<float> x(n);
  for (std::size_t i = 0; i < n; ++i) x[i] = 3.0f * std::sin(0.37f * static_cast<float>(i));
  return x;
}

TEST_F(SnakeTest, RunsInsideANetworkOfSymbolicExtents) {
  const Network net = network();
  ASSERT_TRUE(net.status().ok()) << net.status().message();
  for (const bool tune : {false, true}) {
    const auto plan = build(net, options(tune));
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    const Shape want = {"B", kChannels, "T"};
    EXPECT_EQ((*plan)->outputs().at(0).shape, want);
    expect_snake(wave(2 * 3 * 7), run(*plan, {2, 3, 7}, wave(2 * 3 * 7)), 7);
    expect_snake(wave(3), run(*plan, {1, 3, 1}, wave(3)), 1);
  }
}

TEST_F(SnakeTest, UsesTheTeamAndItsAttributes) {
  const auto team = ThreadTeam::create(2, false);
  ASSERT_TRUE(team.ok());
  BuildOptions with_team = options();
  with_team.num_threads = 2;
  const auto plan = build(network(/*logs=*/true), with_team);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_THAT((*plan)->report().layers.at(1).kernel, testing::StrEq("snake/packed_rows"));
  expect_snake(wave(4 * 3 * 64), run(*plan, {4, 3, 64}, wave(4 * 3 * 64), team->get()), 64);
}

TEST_F(SnakeTest, PlansKeepTheOperatorsName) {
  const auto plan = build(network(), options());
  ASSERT_TRUE(plan.ok());
  const std::string path = testing::TempDir() + "snake.plan";
  ASSERT_TRUE((*plan)->save(path).ok());
  const auto loaded = Plan::load(path, {}, plugins);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  expect_snake(wave(21), run(*loaded, {1, 3, 7}, wave(21)), 7);
  const auto without = Plan::load(path);
  ASSERT_FALSE(without.ok());
  EXPECT_EQ(without.status().code(), StatusCode::kNotFound);
  EXPECT_THAT(without.status().message(), HasSubstr("antiphon.example::Snake"));
}

TEST_F(SnakeTest, APlanKeepsItsPluginLoaded) {
  auto plan = build(network(), options());
  ASSERT_TRUE(plan.ok());
  plugins.reset();
  expect_snake(wave(21), run(*plan, {1, 3, 7}, wave(21)), 7);
}

TEST_F(SnakeTest, ItsShapeRuleSpeaks) {
  alpha.push_back(1.0f);  // four scales for three channels
  Network net("vocoder");
  const Value x = net.input("x", DType::kF32, {1, kChannels, "T"});
  const Value inputs[] = {x, net.constant("alpha", {DType::kF32, {4}, alpha.data()})};
  net.custom(plugins->find("antiphon.example::Snake"), inputs);
  EXPECT_THAT(net.status().message(), HasSubstr("alpha: wanted one a channel of x"));
  alpha = {1.0f, -1.0f, 1.0f};
  const auto plan = build(network(), options());
  ASSERT_FALSE(plan.ok());
  EXPECT_THAT(plan.status().message(), HasSubstr("alpha: wanted values above 0"));
  EXPECT_EQ(plugins->find("antiphon.example::Other"), nullptr);
  net.custom(nullptr, inputs);
  EXPECT_FALSE(net.status().ok());
}

TEST_F(SnakeTest, IsImportedFromOnnx) {
  const std::string folder = ANTIPHON_SOURCE_DIR "/tests/golden/onnx/";
  OnnxOptions import;
  import.plugins = plugins;
  const auto network = import_onnx(folder + "plugin_snake.onnx", import);
  ASSERT_TRUE(network.ok()) << network.status().message();
  const auto plan = build(*network, options());
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  std::vector<float> golden(60);  // x [2, 3, 5], then y
  std::ifstream file(folder + "plugin_snake.f32", std::ios::binary);
  file.read(reinterpret_cast<char*>(golden.data()), 240);
  ASSERT_TRUE(file);
  const auto y = run(*plan, {2, 3, 5}, {golden.begin(), golden.begin() + 30});
  ASSERT_EQ(y.size(), 30u);
  // |y| is at most 6; sine and exponential are right to a few units in the last place.
  for (std::size_t i = 0; i < 30; ++i) EXPECT_NEAR(y[i], golden[30 + i], 4e-6) << i;

  const auto without = import_onnx(folder + "plugin_snake.onnx");
  ASSERT_FALSE(without.ok());
  EXPECT_THAT(without.status().message(),
              testing::AllOf(HasSubstr("Snake"), HasSubstr("antiphon.example")));
}

TEST(Plugins, InfoNamesWhatIsLoaded) {
  const auto set = load("snake");
  ASSERT_EQ(set->plugins().size(), 1u);
  EXPECT_EQ(set->plugins()[0].name, "snake");
  EXPECT_THAT(set->plugins()[0].operators, testing::ElementsAre("antiphon.example::Snake"));
  EXPECT_THAT(set->plugins()[0].kernels, testing::ElementsAre("snake/packed_rows", "snake/plain"));
}

TEST(Plugins, BadFilesAreRefusedByName) {
  EXPECT_THAT(load_error({"/nowhere/at_all.so"}), HasSubstr("/nowhere/at_all.so"));
  const std::string text = testing::TempDir() + "text.so";
  std::ofstream(text) << "not a shared object";
  EXPECT_THAT(load_error({text}), HasSubstr(text));
  EXPECT_THAT(load_error({kFolder + "bad_0.so"}),
              testing::AllOf(HasSubstr("interface 9.3"), HasSubstr("has 1.0")));
  EXPECT_THAT(load_error({kFolder + "bad_1.so"}), HasSubstr("will not run"));
  EXPECT_THAT(load_error({kFolder + "bad_2.so"}), HasSubstr("threw"));
  EXPECT_THAT(load_error({kFolder + "bad_3.so"}), HasSubstr("run: is null"));
  EXPECT_THAT(load_error({kFolder + "bad_4.so"}), HasSubstr("bad::Op: is there already"));
  EXPECT_THAT(load_error({kFolder + "bad_5.so"}), HasSubstr("there is no operator bad::Other"));
  EXPECT_THAT(load_error({kFolder + "snake.so", kFolder + "snake.so"}), HasSubstr("already"));
}

struct BadCalls : testing::Test {
  std::shared_ptr<const PluginSet> plugins = load("bad_6");
  Network network(std::size_t num_inputs) {
    Network net("bad");
    const std::vector<Value> inputs(num_inputs, net.input("x", DType::kF32, {"N"}));
    const auto out = net.custom(plugins->find("bad::Op"), inputs);
    if (!out.empty()) net.output("y", out[0]);
    return net;
  }
};

TEST_F(BadCalls, ShapeRulesThatFailAreErrorsOfTheNetwork) {
  EXPECT_THAT(network(2).status().message(), HasSubstr("threw"));
  EXPECT_THAT(network(3).status().message(), HasSubstr("rank 99"));
  EXPECT_THAT(network(4).status().message(), HasSubstr("-77"));
  EXPECT_THAT(network(5).status().message(), HasSubstr("dtype 42"));
  EXPECT_THAT(network(6).status().message(), HasSubstr("without a reason"));
  EXPECT_THAT(network(7).status().message(), HasSubstr("wanted 1 to 6, got 7"));
}

TEST_F(BadCalls, LevelsAreTheThreeOfTheInterface) {
  const std::map<std::string, float> levels = {
      {"portable", 0}, {"avx2", 1}, {"avx_vnni", 1}, {"avx512_vnni", 2}, {"amx_int8", 2}};
  for (const auto& [cap, unused] : levels) {
    BuildOptions options;
    options.profile = {{"N", {1, 1, 4}}};
    options.plugins = plugins;
    options.max_isa = cap;
    const auto plan = build(network(1), options);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    auto context = Context::create(*plan, nullptr);
    const std::int64_t dims[] = {1};
    *static_cast<float*>(*(*context)->input("x", dims)) = 5;
    ASSERT_TRUE((*context)->run().ok());
    EXPECT_EQ((*context)->output("y")->f32()[0], levels.at((*plan)->report().isa)) << cap;
  }
}

TEST_F(BadCalls, RunsThatFailAreErrorsOfTheRunAndTheNextOneWorks) {
  BuildOptions options;
  options.profile = {{"N", {1, 1, 4}}};
  options.plugins = plugins;
  const auto plan = build(network(1), options);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  auto context = Context::create(*plan, nullptr);
  const std::int64_t dims[] = {1};
  const auto run_with = [&](float wish) {
    *static_cast<float*>(*(*context)->input("x", dims)) = wish;
    return (*context)->run();
  };
  EXPECT_THAT(run_with(1).message(), HasSubstr("bad/op: run() threw"));
  EXPECT_THAT(run_with(2).message(), HasSubstr("run() failed without a reason"));
  EXPECT_THAT(run_with(3).message(), HasSubstr("mmm"));
  EXPECT_TRUE(run_with(4).ok());
  EXPECT_EQ((*context)->output("y")->f32()[0], 4.0f);
}

}  // namespace
}  // namespace antiphon
