// Short ways for the operators' functions to build nodes.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/import/op.h"
#include "engine/ir/extents.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

constexpr int kMaxTerms = 64;  // of one expression in an attribute

// The attribute, and the values that it reads behind `inputs`.
std::string text_of(GraphBuilder& graph, const Wholes& wholes, std::vector<ValueRef>& inputs) {
  std::string text;
  for (const Whole& whole : wholes) {
    if (whole.terms() > kMaxTerms)
      graph.fail(unsupported("an extent is too long an expression of others"));
    text += (text.empty() ? "" : ",") + (graph.failed() ? "0" : whole.text(inputs));
  }
  return text;
}

}  // namespace

ValueRef Op::node(OpKind op, const std::vector<ValueRef>& inputs, AttrList attrs) const {
  return graph().node(op, inputs, std::move(attrs));
}
ValueRef Op::unary(Unary op, ValueRef x) const {
  return node(OpKind::kUnary, {x}, {{"op", static_cast<std::int64_t>(op)}});
}
ValueRef Op::math(ir::Math op, ValueRef x) const {
  return node(ir::kOpMath, {x}, {{"op", static_cast<std::int64_t>(op)}});
}
ValueRef Op::binary(Binary op, ValueRef a, ValueRef b) const {
  return node(OpKind::kBinary, {a, b}, {{"op", static_cast<std::int64_t>(op)}});
}
ValueRef Op::binary(Binary op, ValueRef a, double b) const {
  return binary(op, a, number(dtype(a), b));
}
ValueRef Op::where(ValueRef condition, ValueRef a, ValueRef b) const {
  return node(OpKind::kWhere, {condition, a, b});
}

ValueRef Op::clamp(ValueRef x, double low, double high) const {
  if (dtype(x) == DType::kF32) return node(OpKind::kClamp, {x}, {{"low", low}, {"high", high}});
  ValueRef y = x;
  if (std::isfinite(low)) y = binary(Binary::kMax, y, low);
  return std::isfinite(high) ? binary(Binary::kMin, y, high) : y;
}

ValueRef Op::cast(ValueRef x, DType to) const {
  if (failed() || dtype(x) == to) return x;
  return node(OpKind::kCast, {x}, {{"dtype", static_cast<std::int64_t>(to)}});
}

ValueRef Op::number(DType to, double value) const {
  const auto whole =
      static_cast<std::int64_t>(std::isnan(value) ? 0 : std::clamp(value, -9.2e18, 9.2e18));
  switch (to) {
    case DType::kI64: return graph().constant(to, {}, &whole);
    case DType::kI32: {
      const auto narrow = static_cast<std::int32_t>(whole);
      return graph().constant(to, {}, &narrow);
    }
    case DType::kI8:
    case DType::kU8:
    case DType::kBool: {
      const auto narrow = static_cast<std::uint8_t>(whole);
      return graph().constant(to, {}, &narrow);
    }
    default: return graph().scalar(static_cast<float>(value));
  }
}

ValueRef Op::reduce(Reduce op, ValueRef x, std::int64_t axis, bool keep) const {
  return node(OpKind::kReduce, {x},
              {{"op", static_cast<std::int64_t>(op)},
               {"axis", axis},
               {"keep_dim", std::int64_t{keep ? 1 : 0}}});
}

ValueRef Op::transpose(ValueRef x, Dims order) const {
  bool same = true;
  for (std::size_t i = 0; i < order.size(); ++i)
    same = same && order[i] == static_cast<std::int64_t>(i);
  if (same && static_cast<int>(order.size()) == rank(x)) return x;
  return node(OpKind::kTranspose, {x}, {{"order", std::move(order)}});
}

Whole Op::extent(ValueRef x, std::int64_t axis) const {
  if (failed() || axis < 0 || axis >= rank(x)) return 1;
  return graph().extent(x, static_cast<int>(axis));
}

Wholes Op::extents(ValueRef x) const {
  Wholes out;
  for (int i = 0; i < rank(x); ++i) out.push_back(extent(x, i));
  return out;
}

