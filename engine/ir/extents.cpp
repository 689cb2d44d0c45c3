// Evaluates expressions over extents with a stack; numbers saturate far above any real extent.
#include "engine/ir/extents.h"

#include <algorithm>
#include <charconv>
#include <limits>
#include <string>

#include "engine/ir/dims.h"

namespace antiphon::ir {
namespace {

constexpr std::int64_t kLimit = std::numeric_limits<std::int64_t>::max();

std::optional<std::int64_t> apply(char op, std::int64_t a, std::int64_t b) {
  std::int64_t out = 0;
  switch (op) {
    case '+': return __builtin_add_overflow(a, b, &out) ? (a < 0 ? -kLimit : kLimit) : out;
    case '-': return __builtin_sub_overflow(a, b, &out) ? (a < 0 ? -kLimit : kLimit) : out;
    case '*':
      return __builtin_mul_overflow(a, b, &out) ? ((a < 0) != (b < 0) ? -kLimit : kLimit) : out;
    case '/':
    case '%': {
      if (b == 0) return std::nullopt;
      if (b == -1) return op == '/' ? apply('-', 0, a) : 0;
      const std::int64_t quotient = a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
      return op == '/' ? quotient : a - quotient * b;
    }
    case '<': return std::min(a, b);
    default: return std::max(a, b);
  }
}

// What is known of a result that is not a number yet.
Dim symbolic(char op, const WholeNumber& a, const WholeNumber& b) {
  if (op == '+') {
    if (a.number) return dim_plus(b.dim, *a.number);
    return b.number ? dim_plus(a.dim, *b.number) : dim_sum(a.dim, b.dim);
  }
  if (op == '-' && b.number) return dim_plus(a.dim, -*b.number);
  if (op == '*' && a.number && *a.number >= 0) return dim_times(b.dim, *a.number);
  if (op == '*' && b.number && *b.number >= 0) return dim_times(a.dim, *b.number);
  if (op == '/' && b.number && *b.number > 0) return dim_windows(a.dim, *b.number, *b.number);
  return {};
}

template <typename T>
bool read(std::string_view text, T& out) {
  const auto result = std::from_chars(text.data(), text.data() + text.size(), out);
  return result.ec == std::errc() && result.ptr == text.data() + text.size();
}

Status malformed(std::string_view text) {
  return invalid_argument("extents: '" + std::string(text) + "' is not an expression");
}

Status push(std::string_view token, const ExtentSource& source, std::vector<WholeNumber>& stack) {
  WholeNumber value;
  const std::size_t colon = token.find(':');
  if (colon == std::string_view::npos) {
    std::int64_t number = 0;
    if (!read(token, number)) return malformed(token);
    value.number = number;
    if (number >= 0) value.dim = Dim(number);
  } else {
    std::size_t input = 0, axis = 0;
    if (!read(token.substr(0, colon), input) || !read(token.substr(colon + 1), axis))
      return malformed(token);
    const std::optional<Dim> dim = source(input, axis);
    if (!dim)
      return invalid_argument("extents: '" + std::string(token) +
                              "' names an axis that is not there");
    value.dim = *dim;
    if (dim->is_static()) value.number = dim->extent;
  }
  stack.push_back(std::move(value));
  return {};
}

Result<WholeNumber> evaluate(std::string_view text, const ExtentSource& source) {
  constexpr std::string_view kOperators = "+-*/%<>";
  std::vector<WholeNumber> stack;
  std::string_view rest = text;
  while (!rest.empty()) {
    const std::size_t space = rest.find(' ');
    const std::string_view token = rest.substr(0, space);
    rest = space == std::string_view::npos ? std::string_view() : rest.substr(space + 1);
    if (token.empty()) continue;
    if (token.size() != 1 || kOperators.find(token[0]) == std::string_view::npos) {
      ANTIPHON_RETURN_IF_ERROR(push(token, source, stack));
      continue;
    }
    if (stack.size() < 2) return malformed(text);
    const WholeNumber b = std::move(stack.back());
    stack.pop_back();
    WholeNumber& a = stack.back();
    WholeNumber out;
    if (a.number && b.number) {
      out.number = apply(token[0], *a.number, *b.number);
      if (!out.number) return invalid_argument("extents: division by zero");
      if (*out.number >= 0) out.dim = Dim(*out.number);
    } else {
      out.dim = symbolic(token[0], a, b);
      if (out.dim.is_static()) out.number = out.dim.extent;
    }
    a = std::move(out);
  }
  if (stack.size() != 1) return malformed(text);
  return std::move(stack.back());
}

}  // namespace

Result<std::vector<WholeNumber>> evaluate_extents(std::string_view text,
                                                  const ExtentSource& source) {
  std::vector<WholeNumber> out;
  while (!text.empty()) {
    const std::size_t comma = text.find(',');
    ANTIPHON_ASSIGN_OR_RETURN(WholeNumber value, evaluate(text.substr(0, comma), source));
    out.push_back(std::move(value));
    text = comma == std::string_view::npos ? std::string_view() : text.substr(comma + 1);
  }
  return out;
}

}  // namespace antiphon::ir
