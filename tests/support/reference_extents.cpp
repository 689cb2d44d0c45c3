// Reference interpreter: operators whose sizes follow from extents, and the element-wise tail.
#include "tests/support/reference_extents.h"

#include <algorithm>
#include <cmath>
#include <sstream>

#include "engine/ir/schema.h"
#include "engine/ir/small_float.h"

namespace antiphon::test {

std::vector<std::vector<std::int64_t>> inferred_dims(const ir::Node& node, const Ins& in) {
  std::vector<ir::ValueType> types(in.size());
  std::vector<const ir::ValueType*> pointers;
  for (std::size_t i = 0; i < in.size(); ++i) {
    if (in[i]) types[i].dtype = in[i]->dtype;
    if (in[i])
      for (const std::int64_t d : in[i]->dims) types[i].shape.emplace_back(d);
    pointers.push_back(in[i] ? &types[i] : nullptr);
  }
  std::vector<std::vector<std::int64_t>> out(node.outputs.size());
  const auto made = ir::infer_outputs(node, pointers);
  for (std::size_t i = 0; made.ok() && i < out.size(); ++i)
    for (const Dim& dim : (*made)[i].shape) out[i].push_back(dim.extent);
  return out;
}

std::vector<std::int64_t> extent_list(const ir::Node& node, const Ins& in) {
  std::vector<std::int64_t> out;
  std::istringstream list(node.attrs.s("extents"));
  for (std::string item; std::getline(list, item, ',');) {
    std::vector<double> stack;
    std::istringstream words(item);
    for (std::string word; words >> word;) {
      const std::size_t colon = word.find(':');
      if (colon != std::string::npos) {
        stack.push_back(static_cast<double>(
            in[std::stoul(word.substr(0, colon))]->dims[std::stoul(word.substr(colon + 1))]));
      } else if (word.size() == 1 && std::string("+-*/%<>").find(word) != std::string::npos) {
        const double b = stack.back();
        stack.pop_back();
        const double a = stack.back();
        const double quotient = b == 0 ? 0 : std::floor(a / b);
        stack.back() = word == "+"   ? a + b
                       : word == "-" ? a - b
                       : word == "*" ? a * b
                       : word == "/" ? quotient
                       : word == "%" ? a - quotient * b
                       : word == "<" ? std::min(a, b)
                                     : std::max(a, b);
      } else {
        stack.push_back(std::stod(word));
      }
    }
    out.push_back(static_cast<std::int64_t>(stack.back()));
  }
  return out;
}

Outs ref_reshape_to(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  out.dims = extent_list(node, in);
  return only(std::move(out));
}

Outs ref_expand(const ir::Node& node, const Ins& in) {
  RefTensor out{in[0]->dtype, broadcast_dims(in[0]->dims, extent_list(node, in)), {}};
  for (std::int64_t i = 0; i < num_elements(out.dims); ++i)
    out.values.push_back(broadcast_at(*in[0], out.dims, i));
  return only(std::move(out));
}

Outs ref_extents(const ir::Node& node, const Ins& in) {
  RefTensor out{static_cast<DType>(node.attrs.i("dtype", static_cast<int>(DType::kI64))), {}, {}};
  for (const std::int64_t v : extent_list(node, in)) out.values.push_back(static_cast<double>(v));
  if (node.attrs.i("scalar") == 0) out.dims = {static_cast<std::int64_t>(out.values.size())};
  return only(std::move(out));
}

Outs ref_range(const ir::Node& node, const Ins& in) {
  const std::vector<std::int64_t> numbers = extent_list(node, in);
  RefTensor out{static_cast<DType>(node.attrs.i("dtype", static_cast<int>(DType::kI64))),
                {std::max<std::int64_t>(numbers[1], 0)},
                {}};
  for (std::int64_t i = 0; i < out.dims[0]; ++i)
    out.values.push_back(static_cast<double>(numbers[0] + i * numbers[2]));
  return only(std::move(out));
}

// By walking from begin to end, as the slice would be written out by hand.
Outs ref_strided_slice(const ir::Node& node, const Ins& in) {
  const RefTensor& x = *in[0];
  const std::vector<std::int64_t> numbers = extent_list(node, in);
  const std::int64_t given = node.attrs.i("axis");
  const std::int64_t axis = given < 0 ? given + static_cast<std::int64_t>(x.dims.size()) : given;
  const AxisSplit s = split_at(x.dims, axis);
  std::int64_t begin = numbers[0], end = numbers[1];
  const std::int64_t step = numbers[2], n = s.extent;
  if (begin < 0) begin += n;
  if (end < 0) end += n;
  std::vector<std::int64_t> steps;
  if (step > 0)
    for (std::int64_t i = std::max<std::int64_t>(begin, 0); i < std::min(end, n); i += step)
      steps.push_back(i);
  else
    for (std::int64_t i = std::min(begin, n - 1); i > std::max<std::int64_t>(end, -1); i += step)
      if (i >= 0) steps.push_back(i);
  RefTensor out{x.dtype, x.dims, {}};
  out.dims[static_cast<std::size_t>(axis)] = static_cast<std::int64_t>(steps.size());
  for (std::int64_t b = 0; b < s.before; ++b)
    for (const std::int64_t k : steps)
      for (std::int64_t a = 0; a < s.after; ++a)
        out.values.push_back(x.values[static_cast<std::size_t>((b * s.extent + k) * s.after + a)]);
  return only(std::move(out));
}

namespace {

// The nearest of all numbers of the format, found by looking at every one of them.
double round_by_search(const ir::Node& node, double x) {
  const auto format = static_cast<ir::SmallFloat>(node.attrs.i("format"));
  const ir::SmallFloatFacts f = ir::facts_of(format);
  double best = NAN;
  bool best_even = false;
  for (std::uint32_t bits = 0; bits < 1u << (1 + f.exponent_bits + f.mantissa_bits); ++bits) {
    const double v = ir::decode_small(format, bits);
    if (!std::isfinite(v)) continue;
    const double d = std::abs(v - x), least = std::abs(best - x);
    const bool even = (bits & 1) == 0;
    if (!std::isnan(best) && (d > least || (d == least && (best_even || !even)))) continue;
    best = v;
    best_even = even;
  }
  return best;
}

}  // namespace

Outs ref_math(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  const auto op = static_cast<ir::Math>(node.attrs.i("op"));
  for (double& v : out.values) switch (op) {
      case ir::Math::kCeil: v = std::ceil(v); break;
      case ir::Math::kRound: v = std::nearbyint(v); break;
      case ir::Math::kSign: v = v > 0 ? 1 : v < 0 ? -1 : v; break;
      case ir::Math::kTan: v = std::tan(v); break;
      case ir::Math::kAsin: v = std::asin(v); break;
      case ir::Math::kAcos: v = std::acos(v); break;
      case ir::Math::kAtan: v = std::atan(v); break;
      case ir::Math::kSinh: v = std::sinh(v); break;
      case ir::Math::kCosh: v = std::cosh(v); break;
      case ir::Math::kAsinh: v = std::asinh(v); break;
      case ir::Math::kAcosh: v = std::acosh(v); break;
      case ir::Math::kAtanh: v = std::atanh(v); break;
      case ir::Math::kRoundFloat: v = round_by_search(node, v); break;
      case ir::Math::kIsNan: v = std::isnan(v) ? 1 : 0; break;
      case ir::Math::kBitNot: v = in[0]->dtype == DType::kU8 ? 255 - v : -1 - v; break;
    }
  if (op == ir::Math::kIsNan) out.dtype = DType::kBool;
  return only(std::move(out));
}

Outs ref_math_binary(const ir::Node& node, const Ins& in) {
  const auto op = static_cast<ir::MathBinary>(node.attrs.i("op"));
  RefTensor out{in[0]->dtype, broadcast_dims(in[0]->dims, in[1]->dims), {}};
  for (std::int64_t i = 0; i < num_elements(out.dims); ++i) {
    const double a = broadcast_at(*in[0], out.dims, i), b = broadcast_at(*in[1], out.dims, i);
    const auto x = static_cast<std::int64_t>(a), y = static_cast<std::int64_t>(b);
    double v = 0;
    switch (op) {
      case ir::MathBinary::kMod: v = a - std::floor(a / b) * b; break;
      case ir::MathBinary::kFmod: v = std::fmod(a, b); break;
      case ir::MathBinary::kBitAnd: v = static_cast<double>(x & y); break;
      case ir::MathBinary::kBitOr: v = static_cast<double>(x | y); break;
      case ir::MathBinary::kBitXor: v = static_cast<double>(x ^ y); break;
      case ir::MathBinary::kShiftLeft: v = std::fmod(a * std::exp2(b), 256); break;  // of u8
      case ir::MathBinary::kShiftRight: v = std::floor(a / std::exp2(b)); break;
    }
    out.values.push_back(v);
  }
  return only(std::move(out));
}

}  // namespace antiphon::test
