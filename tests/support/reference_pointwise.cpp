// Reference interpreter: element-wise operators, normalisation and reduction.
#include <algorithm>
#include <cmath>

#include "engine/ir/op_enums.h"
#include "tests/support/reference_ops.h"

namespace antiphon::test {

std::vector<RefTensor> only(RefTensor tensor) {
  std::vector<RefTensor> out;
  out.push_back(std::move(tensor));
  return out;
}

std::vector<std::int64_t> broadcast_dims(const std::vector<std::int64_t>& a,
                                         const std::vector<std::int64_t>& b) {
  std::vector<std::int64_t> out(std::max(a.size(), b.size()), 1);
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t x = i < a.size() ? a[a.size() - 1 - i] : 1;
    const std::int64_t y = i < b.size() ? b[b.size() - 1 - i] : 1;
    out[out.size() - 1 - i] = x == 1 ? y : x;
  }
  return out;
}

double broadcast_at(const RefTensor& t, const std::vector<std::int64_t>& dims, std::int64_t index) {
  std::int64_t offset = 0, stride = 1;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const std::int64_t extent = dims[dims.size() - 1 - i];
    const std::int64_t coordinate = index % extent;
    index /= extent;
    if (i >= t.dims.size()) continue;
    const std::int64_t mine = t.dims[t.dims.size() - 1 - i];
    if (mine != 1) offset += coordinate * stride;
    stride *= mine;
  }
  return t.values[static_cast<std::size_t>(offset)];
}

AxisSplit split_at(const std::vector<std::int64_t>& dims, std::int64_t axis) {
  if (axis < 0) axis += static_cast<std::int64_t>(dims.size());
  AxisSplit s;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const auto here = static_cast<std::int64_t>(i);
    (here < axis ? s.before : here == axis ? s.extent : s.after) *= dims[i];
  }
  return s;
}

double apply_unary(Unary op, double x) {
  switch (op) {
    case Unary::kNeg: return -x;
    case Unary::kAbs: return std::abs(x);
    case Unary::kExp: return std::exp(x);
    case Unary::kLog: return std::log(x);
    case Unary::kSqrt: return std::sqrt(x);
    case Unary::kRsqrt: return 1 / std::sqrt(x);
    case Unary::kReciprocal: return 1 / x;
    case Unary::kTanh: return std::tanh(x);
    case Unary::kSigmoid: return 1 / (1 + std::exp(-x));
    case Unary::kRelu: return x > 0 ? x : 0;
    case Unary::kGelu: return x * 0.5 * (1 + std::erf(x / std::sqrt(2.0)));
    case Unary::kErf: return std::erf(x);
    case Unary::kSin: return std::sin(x);
    case Unary::kCos: return std::cos(x);
    case Unary::kFloor: return std::floor(x);
    case Unary::kNot: return x == 0 ? 1 : 0;
    case Unary::kRelu6: return std::min(x > 0 ? x : 0, 6.0);
    case Unary::kSilu: return x / (1 + std::exp(-x));
    case Unary::kHardSwish: return x * std::clamp(x / 6 + 0.5, 0.0, 1.0);
  }
  return 0;
}

double apply_binary(Binary op, double a, double b, DType dtype) {
  switch (op) {
    case Binary::kAdd: return a + b;
    case Binary::kSub: return a - b;
    case Binary::kMul: return a * b;
    case Binary::kDiv: return dtype != DType::kF32 ? std::trunc(a / b) : a / b;
    case Binary::kMax: return std::max(a, b);
    case Binary::kMin: return std::min(a, b);
    case Binary::kPow: return std::pow(a, b);
    case Binary::kEqual: return a == b ? 1 : 0;
    case Binary::kLess: return a < b ? 1 : 0;
    case Binary::kGreater: return a > b ? 1 : 0;
    case Binary::kAnd: return a != 0 && b != 0 ? 1 : 0;
    case Binary::kOr: return a != 0 || b != 0 ? 1 : 0;
  }
  return 0;
}

Outs ref_unary(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  for (double& v : out.values) v = apply_unary(static_cast<Unary>(node.attrs.i("op")), v);
  return only(std::move(out));
}

