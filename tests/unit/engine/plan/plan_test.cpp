// Memory plans hold up to the checker and the checker finds faults; plan files refuse what does not
// fit.
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <limits>
#include <random>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/network.h"
#include "engine/plan/compile.h"
#include "engine/plan/memory_planner.h"
#include "engine/plan/plan_file.h"
#include "engine/plan/timing_cache.h"

namespace antiphon::plan {
namespace {

// A back end whose kernels take everything and do nothing: these tests are about plans.
const char* accept(const NodeView&) { return nullptr; }
std::size_t no_workspace(const NodeView&) { return 0; }
Status do_nothing(const NodeView&, const LaunchArgs&) { return {}; }
bool always(const NodeView&) { return true; }
constexpr Kernel kUnary{ir::OpKind::kUnary, "fake/unary", accept,  no_workspace,
                        do_nothing,         nullptr,      nullptr, always};
constexpr Kernel kBinary{ir::OpKind::kBinary, "fake/binary", accept,  no_workspace,
                         do_nothing,          nullptr,       nullptr, always};
constexpr Kernel kConcat{ir::OpKind::kConcat, "fake/concat", accept, no_workspace, do_nothing};
constexpr Kernel kSlice{ir::OpKind::kSlice, "fake/slice", accept, no_workspace, do_nothing};
constexpr Kernel kLinear{ir::OpKind::kLinear, "fake/linear", accept, no_workspace, do_nothing};
constexpr const Kernel* kAll[] = {&kUnary, &kBinary, &kConcat, &kSlice, &kLinear};
constexpr Backend kBackend{"fake", kAll};

const std::map<std::string, DimRange> kProfile = {{"B", {1, 1, 4}}, {"T", {1, 5, 16}}};

// A chain with branches, views, state and a weight.
Network sample() {
  Network net("sample");
  const Value x = net.input("x", DType::kF32, {"B", "T", 8});
  const Value s = net.state("s", {"B", 1, 8});
  const std::vector<float> w(64, 0.5f);
  const Value weight = net.constant("w", {DType::kF32, {8, 8}, w.data()});
  Value y = net.linear(x, weight);
  const Value a = net.relu(y), b = net.tanh(net.add(a, y));
  const Value joined = net.concat({s, b}, 1);
  net.update(s, net.slice(joined, 1, -1, std::numeric_limits<std::int64_t>::max()));
  const Value flat = net.reshape(net.add(b, a), {0, 0, 2, 4});
  net.output("y", net.relu(flat));
  net.output("joined", joined);
  return net;
}

PlanData data_of(const Network& net) {
  EXPECT_TRUE(net.status().ok()) << net.status().to_string();
  PlanData data;
  data.graph = net.graph().clone();
  data.profile = kProfile;
  return data;
}

std::shared_ptr<const Plan> compiled() {
  auto plan = compile(kBackend, {}, data_of(sample()));
  EXPECT_TRUE(plan.ok()) << plan.status().to_string();
  return plan.ok() ? *plan : nullptr;
}

TEST(MemoryPlanner, PlanPassesTheCheckerAndReusesMemory) {
  const auto plan = compiled();
  ASSERT_TRUE(plan);
  EXPECT_GE(plan->report().arena_bytes, plan->report().live_bytes_bound);
  EXPECT_LE(plan->report().arena_bytes, plan->report().live_bytes_bound * 11 / 10);
}

TEST(MemoryPlanner, RandomGraphsPassTheChecker) {
  std::mt19937 random(3);
  for (int trial = 0; trial < 200; ++trial) {
    Network net("random");
    std::vector<Value> live = {net.input("x", DType::kF32, {"T", 8})};
    for (int i = 0; i < 20; ++i) {
      const Value a = live[random() % live.size()], b = live[random() % live.size()];
      switch (random() % 3) {
        case 0: live.push_back(net.relu(a)); break;
        case 1: live.push_back(net.add(a, b)); break;
        default: live.push_back(net.reshape(net.reshape(a, {0, 2, 4}), {0, 8})); break;
      }
    }
    net.output("last", live.back());
    net.output("middle", live[live.size() / 2]);
    PlanData data = data_of(net);
    const auto tensors = resolve(data.graph, extents_at(kProfile, &DimRange::max));
    ASSERT_TRUE(tensors.ok()) << tensors.status().to_string();
    InPlace in_place;
    for (const ir::Node& node : data.graph.nodes)
      in_place.push_back(node.op != ir::OpKind::kReshape ? 0 : -1);
    const MemoryPlan memory = plan_memory(data.graph, *tensors, in_place);
    const Status checked = check_memory(data.graph, *tensors, memory);
    ASSERT_TRUE(checked.ok()) << checked.to_string() << "\n" << ir::to_text(data.graph);
  }
}

// Halves of a value that lie in it, and what may not be done with them.
TEST(MemoryPlanner, PartsOfAValueLieInIt) {
  Network net("halves");
  const Value x = net.relu(net.input("x", DType::kF32, {1, 8, "T"}));
  const Value a = net.slice(x, 1, 0, 4), b = net.slice(x, 1, 4, 8);
  net.output("y", net.add(net.tanh(b), a));
  PlanData data = data_of(net);
  for (ir::Node& node : data.graph.nodes)
    if (node.op == ir::OpKind::kSlice) node.attrs.set("view", std::int64_t{1});
  const auto tensors = *resolve(data.graph, extents_at(kProfile, &DimRange::max));
  const InPlace in_place(data.graph.nodes.size(), 0);
  const MemoryPlan memory = plan_memory(data.graph, tensors, in_place);
  const Status checked = check_memory(data.graph, tensors, memory);
  ASSERT_TRUE(checked.ok()) << checked.to_string();
  const auto output_of = [&](std::size_t node) {
    return static_cast<std::size_t>(data.graph.nodes[node].outputs[0]);
  };
  const std::size_t whole = output_of(0), first = output_of(1), second = output_of(2);
  EXPECT_EQ(memory.offset[first], memory.offset[whole]);
  EXPECT_EQ(memory.offset[second], memory.offset[whole] + 4 * 16 * sizeof(float));
  EXPECT_NE(memory.root[output_of(3)], memory.root[whole]) << "tanh wrote over a part";

  MemoryPlan bad = memory;
  bad.offset[second] = memory.offset[whole];
  EXPECT_NE(check_memory(data.graph, tensors, bad).message().find("does not lie in its input"),
            std::string::npos);
  bad = memory;  // tanh's result over the half that is still to be read
  bad.offset[output_of(3)] = memory.offset[whole];
  EXPECT_NE(check_memory(data.graph, tensors, bad).message().find("overwritten"),
            std::string::npos);
  data.graph.nodes[2].attrs.set("axis", std::int64_t{2});  // columns of each row
  EXPECT_NE(check_memory(data.graph, tensors, memory).message().find("no view of its input"),
            std::string::npos);
}

TEST(MemoryChecker, FindsOverlapsMisalignmentAndEscapes) {
  const auto plan = compiled();
  ASSERT_TRUE(plan);
  const PlanData& data = static_cast<const PlanImpl&>(*plan).data();
  const auto tensors = *resolve(data.graph, extents_at(kProfile, &DimRange::max));
  int found = 0;
  for (std::size_t v = 0; v < data.memory.offset.size(); ++v) {
    if (data.memory.offset[v] == kNoOffset || data.memory.root[v] != static_cast<ir::ValueId>(v))
      continue;
    MemoryPlan bad = data.memory;
    bad.offset[v] += 4;
    EXPECT_FALSE(check_memory(data.graph, tensors, bad).ok());
    bad.offset[v] = data.memory.arena_bytes;
    EXPECT_FALSE(check_memory(data.graph, tensors, bad).ok());
    bad.offset.assign(bad.offset.size(), 0);  // everything on top of everything
    found += !check_memory(data.graph, tensors, bad).ok();
  }
  EXPECT_GT(found, 0);
}

// A file may say so; the memory of constants is read only.
TEST(MemoryChecker, NothingIsWrittenOverConstants) {
  const auto plan = compiled();
  ASSERT_TRUE(plan);
  const PlanData& data = static_cast<const PlanImpl&>(*plan).data();
  const auto tensors = *resolve(data.graph, extents_at(kProfile, &DimRange::max));
  const auto& values = data.graph.values;
  const auto constant = std::ranges::find(values, ir::ValueKind::kConstant, &ir::ValueInfo::kind);
  ASSERT_NE(constant, values.end());
  std::vector<ir::ValueId> written = data.graph.inputs;
  for (const ir::Node& node : data.graph.nodes) written.push_back(node.outputs[0]);
  for (const ir::ValueId id : written) {
    MemoryPlan bad = data.memory;
    bad.root[static_cast<std::size_t>(id)] = static_cast<ir::ValueId>(constant - values.begin());
    const Status checked = check_memory(data.graph, tensors, bad);
    EXPECT_NE(checked.message().find("lies in the constant"), std::string::npos)
        << checked.to_string();
    bad.root[static_cast<std::size_t>(id)] = static_cast<ir::ValueId>(values.size());
    EXPECT_FALSE(check_memory(data.graph, tensors, bad).ok());
  }
}

std::string scratch(const char* name) {
  return (std::filesystem::temp_directory_path() /
          (std::string("antiphon_") + std::to_string(::getpid()) + name))
      .string();
}

std::string read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return std::string((std::istreambuf_iterator<char>(in)), {});
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary) << bytes;
}

