// Normalisations: folded into weights where they can be, else composed.
#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/import/op.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

// [C] as [1, C, 1...], to stand beside [B, C, ...].
ValueRef by_channel(Op& op, ValueRef v, int rank) {
  Wholes dims(static_cast<std::size_t>(rank), Whole(1));
  dims[1] = op.extent(v, 0);
  return op.reshape(v, dims);
}

Whole product(const Wholes& wholes, std::size_t from) {
  Whole out = 1;
  for (std::size_t i = from; i < wholes.size(); ++i) out = out * wholes[i];
  return out;
}

// (x - mean) / sqrt(variance + epsilon) over the last axis.
ValueRef standardised(Op& op, ValueRef x, double epsilon) {
  const std::int64_t last = op.rank(x) - 1;
  const ValueRef centred = op.binary(Binary::kSub, x, op.reduce(Reduce::kMean, x, last, true));
  const ValueRef variance =
      op.reduce(Reduce::kMean, op.binary(Binary::kMul, centred, centred), last, true);
  const ValueRef scale = op.unary(Unary::kRsqrt, op.binary(Binary::kAdd, variance, epsilon));
  return op.binary(Binary::kMul, centred, scale);
}

const float* constant_f32(Op& op, ValueRef v, std::int64_t count) {
  const ir::ValueInfo* info = op.graph().constant_info(v);
  const bool fits = info && info->dtype == DType::kF32 && info->shape.size() == 1 &&
                    info->shape[0].extent == count;
  return fits ? static_cast<const float*>(info->constant.data) : nullptr;
}

}  // namespace

void lower_batch_norm(Op& op) {
  const ValueRef x = op.value(0), scale = op.value(1), bias = op.value(2);
  const ValueRef mean = op.value(3), variance = op.value(4);
  if (op.failed()) return;
  if (op.attr_i("training_mode", 0) != 0) return op.unsupported("training mode is not supported");
  if (op.opset() < 9 && op.attr_i("spatial", 1) == 0)
    return op.unsupported("spatial = 0 is not supported");
  const double epsilon = op.attr_f("epsilon", 1e-5);
  const int rank = op.rank(x);
  if (rank < 2) return op.invalid("x: wanted [B, C, ...]");
  // y = x * factor + shift, with both known where the statistics are.
  const std::int64_t channels = op.extent(scale, 0).number().value_or(-1);
  const float *s = constant_f32(op, scale, channels), *b = constant_f32(op, bias, channels);
  const float *m = constant_f32(op, mean, channels), *v = constant_f32(op, variance, channels);
  ValueRef factor, shift;
  if (s && b && m && v) {
    std::vector<float> factors, shifts;
    for (std::int64_t c = 0; c < channels; ++c) {
      const double f = static_cast<double>(s[c]) / std::sqrt(static_cast<double>(v[c]) + epsilon);
      factors.push_back(static_cast<float>(f));
      shifts.push_back(
          static_cast<float>(static_cast<double>(b[c]) - static_cast<double>(m[c]) * f));
    }
    factor = op.graph().constant(DType::kF32, {channels}, factors.data());
    shift = op.graph().constant(DType::kF32, {channels}, shifts.data());
  } else {
    factor = op.binary(Binary::kMul, scale,
                       op.unary(Unary::kRsqrt, op.binary(Binary::kAdd, variance, epsilon)));
    shift = op.binary(Binary::kSub, bias, op.binary(Binary::kMul, mean, factor));
  }
  if (s && b && m && v && op.fold_into_conv(x, factor, shift)) return;
  const ValueRef scaled = op.binary(Binary::kMul, x, by_channel(op, factor, rank));
  op.set(op.binary(Binary::kAdd, scaled, by_channel(op, shift, rank)));
}

