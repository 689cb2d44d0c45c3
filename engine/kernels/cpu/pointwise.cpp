// Point-wise programs: all steps on a block that stays in cache, then the next block. An input may
// be some columns of a wider one. The sum of two tensors of bytes as bytes is made at once.
#include <algorithm>
#include <cstring>
#include <optional>

#include "engine/kernels/cpu/add_u8.h"
#include "engine/kernels/cpu/broadcast.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

constexpr std::int64_t kBlock = 256;  // elements: 20 registers are 20 KiB
constexpr std::size_t kMaxRegisters = 160;
constexpr std::int64_t kAddGrain = 16384;  // bytes: a microsecond

using Kind = ir::PointwiseStep::Kind;

const char* refuse(const NodeView& view) {
  const auto fits = [](const Tensor& t) { return t.dtype == DType::kF32 || t.dtype == DType::kU8; };
  if (!std::all_of(view.inputs.begin(), view.inputs.end(), fits) ||
      !std::all_of(view.outputs.begin(), view.outputs.end(), fits))
    return "needs f32 or u8";
  if (view.inputs.empty()) return "needs an input";
  if (view.inputs.size() > static_cast<std::size_t>(kMaxBroadcastInputs))
    return "takes at most 32 inputs";
  if (view.inputs.size() + view.node->pointwise.steps.size() > kMaxRegisters)
    return "takes at most 160 registers";
  for (const Tensor& out : view.outputs)
    if (!same_dims(out, view.outputs[0])) return "needs outputs of one shape";
  return nullptr;
}

// One buffer for each step, and two for operands of `where` that are scalars.
std::size_t member_bytes(const NodeView& view) {
  return aligned_bytes((view.node->pointwise.steps.size() + 3) * kBlock * sizeof(float));
}
std::size_t workspace_bytes(const NodeView& view) {
  return member_bytes(view) * static_cast<std::size_t>(view.num_threads);
}

// A value of the program: n elements, or one for the whole block.
struct Register {
  const float* data = nullptr;
  bool is_scalar = false;
  const std::uint8_t* bytes = nullptr;  // of an input, instead of data
};

struct Block {
  Isa isa;
  const VectorMath& math;
  Register* registers;
  float* spread;  // 3 * kBlock
  std::int64_t n;
};

const float* spread(const Block& block, const Register& r, int operand) {
  if (!r.is_scalar) return r.data;
  float* out = block.spread + operand * kBlock;
  std::fill(out, out + block.n, r.data[0]);
  return out;
}

// Computes one step into y, which the result register will point to.
bool compute(const Block& block, const ir::PointwiseStep& step, float* y) {
  const auto reg = [&](std::int16_t i) { return block.registers[i]; };
  if (step.kind == Kind::kScalar) {
    y[0] = step.low;
    return true;
  }
  const Register a = reg(step.a);
  if (step.kind == Kind::kFromBytes) {
    const U8Row numbers{step.low, static_cast<std::int32_t>(step.high)};
    dequantize_u8(block.isa, a.bytes, a.is_scalar ? 1 : block.n, numbers, y);
    return a.is_scalar;
  }
  if (step.kind == Kind::kUnary || step.kind == Kind::kClamp) {
    const std::int64_t n = a.is_scalar ? 1 : block.n;
    if (step.kind == Kind::kUnary) {
      block.math.unary[step.op](a.data, y, n);
    } else {
      block.math.clamp(a.data, step.low, step.high, y, n);
    }
    return a.is_scalar;
  }
  const Register b = reg(step.b);
  if (step.kind == Kind::kBinary) {
    const bool scalar = a.is_scalar && b.is_scalar;
    const auto row = scalar || a.is_scalar == b.is_scalar ? block.math.binary[step.op]
                     : a.is_scalar                        ? block.math.binary_left[step.op]
                                                          : block.math.binary_right[step.op];
    row(a.data, b.data, y, scalar ? 1 : block.n);
    return scalar;
  }
  const Register c = reg(step.c);
  if (a.is_scalar && b.is_scalar && c.is_scalar) {
    block.math.where(a.data, b.data, c.data, y, 1);
    return true;
  }
  block.math.where(spread(block, a, 0), spread(block, b, 1), spread(block, c, 2), y, block.n);
  return false;
}

