// Linear layers with int8 weights and activations quantised to bytes, with numbers found for each
// row of x, or calibrated ones for all.
// x [rows, K], y [rows, N] f32 row-major. The team divides N, or the rows where N is small.
#include "engine/ir/input_quantizer.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/linear_blocks.h"

namespace antiphon::cpu {
namespace {

struct PackedU8 final : Packed {
  U8Matrix matrix;
  std::size_t bytes() const override { return matrix.bytes(); }
};

const char* refuse_any(const NodeView& view, bool takes_bytes) {
  if (view.inputs[1].dtype != DType::kI8) return "needs i8 weights";
  if (view.inputs[1].dims[1] > kMaxU8Cols) return "takes at most 65536 columns";
  return refuse_constant_linear(view, takes_bytes);
}

const char* refuse(const NodeView& view) {
  return ir::input_quantizer(view.node->attrs) ? "needs ranges that are not known"
                                               : refuse_any(view, false);
}
const char* refuse_static(const NodeView& view) {
  return ir::input_quantizer(view.node->attrs) ? refuse_any(view, true) : "needs known ranges";
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  const auto quantizer = ir::input_quantizer(view.node->attrs);
  auto packed = std::make_unique<PackedU8>();
  packed->matrix =
      pack_u8(w.dims[0], w.dims[1], static_cast<const std::int8_t*>(w.data), view.inputs[2].f32(),
              view.isa, 1, quantizer ? quantizer->levels : 0, u8_grain(view.isa));
  return std::unique_ptr<Packed>(std::move(packed));
}

std::int64_t padded(std::int64_t k, Isa isa) {
  const std::int64_t grain = u8_grain(isa);
  return (k + grain - 1) / grain * grain;
}
std::size_t values_bytes(const LinearExtents& e, Isa isa) {
  return aligned_bytes(static_cast<std::size_t>(e.rows * padded(e.k, isa)));
}
std::size_t workspace_bytes(const NodeView& view) {
  const LinearExtents e = linear_extents(view);
  return values_bytes(e, view.isa) +
         aligned_bytes(static_cast<std::size_t>(e.rows) * sizeof(U8Row));
}

// x [rows][K] as bytes, and the product. quantize(row of x, its bytes): its numbers.
template <typename F>
Status run_with(const NodeView& view, const LaunchArgs& args, F quantize) {
  const LinearExtents e = linear_extents(view);
  const U8Matrix& w = static_cast<const PackedU8&>(*args.packed).matrix;
  const std::int64_t stride = padded(e.k, view.isa);
  auto* values = reinterpret_cast<std::uint8_t*>(args.workspace);
  auto* numbers = reinterpret_cast<U8Row*>(args.workspace + values_bytes(e, view.isa));
  const float* x = view.inputs[0].f32();
  float* y = view.outputs[0].f32();
  const auto make_bytes = [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) {
      numbers[r] = quantize(x + r * e.k, e.k, values + r * stride);
      std::fill_n(values + r * stride + e.k, stride - e.k, std::uint8_t{0});
    }
  };
  const bool own_rows = divides_rows(*args.team, e);
  if (!own_rows) split(*args.team, e.rows, row_grain(e.k), make_bytes);
  divide(*args.team, e, [&](Range rows, Range outputs) {
    if (own_rows) make_bytes(rows.begin, rows.end, 0);
    for_each_finished_block(view, e, rows, outputs,
                            [&](std::int64_t r, std::int64_t count, std::int64_t n,
                                std::int64_t n_end, const GemmFinish& finish) {
                              gemm_u8(w, {values + r * stride, stride, 1, 0, stride}, numbers + r,
                                      1, count, y + r * e.n, e.n, n, n_end, &finish);
                            });
  });
  return {};
}

Status run(const NodeView& view, const LaunchArgs& args) {
  return run_with(view, args, [&](const float* x, std::int64_t n, std::uint8_t* values) {
    return quantize_u8(view.isa, x, n, values);
  });
}
Status run_static(const NodeView& view, const LaunchArgs& args) {
  const ir::InputQuantizer quantizer = *ir::input_quantizer(view.node->attrs);
  const U8Row row{quantizer.scale, quantizer.zero};
  return run_with(view, args, [&](const float* x, std::int64_t n, std::uint8_t* values) {
    quantize_u8_static(view.isa, x, n, row, quantizer.levels, values);
    return row;
  });
}

}  // namespace

constinit const Kernel kLinearStaticU8 = {
    ir::OpKind::kLinear, "cpu/linear_static_u8", refuse_static, workspace_bytes, run_static, pack};
constinit const Kernel kLinearPanelsU8 = {.op = ir::OpKind::kLinear,
                                          .name = "cpu/linear_panels_u8",
                                          .refuse = refuse,
                                          .workspace_bytes = workspace_bytes,
                                          .run = run,
                                          .pack = pack,
                                          .coarse = true};

}  // namespace antiphon::cpu