void lower_layer_norm(Op& op) {
  const ValueRef x = op.value(0), gamma = op.value(1);
  if (op.failed()) return;
  const int rank = op.rank(x);
  const std::int64_t axis = op.axis(op.attr_i("axis", -1), rank);
  const double epsilon = op.attr_f("epsilon", 1e-5);
  if (op.failed()) return;
  const Wholes shape = op.extents(x);
  const Whole width = product(shape, static_cast<std::size_t>(axis));
  // The normalised axes as one, where the weights span just those.
  Wholes rows(shape.begin(), shape.begin() + axis);
  rows.push_back(width);
  ValueRef beta = op.value_or_none(2);
  const bool spans =
      op.rank(gamma) == rank - axis && (!beta.valid() || op.rank(beta) == rank - axis);
  const ValueRef flat = op.reshape(x, rows);
  if (spans && width.number() && !op.wants_output(1) && !op.wants_output(2)) {
    const ValueRef g = op.reshape(gamma, {width});
    const ValueRef zero = op.number(DType::kF32, 0);
    const ValueRef b = beta.valid() ? op.reshape(beta, {width}) : op.expand(zero, {width});
    const ValueRef y = op.node(OpKind::kLayerNorm, {flat, g, b}, {{"epsilon", epsilon}});
    return op.set(op.reshape(y, shape));
  }
  Wholes kept(shape.begin(), shape.begin() + axis);
  kept.resize(static_cast<std::size_t>(rank), Whole(1));
  const ValueRef mean = op.reduce(Reduce::kMean, flat, axis, true);
  const ValueRef centred = op.binary(Binary::kSub, flat, mean);
  const ValueRef variance =
      op.reduce(Reduce::kMean, op.binary(Binary::kMul, centred, centred), axis, true);
  const ValueRef inverse = op.unary(Unary::kRsqrt, op.binary(Binary::kAdd, variance, epsilon));
  ValueRef y = op.reshape(op.binary(Binary::kMul, centred, inverse), shape);
  y = op.binary(Binary::kMul, y, gamma);
  if (beta.valid()) y = op.binary(Binary::kAdd, y, beta);
  op.set(y);
  op.set(1, op.reshape(mean, kept), Element::kFloat);
  op.set(2, op.reshape(inverse, kept), Element::kFloat);
}

namespace {

// The extents with those from `axis` on as one.
Wholes merged_from(const Wholes& shape, std::int64_t axis) {
  Wholes rows(shape.begin(), shape.begin() + axis);
  rows.push_back(product(shape, static_cast<std::size_t>(axis)));
  return rows;
}

// 1 / sqrt(mean(x^2) + epsilon) along the axes from `axis` on, which become 1 each.
ValueRef inverse_rms(Op& op, ValueRef x, std::int64_t axis, double epsilon) {
  const Wholes shape = op.extents(x);
  Wholes kept(shape.begin(), shape.begin() + axis);
  kept.resize(shape.size(), Whole(1));
  const ValueRef flat = op.reshape(x, merged_from(shape, axis));
  const ValueRef mean = op.reduce(Reduce::kMean, op.binary(Binary::kMul, flat, flat), axis, true);
  return op.reshape(op.unary(Unary::kRsqrt, op.binary(Binary::kAdd, mean, epsilon)), kept);
}

}  // namespace

ValueRef rms_norm(Op& op, ValueRef x, ValueRef gamma, std::int64_t axis, double epsilon) {
  const Wholes shape = op.extents(x), rows = merged_from(shape, axis);
  if (op.rank(gamma) != op.rank(x) - axis || !rows.back().number()) {
    const ValueRef inverse = inverse_rms(op, x, axis, epsilon);
    return op.binary(Binary::kMul, op.binary(Binary::kMul, x, inverse), gamma);
  }
  const ValueRef flat = op.rank(gamma) == 1 ? gamma : op.reshape(gamma, {rows.back()});
  const ValueRef y = op.node(OpKind::kLayerNorm, {op.reshape(x, rows), flat},
                             {{"epsilon", epsilon}, {"rms", std::int64_t{1}}});
  return op.reshape(y, shape);
}

