// Linear layers by dot products, with any weights: also those that are not constant.
#include "engine/kernels/cpu/epilogue.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"

namespace antiphon::cpu {
namespace {

float dot_i8(const float* x, const std::int8_t* w, std::int64_t n) {
  float sum = 0;
  for (std::int64_t i = 0; i < n; ++i) sum += x[i] * static_cast<float>(w[i]);
  return sum;
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &w = view.inputs[1];
  const std::int64_t n = w.dims[0], k = w.dims[1];
  std::int64_t rows = 1;
  for (int i = 0; i + 1 < x.rank; ++i) rows *= x.dims[static_cast<std::size_t>(i)];
  const Epilogue epilogue = epilogue_of(view);
  float* y = view.outputs[0].f32();
  const std::int64_t grain = row_grain(k * std::max<std::int64_t>(1, rows));
  split(*args.team, n, grain, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t r = 0; r < rows; ++r) {
      const float* from = x.f32() + r * k;
      float* out = y + r * n;
      for (std::int64_t c = begin; c < end; ++c)
        out[c] = w.dtype == DType::kF32
                     ? epilogue.math->dot(from, w.f32() + c * k, k)
                     : dot_i8(from, static_cast<const std::int8_t*>(w.data) + c * k, k) *
                           view.inputs[2].f32()[c];
      epilogue.row(out + begin, epilogue.residual_at(r * n + begin), begin, end - begin);
    }
  });
  return {};
}

}  // namespace

constinit const Kernel kLinearPlain = {ir::OpKind::kLinear, "cpu/linear_plain", refuse_weights,
                                       nullptr, run};

}  // namespace antiphon::cpu