namespace {

// Constants stay constants, so that loop bodies and passes find weights as such.
std::optional<ValueRef> reshaped_constant(GraphBuilder& graph, ValueRef x, const Wholes& dims) {
  const ir::ValueInfo* info = graph.constant_info(x);
  if (!info) return std::nullopt;
  Shape shape;
  std::int64_t count = 1, before = 1;
  for (const Whole& dim : dims) {
    if (dim.number().value_or(-1) < 0) return std::nullopt;
    shape.emplace_back(*dim.number());
    if (__builtin_mul_overflow(count, *dim.number(), &count)) return std::nullopt;
  }
  for (const Dim& dim : info->shape) before *= dim.extent;
  if (count != before) return std::nullopt;
  return graph.constant(info->dtype, std::move(shape), ir::ConstantData(info->constant));
}

std::optional<ValueRef> sliced_constant(GraphBuilder& graph, ValueRef x, ir::SliceRange range) {
  const ir::ValueInfo* info = graph.constant_info(x);
  if (!info || info->shape.empty() || info->shape[0].extent == 0) return std::nullopt;
  std::vector<std::int64_t> dims;
  for (const Dim& dim : info->shape) dims.push_back(dim.extent);
  const std::size_t row = info->constant.bytes / static_cast<std::size_t>(dims[0]);
  const auto* from = static_cast<const char*>(info->constant.data);
  dims[0] = range.count;
  const std::shared_ptr<const void> owner = info->constant.owner;
  return graph.constant(info->dtype, dims, from + static_cast<std::size_t>(range.begin) * row);
}

}  // namespace

ValueRef Op::reshape(ValueRef x, const Wholes& dims) const {
  if (failed()) return {};
  if (const auto folded = reshaped_constant(graph(), x, dims)) return *folded;
  // Plain numbers, kept axes and one -1 where that says it all.
  std::vector<std::int64_t> plain;
  int inferred = 0;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    const bool kept =
        static_cast<int>(i) < rank(x) && dims[i].same(extent(x, static_cast<std::int64_t>(i)));
    const std::optional<std::int64_t> number = dims[i].number();
    if (number && (*number > 0 || (*number == 0 && kept)))
      plain.push_back(*number);
    else if (kept)
      plain.push_back(0);
    else if (++inferred == 1 && (!number || *number == -1))
      plain.push_back(-1);  // what is left, whether it has a name or not
    else
      inferred = 2;
  }
  if (inferred < 2) return node(OpKind::kReshape, {x}, {{"dims", std::move(plain)}});
  std::vector<ValueRef> inputs = {x};
  const std::string text = text_of(graph(), dims, inputs);
  return node(ir::kOpReshapeTo, inputs, {{"extents", text}});
}

ValueRef Op::expand(ValueRef x, const Wholes& dims) const {
  std::vector<ValueRef> inputs = {x};
  const std::string text = text_of(graph(), dims, inputs);
  return node(ir::kOpExpand, inputs, {{"extents", text}});
}

ValueRef Op::slice(ValueRef x, std::int64_t axis, const Whole& begin, const Whole& end,
                   std::int64_t step) const {
  if (failed()) return {};
  constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();
  const auto first = begin.number(), last = end.number(), extent_number = extent(x, axis).number();
  if (step == 1 && first && last && extent_number) {
    const ir::SliceRange r = ir::clamped_slice(*extent_number, *first, *last, 1);
    if (axis == 0 && r.count > 0)
      if (const auto folded = sliced_constant(graph(), x, r)) return *folded;
    return node(OpKind::kSlice, {x},
                {{"axis", axis},
                 {"begin", r.count == 0 ? 0 : r.begin},
                 {"end", r.count == 0 ? 0 : r.begin + r.count}});
  }
  if (step == 1 && first && *first == 0 && last && *last >= kEnd / 2) return x;
  std::vector<ValueRef> inputs = {x};
  const std::string text = text_of(graph(), {begin, end, step}, inputs);
  return node(ir::kOpStridedSlice, inputs, {{"axis", axis}, {"extents", text}});
}

ValueRef Op::concat(const std::vector<ValueRef>& parts, std::int64_t axis) const {
  if (parts.size() == 1) return parts[0];
  return node(OpKind::kConcat, parts, {{"axis", axis}});
}

std::int64_t Op::axis(std::int64_t axis, std::int64_t rank) const {
  if (axis >= -rank && axis < rank) return axis < 0 ? axis + rank : axis;
  graph().fail(
      invalid_argument("axis " + std::to_string(axis) + " of " + std::to_string(rank) + " axes"));
  return 0;
}

}  // namespace antiphon::onnx
