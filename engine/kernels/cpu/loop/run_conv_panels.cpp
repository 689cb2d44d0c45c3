// Convolutions as matrix products over windows of a padded copy of x whose channels lie together.
#include <algorithm>

#include "engine/kernels/cpu/loop/linear_weights.h"
#include "engine/kernels/cpu/loop/tasks.h"

namespace antiphon::loop {
namespace {

// Steps of x under `steps` windows.
std::int64_t span_of(const Op& op, std::int64_t steps, std::int64_t taps) {
  return (steps - 1) * op.numbers[0] + (taps - 1) * op.numbers[1] + 1;
}

// to [span, C] = x [C, T] from step `first` on, zeros outside.
void gather(const float* x, const Place& shape, std::int64_t first, std::int64_t span, float* to) {
  const std::int64_t channels = shape.dim(1), length = shape.dim(2);
  for (std::int64_t i = 0; i < span; ++i) {
    const std::int64_t t = first + i;
    float* row = to + i * channels;
    if (t < 0 || t >= length) {
      std::fill(row, row + channels, 0.0f);
      continue;
    }
    for (std::int64_t c = 0; c < channels; ++c)
      row[c] = x[c * shape.stride(1) + t * shape.stride(2)];
  }
}

// One step's outputs, contiguous.
void finish_row(const Op& op, const VectorMath& math, const float* bias, const float* residual,
                std::int64_t residual_step, float* y, std::int64_t n) {
  if (bias) math.binary[static_cast<std::size_t>(Binary::kAdd)](y, bias, y, n);
  if (op.act >= 0) math.unary[static_cast<std::size_t>(op.act)](y, y, n);
  if (op.residual)
    for (std::int64_t o = 0; o < n; ++o) y[o] += residual[o * residual_step];
  if (op.act2 >= 0) math.unary[static_cast<std::size_t>(op.act2)](y, y, n);
}

}  // namespace

std::size_t conv_temp_bytes(const Op& op, std::int64_t steps, std::int64_t channels,
                            std::int64_t taps) {
  if (steps < 1) return 0;
  return static_cast<std::size_t>(span_of(op, steps, taps) * channels) * sizeof(float);
}

void run_conv_panels(const Task& task, const Frame& frame) {
  const Op& op = *task.op;
  const Place& x = task.in[0];
  const Place& y = task.out[0];
  const Place& residual = task.in[op.residual ? 1 : 0];
  const LinearWeights& weights = *op.weights;
  const std::int64_t stride = op.numbers[0], dilation = op.numbers[1], taps = op.code;
  const std::int64_t channels = x.dim(1), steps = y.dim(2);
  const bool by_time = !task.whole && op.part.axis == 2 && !op.needs[0].aligned;
  const std::int64_t channel = !task.whole && op.part.axis == 1 ? task.origin : 0;
  const std::int64_t first = (by_time ? task.origin : 0) * stride - op.numbers[3];
  const std::int64_t y_step = y.stride(2);
  const float* bias = weights.bias ? weights.bias + channel : nullptr;
  float* padded = reinterpret_cast<float*>(frame.temp);
  for (std::int64_t b = 0; b < y.dim(0); ++b) {
    gather(at<float>(frame, x) + b * x.stride(0), x, first, span_of(op, steps, taps), padded);
    float* to = at<float>(frame, y) + b * y.stride(0);
    // Batches of a panel's height, as slices have: the same ones for every split.
    for (std::int64_t t = 0; t < steps; t += kPanelRows) {
      const TappedRows<float> rows{padded + t * stride * channels, stride * channels,
                                   static_cast<int>(taps), dilation * channels, channels};
      gemm_f32(weights.f32[0], rows, std::min(kPanelRows, steps - t), to + t * y_step - channel,
               y_step, channel, channel + y.dim(1));
    }
    const float* added = at<float>(frame, residual) + b * residual.stride(0);
    for (std::int64_t t = 0; t < steps; ++t)
      finish_row(op, *frame.math, bias, added + t * residual.stride(2), residual.stride(1),
                 to + t * y_step, y.dim(1));
  }
}

}  // namespace antiphon::loop
