// Linear layers with constant weights, packed once in panels of 16 outputs: in f32 (also from int8,
// expanded), with 24-bit weights for few rows, or streamed as int8 with activations quantised to
// int16 for each row.
// x [rows, K], y [rows, N] f32 row-major. The team divides N, or the rows where N is small.
#include "engine/kernels/cpu/gemm_i24.h"
#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/cpu/gemv_int8.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/linear_blocks.h"

namespace antiphon::cpu {
namespace {

constexpr std::int64_t kMostI24Rows = 8;

struct PackedF32 final : Packed {
  F32Matrix matrix;
  std::size_t bytes() const override { return matrix.bytes(); }
};
struct PackedI24 final : Packed {
  std::optional<I24Matrix> matrix;
  F32Matrix f32;  // where 24 bits would be seen
  std::size_t bytes() const override { return matrix ? matrix->bytes() : f32.bytes(); }
};
struct PackedInt8 final : Packed {
  std::unique_ptr<Int8Matrix> matrix;
  std::size_t bytes() const override { return matrix->bytes(); }
};

const char* refuse_f32(const NodeView& view) { return refuse_constant_linear(view); }
const char* refuse_i24(const NodeView& view) {
  if (view.inputs[1].dtype != DType::kF32) return "needs f32 weights";
  if (linear_extents(view).rows > kMostI24Rows) return "takes at most 8 rows";
  return refuse_constant_linear(view);
}
const char* refuse_int8(const NodeView& view) {
  if (view.inputs[1].dtype != DType::kI8) return "needs i8 weights";
  if (view.inputs[1].dims[1] > (1 << 24)) return "takes at most 2^24 columns";
  return refuse_constant_linear(view);
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

Result<std::unique_ptr<Packed>> pack_as_i24(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  auto packed = std::make_unique<PackedI24>();
  packed->matrix = pack_i24(w.dims[0], w.dims[1], w.f32(), view.isa);
  if (!packed->matrix) packed->f32 = pack_f32(w.dims[0], w.dims[1], w.f32(), view.isa);
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

Status multiply(const NodeView& view, const F32Matrix& w, Team& team) {
  const LinearExtents e = linear_extents(view);
  const float* x = view.inputs[0].f32();
  float* y = view.outputs[0].f32();
  divide(team, e, [&](Range rows, Range outputs) {
    for_each_finished_block(
        view, e, rows, outputs,
        [&](std::int64_t r, std::int64_t count, std::int64_t n, std::int64_t n_end,
            const GemmFinish& finish) {
          gemm_f32(w, {x + r * e.k, e.k, 1, 0, e.k}, count, y + r * e.n, e.n, n, n_end, &finish);
        });
  });
  return {};
}

Status run_f32(const NodeView& view, const LaunchArgs& args) {
  return multiply(view, static_cast<const PackedF32&>(*args.packed).matrix, *args.team);
}

Status run_i24(const NodeView& view, const LaunchArgs& args) {
  const auto& packed = static_cast<const PackedI24&>(*args.packed);
  if (!packed.matrix) return multiply(view, packed.f32, *args.team);
  const LinearExtents e = linear_extents(view);
  const float* x = view.inputs[0].f32();
  float* y = view.outputs[0].f32();
  divide(*args.team, e, [&](Range rows, Range outputs) {
    for_each_finished_block(view, e, rows, outputs,
                            [&](std::int64_t r, std::int64_t count, std::int64_t n,
                                std::int64_t n_end, const GemmFinish& finish) {
                              gemm_i24(*packed.matrix, x + r * e.k, e.k, count, y + r * e.n, e.n, n,
                                       n_end, &finish);
                            });
  });
  return {};
}

std::size_t workspace_int8(const NodeView& view) {
  const LinearExtents e = linear_extents(view);
  return quantized_rows_bytes(e.rows, e.k);
}

Status run_int8(const NodeView& view, const LaunchArgs& args) {
  const LinearExtents e = linear_extents(view);
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
constinit const Kernel kLinearPanelsI24 = {.op = ir::OpKind::kLinear,
                                           .name = "cpu/linear_panels_i24",
                                           .refuse = refuse_i24,
                                           .workspace_bytes = nullptr,
                                           .run = run_i24,
                                           .pack = pack_as_i24,
                                           .rounds_weights = true};
constinit const Kernel kLinearPanelsInt8 = {
    ir::OpKind::kLinear, "cpu/linear_panels_int8", refuse_int8, workspace_int8, run_int8,
    pack_as_int8};

}  // namespace antiphon::cpu
