// Arithmetic on extents.
#include "engine/ir/dims.h"

#include <algorithm>
#include <cctype>
#include <charconv>
#include <cstddef>

namespace antiphon::ir {
namespace {

constexpr std::int64_t kHuge = std::int64_t{1} << 60;  // refused wherever memory is planned

std::int64_t limit(std::int64_t value) { return std::clamp(value, -kHuge, kHuge); }
std::int64_t saturated_product(std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  if (__builtin_mul_overflow(a, b, &out)) return (a < 0) == (b < 0) ? kHuge : -kHuge;
  return limit(out);
}
std::int64_t saturated_sum(std::int64_t a, std::int64_t b) { return limit(limit(a) + limit(b)); }
std::int64_t floor_div(std::int64_t a, std::int64_t b) {
  return a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
}

// factor * name + offset; no name: a number.
struct Affine {
  bool known = false;
  std::int64_t factor = 0;
  std::string name;
  std::int64_t offset = 0;
};

std::int64_t to_number(std::string_view text) {
  if (!text.empty() && text[0] == '+') text.remove_prefix(1);
  std::int64_t out = 0;
  std::from_chars(text.data(), text.data() + text.size(), out);
  return out;
}

Affine parse(const Dim& dim) {
  if (dim.is_static()) return {true, 0, {}, dim.extent};
  if (dim.symbol.empty()) return {};
  std::string_view text = dim.symbol;
  Affine out{true, 1, {}, 0};
  if (const std::size_t star = text.find('*'); star != std::string_view::npos) {
    out.factor = to_number(text.substr(0, star));
    text.remove_prefix(star + 1);
  }
  const std::size_t sign = text.find_first_of("+-");
  if (sign != std::string_view::npos) out.offset = to_number(text.substr(sign));
  out.name = std::string(text.substr(0, sign));
  return out;
}

Dim write(const Affine& a) {
  if (!a.known) return {};
  if (a.factor == 0) return Dim(std::max<std::int64_t>(a.offset, 0));
  std::string text = a.factor == 1 ? a.name : std::to_string(a.factor) + "*" + a.name;
  if (a.offset != 0) text += (a.offset > 0 ? "+" : "") + std::to_string(a.offset);
  return Dim(std::move(text));
}

// Both are the same extent or do not broadcast: `part` is the smaller of `whole` and two or more.
bool is_smaller_of(const Dim& part, const Dim& whole) {
  const std::size_t name = whole.symbol.size();
  if (!valid_symbol(whole.symbol) || part.symbol.size() <= name || part.symbol[name] != '<')
    return false;
  return part.symbol.starts_with(whole.symbol) &&
         part.symbol.find_first_of("+-") == std::string::npos &&
         to_number(std::string_view(part.symbol).substr(name + 1)) > 1;
}

}  // namespace

bool is_unknown(const Dim& dim) { return !dim.is_static() && dim.symbol.empty(); }

bool same_extent(const Dim& a, const Dim& b) { return a == b && !is_unknown(a); }

bool same_shape(const Shape& a, const Shape& b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(), same_extent);
}

bool compatible(const Dim& a, const Dim& b) {
  return !a.is_static() || !b.is_static() || a.extent == b.extent;
}

const Dim& more_specific(const Dim& a, const Dim& b) {
  if (a.is_static()) return a;
  if (b.is_static()) return b;
  return a.symbol.empty() ? b : a;
}

Dim dim_sum(const Dim& a, const Dim& b) {
  Affine x = parse(a), y = parse(b);
  if (!x.known || !y.known) return {};
  if (x.factor != 0 && y.factor != 0 && x.name != y.name) return {};
  if (x.factor == 0) x.name = y.name;
  x.factor = saturated_sum(x.factor, y.factor);
  x.offset = saturated_sum(x.offset, y.offset);
  return write(x);
}

Dim dim_plus(const Dim& a, std::int64_t offset) {
  Affine x = parse(a);
  x.offset = saturated_sum(x.offset, offset);
  return write(x);
}

Dim dim_times(const Dim& a, std::int64_t factor) {
  Affine x = parse(a);
  x.factor = saturated_product(x.factor, factor);
  x.offset = saturated_product(x.offset, factor);
  return write(x);
}

Dim dim_smaller(const Dim& a, std::int64_t most) {
  if (a.is_static()) return Dim(std::min(a.extent, most));
  if (!valid_symbol(a.symbol)) return {};
  std::string text = a.symbol;
  text += '<';
  return Dim(text += std::to_string(most));
}

Dim dim_of_its_own(int number) {
  std::string text = "?";
  return Dim(text += std::to_string(number));
}

bool is_its_own(const Dim& dim) { return dim.symbol.find('?') != std::string::npos; }

Dim dim_windows(const Dim& a, std::int64_t span, std::int64_t stride) {
  Affine x = parse(a);
  if (stride < 1 || x.factor % stride != 0) return {};
  x.factor /= stride;
  x.offset = floor_div(saturated_sum(x.offset, -span), stride) + 1;
  return write(x);
}

Factored factor_of(const Dim& dim) {
  const Affine x = parse(dim);
  if (x.offset != 0) return {1, dim.symbol};
  return {x.factor, x.name};
}

Result<Shape> broadcast(const Shape& a, const Shape& b) {
  const Shape& longer = a.size() >= b.size() ? a : b;
  const Shape& shorter = a.size() >= b.size() ? b : a;
  Shape out = longer;
  const std::size_t skip = longer.size() - shorter.size();
  for (std::size_t i = 0; i < shorter.size(); ++i) {
    const Dim& x = longer[skip + i];
    const Dim& y = shorter[i];
    if (x == y) continue;
    if (y == Dim(1)) continue;
    if (x == Dim(1)) {
      out[skip + i] = y;
    } else if (x.is_static() && y.is_static()) {
      return invalid_argument(shape_text(a) + " and " + shape_text(b) + " do not broadcast");
    } else if (x.is_static() || y.is_static()) {
      out[skip + i] = x.is_static() ? x : y;
    } else if (is_smaller_of(x, y) || is_smaller_of(y, x)) {
      out[skip + i] = is_smaller_of(x, y) ? y : x;
    } else {
      out[skip + i] = Dim{};
    }
  }
  return out;
}

std::string dim_text(const Dim& dim) {
  if (dim.is_static()) return std::to_string(dim.extent);
  return dim.symbol.empty() ? "?" : dim.symbol;
}

std::string shape_text(const Shape& shape) {
  std::string out = "[";
  for (std::size_t i = 0; i < shape.size(); ++i) out += (i ? ", " : "") + dim_text(shape[i]);
  return out + "]";
}

bool valid_symbol(const std::string& name) {
  const auto letter = [](unsigned char c) { return std::isalnum(c) != 0 || c == '_'; };
  return !name.empty() && std::isdigit(static_cast<unsigned char>(name[0])) == 0 &&
         std::all_of(name.begin(), name.end(), letter);
}

}  // namespace antiphon::ir
