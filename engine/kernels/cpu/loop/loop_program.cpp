// Loops as one program over their steps: every member runs its tasks of a phase, then all meet.
// Bodies of any supported ops; state in double buffers; nothing is dispatched between steps.
#include <algorithm>
#include <cstring>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/loop/body_shapes.h"
#include "engine/kernels/cpu/loop/compile.h"
#include "engine/kernels/cpu/loop/linear_weights.h"
#include "engine/kernels/kernel.h"

namespace antiphon {
namespace {

using loop::LoopProgram;

std::size_t u(std::int64_t i) { return static_cast<std::size_t>(i); }

const char* refuse(const NodeView& view) {
  if (!view.node->body) return "has no body";
  for (const Tensor& input : view.inputs)
    if (input.rank < 0) return "an input is absent";
  return loop::refuse_body(*view.node->body);
}

// The same with activations of the body's int8 weights as bytes.
const char* refuse_bytes(const NodeView& view) {
  if (const char* reason = refuse(view)) return reason;
  bool any = false;
  for (const ir::Node& node : view.node->body->nodes) {
    if (node.op != ir::OpKind::kLinear) continue;
    const ir::ValueInfo& w = view.node->body->values[u(node.inputs[1])];
    if (w.dtype != DType::kI8 || w.shape[0].extent < loop::kFewRows) continue;
    if (w.shape[1].extent > kMaxU8Cols) return "takes at most 65536 columns";
    any = true;
  }
  return any ? nullptr : "needs i8 weights";
}

// The same with f32 weights in 24 bits.
const char* refuse_i24(const NodeView& view) {
  if (const char* reason = refuse(view)) return reason;
  const ir::Graph& body = *view.node->body;
  const bool any = std::ranges::any_of(body.nodes, [&](const ir::Node& node) {
    if (node.op != ir::OpKind::kLinear || !ir::is_constant(body, node.inputs[1])) return false;
    const ir::ValueInfo& w = body.values[u(node.inputs[1])];
    return w.dtype == DType::kF32 && w.shape[0].extent >= loop::kFewRows;
  });
  return any ? nullptr : "needs constant f32 weights";
}

template <loop::Packing kPacking>
Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  ANTIPHON_ASSIGN_OR_RETURN(auto packed, loop::pack_weights(view, kPacking));
  return std::unique_ptr<Packed>(std::move(packed));
}

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed* packed) {
  ANTIPHON_ASSIGN_OR_RETURN(auto program,
                            loop::compile(view, static_cast<const loop::LoopPacked*>(packed)));
  return std::unique_ptr<Prepared>(std::move(program));
}

std::size_t workspace_bytes(const NodeView& view) {
  auto program = loop::compile(view, nullptr);
  return program.ok() ? (*program)->workspace_bytes() : 0;
}

// Where every base lies in this run.
void bind(const NodeView& view, std::byte* workspace, LoopProgram& program) {
  for (std::size_t i = 0; i < program.bases.size(); ++i) {
    const loop::Base& base = program.bases[i];
    std::byte* memory = workspace;
    using Kind = loop::Base::Kind;
    if (base.kind == Kind::kInput)
      memory = static_cast<std::byte*>(view.inputs[u(base.index)].data);
    if (base.kind == Kind::kOutput)
      memory = static_cast<std::byte*>(view.outputs[u(base.index)].data);
    if (base.kind == Kind::kConstant)
      memory = static_cast<std::byte*>(const_cast<void*>(base.constant));
    program.bound[i] = {{memory + base.offset[0], memory + base.offset[1]}, base.step};
  }
}

bool stops(const loop::Frame& frame, const loop::Place& place) {
  if (place.dtype == DType::kF32) return *loop::at<float>(frame, place) > 0.0f;
  return *loop::at<std::uint8_t>(frame, place) != 0;
}

