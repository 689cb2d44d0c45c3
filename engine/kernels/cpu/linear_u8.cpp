// Linear layers with int8 weights and activations quantised to bytes for each row of x.
// x [rows, K], y [rows, N] f32 row-major. The team divides N, or the rows where N is small.
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/linear_blocks.h"

namespace antiphon::cpu {
namespace {

struct PackedU8 final : Packed {
  U8Matrix matrix;
  std::size_t bytes() const override { return matrix.bytes(); }
};

const char* refuse(const NodeView& view) {
  if (view.inputs[1].dtype != DType::kI8) return "needs i8 weights";
  if (view.inputs[1].dims[1] > kMaxU8Cols) return "takes at most 65536 columns";
  return refuse_constant_linear(view);
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  auto packed = std::make_unique<PackedU8>();
  packed->matrix = pack_u8(w.dims[0], w.dims[1], static_cast<const std::int8_t*>(w.data),
                           view.inputs[2].f32(), view.isa);
  return std::unique_ptr<Packed>(std::move(packed));
}

std::int64_t padded(std::int64_t k) { return (k + 3) / 4 * 4; }
std::size_t values_bytes(const LinearExtents& e) {
  return aligned_bytes(static_cast<std::size_t>(e.rows * padded(e.k)));
}
std::size_t workspace_bytes(const NodeView& view) {
  const LinearExtents e = linear_extents(view);
  return values_bytes(e) + aligned_bytes(static_cast<std::size_t>(e.rows) * sizeof(U8Row));
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const LinearExtents e = linear_extents(view);
  const U8Matrix& w = static_cast<const PackedU8&>(*args.packed).matrix;
  const std::int64_t stride = padded(e.k);
  auto* values = reinterpret_cast<std::uint8_t*>(args.workspace);
  auto* numbers = reinterpret_cast<U8Row*>(args.workspace + values_bytes(e));
  const float* x = view.inputs[0].f32();
  float* y = view.outputs[0].f32();
  split(*args.team, e.rows, row_grain(e.k), [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) {
      numbers[r] = quantize_u8(view.isa, x + r * e.k, e.k, values + r * stride);
      std::fill_n(values + r * stride + e.k, stride - e.k, std::uint8_t{0});
    }
  });
  divide(*args.team, e, [&](Range rows, Range outputs) {
    for_each_block(view, e, rows, outputs,
                   [&](std::int64_t r, std::int64_t count, std::int64_t n, std::int64_t n_end) {
                     gemm_u8(w, {values + r * stride, stride, 1, 0, stride}, numbers + r, 1, count,
                             y + r * e.n, e.n, n, n_end);
                   });
  });
  return {};
}

}  // namespace

constinit const Kernel kLinearPanelsU8 = {.op = ir::OpKind::kLinear,
                                          .name = "cpu/linear_panels_u8",
                                          .refuse = refuse,
                                          .workspace_bytes = workspace_bytes,
                                          .run = run,
                                          .pack = pack,
                                          .coarse = true};

}  // namespace antiphon::cpu
