// Shape rules of the operators that move data without computing.
#include <charconv>
#include <limits>
#include <map>
#include <string_view>

#include "engine/ir/schema_rules.h"

namespace antiphon::ir {
namespace {

constexpr std::int64_t kMaxSteps = 1 << 24;
constexpr std::int64_t kToTheEnd = std::numeric_limits<std::int64_t>::max();

std::vector<ValueType> one(DType dtype, Shape shape) {
  std::vector<ValueType> out;
  out.push_back({dtype, std::move(shape)});
  return out;
}

// A product of extents: a number, and how often each symbol is a factor.
struct Product {
  std::int64_t number = 1;
  std::map<std::string, int> symbols;
  bool known = true;

  void multiply(const Dim& dim, int power) {
    if (is_unknown(dim)) {
      known = false;
    } else if (dim.is_static()) {
      if (__builtin_mul_overflow(number, dim.extent, &number)) known = false;
    } else {
      const Factored f = factor_of(dim);
      if (power > 0 && __builtin_mul_overflow(number, f.factor, &number)) known = false;
      symbols[f.symbol] += power;
    }
  }
};

// total / part as one extent, or Dim{} where that is not known.
Result<Dim> quotient(const Shape& total, const Shape& part) {
  Product above, below;
  for (const Dim& dim : total) above.multiply(dim, 1);
  for (const Dim& dim : part) {
    if (!dim.is_static() && !is_unknown(dim)) {
      const Factored f = factor_of(dim);
      below.multiply(Dim(f.factor), 1);
      above.symbols[f.symbol] -= 1;
    } else {
      below.multiply(dim, 1);
    }
  }
  if (!above.known || !below.known) return Dim{};
  std::string left;
  int count = 0;
  for (const auto& [symbol, power] : above.symbols) {
    if (power < 0) return Dim{};
    if (power > 0) left = symbol;
    count += power;
  }
  if (below.number == 0)
    return above.number == 0 ? Result<Dim>(Dim(0)) : invalid_argument("dims: cannot infer the -1");
  if (above.number % below.number != 0) {
    if (count != 0) return Dim{};
    return invalid_argument("dims: " + shape_text(total) + " does not divide into them");
  }
  const std::int64_t number = above.number / below.number;
  if (count == 0) return Dim(number);
  return count == 1 ? dim_times(Dim(left), number) : Dim{};
}

bool all_static(const Shape& shape) {
  for (const Dim& dim : shape)
    if (!dim.is_static()) return false;
  return true;
}

}  // namespace

Types transpose_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  const std::vector<std::int64_t> order = node.attrs.ints("order");
  const Shape& x = in[0]->shape;
  std::vector<bool> seen(x.size(), false);
  Shape out;
  for (const std::int64_t axis : order) {
    if (axis < 0 || axis >= static_cast<std::int64_t>(x.size()) ||
        seen[static_cast<std::size_t>(axis)])
      return invalid_argument("order: not a permutation of the axes of " + shape_text(x));
    seen[static_cast<std::size_t>(axis)] = true;
    out.push_back(x[static_cast<std::size_t>(axis)]);
  }
  if (out.size() != x.size())
    return invalid_argument("order: not a permutation of the axes of " + shape_text(x));
  return one(in[0]->dtype, std::move(out));
}

Types reshape_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  const Shape& x = in[0]->shape;
  Shape out, known;
  int inferred = -1;
  for (const std::int64_t dim : node.attrs.ints("dims")) {
    const std::size_t i = out.size();
    if (dim == -1) {
      if (inferred >= 0) return invalid_argument("dims: more than one -1");
      inferred = static_cast<int>(i);
      out.emplace_back();
      continue;
    }
    if (dim < -1) return invalid_argument("dims: " + std::to_string(dim));
    if (dim == 0 && i >= x.size())
      return invalid_argument("dims: 0 keeps axis " + std::to_string(i) + " of " + shape_text(x));
    out.push_back(dim == 0 ? x[i] : Dim(dim));
    known.push_back(out.back());
  }
  ANTIPHON_ASSIGN_OR_RETURN(Dim rest, quotient(x, known));
  if (inferred >= 0) {
    out[static_cast<std::size_t>(inferred)] = rest;
  } else if (all_static(x) && all_static(out) && !(rest == Dim(1))) {
    Product a, b;
    for (const Dim& dim : x) a.multiply(dim, 1);
    for (const Dim& dim : out) b.multiply(dim, 1);
    if (a.number != b.number)
      return invalid_argument("dims: " + shape_text(x) + " does not fit " + shape_text(out));
  }
  return one(in[0]->dtype, std::move(out));
}