class PlanFile : public testing::Test {
 protected:
  void SetUp() override {
    path_ = scratch("plan");
    const auto plan = compiled();
    ASSERT_TRUE(plan);
    ASSERT_TRUE(plan->save(path_).ok());
    bytes_ = read_bytes(path_);
  }
  void TearDown() override { std::remove(path_.c_str()); }
  Status load_bytes(const std::string& bytes) {
    write_bytes(path_, bytes);
    const auto plan = read_plan(path_, kBackend, Isa::kAvx2);
    return plan.status();
  }
  std::string path_, bytes_;
};

TEST_F(PlanFile, LoadsBackEqualAndIsReproducible) {
  const auto plan = read_plan(path_, kBackend, Isa::kAvx2);
  ASSERT_TRUE(plan.ok()) << plan.status().to_string();
  EXPECT_EQ((*plan)->name(), "sample");
  EXPECT_EQ((*plan)->report().arena_bytes, compiled()->report().arena_bytes);
  const std::string again = scratch("again");
  ASSERT_TRUE((*plan)->save(again).ok());
  EXPECT_EQ(read_bytes(again), bytes_);
  std::remove(again.c_str());
}

TEST_F(PlanFile, EveryTruncationIsRefusedByName) {
  for (std::size_t n = 0; n < bytes_.size(); ++n) {
    const Status s = load_bytes(bytes_.substr(0, n));
    ASSERT_EQ(s.code(), StatusCode::kInvalidArgument) << n << " bytes: " << s.to_string();
    ASSERT_NE(s.message().find(path_), std::string::npos);
  }
}

