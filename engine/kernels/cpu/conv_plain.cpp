// 1-D convolution by taps: each output row is a sum of shifted input rows.
#include <algorithm>

#include "engine/kernels/cpu/conv_shape.h"
#include "engine/kernels/cpu/epilogue.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"

namespace antiphon::cpu {
namespace {

// y[t] += factor * x[t * stride + shift] for the steps that exist.
void add_tap(const ConvShape& s, const VectorMath& math, float factor, const float* x,
             std::int64_t shift, float* y) {
  const std::int64_t first = shift >= 0 ? 0 : (-shift + s.stride - 1) / s.stride;
  const std::int64_t end =
      std::min(s.out_steps, shift < s.steps ? (s.steps - 1 - shift) / s.stride + 1 : 0);
  if (s.stride == 1) {
    if (first < end) math.multiply_add(factor, x + first + shift, y + first, end - first);
    return;
  }
  for (std::int64_t t = first; t < end; ++t) y[t] += factor * x[t * s.stride + shift];
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const ConvShape s = conv_shape(view);
  const Tensor& w = view.inputs[1];
  const Epilogue epilogue = epilogue_of(view);
  const std::int64_t row_weights = s.group_channels * s.taps;
  split(*args.team, s.batch * s.outputs, row_grain(row_weights * s.out_steps),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            const std::int64_t o = r % s.outputs, group = o / s.group_outputs();
            const float* x = view.inputs[0].f32() +
                             (r / s.outputs * s.channels + group * s.group_channels) * s.steps;
            float* y = view.outputs[0].f32() + r * s.out_steps;
            std::fill_n(y, s.out_steps, 0.0f);
            for (std::int64_t j = 0; j < row_weights; ++j) {
              const std::int64_t at = o * row_weights + j;
              const float factor =
                  w.dtype == DType::kF32
                      ? w.f32()[at]
                      : static_cast<float>(static_cast<const std::int8_t*>(w.data)[at]) *
                            view.inputs[2].f32()[o];
              add_tap(s, *epilogue.math, factor, x + j / s.taps * s.steps,
                      j % s.taps * s.dilation - s.pad_left, y);
            }
            epilogue.channel_row(y, epilogue.residual_at(r * s.out_steps), o, s.out_steps);
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kConvPlain = {ir::OpKind::kConv, "cpu/conv_plain", refuse_weights, nullptr,
                                     run};

}  // namespace antiphon::cpu
