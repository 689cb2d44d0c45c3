// Reductions, running sums, sorting, and pools over all spatial axes.
#include <algorithm>
#include <limits>

#include "engine/import/op.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {
namespace {

// Axes to reduce, in order; nothing: the node does nothing.
std::optional<Dims> axes_of(Op& op, std::int64_t rank) {
  const bool sum = op.type() == "ReduceSum";
  std::optional<Dims> axes = op.ints_of("axes", 1, sum ? 13 : 18);
  if (axes && axes->empty()) axes.reset();
  if (!axes) {
    if (op.attr_i("noop_with_empty_axes", 0) != 0) return std::nullopt;
    axes.emplace();
    for (std::int64_t i = 0; i < rank; ++i) axes->push_back(i);
  }
  for (std::int64_t& axis : *axes) axis = op.axis(axis, rank);
  std::sort(axes->begin(), axes->end());
  axes->erase(std::unique(axes->begin(), axes->end()), axes->end());
  return axes;
}

// Neighbouring axes as one; the result keeps every axis, reduced ones with extent 1.
ValueRef reduce_axes(const Op& op, Reduce kind, ValueRef x, const Dims& axes) {
  Wholes kept = op.extents(x);
  ValueRef y = x;
  for (std::size_t i = axes.size(); i > 0;) {
    std::size_t first = i - 1;
    while (first > 0 && axes[first - 1] == axes[first] - 1) --first;
    const std::int64_t begin = axes[first], end = axes[i - 1] + 1;
    i = first;
    Wholes merged(kept.begin(), kept.begin() + begin);
    Whole block = 1;
    for (std::int64_t a = begin; a < end; ++a) {
      block = block * kept[static_cast<std::size_t>(a)];
      kept[static_cast<std::size_t>(a)] = 1;
    }
    merged.push_back(block);
    merged.insert(merged.end(), kept.begin() + end, kept.end());
    if (end - begin > 1) y = op.reshape(y, merged);
    y = op.reduce(kind, y, begin, true);
    if (end - begin > 1) y = op.reshape(y, kept);
  }
  return y;
}

ValueRef without_axes(const Op& op, ValueRef x, const Dims& axes) {
  Wholes dims;
  const Wholes from = op.extents(x);
  for (std::size_t i = 0; i < from.size(); ++i)
    if (std::find(axes.begin(), axes.end(), static_cast<std::int64_t>(i)) == axes.end())
      dims.push_back(from[i]);
  return op.reshape(x, dims);
}

ValueRef log_sum_exp(const Op& op, ValueRef x, const Dims& axes) {
  const ValueRef peak = reduce_axes(op, Reduce::kMax, x, axes);
  // An infinite peak would make inf - inf.
  const ValueRef safe = op.where(op.binary(Binary::kLess, op.unary(Unary::kAbs, peak), 3.0e38),
                                 peak, op.number(DType::kF32, 0));
  const ValueRef e = op.unary(Unary::kExp, op.binary(Binary::kSub, x, safe));
  return op.binary(Binary::kAdd, op.unary(Unary::kLog, reduce_axes(op, Reduce::kSum, e, axes)),
                   safe);
}

ValueRef reduced(const Op& op, const std::string& type, ValueRef x, const Dims& axes) {
  const auto plain = [&](Reduce kind, ValueRef v) { return reduce_axes(op, kind, v, axes); };
  const auto square = [&] { return op.binary(Binary::kMul, x, x); };
  if (type == "ReduceMean") return plain(Reduce::kMean, x);
  if (type == "ReduceMax") return plain(Reduce::kMax, x);
  if (type == "ReduceMin") return plain(ir::kReduceMin, x);
  if (type == "ReduceProd") return plain(ir::kReduceProd, x);
  if (type == "ReduceL1") return plain(Reduce::kSum, op.unary(Unary::kAbs, x));
  if (type == "ReduceSumSquare") return plain(Reduce::kSum, square());
  if (type == "ReduceL2") {
    const ValueRef sum = plain(Reduce::kSum, square());
    const DType dtype = op.dtype(sum);
    return op.cast(op.unary(Unary::kSqrt, op.cast(sum, DType::kF32)), dtype);
  }
  if (type == "ReduceLogSum") return op.unary(Unary::kLog, plain(Reduce::kSum, x));
  if (type == "ReduceLogSumExp") return log_sum_exp(op, x, axes);
  return plain(Reduce::kSum, x);
}

// The largest or smallest of an empty axis: what no element would change.
bool is_empty_extremum(const Op& op, ValueRef x, const Dims& axes) {
  if (op.type() != "ReduceMax" && op.type() != "ReduceMin" && op.type() != "ReduceLogSumExp")
    return false;
  return std::any_of(axes.begin(), axes.end(),
                     [&](std::int64_t axis) { return op.extent(x, axis).number() == 0; });
}

struct Limits {
  double low = 0, high = 1;
};
Limits limits_of(DType dtype) {
  switch (dtype) {
    case DType::kBool: return {0, 1};
    case DType::kU8: return {0, 255};
    case DType::kI8: return {-128, 127};
    case DType::kI32: return {-2147483648.0, 2147483647.0};
    case DType::kI64: return {-9.2e18, 9.2e18};
    default: break;
  }
  const double infinity = std::numeric_limits<double>::infinity();
  return {-infinity, infinity};
}

}  // namespace