// A step that makes bytes, which are results alone.
void write_bytes(const NodeView& view, const Block& block, std::size_t s, std::int64_t first) {
  const ir::PointwiseProgram& program = view.node->pointwise;
  const ir::PointwiseStep& step = program.steps[s];
  const float* x = spread(block, block.registers[step.a], 0);
  const U8Row numbers{step.low, static_cast<std::int32_t>(step.high)};
  for (std::size_t r = 0; r < program.results.size(); ++r)
    if (program.results[r] == static_cast<std::int16_t>(view.inputs.size() + s))
      quantize_u8_static(block.isa, x, block.n, numbers, 255,
                         static_cast<std::uint8_t*>(view.outputs[r].data) + first);
}

void run_block(const NodeView& view, Block& block, float* buffers, std::int64_t first) {
  const ir::PointwiseProgram& program = view.node->pointwise;
  const std::size_t num_inputs = view.inputs.size();
  for (std::size_t s = 0; s < program.steps.size(); ++s) {
    if (program.steps[s].kind == Kind::kToBytes) {
      write_bytes(view, block, s, first);
      continue;
    }
    float* y = buffers + static_cast<std::int64_t>(s) * kBlock;
    // The last step writes where its result is wanted: nothing is read after it but buffers.
    const auto made = static_cast<std::int16_t>(num_inputs + s);
    if (s + 1 == program.steps.size())
      for (std::size_t r = 0; r < program.results.size(); ++r)
        if (program.results[r] == made) y = view.outputs[r].f32() + first;
    Register& out = block.registers[num_inputs + s];
    out.is_scalar = compute(block, program.steps[s], y);
    out.data = y;
  }
  for (std::size_t r = 0; r < program.results.size(); ++r) {
    if (view.outputs[r].dtype == DType::kU8) continue;
    const Register& from = block.registers[program.results[r]];
    float* to = view.outputs[r].f32() + first;
    if (from.is_scalar) {
      std::fill(to, to + block.n, float{from.data[0]});
    } else if (from.data != to) {
      std::memcpy(to, from.data, static_cast<std::size_t>(block.n) * sizeof(float));
    }
  }
}

// The first column that is read of each input, -1: all of them are; null: of all.
const std::vector<std::int64_t>* parts_of(const NodeView& view) {
  const auto& attrs = view.node->attrs.all();
  const auto found = attrs.find("parts");
  return found == attrs.end() ? nullptr : std::get_if<std::vector<std::int64_t>>(&found->second);
}

Register input_register(const Tensor& x, std::int64_t at, bool is_scalar) {
  if (x.dtype == DType::kU8)
    return {nullptr, is_scalar, static_cast<const std::uint8_t*>(x.data) + at};
  return {x.f32() + at, is_scalar};
}

