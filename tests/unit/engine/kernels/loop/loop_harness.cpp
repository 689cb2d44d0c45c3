// Runs one loop node by the loop program and by the reference interpreter.
#include "tests/unit/engine/kernels/loop/loop_harness.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "engine/ir/schema.h"
#include "engine/kernels/cpu/loop/program.h"
#include "engine/kernels/cpu/team.h"
#include "engine/kernels/isa.h"
#include "engine/passes/pipeline.h"

namespace antiphon::test {
namespace {

Tensor tensor_of(const RefTensor& ref) {
  Tensor t;
  t.dtype = ref.dtype;
  t.rank = static_cast<std::int32_t>(ref.dims.size());
  for (std::size_t i = 0; i < ref.dims.size(); ++i) t.dims[i] = ref.dims[i];
  return t;
}

void write(const RefTensor& ref, void* data) {
  for (std::size_t i = 0; i < ref.values.size(); ++i) {
    const double x = ref.values[i];
    switch (ref.dtype) {
      case DType::kF32: static_cast<float*>(data)[i] = static_cast<float>(x); break;
      case DType::kI32: static_cast<std::int32_t*>(data)[i] = static_cast<std::int32_t>(x); break;
      default: static_cast<std::uint8_t*>(data)[i] = x != 0 ? 1 : 0; break;
    }
  }
}

// 64-byte aligned.
struct Buffer {
  explicit Buffer(std::size_t bytes) : storage(bytes + 64, std::byte{0x7f}) {}
  std::byte* data() {
    const auto at = reinterpret_cast<std::uintptr_t>(storage.data());
    return storage.data() + ((64 - at % 64) % 64);
  }
  std::vector<std::byte> storage;
};

}  // namespace

namespace {
ir::Node first_loop(const ir::Graph& graph) {
  for (const ir::Node& node : graph.nodes)
    if (node.op == ir::OpKind::kLoop) return ir::clone(node);
  ADD_FAILURE() << "no loop";
  return {};
}
}  // namespace

ir::Node loop_of(const Network& net) {
  EXPECT_TRUE(net.status().ok()) << net.status().to_string();
  return first_loop(net.graph());
}

ir::Node optimized_loop_of(const Network& net, bool expand_int8) {
  EXPECT_TRUE(net.status().ok()) << net.status().to_string();
  ir::Graph graph = net.graph().clone();
  const auto report = passes::run_passes(graph, {.expand_int8 = expand_int8, .dump_dir = {}});
  EXPECT_TRUE(report.ok()) << report.status().to_string();
  return first_loop(graph);
}

void quantize_linears(ir::Graph& body) {
  for (ir::Node& node : body.nodes) {
    if (node.op != ir::OpKind::kLinear) continue;
    const TensorView w = ir::constant_view(body, node.inputs[1]);
    const std::int64_t n = w.dims[0], k = w.dims[1];
    std::vector<std::int8_t> values(static_cast<std::size_t>(n * k));
    std::vector<float> scales(static_cast<std::size_t>(n));
    for (std::int64_t r = 0; r < n; ++r) {
      const float* row = w.f32().data() + r * k;
      float peak = 1e-6f;
      for (std::int64_t i = 0; i < k; ++i) peak = std::max(peak, std::abs(row[i]));
      scales[static_cast<std::size_t>(r)] = peak / 127.0f;
      for (std::int64_t i = 0; i < k; ++i)
        values[static_cast<std::size_t>(r * k + i)] =
            static_cast<std::int8_t>(std::lround(row[i] / (peak / 127.0f)));
    }
    node.inputs.resize(std::max<std::size_t>(node.inputs.size(), 3), ir::kNoValue);
    node.inputs[1] = ir::add_constant(body, node.name + ".w8", DType::kI8, {n, k}, values.data());
    node.inputs[2] = ir::add_constant(body, node.name + ".scale", DType::kF32, {n}, scales.data());
  }
}

Value random_constant(Network& net, const std::string& name, std::vector<std::int64_t> dims,
                      std::uint64_t seed, double range) {
  const RefTensor ref = random_ref(dims, seed, -range, range);
  const std::vector<float> values(ref.values.begin(), ref.values.end());
  return net.constant(name, {DType::kF32, std::move(dims), values.data()});
}

struct LoopRunner::State {
  const Kernel& kernel;
  ir::Node node;
  std::vector<Tensor> inputs, outputs;
  std::vector<Buffer> buffers;
  NodeView view;
  std::unique_ptr<Team> team;
  std::unique_ptr<Packed> packed;
  std::unique_ptr<Prepared> prepared;
  Buffer workspace{0};
  LaunchArgs args;
  explicit State(const Kernel& of_loops) : kernel(of_loops) {}
};

LoopRunner::LoopRunner(const ir::Node& node, const Outputs& inputs, int num_threads, Isa isa,
                       const Kernel& kernel)
    : state_(std::make_unique<State>(kernel)) {
  State& s = *state_;
  s.node = ir::clone(node);
  std::vector<ir::ValueType> types;
  for (const RefTensor& ref : inputs) {
    ir::ValueType type{ref.dtype, {}};
    for (const std::int64_t d : ref.dims) type.shape.emplace_back(d);
    types.push_back(std::move(type));
    s.inputs.push_back(tensor_of(ref));
    s.buffers.emplace_back(s.inputs.back().bytes());
    s.inputs.back().data = s.buffers.back().data();
    write(ref, s.inputs.back().data);
  }
  std::vector<const ir::ValueType*> pointers;
  for (const ir::ValueType& type : types) pointers.push_back(&type);
  auto made = ir::infer_outputs(s.node, pointers);
  EXPECT_TRUE(made.ok()) << made.status().to_string();
  for (const ir::ValueType& type : *made) {
    RefTensor ref{type.dtype, {}, {}};
    for (const Dim& d : type.shape) ref.dims.push_back(d.extent);
    s.outputs.push_back(tensor_of(ref));
    s.buffers.emplace_back(s.outputs.back().bytes());
    s.outputs.back().data = s.buffers.back().data();
  }
  s.team = make_team(num_threads, false);
  s.view = {&s.node, s.inputs, s.outputs, isa, num_threads};
}

LoopRunner::~LoopRunner() = default;

Status LoopRunner::prepare() {
  State& s = *state_;
  const Kernel& kernel = s.kernel;
  if (const char* reason = kernel.refuse(s.view)) return unsupported(reason);
  ANTIPHON_ASSIGN_OR_RETURN(s.packed, kernel.pack(s.view));
  ANTIPHON_ASSIGN_OR_RETURN(s.prepared, kernel.prepare(s.view, s.packed.get()));
  s.workspace = Buffer(kernel.workspace_bytes(s.view));
  s.args = {s.workspace.data(), s.team.get(), s.packed.get(), s.prepared.get()};
  return {};
}

Status LoopRunner::run() { return state_->kernel.run(state_->view, state_->args); }

int LoopRunner::num_phases() const {
  return static_cast<int>(static_cast<loop::LoopProgram&>(*state_->prepared).phases.size());
}

std::size_t LoopRunner::workspace_bytes() const {
  return state_->kernel.workspace_bytes(state_->view);
}

Outputs LoopRunner::outputs() const {
  Outputs out;
  for (const Tensor& t : state_->outputs) {
    RefTensor ref{t.dtype, {t.dims.begin(), t.dims.begin() + t.rank}, {}};
    for (std::int64_t i = 0; i < t.num_elements(); ++i) {
      switch (t.dtype) {
        case DType::kF32: ref.values.push_back(static_cast<double>(t.f32()[i])); break;
        case DType::kI32: ref.values.push_back(static_cast<const std::int32_t*>(t.data)[i]); break;
        default: ref.values.push_back(static_cast<const std::uint8_t*>(t.data)[i]); break;
      }
    }
    out.push_back(std::move(ref));
  }
  return out;
}

Outputs random_inputs(const ir::Node& node, const std::vector<std::vector<std::int64_t>>& dims,
                      std::uint64_t seed) {
  EXPECT_EQ(node.inputs.size(), dims.size());
  Outputs out;
  for (const auto& d : dims) out.push_back(random_ref(d, seed++));
  return out;
}

bool is_unread(const ir::Node& loop, std::size_t output) {
  const auto unread = loop.attrs.ints("unread");
  return std::ranges::find(unread, static_cast<std::int64_t>(output)) != unread.end();
}

void expect_like_reference(const ir::Node& node, const Outputs& inputs, double tolerance,
                           const Kernel& kernel) {
  std::vector<const RefTensor*> pointers;
  for (const RefTensor& ref : inputs) pointers.push_back(&ref);
  const auto want = run_reference_node(node, pointers);
  ASSERT_TRUE(want.ok()) << want.status().to_string();
  for (int isa = 0; isa <= static_cast<int>(detect_isa()); ++isa) {
    if (!supports(static_cast<Isa>(isa))) continue;
    Outputs alone;
    for (int threads = 1; threads <= 3; ++threads) {
      SCOPED_TRACE("isa " + std::to_string(isa) + ", members " + std::to_string(threads));
      LoopRunner runner(node, inputs, threads, static_cast<Isa>(isa), kernel);
      const Status ready = runner.prepare();
      ASSERT_TRUE(ready.ok()) << ready.to_string();
      for (int repeat = 0; repeat < 2; ++repeat) {  // nothing is left over from a run
        const Status ran = runner.run();
        ASSERT_TRUE(ran.ok()) << ran.to_string();
      }
      const Outputs got = runner.outputs();
      ASSERT_EQ(got.size(), want->size());
      if (threads == 1) alone = got;
      for (std::size_t o = 0; o < got.size(); ++o) {
        ASSERT_EQ(got[o].dims, (*want)[o].dims);
        if (is_unread(node, o)) continue;  // holds anything
        for (std::size_t i = 0; i < got[o].values.size(); ++i) {
          ASSERT_NEAR(got[o].values[i], (*want)[o].values[i], tolerance)
              << "output " << o << " at " << i;
          ASSERT_EQ(got[o].values[i], alone[o].values[i]) << "output " << o << " at " << i;
        }
      }
    }
  }
}

}  // namespace antiphon::test
