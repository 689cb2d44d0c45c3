// Tasks along one axis: softmax, layer norm, reductions. Sums in f32, in the order of the axis.
#include <cmath>

#include "engine/kernels/cpu/loop/tasks.h"

namespace antiphon::loop {
namespace {

float* gather(float* x, std::int64_t stride, std::int64_t n, float* buffer) {
  if (stride == 1) return x;
  for (std::int64_t i = 0; i < n; ++i) buffer[i] = x[i * stride];
  return buffer;
}

float reduce_row(Reduce op, const VectorMath& math, const float* x, std::int64_t n) {
  switch (op) {
    case Reduce::kSum: return math.sum(x, n);
    case Reduce::kMean: return math.sum(x, n) / static_cast<float>(n);
    default: return math.max(x, n);
  }
}

std::int32_t arg_max(const float* x, std::int64_t n) {
  std::int64_t best = 0;
  for (std::int64_t i = 1; i < n; ++i)
    if (x[i] > x[best]) best = i;
  return static_cast<std::int32_t>(best);
}

}  // namespace

void run_softmax(const Task& task, const Frame& frame) {
  const Place& from = task.in[0];
  const Place& to = task.out[0];
  const int axis = task.op->axis;
  const std::int64_t n = from.dim(axis);
  const VectorMath& math = *frame.math;
  float* buffer = reinterpret_cast<float*>(frame.temp);
  const bool logarithm = task.op->kind == ir::OpKind::kLogSoftmax;
  for_each_row<2>({&to, &from}, axis, [&](const auto& offset) {
    float* y = at<float>(frame, to) + offset[0];
    const float* x = gather(at<float>(frame, from) + offset[1], from.stride(axis), n, buffer);
    const std::int64_t stride = to.stride(axis);
    float* result = stride == 1 ? y : buffer + n;
    const float peak = math.max(x, n);
    const float sum = math.exp_minus(x, peak, result, n);
    if (logarithm) {
      const float shift = peak + std::log(sum);
      for (std::int64_t i = 0; i < n; ++i) result[i] = x[i] - shift;
    } else {
      const float scale = 1.0f / sum;
      for (std::int64_t i = 0; i < n; ++i) result[i] *= scale;
    }
    if (stride != 1)
      for (std::int64_t i = 0; i < n; ++i) y[i * stride] = result[i];
  });
}

void run_layer_norm(const Task& task, const Frame& frame) {
  const Place& from = task.in[0];
  const Place& to = task.out[0];
  const bool rms = task.op->code != 0;  // there is no beta then
  const bool has_residual = task.in.size() > (rms ? 2 : 3);
  const Place& residual = has_residual ? task.in.back() : from;
  const int axis = task.op->axis;
  const std::int64_t n = from.dim(axis);
  const VectorMath& math = *frame.math;
  const float epsilon = task.op->epsilon;
  const float* gamma = at<float>(frame, task.in[1]);
  const float* beta = rms ? nullptr : at<float>(frame, task.in[2]);
  float* buffer = reinterpret_cast<float*>(frame.temp);
  for_each_row<3>({&to, &from, &residual}, axis, [&](const auto& offset) {
    const float* x = at<float>(frame, from) + offset[1];
    if (has_residual) {
      math.binary[static_cast<std::size_t>(Binary::kAdd)](x, at<float>(frame, residual) + offset[2],
                                                          buffer, n);
      x = buffer;
    }
    float* y = at<float>(frame, to) + offset[0];
    if (rms) {
      const float squares = math.dot(x, x, n) / static_cast<float>(n);
      return math.rescale(x, 1.0f / std::sqrt(squares + epsilon), gamma, y, n);
    }
    const float mean = math.sum(x, n) / static_cast<float>(n);
    const float variance = math.squares_around(x, mean, n) / static_cast<float>(n);
    math.normalize(x, mean, 1.0f / std::sqrt(variance + epsilon), gamma, beta, y, n);
  });
}

void run_reduce(const Task& task, const Frame& frame) {
  const Place& from = task.in[0];
  Place to = task.out[0];
  const int axis = task.op->axis;
  const auto op = static_cast<Reduce>(task.op->code);
  if (to.rank != from.rank) {  // the result seen with the reduced axis in it
    for (int i = to.rank; i > axis; --i) {
      to.dims[static_cast<std::size_t>(i)] = to.dim(i - 1);
      to.strides[static_cast<std::size_t>(i)] = to.stride(i - 1);
    }
    ++to.rank;
  }
  to.dims[static_cast<std::size_t>(axis)] = 1;
  float* buffer = reinterpret_cast<float*>(frame.temp);
  const std::int64_t n = from.dim(axis);
  for_each_row<2>({&to, &from}, axis, [&](const auto& offset) {
    const float* x = gather(at<float>(frame, from) + offset[1], from.stride(axis), n, buffer);
    if (op == Reduce::kArgMax)
      at<std::int32_t>(frame, to)[offset[0]] = arg_max(x, n);
    else
      at<float>(frame, to)[offset[0]] = reduce_row(op, *frame.math, x, n);
  });
}

}  // namespace antiphon::loop
