// Linear layers of one output: a dot product a row of x, whose epilogue runs over all rows at once.
// A panel of 16 outputs would be empty but for one of them. Weights in f32, also from int8.
#include <vector>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/linear_blocks.h"

namespace antiphon::cpu {
namespace {

struct PackedColumn final : Packed {
  std::vector<float> weights;
  std::size_t bytes() const override { return weights.size() * sizeof(float); }
};

const char* refuse(const NodeView& view) {
  if (view.inputs[1].dims[0] != 1) return "needs one output";
  return refuse_constant_linear(view);
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  auto packed = std::make_unique<PackedColumn>();
  for (std::int64_t i = 0; i < w.dims[1]; ++i)
    packed->weights.push_back(w.dtype == DType::kF32
                                  ? w.f32()[i]
                                  : static_cast<float>(static_cast<const std::int8_t*>(w.data)[i]) *
                                        view.inputs[2].f32()[0]);
  return std::unique_ptr<Packed>(std::move(packed));
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const LinearExtents e = linear_extents(view);
  const float* w = static_cast<const PackedColumn&>(*args.packed).weights.data();
  const float* x = view.inputs[0].f32();
  float* y = view.outputs[0].f32();
  const Epilogue epilogue = epilogue_of(view);
  split(*args.team, e.rows, row_grain(e.k), [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = begin; r < end; ++r) y[r] = epilogue.math->dot(x + r * e.k, w, e.k);
    epilogue.channel_row(y + begin, epilogue.residual_at(begin), 0, end - begin);
  });
  return {};
}

}  // namespace

constinit const Kernel kLinearColumn = {
    ir::OpKind::kLinear, "cpu/linear_column", refuse, nullptr, run, pack};

}  // namespace antiphon::cpu
