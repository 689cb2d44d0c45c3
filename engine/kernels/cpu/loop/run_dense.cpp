// Small convolutions and matrix products on strided operands.
#include <algorithm>

#include "engine/kernels/cpu/loop/linear_weights.h"
#include "engine/kernels/cpu/loop/tasks.h"

namespace antiphon::loop {
namespace {

void fill(float* y, std::int64_t n, float value) {
  for (std::int64_t i = 0; i < n; ++i) y[i] = value;
}

// y[t] += w * x[t * stride + shift] for the t of [0, n) whose input lies inside [0, length).
void add_tap(const VectorMath& math, float w, const float* x, std::int64_t length,
             std::int64_t stride, std::int64_t shift, float* y, std::int64_t n) {
  const auto up = [stride](std::int64_t a) { return a <= 0 ? 0 : (a + stride - 1) / stride; };
  const std::int64_t begin = std::min(up(-shift), n);
  const std::int64_t end = std::clamp<std::int64_t>(up(length - shift), begin, n);
  if (stride == 1) {
    math.multiply_add(w, x + begin + shift, y + begin, end - begin);
    return;
  }
  for (std::int64_t t = begin; t < end; ++t) y[t] += w * x[t * stride + shift];
}

struct ConvRow {        // of one output channel of one item
  const float* x;       // [C / groups, T]
  std::int64_t x_step;  // between channels
  const float* w;       // [C / groups, k]
  std::int64_t channels, taps, length;
  std::int64_t first;  // output step where y begins
};

void conv_row(const Op& op, const VectorMath& math, const ConvRow& row, float bias, float* y,
              std::int64_t n) {
  const auto [stride, dilation, groups, pad_left] = op.numbers;
  fill(y, n, bias);
  for (std::int64_t c = 0; c < row.channels; ++c)
    for (std::int64_t j = 0; j < row.taps; ++j)
      add_tap(math, row.w[c * row.taps + j], row.x + c * row.x_step, row.length, stride,
              row.first * stride + j * dilation - pad_left, y, n);
}

void conv_epilogue(const Op& op, const VectorMath& math, const float* residual, float* y,
                   std::int64_t n) {
  if (op.act >= 0) math.unary[static_cast<std::size_t>(op.act)](y, y, n);
  if (op.residual) math.binary[static_cast<std::size_t>(Binary::kAdd)](y, residual, y, n);
  if (op.act2 >= 0) math.unary[static_cast<std::size_t>(op.act2)](y, y, n);
}

// The columns of b are contiguous: y = alpha * sum of rows of b.
void row_times_matrix(const Op& op, const VectorMath& math, const float* a, std::int64_t a_step,
                      const float* b, std::int64_t b_step, std::int64_t k, float* y,
                      std::int64_t n) {
  fill(y, n, 0.0f);
  for (std::int64_t i = 0; i < k; ++i)
    math.multiply_add(op.alpha * a[i * a_step], b + i * b_step, y, n);
}

}  // namespace

void run_conv(const Task& task, const Frame& frame) {
  const Op& op = *task.op;
  const Place& x = task.in[0];
  const Place& y = task.out[0];
  const Place& residual = task.in[op.residual ? 1 : 0];
  const LinearWeights& weights = *op.weights;
  const std::int64_t groups = op.numbers[2];
  const std::int64_t per_group = weights.n / groups;
  const std::int64_t channels = x.dim(1) / groups;
  const bool by_channel = !task.whole && op.part.axis == 1;
  const bool by_time = !task.whole && op.part.axis == 2 && !op.needs[0].aligned;
  const std::int64_t n = y.dim(2);
  for (std::int64_t b = 0; b < y.dim(0); ++b) {
    for (std::int64_t o = 0; o < y.dim(1); ++o) {
      const std::int64_t channel = o + (by_channel ? task.origin : 0);
      ConvRow row;
      row.channels = channels;
      row.taps = weights.k / channels;
      row.length = x.dim(2);
      row.x_step = x.stride(1);
      row.x = at<float>(frame, x) + b * x.stride(0) + channel / per_group * channels * x.stride(1);
      row.w = weights.plain.data() + channel * weights.k;
      row.first = by_time ? task.origin : 0;
      float* to = at<float>(frame, y) + b * y.stride(0) + o * y.stride(1);
      conv_row(op, *frame.math, row, weights.bias ? weights.bias[channel] : 0.0f, to, n);
      const float* added = at<float>(frame, residual) + b * residual.stride(0) +
                           (op.residual ? o * residual.stride(1) : 0);
      conv_epilogue(op, *frame.math, added, to, n);
    }
  }
}

void run_matmul(const Task& task, const Frame& frame) {
  const Op& op = *task.op;
  const Place& to = task.out[0];
  const int last = to.rank - 1;
  // Every batch axis of an operand, stride 0 where it is broadcast.
  const auto batch = [&](Place p) {
    Place out = to;
    for (int i = 0; i < last - 1; ++i) {
      const int from = i - (to.rank - p.rank);
      out.strides[static_cast<std::size_t>(i)] = from >= 0 && p.dim(from) > 1 ? p.stride(from) : 0;
    }
    out.dims[static_cast<std::size_t>(last)] = 1;
    return out;
  };
  const Place& a = task.in[0];
  const Place& b = task.in[1];
  const int a_row = op.transpose_a ? a.rank - 1 : a.rank - 2;
  const int a_k = op.transpose_a ? a.rank - 2 : a.rank - 1;
  const int b_col = op.transpose_b ? b.rank - 2 : b.rank - 1;
  const int b_k = op.transpose_b ? b.rank - 1 : b.rank - 2;
  Place batch_a = batch(a), batch_b = batch(b), shape = batch(to);
  batch_a.strides[static_cast<std::size_t>(last - 1)] = a.stride(a_row);
  batch_b.strides[static_cast<std::size_t>(last - 1)] = 0;
  shape.strides = to.strides;
  const std::int64_t k = a.dim(a_k), n = to.dim(last);
  const VectorMath& math = *frame.math;
  float* buffer = reinterpret_cast<float*>(frame.temp);
  for_each_row<3>({&shape, &batch_a, &batch_b}, last, [&](const auto& offset) {
    float* y = at<float>(frame, to) + offset[0];
    const float* row = at<float>(frame, a) + offset[1];
    const float* matrix = at<float>(frame, b) + offset[2];
    if (b.stride(b_col) == 1 && (n > 1 || b.stride(b_k) != 1)) {
      row_times_matrix(op, math, row, a.stride(a_k), matrix, b.stride(b_k), k, y, n);
      return;
    }
    if (a.stride(a_k) != 1) {
      for (std::int64_t i = 0; i < k; ++i) buffer[i] = row[i * a.stride(a_k)];
      row = buffer;
    }
    for (std::int64_t j = 0; j < n; ++j)
      y[j] = op.alpha * math.dot(row, matrix + j * b.stride(b_col), k);
  });
}

}  // namespace antiphon::loop