void lower_reduce(Op& op) {
  ValueRef x = op.value(0);
  const DType dtype = op.dtype(x);
  const std::optional<Dims> axes = axes_of(op, op.rank(x));
  if (op.failed()) return;
  // Without axes ReduceSum and the like still apply what they do to each element.
  const Dims list = axes.value_or(Dims{});
  const bool narrow = dtype == DType::kI8 || dtype == DType::kU8 || dtype == DType::kBool;
  if (narrow) x = op.cast(x, DType::kI32);
  ValueRef y;
  if (is_empty_extremum(op, x, list)) {
    const Limits limits = limits_of(dtype);
    Wholes dims = op.extents(x);
    for (const std::int64_t axis : list) dims[static_cast<std::size_t>(axis)] = 1;
    y = op.expand(op.number(op.dtype(x), op.type() == "ReduceMin" ? limits.high : limits.low),
                  dims);
  } else {
    y = reduced(op, op.type(), x, list);
  }
  if (op.attr_i("keepdims", 1) == 0) y = without_axes(op, y, list);
  op.set(op.cast(y, dtype));
}

void lower_arg_max(Op& op) {
  ValueRef x = op.value(0);
  const std::int64_t axis = op.axis(op.attr_i("axis", 0), op.rank(x));
  if (op.failed()) return;
  if (op.dtype(x) == DType::kI8 || op.dtype(x) == DType::kU8) x = op.cast(x, DType::kI32);
  const bool last = op.attr_i("select_last_index", 0) != 0;
  if (last) x = op.node(ir::OpKind::kReverse, {x}, {{"axis", axis}});
  const Reduce kind = op.type() == "ArgMax" ? Reduce::kArgMax : ir::kReduceArgMin;
  ValueRef y = op.reduce(kind, x, axis, op.attr_i("keepdims", 1) != 0);
  y = op.cast(y, DType::kI64);
  if (last) {
    Known known{Element::kInt64, {}, {{op.extent(x, axis) - 1, 0}}};
    y = op.binary(Binary::kSub, op.to_value(Item::of(std::move(known))), y);
  }
  op.set(0, y, Element::kInt64);
}

void lower_cum_sum(Op& op) {
  const ValueRef x = op.value(0);
  const Dims axes = op.ints(1, "axis");
  if (op.failed() || axes.size() != 1) return op.invalid("axis: wanted one number");
  op.set(op.node(ir::kOpCumSum, {x},
                 {{"axis", op.axis(axes[0], op.rank(x))},
                  {"exclusive", op.attr_i("exclusive", 0)},
                  {"reverse", op.attr_i("reverse", 0)},
                  {"op", std::int64_t{op.type() == "CumProd" ? 1 : 0}}}));
}

void lower_top_k(Op& op) {
  const ValueRef x = op.value(0);
  Wholes k = {op.attr_i("k", 0)};
  if (op.opset() >= 10) k = op.wholes(1, "k");
  if (op.failed() || k.size() != 1) return op.invalid("k: wanted one number");
  const std::int64_t axis = op.axis(op.attr_i("axis", -1), op.rank(x));
  std::vector<ValueRef> inputs = {x};
  const std::string text = k[0].text(inputs);
  const auto out = op.graph().nodes(
      ir::kOpTopK, inputs,
      {{"axis", axis}, {"extents", text}, {"largest", op.attr_i("largest", 1)}}, 2);
  op.set(0, out[0], op.element(0));
  op.set(1, out[1], Element::kInt64);
}

namespace {

Dims spatial_axes(const Op& op, ValueRef x) {
  Dims axes;
  for (int i = 2; i < op.rank(x); ++i) axes.push_back(i);
  return axes;
}

}  // namespace

ValueRef global_pool(Op& op, ValueRef x) {
  const Reduce kind = op.type() == "GlobalMaxPool" ? Reduce::kMax : Reduce::kMean;
  // An image of fixed extents: one window.
  const std::int64_t rows = op.rank(x) == 4 ? op.extent(x, 2).number().value_or(0) : 0;
  const std::int64_t columns = op.rank(x) == 4 ? op.extent(x, 3).number().value_or(0) : 0;
  constexpr std::int64_t kMostPixels = 1 << 16;
  if (rows > 0 && columns > 0 && rows <= kMostPixels / columns) {
    const auto pool = kind == Reduce::kMax ? ir::Pool::kMax : ir::Pool::kAverage;
    return op.node(ir::kOpPool, {x},
                   {{"op", static_cast<std::int64_t>(pool)}, {"kernel", Dims{rows, columns}}});
  }
  return reduce_axes(op, kind, x, spatial_axes(op, x));
}

void lower_global_pool(Op& op) { op.set(global_pool(op, op.value(0))); }

void lower_global_lp_pool(Op& op) {
  const ValueRef x = op.value(0);
  const double p = static_cast<double>(op.attr_i("p", 2));
  const ValueRef powers = op.binary(Binary::kPow, op.unary(Unary::kAbs, x), p);
  const ValueRef sum = reduce_axes(op, Reduce::kSum, powers, spatial_axes(op, x));
  op.set(op.binary(Binary::kPow, sum, 1 / p));
}

}  // namespace antiphon::onnx
