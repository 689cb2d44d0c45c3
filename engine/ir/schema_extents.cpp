// Shape rules of the operators whose sizes are expressions over extents.
#include <algorithm>

#include "engine/ir/extents.h"
#include "engine/ir/schema_rules.h"

namespace antiphon::ir {

Result<std::vector<WholeNumber>> numbers_of(const Node& node, In in) {
  return evaluate_extents(node.attrs.s("extents"),
                          [&](std::size_t input, std::size_t axis) -> std::optional<Dim> {
                            const ValueType* type = at(in, input);
                            if (!type || axis >= type->shape.size()) return std::nullopt;
                            return type->shape[axis];
                          });
}

Result<Shape> extents_shape(const Node& node, In in) {
  ANTIPHON_ASSIGN_OR_RETURN(const auto numbers, numbers_of(node, in));
  Shape out;
  for (const WholeNumber& n : numbers) {
    if (n.number && *n.number < 0)
      return invalid_argument("extents: axis " + std::to_string(out.size()) + " would be " +
                              std::to_string(*n.number));
    out.push_back(n.dim);
  }
  return out;
}

namespace {

std::vector<ValueType> one(DType dtype, Shape shape) {
  std::vector<ValueType> out;
  out.push_back({dtype, std::move(shape)});
  return out;
}

// The product where all extents are static and it stays small enough to compare.
std::optional<std::int64_t> elements(const Shape& shape) {
  std::int64_t n = 1;
  for (const Dim& dim : shape)
    if (!dim.is_static() || __builtin_mul_overflow(n, dim.extent, &n)) return std::nullopt;
  return n;
}

Status want_extents(const std::vector<WholeNumber>& numbers, std::size_t count) {
  if (numbers.size() == count) return {};
  return invalid_argument("extents: wanted " + std::to_string(count) + " expressions, got " +
                          std::to_string(numbers.size()));
}

Result<DType> number_dtype(const Node& node) {
  const std::int64_t dtype = node.attrs.i("dtype", static_cast<int>(DType::kI64));
  for (const DType known : {DType::kI64, DType::kI32, DType::kF32})
    if (dtype == static_cast<int>(known)) return known;
  return invalid_argument("dtype: wanted i64, i32 or f32");
}

}  // namespace

Types reshape_to_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_ASSIGN_OR_RETURN(Shape out, extents_shape(node, in));
  const auto before = elements(in[0]->shape), after = elements(out);
  if (before && after && *before != *after)
    return invalid_argument("extents: " + shape_text(in[0]->shape) + " does not fit " +
                            shape_text(out));
  return one(in[0]->dtype, std::move(out));
}

Types expand_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_ASSIGN_OR_RETURN(const Shape wanted, extents_shape(node, in));
  ANTIPHON_ASSIGN_OR_RETURN(Shape out, broadcast(in[0]->shape, wanted));
  return one(in[0]->dtype, std::move(out));
}

Types extents_rule(const Node& node, In in) {
  ANTIPHON_ASSIGN_OR_RETURN(const DType dtype, number_dtype(node));
  ANTIPHON_ASSIGN_OR_RETURN(const auto numbers, numbers_of(node, in));
  if (node.attrs.i("scalar") == 0)
    return one(dtype, {Dim(static_cast<std::int64_t>(numbers.size()))});
  ANTIPHON_RETURN_IF_ERROR(want_extents(numbers, 1));
  return one(dtype, {});
}

Types strided_slice_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t axis, axis_of(node, in[0]->shape.size(), 0));
  ANTIPHON_ASSIGN_OR_RETURN(const auto numbers, numbers_of(node, in));
  ANTIPHON_RETURN_IF_ERROR(want_extents(numbers, 3));
  if (!numbers[2].number || *numbers[2].number == 0)
    return invalid_argument("extents: wanted a step that is a number other than 0");
  Shape out = in[0]->shape;
  if (!out[axis].is_static() || !numbers[0].number || !numbers[1].number) {
    const bool from_front = numbers[0].number == 0 && *numbers[2].number == 1;
    out[axis] = out[axis].is_static() && from_front && !is_unknown(numbers[1].dim)
                    ? dim_smaller(numbers[1].dim, out[axis].extent)
                    : Dim{};
    return one(in[0]->dtype, std::move(out));
  }
  const SliceRange range =
      clamped_slice(out[axis].extent, *numbers[0].number, *numbers[1].number, *numbers[2].number);
  out[axis] = Dim(range.count);
  return one(in[0]->dtype, std::move(out));
}

SliceRange clamped_slice(std::int64_t extent, std::int64_t begin, std::int64_t end,
                         std::int64_t step) {
  const std::int64_t low = step > 0 ? 0 : -1, high = step > 0 ? extent : extent - 1;
  const auto clamp = [&](std::int64_t i) {
    if (i < 0) i = i < -extent ? low : i + extent;
    return std::clamp(i, low, std::max(low, high));
  };
  SliceRange out;
  out.begin = clamp(begin);
  const std::int64_t last = clamp(end);
  const std::int64_t span = step > 0 ? last - out.begin : out.begin - last;
  // |step| without overflow for the smallest number.
  const std::uint64_t stride =
      step > 0 ? static_cast<std::uint64_t>(step) : 0 - static_cast<std::uint64_t>(step);
  if (span > 0)
    out.count = static_cast<std::int64_t>((static_cast<std::uint64_t>(span) - 1) / stride) + 1;
  return out;
}

Types range_rule(const Node& node, In in) {
  ANTIPHON_ASSIGN_OR_RETURN(const DType dtype, number_dtype(node));
  ANTIPHON_ASSIGN_OR_RETURN(const auto numbers, numbers_of(node, in));
  ANTIPHON_RETURN_IF_ERROR(want_extents(numbers, 3));
  if (numbers[1].number && *numbers[1].number < 0) return one(dtype, {Dim(0)});
  return one(dtype, {numbers[1].dim});
}

}  // namespace antiphon::ir
