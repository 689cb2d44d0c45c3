// Nodes on small tensors that are known at import, computed there: shapes are made of these.
#include <algorithm>
#include <cmath>
#include <functional>
#include <map>
#include <string>

#include "engine/import/fold.h"
#include "engine/import/op.h"
#include "engine/import/op_table.h"

namespace antiphon::onnx {
namespace {

using Maybe = std::optional<Known>;

// The element of `k` that is broadcast to position `index` of `out`.
std::size_t broadcast_index(const Dims& dims, const Dims& out, std::int64_t index) {
  std::int64_t at = 0, stride = 1;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t coordinate = index % out[out.size() - 1 - i];
    index /= out[out.size() - 1 - i];
    if (i >= dims.size()) continue;
    const std::int64_t extent = dims[dims.size() - 1 - i];
    if (extent != 1) at += coordinate * stride;
    stride *= extent;
  }
  return static_cast<std::size_t>(at);
}

std::optional<Dims> broadcast_dims(const Dims& a, const Dims& b) {
  Dims out(std::max(a.size(), b.size()), 1);
  for (const Dims* dims : {&a, &b})
    for (std::size_t i = 0; i < dims->size(); ++i) {
      std::int64_t& to = out[out.size() - dims->size() + i];
      const std::int64_t extent = (*dims)[i];
      if (extent == 1) continue;
      if (to != 1 && to != extent) return std::nullopt;
      to = extent;
    }
  return num_elements(out) <= kMaxKnown ? std::optional(out) : std::nullopt;
}

double rounded(Element type, double value) {
  return type == Element::kDouble ? value : static_cast<double>(static_cast<float>(value));
}

std::optional<Number> real_binary(const std::string& op, double a, double b) {
  if (op == "Add") return Number{0, a + b};
  if (op == "Sub") return Number{0, a - b};
  if (op == "Mul") return Number{0, a * b};
  if (op == "Div") return Number{0, a / b};
  if (op == "Pow") return Number{0, std::pow(a, b)};
  if (op == "Max") return Number{0, std::max(a, b)};
  if (op == "Min") return Number{0, std::min(a, b)};
  if (op == "Equal") return Number{a == b ? 1 : 0, 0};
  if (op == "Less") return Number{a < b ? 1 : 0, 0};
  if (op == "Greater") return Number{a > b ? 1 : 0, 0};
  if (op == "LessOrEqual") return Number{a <= b ? 1 : 0, 0};
  if (op == "GreaterOrEqual") return Number{a >= b ? 1 : 0, 0};
  return std::nullopt;
}

std::optional<Number> whole_binary(const std::string& op, const Whole& a, const Whole& b) {
  const bool numbers = a.is_number() && b.is_number();
  const std::int64_t x = a.number().value_or(0), y = b.number().value_or(0);
  if (op == "Add") return Number{a + b, 0};
  if (op == "Sub") return Number{a - b, 0};
  if (op == "Mul") return Number{a * b, 0};
  if (op == "Max") return Number{Whole::combine('>', a, b), 0};
  if (op == "Min") return Number{Whole::combine('<', a, b), 0};
  if (op == "Div") {
    // ONNX truncates; extents are not negative, so that floor is the same for them.
    if (numbers) return y == 0 || y == -1 ? std::nullopt : std::optional(Number{x / y, 0});
    return y > 0 && !a.is_number() ? std::optional(Number{Whole::combine('/', a, b), 0})
                                   : std::nullopt;
  }
  if (op == "Equal" && a.same(b)) return Number{1, 0};
  // An extent is never negative.
  if (op == "Equal" && ((a.is_number() && x < 0) != (b.is_number() && y < 0)) && !numbers)
    return Number{0, 0};
  if (!numbers) return std::nullopt;
  if (op == "Mod" && y > 0) return Number{Whole::combine('%', a, b), 0};
  if (op == "Equal") return Number{x == y ? 1 : 0, 0};
  if (op == "Less") return Number{x < y ? 1 : 0, 0};
  if (op == "Greater") return Number{x > y ? 1 : 0, 0};
  if (op == "LessOrEqual") return Number{x <= y ? 1 : 0, 0};
  if (op == "GreaterOrEqual") return Number{x >= y ? 1 : 0, 0};
  if (op == "And") return Number{x != 0 && y != 0 ? 1 : 0, 0};
  if (op == "Or") return Number{x != 0 || y != 0 ? 1 : 0, 0};
  return std::nullopt;
}

// Only the types whose arithmetic is that of Whole and double.
bool is_plain(Element type) {
  return type == Element::kInt64 || type == Element::kInt32 || type == Element::kBool ||
         type == Element::kFloat || type == Element::kDouble;
}

Maybe fold_binary(Op& op) {
  if (op.num_inputs() != 2) return std::nullopt;
  const Known &a = *op.known(0), &b = *op.known(1);
  if (a.type != b.type || !is_plain(a.type)) return std::nullopt;
  const std::optional<Dims> dims = broadcast_dims(a.dims, b.dims);
  if (!dims) return std::nullopt;
  static const std::map<std::string, int> kCompare = {
      {"Equal", 0}, {"Less", 0}, {"Greater", 0}, {"LessOrEqual", 0}, {"GreaterOrEqual", 0}};
  Known out{kCompare.contains(op.type()) ? Element::kBool : a.type, *dims, {}};
  for (std::int64_t i = 0; i < num_elements(*dims); ++i) {
    const Number &x = a.values[broadcast_index(a.dims, *dims, i)],
                 &y = b.values[broadcast_index(b.dims, *dims, i)];
    std::optional<Number> value = is_real(a.type) ? real_binary(op.type(), x.real, y.real)
                                                  : whole_binary(op.type(), x.whole, y.whole);
    if (!value) return std::nullopt;
    if (is_real(out.type)) value->real = rounded(out.type, value->real);
    out.values.push_back(std::move(*value));
  }
  return out;
}

Maybe fold_unary(Op& op) {
  Known out = *op.known(0);
  if (!is_plain(out.type)) return std::nullopt;
  const std::string& type = op.type();
  for (Number& n : out.values) {
    if (type == "Neg") {
      n = {Whole(0) - n.whole, -n.real};
    } else if (type == "Not") {
      if (!n.whole.is_number()) return std::nullopt;
      n.whole = n.whole.number() == 0 ? 1 : 0;
    } else if (!is_real(out.type)) {
      return std::nullopt;
    } else {
      const double x = n.real;
      n.real = rounded(out.type, type == "Floor"        ? std::floor(x)
                                 : type == "Ceil"       ? std::ceil(x)
                                 : type == "Round"      ? std::nearbyint(x)
                                 : type == "Sqrt"       ? std::sqrt(x)
                                 : type == "Reciprocal" ? 1 / x
                                                        : std::abs(x));
    }
  }
  return out;
}

// Whole-number targets that all values fit.
Maybe fold_cast(Op& op) {
  const Known& x = *op.known(0);
  const auto to =
      op.type() == "CastLike" ? op.element(1) : static_cast<Element>(op.attr_i("to", 0));
  if (!is_plain(to) || !is_plain(x.type)) return std::nullopt;
  Known out{to, x.dims, {}};
  for (const Number& n : x.values) {
    if (is_real(x.type) == is_real(to) && to != Element::kBool) {
      const auto number = n.whole.number();
      if (to == Element::kInt32 && number && *number != static_cast<std::int32_t>(*number))
        return std::nullopt;
      out.values.push_back({n.whole, is_real(to) ? rounded(to, n.real) : 0});
    } else if (is_real(to)) {
      if (!n.whole.is_number()) return std::nullopt;
      out.values.push_back({0, rounded(to, static_cast<double>(*n.whole.number()))});
    } else if (to == Element::kBool) {
      if (!is_real(x.type) && !n.whole.is_number()) return std::nullopt;
      out.values.push_back({(is_real(x.type) ? n.real != 0 : n.whole.number() != 0) ? 1 : 0, 0});
    } else {
      if (!(std::abs(n.real) < 2e9)) return std::nullopt;
      out.values.push_back({static_cast<std::int64_t>(n.real), 0});
    }
  }
  return out;
}

Maybe fold_where(Op& op) {
  const Known &c = *op.known(0), &a = *op.known(1), &b = *op.known(2);
  if (a.type != b.type || !c.all_numbers()) return std::nullopt;
  const auto branches = broadcast_dims(a.dims, b.dims);
  const auto dims = branches ? broadcast_dims(c.dims, *branches) : std::nullopt;
  if (!dims) return std::nullopt;
  Known out{a.type, *dims, {}};
  for (std::int64_t i = 0; i < num_elements(*dims); ++i) {
    const bool yes = c.values[broadcast_index(c.dims, *dims, i)].whole.number() != 0;
    const Known& from = yes ? a : b;
    out.values.push_back(from.values[broadcast_index(from.dims, *dims, i)]);
  }
  return out;
}

Maybe fold_reduce(Op& op) {
  const Known& x = *op.known(0);
  const bool later = op.num_inputs() > 1;
  if (!is_plain(x.type) || later || x.dims.size() != 1 || x.values.empty()) return std::nullopt;
  if (op.has_attr("axes") && op.attr_ints("axes") != Dims{0}) return std::nullopt;
  static const std::map<std::string, const char*> kStep = {
      {"ReduceProd", "Mul"}, {"ReduceSum", "Add"}, {"ReduceMax", "Max"}, {"ReduceMin", "Min"}};
  Known out{x.type, {}, {x.values[0]}};
  for (std::size_t i = 1; i < x.values.size(); ++i) {
    const std::string step = kStep.at(op.type());
    const auto next = is_real(x.type) ? real_binary(step, out.values[0].real, x.values[i].real)
                                      : whole_binary(step, out.values[0].whole, x.values[i].whole);
    if (!next) return std::nullopt;
    out.values[0] = *next;
  }
  if (op.attr_i("keepdims", 1) != 0) out.dims = {1};
  return out;
}

using Fold = Maybe (*)(Op&);
const std::map<std::string, Fold>& folds() {
  static const std::map<std::string, Fold> kFolds = {{"Add", fold_binary},
                                                     {"Sub", fold_binary},
                                                     {"Mul", fold_binary},
                                                     {"Div", fold_binary},
                                                     {"Pow", fold_binary},
                                                     {"Max", fold_binary},
                                                     {"Min", fold_binary},
                                                     {"Mod", fold_binary},
                                                     {"Equal", fold_binary},
                                                     {"Less", fold_binary},
                                                     {"Greater", fold_binary},
                                                     {"LessOrEqual", fold_binary},
                                                     {"GreaterOrEqual", fold_binary},
                                                     {"And", fold_binary},
                                                     {"Or", fold_binary},
                                                     {"Neg", fold_unary},
                                                     {"Abs", fold_unary},
                                                     {"Not", fold_unary},
                                                     {"Floor", fold_unary},
                                                     {"Ceil", fold_unary},
                                                     {"Round", fold_unary},
                                                     {"Sqrt", fold_unary},
                                                     {"Reciprocal", fold_unary},
                                                     {"Cast", fold_cast},
                                                     {"CastLike", fold_cast},
                                                     {"Where", fold_where},
                                                     {"ReduceProd", fold_reduce},
                                                     {"ReduceSum", fold_reduce},
                                                     {"ReduceMax", fold_reduce},
                                                     {"ReduceMin", fold_reduce},
                                                     {"Gather", fold_gather},
                                                     {"Concat", fold_concat},
                                                     {"Slice", fold_slice},
                                                     {"Squeeze", fold_reshape},
                                                     {"Unsqueeze", fold_reshape},
                                                     {"Reshape", fold_reshape},
                                                     {"Flatten", fold_reshape},
                                                     {"Transpose", fold_transpose},
                                                     {"Range", fold_range},
                                                     {"ConstantOfShape", fold_constant_of_shape},
                                                     {"Expand", fold_expand},
                                                     {"Tile", fold_tile},
                                                     {"NonZero", fold_non_zero}};
  return kFolds;
}

}  // namespace

bool fold_known(Op& op) {
  const auto found = folds().find(op.type());
  if (found == folds().end() || op.num_outputs() != 1 || op.num_inputs() == 0) return false;
  for (std::size_t i = 0; i < op.num_inputs(); ++i)
    if (op.has(i) && !op.known(i)) return false;
  if (!op.has(0)) return false;
  Maybe made = found->second(op);
  if (op.failed()) return true;
  if (!made) return false;
  op.set(0, Item::of(std::move(*made)));
  return true;
}

}  // namespace antiphon::onnx