Outs ref_binary(const ir::Node& node, const Ins& in) {
  const auto op = static_cast<Binary>(node.attrs.i("op"));
  RefTensor out{in[0]->dtype, broadcast_dims(in[0]->dims, in[1]->dims), {}};
  for (std::int64_t i = 0; i < num_elements(out.dims); ++i)
    out.values.push_back(apply_binary(op, broadcast_at(*in[0], out.dims, i),
                                      broadcast_at(*in[1], out.dims, i), in[0]->dtype));
  if (op == Binary::kEqual || op == Binary::kLess || op == Binary::kGreater)
    out.dtype = DType::kBool;
  return only(std::move(out));
}

Outs ref_clamp(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  const double low = node.attrs.f("low"), high = node.attrs.f("high");
  for (double& v : out.values) v = std::min(std::max(v, low), high);
  return only(std::move(out));
}

Outs ref_where(const ir::Node&, const Ins& in) {
  RefTensor out{
      in[1]->dtype, broadcast_dims(in[0]->dims, broadcast_dims(in[1]->dims, in[2]->dims)), {}};
  for (std::int64_t i = 0; i < num_elements(out.dims); ++i)
    out.values.push_back(
        broadcast_at(*in[broadcast_at(*in[0], out.dims, i) != 0 ? 1 : 2], out.dims, i));
  return only(std::move(out));
}

namespace {

// The part_width columns from `begin` on.
RefTensor columns_of(const ir::Node& node, const RefTensor& x, std::int64_t begin) {
  const auto width = static_cast<std::size_t>(node.attrs.i("part_width"));
  const auto all = static_cast<std::size_t>(x.dims.back());
  RefTensor out = x;
  out.dims.back() = node.attrs.i("part_width");
  out.values.clear();
  for (std::size_t at = static_cast<std::size_t>(begin); at < x.values.size(); at += all)
    out.values.insert(out.values.end(), x.values.begin() + static_cast<std::ptrdiff_t>(at),
                      x.values.begin() + static_cast<std::ptrdiff_t>(at + width));
  return out;
}

}  // namespace

Outs ref_pointwise(const ir::Node& node, const Ins& inputs) {
  using Kind = ir::PointwiseStep::Kind;
  const std::vector<std::int64_t> parts = node.attrs.ints("parts");
  std::vector<RefTensor> made(inputs.size());
  std::vector<const RefTensor*> in;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    const bool is_part = !parts.empty() && parts[i] >= 0;
    if (is_part) made[i] = columns_of(node, *inputs[i], parts[i]);
    in.push_back(is_part ? &made[i] : inputs[i]);
  }
  std::vector<std::int64_t> dims;
  for (const RefTensor* t : in) dims = broadcast_dims(dims, t->dims);
  std::vector<RefTensor> out(node.pointwise.results.size(), RefTensor{DType::kF32, dims, {}});
  for (std::size_t k = 0; k < out.size(); ++k) {
    const auto step = node.pointwise.results[k] - static_cast<std::ptrdiff_t>(in.size());
    if (step >= 0 && node.pointwise.steps[static_cast<std::size_t>(step)].kind == Kind::kToBytes)
      out[k].dtype = DType::kU8;
  }
  for (std::int64_t i = 0; i < num_elements(dims); ++i) {
    std::vector<double> r;
    for (const RefTensor* t : in) r.push_back(broadcast_at(*t, dims, i));
    const auto reg = [&](std::int16_t n) { return r[static_cast<std::size_t>(n)]; };
    for (const ir::PointwiseStep& s : node.pointwise.steps) {
      double v = s.low;
      if (s.kind == Kind::kUnary) v = apply_unary(static_cast<Unary>(s.op), reg(s.a));
      if (s.kind == Kind::kBinary)
        v = apply_binary(static_cast<Binary>(s.op), reg(s.a), reg(s.b), DType::kF32);
      if (s.kind == Kind::kClamp) v = std::min<double>(std::max<double>(reg(s.a), s.low), s.high);
      if (s.kind == Kind::kWhere) v = reg(s.a) != 0 ? reg(s.b) : reg(s.c);
      if (s.kind == Kind::kFromBytes) v = (reg(s.a) - s.high) * s.low;
      if (s.kind == Kind::kToBytes)
        v = std::clamp(std::nearbyint(reg(s.a) / s.low) + s.high, 0.0, 255.0);
      r.push_back(v);
    }
    for (std::size_t k = 0; k < out.size(); ++k)
      out[k].values.push_back(reg(node.pointwise.results[k]));
  }
  return out;
}