// One member's whole loop; gives the number of iterations run, the same on every member.
std::int64_t run_member(LoopProgram& program, const VectorMath& math, std::byte* workspace,
                        Team& team, int member) {
  loop::Frame frame;
  frame.bases = program.bound.data();
  frame.math = &math;
  frame.failed = &program.failed;
  frame.temp = workspace + program.scratch_bytes + u(program.members) * program.private_bytes +
               u(member) * program.temp_bytes;
  loop::Place stop = program.stop;
  if (program.has_stop && member < program.members)
    stop.offset +=
        static_cast<std::int64_t>(program.private_bytes / dtype_bytes(stop.dtype)) * member;
  for (; frame.iteration < program.trips; ++frame.iteration) {
    const bool last = frame.iteration + 1 == program.trips;
    for (const auto& phase : program.phases) {
      for (const loop::Task& task : phase[u(member)])
        if (!last || !task.op->unread_last) task.run(task, frame);
      if (program.members > 1) team.barrier();
    }
    if (program.has_stop && stops(frame, stop)) return frame.iteration + 1;
  }
  return program.trips;
}

// Zeros in the steps of a sequence that were not run.
void clear_rest(const LoopProgram& program, const Tensor& sequence, std::int64_t run) {
  if (run == program.trips) return;
  std::size_t step = dtype_bytes(sequence.dtype);
  std::int64_t outer = 1;
  for (int i = 0; i < sequence.rank; ++i) {
    const std::int64_t extent = sequence.dims[u(i)];
    if (i < program.scan_axis) outer *= extent;
    if (i > program.scan_axis) step *= u(extent);
  }
  const std::int64_t first = program.reverse ? 0 : run;
  for (std::int64_t o = 0; o < outer; ++o)
    std::memset(static_cast<std::byte*>(sequence.data) + u(o * program.trips + first) * step, 0,
                u(program.trips - run) * step);
}

Status run(const NodeView& view, const LaunchArgs& args) {
  auto& program = static_cast<LoopProgram&>(*args.prepared);
  if (args.team->size() != program.members)
    return internal_error("loop: compiled for another number of threads");
  bind(view, args.workspace, program);
  program.failed.store(nullptr, std::memory_order_relaxed);
  const std::size_t num_carried = program.carried.size();
  for (std::size_t i = 0; i < num_carried; ++i)
    std::memcpy(args.workspace + program.carried[i].offset[0], view.inputs[i].data,
                program.carried[i].bytes);
  const VectorMath& math = vector_math(view.isa);
  std::int64_t iterations = 0;
  args.team->run([&](int member) {
    const std::int64_t n = run_member(program, math, args.workspace, *args.team, member);
    if (member == 0) iterations = n;
  });
  for (std::size_t i = 0; i < num_carried; ++i)
    std::memcpy(view.outputs[i].data, args.workspace + program.carried[i].offset[iterations & 1],
                program.carried[i].bytes);
  for (int i = 0; i < program.num_emitted; ++i)
    clear_rest(program, view.outputs[num_carried + u(i)], iterations);
  if (program.has_stop)
    *static_cast<std::int32_t*>(view.outputs.back().data) = static_cast<std::int32_t>(iterations);
  if (const loop::Op* op = program.failed.load(std::memory_order_relaxed))
    return invalid_argument("body: " + op->node->name + ": an id is outside the table");
  return {};
}

}  // namespace

namespace cpu {
constinit const Kernel kLoopProgram = {ir::OpKind::kLoop,
                                       "cpu/loop_program",
                                       refuse,
                                       workspace_bytes,
                                       run,
                                       pack<loop::Packing::kAsGiven>,
                                       prepare};
constinit const Kernel kLoopProgramI24 = {.op = ir::OpKind::kLoop,
                                          .name = "cpu/loop_program_i24",
                                          .refuse = refuse_i24,
                                          .workspace_bytes = workspace_bytes,
                                          .run = run,
                                          .pack = pack<loop::Packing::kI24>,
                                          .prepare = prepare,
                                          .rounds_weights = true};
constinit const Kernel kLoopProgramU8 = {.op = ir::OpKind::kLoop,
                                         .name = "cpu/loop_program_u8",
                                         .refuse = refuse_bytes,
                                         .workspace_bytes = workspace_bytes,
                                         .run = run,
                                         .pack = pack<loop::Packing::kBytes>,
                                         .prepare = prepare,
                                         .coarse = true};
}  // namespace cpu

}  // namespace antiphon
