// Linear layers with constant weights, packed once in panels of 16 outputs: in f32 (also from int8,
// expanded), or streamed as int8 with activations quantised to int16 for each row.
// x [rows, K], y [rows, N] f32 row-major. The team divides N, or the rows where N is small.
#include <algorithm>

#include "engine/kernels/cpu/epilogue.h"
#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/cpu/gemv_int8.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"

namespace antiphon::cpu {
namespace {

// Rows of x that one pass over a panel serves: x and y of a block stay in cache.
constexpr std::int64_t kBlockRows = 48;
// Outputs of a block: the epilogue finds them in cache.
constexpr std::int64_t kBlockOutputs = 8 * kPanelRows;

struct PackedF32 final : Packed {
  F32Matrix matrix;
  std::size_t bytes() const override { return matrix.bytes(); }
};
struct PackedInt8 final : Packed {
  std::unique_ptr<Int8Matrix> matrix;
  std::size_t bytes() const override { return matrix->bytes(); }
};

struct Extents {
  std::int64_t rows = 1, n, k;
};
Extents extents_of(const NodeView& view) {
  const Tensor& x = view.inputs[0];
  Extents e{.n = view.inputs[1].dims[0], .k = view.inputs[1].dims[1]};
  for (int i = 0; i + 1 < x.rank; ++i) e.rows *= x.dims[static_cast<std::size_t>(i)];
  return e;
}

const char* refuse_constant(const NodeView& view) {
  if (!view.inputs[1].is_constant) return "needs constant weights";
  if (has_input(view, 2) && !view.inputs[2].is_constant) return "needs constant scales";
  return refuse_weights(view);
}
const char* refuse_f32(const NodeView& view) { return refuse_constant(view); }
const char* refuse_int8(const NodeView& view) {
  if (view.inputs[1].dtype != DType::kI8) return "needs i8 weights";
  if (view.inputs[1].dims[1] > (1 << 24)) return "takes at most 2^24 columns";
  return refuse_constant(view);
}

Result<std::unique_ptr<Packed>> pack_as_f32(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  auto packed = std::make_unique<PackedF32>();
  packed->matrix = w.dtype == DType::kF32
                       ? pack_f32(w.dims[0], w.dims[1], w.f32(), view.isa)
                       : pack_f32(w.dims[0], w.dims[1], static_cast<const std::int8_t*>(w.data),
                                  view.inputs[2].f32(), view.isa);
  return std::unique_ptr<Packed>(std::move(packed));
}

Result<std::unique_ptr<Packed>> pack_as_int8(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  auto packed = std::make_unique<PackedInt8>();
  ANTIPHON_ASSIGN_OR_RETURN(packed->matrix,
                            pack_int8(w.dims[0], w.dims[1], static_cast<const std::int8_t*>(w.data),
                                      view.inputs[2].f32(), view.isa));
  return std::unique_ptr<Packed>(std::move(packed));
}

// product(first row, rows, first output, end of outputs), then the epilogue, block by block.
template <typename F>
void for_each_block(const NodeView& view, const Extents& e, Range rows, Range outputs, F product) {
  const Epilogue epilogue = epilogue_of(view);
  float* y = view.outputs[0].f32();
  for (std::int64_t n = outputs.begin; n < outputs.end; n += kBlockOutputs) {
    const std::int64_t n_end = std::min(n + kBlockOutputs, outputs.end);
    for (std::int64_t r = rows.begin; r < rows.end; r += kBlockRows) {
      const std::int64_t count = std::min(kBlockRows, rows.end - r);
      product(r, count, n, n_end);
      if (epilogue.is_empty()) continue;
      for (std::int64_t i = r; i < r + count; ++i)
        epilogue.row(y + i * e.n + n, epilogue.residual_at(i * e.n + n), n, n_end - n);
    }
  }
}

// task(rows, outputs) on every member.
template <typename F>
void divide(Team& team, const Extents& e, F&& task) {
  // 64 K multiply-adds take about as long as waking a member.
  if (team.size() == 1 || e.rows * e.n * e.k < 65536) {
    task(Range{0, e.rows}, Range{0, e.n});
    return;
  }
  const bool by_rows = e.rows >= 4 * team.size() && e.n < 8 * kPanelRows * team.size();
  auto member_task = [&](int member) {
    const int size = team.size();
    if (by_rows) {
      task(share(e.rows, 1, member, size), Range{0, e.n});
    } else {
      task(Range{0, e.rows}, share(e.n, kPanelRows, member, size));
    }
  };
  team.run(member_task);
}

Status run_f32(const NodeView& view, const LaunchArgs& args) {
  const Extents e = extents_of(view);
  const F32Matrix& w = static_cast<const PackedF32&>(*args.packed).matrix;
  const float* x = view.inputs[0].f32();
  float* y = view.outputs[0].f32();
  divide(*args.team, e, [&](Range rows, Range outputs) {
    for_each_block(view, e, rows, outputs,
                   [&](std::int64_t r, std::int64_t count, std::int64_t n, std::int64_t n_end) {
                     gemv_f32(w, x + r * e.k, e.k, count, y + r * e.n, e.n, n, n_end);
                   });
  });
  return {};
}

std::size_t workspace_int8(const NodeView& view) {
  const Extents e = extents_of(view);
  return quantized_rows_bytes(e.rows, e.k);
}

Status run_int8(const NodeView& view, const LaunchArgs& args) {
  const Extents e = extents_of(view);
  const Int8Matrix& w = *static_cast<const PackedInt8&>(*args.packed).matrix;
  const float* x = view.inputs[0].f32();
  float* y = view.outputs[0].f32();
  const QuantizedRows all = quantized_rows_at(args.workspace, e.rows, e.k);
  const auto rows_of = [&](std::int64_t begin, std::int64_t count) {
    return QuantizedRows{all.values + begin * all.stride, all.stride, all.scales + begin, count};
  };
  split(*args.team, e.rows, row_grain(e.k), [&](std::int64_t begin, std::int64_t end, int) {
    quantize_rows(view.isa, x + begin * e.k, e.k, e.k, w.q_max, rows_of(begin, end - begin));
  });
  divide(*args.team, e, [&](Range rows, Range outputs) {
    for_each_block(view, e, rows, outputs,
                   [&](std::int64_t r, std::int64_t count, std::int64_t n, std::int64_t n_end) {
                     gemv_int8(w, rows_of(r, count), y + r * e.n, e.n, n, n_end);
                   });
  });
  return {};
}

}  // namespace

constinit const Kernel kLinearPanelsF32 = {
    ir::OpKind::kLinear, "cpu/linear_panels_f32", refuse_f32, nullptr, run_f32, pack_as_f32};
constinit const Kernel kLinearPanelsInt8 = {
    ir::OpKind::kLinear, "cpu/linear_panels_int8", refuse_int8, workspace_int8, run_int8,
    pack_as_int8};

}  // namespace antiphon::cpu