// The numbers of a program that adds two tensors of bytes, perhaps with a relu behind; else none.
std::optional<AddU8> sum_of_bytes(const NodeView& view) {
  const ir::PointwiseProgram& program = view.node->pointwise;
  const std::size_t num_steps = program.steps.size(), num_between = num_steps - 4;
  const auto is_like_y = [&](const Tensor& x) {
    return x.dtype == DType::kU8 && same_dims(x, view.outputs[0]);
  };
  if (view.inputs.size() != 2 || view.outputs.size() != 1 || !is_like_y(view.inputs[0]) ||
      !is_like_y(view.inputs[1]) || num_steps < 4 || num_between > 1)
    return {};
  const ir::PointwiseStep &first = program.steps[0], &second = program.steps[1];
  const ir::PointwiseStep &sum = program.steps[2], &last = program.steps.back();
  if (first.kind != Kind::kFromBytes || second.kind != Kind::kFromBytes || first.a == second.a ||
      sum.kind != Kind::kBinary || static_cast<Binary>(sum.op) != Binary::kAdd ||
      std::min(sum.a, sum.b) != 2 || std::max(sum.a, sum.b) != 3)
    return {};
  if (num_between == 1) {
    const ir::PointwiseStep& step = program.steps[3];
    if (step.kind != Kind::kUnary || static_cast<Unary>(step.op) != Unary::kRelu || step.a != 4)
      return {};
  }
  const auto made = static_cast<std::int16_t>(num_steps);  // the register before the last
  if (last.kind != Kind::kToBytes || last.a != made || program.results[0] != made + 1) return {};
  const auto numbers = [](const ir::PointwiseStep& step) {
    return U8Row{step.low, static_cast<std::int32_t>(step.high)};
  };
  const ir::PointwiseStep &a = first.a == 0 ? first : second, &b = first.a == 0 ? second : first;
  return AddU8{numbers(a), numbers(b), numbers(last), num_between == 1};
}

// False: it is another program.
bool run_sum_of_bytes(const NodeView& view, Team& team) {
  const std::optional<AddU8> numbers = sum_of_bytes(view);
  const AddU8Row add = numbers ? add_u8_row(view.isa, *numbers) : nullptr;
  if (!add) return false;
  const auto* a = static_cast<const std::uint8_t*>(view.inputs[0].data);
  const auto* b = static_cast<const std::uint8_t*>(view.inputs[1].data);
  auto* y = static_cast<std::uint8_t*>(view.outputs[0].data);
  split(team, view.outputs[0].num_elements(), kAddGrain,
        [&](std::int64_t begin, std::int64_t end, int) {
          add(*numbers, a + begin, b + begin, y + begin, end - begin);
        });
  return true;
}

Status run(const NodeView& view, const LaunchArgs& args) {
  if (run_sum_of_bytes(view, *args.team)) return {};
  const BroadcastRows rows = broadcast_rows(view.inputs, view.outputs[0]);
  const std::vector<std::int64_t>* parts = parts_of(view);
  const auto begin_of = [&](std::size_t i) {
    return parts ? std::max<std::int64_t>((*parts)[i], 0) : 0;
  };
  const std::size_t stride = member_bytes(view);
  split(*args.team, view.outputs[0].num_elements(), 2048,
        [&](std::int64_t begin, std::int64_t end, int member) {
          auto* space =
              reinterpret_cast<float*>(args.workspace + stride * static_cast<std::size_t>(member));
          Register registers[kMaxRegisters];
          Block block{view.isa, vector_math(view.isa), registers, space, 0};
          for_each_piece(rows, begin, end, kBlock,
                         [&](const std::int64_t* at, std::int64_t first, std::int64_t n) {
                           for (std::size_t i = 0; i < view.inputs.size(); ++i)
                             registers[i] = input_register(view.inputs[i], at[i] + begin_of(i),
                                                           rows.row_stride[i] == 0);
                           block.n = n;
                           run_block(view, block, space + 3 * kBlock, first);
                         });
        });
  return {};
}

// A result that is an input itself would be copied after output 0 was written.
bool in_place(const NodeView& view) {
  if (!same_dims(view.inputs[0], view.outputs[0])) return false;
  if (view.inputs[0].dtype != view.outputs[0].dtype) return false;
  for (const std::int16_t r : view.node->pointwise.results)
    if (static_cast<std::size_t>(r) < view.inputs.size()) return false;
  return true;
}

}  // namespace

constinit const Kernel kPointwiseBlocks = {ir::OpKind::kPointwise,
                                           "cpu/pointwise_blocks",
                                           refuse,
                                           workspace_bytes,
                                           run,
                                           nullptr,
                                           nullptr,
                                           in_place};

}  // namespace antiphon::cpu