Types slice_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t axis, axis_of(node, in[0]->shape.size(), 0));
  const std::int64_t begin = node.attrs.i("begin"), end = node.attrs.i("end", kToTheEnd);
  Shape out = in[0]->shape;
  const Dim& extent = in[0]->shape[axis];
  if (extent.is_static()) {
    const std::int64_t n = extent.extent;
    const std::int64_t first = begin < 0 ? begin + n : begin;
    const std::int64_t last = end == kToTheEnd ? n : end < 0 ? end + n : end;
    if (first < 0 || last > n || first > last)
      return invalid_argument("begin, end: " + std::to_string(begin) + " to " +
                              (end == kToTheEnd ? "the end" : std::to_string(end)) +
                              " of an axis of " + std::to_string(n));
    out[axis] = Dim(last - first);
  } else {
    const bool from_front = begin >= 0;
    const bool to_back = end < 0 || end == kToTheEnd;
    const std::int64_t last = end == kToTheEnd ? 0 : end;
    if (from_front && to_back)
      out[axis] = dim_plus(extent, last - begin);
    else if (from_front == !to_back && last >= begin)
      out[axis] = Dim(last - begin);
    else
      out[axis] = Dim{};
  }
  return one(in[0]->dtype, std::move(out));
}

Types concat_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "part 0"));
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t axis, axis_of(node, in[0]->shape.size(), 0));
  Shape out = in[0]->shape;
  for (std::size_t i = 1; i < in.size(); ++i) {
    const std::string field = "part " + std::to_string(i);
    ANTIPHON_RETURN_IF_ERROR(want_present(in, i, field.c_str()));
    ANTIPHON_RETURN_IF_ERROR(want_dtype(*in[i], field.c_str(), in[0]->dtype));
    Shape wanted = out;
    wanted[axis] = Dim{};
    ANTIPHON_RETURN_IF_ERROR(want_shape(*in[i], field.c_str(), wanted));
    for (std::size_t a = 0; a < out.size(); ++a)
      out[a] =
          a == axis ? dim_sum(out[a], in[i]->shape[a]) : more_specific(out[a], in[i]->shape[a]);
  }
  return one(in[0]->dtype, std::move(out));
}

Types repeat_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t axis, axis_of(node, in[0]->shape.size(), 0));
  const std::int64_t times = node.attrs.i("times", 1);
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "times", times, 1, kMaxSteps));
  Shape out = in[0]->shape;
  out[axis] = dim_times(out[axis], times);
  return one(in[0]->dtype, std::move(out));
}

Types reverse_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_RETURN_IF_ERROR(axis_of(node, in[0]->shape.size(), 0).status());
  return one(in[0]->dtype, in[0]->shape);
}

Types pad_rule(const Node& node, In in) {
  ANTIPHON_RETURN_IF_ERROR(want_present(in, 0, "x"));
  ANTIPHON_ASSIGN_OR_RETURN(const std::size_t axis, axis_of(node, in[0]->shape.size(), 0));
  const std::int64_t before = node.attrs.i("before"), after = node.attrs.i("after");
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "before", before, 0, kMaxSteps));
  ANTIPHON_RETURN_IF_ERROR(want_range(node, "after", after, 0, kMaxSteps));
  Shape out = in[0]->shape;
  out[axis] = dim_plus(out[axis], before + after);
  return one(in[0]->dtype, std::move(out));
}

namespace {

bool read_number(std::string_view text, std::int64_t& out) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), out);
  return result.ec == std::errc() && result.ptr == text.data() + text.size() && out >= 0;
}

}  // namespace

Types zeros_rule(const Node& node, In in) {
  const std::string text = node.attrs.s("shape_text");
  Shape out;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t comma = rest.find(',');
    const std::string_view item = rest.substr(0, comma);
    rest = comma == std::string_view::npos ? std::string_view() : rest.substr(comma + 1);
    std::int64_t input = 0, axis = 0;
    const std::size_t colon = item.find(':');
    if (colon == std::string_view::npos) {
      if (!read_number(item, axis)) return invalid_argument("shape_text: '" + text + "'");
      out.emplace_back(axis);
      continue;
    }
    if (!read_number(item.substr(0, colon), input) || !read_number(item.substr(colon + 1), axis))
      return invalid_argument("shape_text: '" + text + "'");
    const ValueType* like = at(in, static_cast<std::size_t>(input));
    if (!like || static_cast<std::size_t>(axis) >= like->shape.size())
      return invalid_argument("shape_text: '" + text + "' names an axis that is not there");
    out.push_back(like->shape[static_cast<std::size_t>(axis)]);
  }
  return one(DType::kF32, std::move(out));
}

}  // namespace antiphon::ir