TEST_F(PlanFile, FlippedBytesNeverCrash) {
  for (std::size_t n = 0; n < bytes_.size() - 256;
       ++n) {  // the constants at the end may be anything
    std::string bad = bytes_;
    bad[n] = static_cast<char>(bad[n] ^ 0x55);
    if (n < 32)
      EXPECT_FALSE(load_bytes(bad).ok()) << n;
    else
      static_cast<void>(load_bytes(bad));
  }
}

TEST_F(PlanFile, DamagedHeadersWithAGoodHashAreRefusedOrHarmless) {
  // The hash is repaired, so that the fields' own checks are what stands in the way.
  const auto repaired = [](std::string bytes) {
    std::uint64_t header_bytes = 0;
    std::memcpy(&header_bytes, bytes.data() + 16, 8);
    std::uint64_t hash = 1469598103934665603ull;
    for (std::size_t i = 0; i < header_bytes; ++i)
      hash = (hash ^ static_cast<unsigned char>(bytes[32 + i])) * 1099511628211ull;
    std::memcpy(bytes.data() + 24, &hash, 8);
    return bytes;
  };
  std::mt19937 random(5);
  std::uint64_t header_bytes = 0;
  std::memcpy(&header_bytes, bytes_.data() + 16, 8);
  for (std::size_t n = 32; n < 32 + header_bytes; ++n) {
    std::string bad = bytes_;
    bad[n] = static_cast<char>(random());
    // Whatever is refused, is refused with a field, after the path.
    const Status loaded = load_bytes(repaired(bad));
    if (!loaded.ok()) {
      ASSERT_TRUE(loaded.message().starts_with(path_ + ": ")) << loaded.to_string();
      ASSERT_NE(loaded.message().find(": ", path_.size() + 2), std::string::npos)
          << loaded.to_string();
    }
  }
}

TEST_F(PlanFile, ForeignFilesAndBetterMachinesAreNamed) {
  EXPECT_NE(load_bytes("RIFF" + bytes_.substr(4)).message().find("magic"), std::string::npos);
  PlanData data = data_of(sample());
  data.isa = Isa::kAvx512Vnni;
  ASSERT_TRUE((*compile(kBackend, {}, std::move(data)))->save(path_).ok());
  const auto plan = read_plan(path_, kBackend, Isa::kAvx2);
  EXPECT_NE(plan.status().message().find("isa: is avx512_vnni"), std::string::npos)
      << plan.status().to_string();
  EXPECT_EQ(read_plan("/nonexistent/x.plan", kBackend, Isa::kAvx2).status().code(),
            StatusCode::kNotFound);
}

TEST(Compile, MissingKernelsListReasons) {
  constexpr Kernel refuses{ir::OpKind::kLinear, "fake/linear",
                           [](const NodeView&) { return "needs more"; }, no_workspace, do_nothing};
  const Kernel* all[] = {&refuses, &kUnary, &kBinary, &kConcat, &kSlice};
  const auto plan = compile({"fake", all}, {}, data_of(sample()));
  EXPECT_EQ(plan.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(plan.status().message().find("needs more"), std::string::npos);
}

TEST(Compile, MissingRangesAreNamed) {
  PlanData data = data_of(sample());
  data.profile.erase("T");
  EXPECT_NE(compile(kBackend, {}, std::move(data)).status().message().find("'T'"),
            std::string::npos);
}

TEST(TimingCache, KeepsTheSmallerTimeAndRefusesForeignFiles) {
  const std::string path = scratch("cache");
  TimingCache a, b;
  a.set("key", "k1", 5);
  b.set("key", "k1", 3);
  b.set("key", "k2", 9);
  a.merge(b);
  EXPECT_EQ(a.find("key", "k1"), 3);
  ASSERT_TRUE(a.save(path).ok());
  EXPECT_EQ(TimingCache::load(path)->num_entries(), 2u);
  write_bytes(path, "something else\n");
  EXPECT_EQ(TimingCache::load(path).status().code(), StatusCode::kInvalidArgument);
  write_bytes(path, "antiphon timing cache 1\nno tabs\n");
  EXPECT_NE(TimingCache::load(path).status().message().find("line 2"), std::string::npos);
  std::remove(path.c_str());
}

}  // namespace
}  // namespace antiphon::plan