Outs ref_cast(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  out.dtype = static_cast<DType>(node.attrs.i("dtype"));
  for (double& v : out.values) {
    if (out.dtype == DType::kBool)
      v = v != 0 ? 1 : 0;
    else if (out.dtype != DType::kF32 && out.dtype != DType::kF16)
      v = std::trunc(v);
  }
  return only(std::move(out));
}

Outs ref_softmax(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  const AxisSplit s = split_at(out.dims, node.attrs.i("axis", -1));
  for (std::int64_t b = 0; b < s.before; ++b)
    for (std::int64_t a = 0; a < s.after; ++a) {
      const auto x = [&](std::int64_t k) -> double& {
        return out.values[static_cast<std::size_t>((b * s.extent + k) * s.after + a)];
      };
      double peak = -INFINITY, sum = 0;
      for (std::int64_t k = 0; k < s.extent; ++k) peak = std::max(peak, x(k));
      for (std::int64_t k = 0; k < s.extent; ++k) sum += std::exp(x(k) - peak);
      for (std::int64_t k = 0; k < s.extent; ++k) {
        const double logarithm = x(k) - peak - std::log(sum);
        x(k) = node.op == ir::OpKind::kLogSoftmax ? logarithm : std::exp(logarithm);
      }
    }
  return only(std::move(out));
}

Outs ref_layer_norm(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  if (const RefTensor* residual = at(in, 3))
    for (std::size_t i = 0; i < out.values.size(); ++i) out.values[i] += residual->values[i];
  const auto n = static_cast<std::size_t>(out.dims.back());
  const bool rms = node.attrs.i("rms") != 0;
  for (std::size_t row = 0; n != 0 && row < out.values.size(); row += n) {
    double mean = 0, variance = 0;
    for (std::size_t i = 0; !rms && i < n; ++i)
      mean += out.values[row + i] / static_cast<double>(n);
    for (std::size_t i = 0; i < n; ++i)
      variance +=
          (out.values[row + i] - mean) * (out.values[row + i] - mean) / static_cast<double>(n);
    const double scale = 1 / std::sqrt(variance + node.attrs.f("epsilon", 1e-5));
    for (std::size_t i = 0; i < n; ++i)
      out.values[row + i] =
          (out.values[row + i] - mean) * scale * in[1]->values[i] + (rms ? 0 : in[2]->values[i]);
  }
  return only(std::move(out));
}

Outs ref_reduce(const ir::Node& node, const Ins& in) {
  const auto op = static_cast<Reduce>(node.attrs.i("op"));
  std::int64_t axis = node.attrs.i("axis", -1);
  if (axis < 0) axis += static_cast<std::int64_t>(in[0]->dims.size());
  const AxisSplit s = split_at(in[0]->dims, axis);
  const bool index = op == Reduce::kArgMax || op == ir::kReduceArgMin;
  RefTensor out{index ? DType::kI32 : in[0]->dtype, in[0]->dims, {}};
  if (node.attrs.i("keep_dim") != 0)
    out.dims[static_cast<std::size_t>(axis)] = 1;
  else
    out.dims.erase(out.dims.begin() + axis);
  for (std::int64_t b = 0; b < s.before; ++b)
    for (std::int64_t a = 0; a < s.after; ++a) {
      double sum = 0, product = 1, peak = -INFINITY, where = 0;
      const double sign = op == ir::kReduceMin || op == ir::kReduceArgMin ? -1 : 1;
      for (std::int64_t k = 0; k < s.extent; ++k) {
        const double x = in[0]->values[static_cast<std::size_t>((b * s.extent + k) * s.after + a)];
        sum += x;
        product *= x;
        if (sign * x > peak) peak = sign * x, where = static_cast<double>(k);
      }
      const double exact = sum / static_cast<double>(s.extent);
      const double mean = out.dtype == DType::kF32 ? exact : std::trunc(exact);
      out.values.push_back(op == Reduce::kSum      ? sum
                           : op == Reduce::kMean   ? mean
                           : op == ir::kReduceProd ? product
                           : index                 ? where
                                                   : sign * peak);
    }
  return only(std::move(out));
}

}  // namespace antiphon::test