// Also ONNX Runtime's SimplifiedLayerNormalization, which gives what it multiplied by as well.
void lower_rms_norm(Op& op) {
  const ValueRef x = op.value(0), gamma = op.value(1);
  if (op.failed()) return;
  const std::int64_t axis = op.axis(op.attr_i("axis", -1), op.rank(x));
  if (op.failed()) return;
  const double epsilon = op.attr_f("epsilon", 1e-5);
  op.set(rms_norm(op, x, gamma, axis, epsilon));
  if (op.wants_output(1)) op.set(1, inverse_rms(op, x, axis, epsilon), Element::kFloat);
}

// Each channel of each item on its own.
void lower_instance_norm(Op& op) {
  const ValueRef x = op.value(0), scale = op.value(1), bias = op.value(2);
  if (op.failed()) return;
  const Wholes shape = op.extents(x);
  if (shape.size() < 3) return op.invalid("x: wanted [B, C, ...]");
  const ValueRef flat = op.reshape(x, {shape[0], shape[1], product(shape, 2)});
  const ValueRef y = standardised(op, flat, op.attr_f("epsilon", 1e-5));
  const ValueRef scaled = op.binary(Binary::kMul, y, by_channel(op, scale, 3));
  op.set(op.reshape(op.binary(Binary::kAdd, scaled, by_channel(op, bias, 3)), shape));
}

void lower_group_norm(Op& op) {
  const ValueRef x = op.value(0), scale = op.value(1), bias = op.value(2);
  const std::int64_t groups = op.attr_i("num_groups", 1);
  if (op.failed()) return;
  const Wholes shape = op.extents(x);
  if (shape.size() < 3 || groups < 1) return op.invalid("wanted [B, C, ...] and num_groups >= 1");
  const Whole channels = shape[1], width = Whole::combine('/', channels, groups);
  const ValueRef flat = op.reshape(x, {shape[0], groups, width * product(shape, 2)});
  ValueRef y = standardised(op, flat, op.attr_f("epsilon", 1e-5));
  const int rank = op.rank(x);
  if (op.opset() >= 21) {  // one weight a channel
    y = op.reshape(y, shape);
    const ValueRef scaled = op.binary(Binary::kMul, y, by_channel(op, scale, rank));
    return op.set(op.binary(Binary::kAdd, scaled, by_channel(op, bias, rank)));
  }
  const ValueRef scaled = op.binary(Binary::kMul, y, by_channel(op, scale, 3));
  op.set(op.reshape(op.binary(Binary::kAdd, scaled, by_channel(op, bias, 3)), shape));
}

void lower_lp_norm(Op& op) {
  const ValueRef x = op.value(0);
  const std::int64_t axis = op.axis(op.attr_i("axis", -1), op.rank(x));
  const ValueRef magnitude = op.unary(Unary::kAbs, x);
  ValueRef norm;
  if (op.attr_i("p", 2) == 1)
    norm = op.reduce(Reduce::kSum, magnitude, axis, true);
  else
    norm =
        op.unary(Unary::kSqrt, op.reduce(Reduce::kSum, op.binary(Binary::kMul, x, x), axis, true));
  // Zero by zero is zero.
  const ValueRef none = op.binary(Binary::kEqual, norm, 0.0);
  const ValueRef safe = op.where(none, op.number(DType::kF32, 1), norm);
  op.set(op.binary(Binary::kDiv, x, safe));
}

void lower_mean_variance_norm(Op& op) {
  const ValueRef x = op.value(0);
  Dims axes = op.attr_ints("axes");
  if (!op.has_attr("axes")) axes = {0, 2, 3};
  const auto mean = [&](ValueRef v) {
    for (const std::int64_t axis : axes)
      v = op.reduce(Reduce::kMean, v, op.axis(axis, op.rank(x)), true);
    return v;
  };
  const ValueRef centred = op.binary(Binary::kSub, x, mean(x));
  const ValueRef variance = mean(op.binary(Binary::kMul, centred, centred));
  const ValueRef deviation = op.binary(Binary::kAdd, op.unary(Unary::kSqrt, variance), 1e-9);
  op.set(op.binary(Binary::kDiv, centred, deviation));
}

}  // namespace antiphon::onnx
