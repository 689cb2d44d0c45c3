// Expressions with constants folded and the commonest identities used.
#include "engine/import/whole.h"

#include <algorithm>

namespace antiphon::onnx {

struct Whole::Node {
  char op = 'x';  // 'x': an extent; '?': too long to be kept
  ValueRef value;
  int axis = 0;
  Whole a, b;
  int terms = 1;
};

namespace {

// Above it an expression is forgotten: shared parts would make its text grow without bound.
constexpr int kMaxKept = 256;
constexpr int kTooLong = 1 << 20;

std::int64_t folded(char op, std::int64_t a, std::int64_t b) {
  const auto ua = static_cast<std::uint64_t>(a), ub = static_cast<std::uint64_t>(b);
  switch (op) {
    case '+': return static_cast<std::int64_t>(ua + ub);
    case '-': return static_cast<std::int64_t>(ua - ub);
    case '*': return static_cast<std::int64_t>(ua * ub);
    case '/':
    case '%': {
      if (b == 0) return 0;
      if (b == -1) return op == '/' ? static_cast<std::int64_t>(0 - ua) : 0;
      const std::int64_t quotient = a / b - ((a % b != 0 && (a < 0) != (b < 0)) ? 1 : 0);
      return op == '/' ? quotient : a - quotient * b;
    }
    case '<': return std::min(a, b);
    default: return std::max(a, b);
  }
}

}  // namespace

Whole Whole::extent(ValueRef value, int axis) {
  auto node = std::make_shared<Node>();
  node->value = value;
  node->axis = axis;
  Whole out;
  out.node_ = std::move(node);
  return out;
}

std::optional<std::int64_t> Whole::number() const {
  return node_ ? std::nullopt : std::optional(number_);
}

int Whole::terms() const { return node_ ? node_->terms : 1; }

bool Whole::same(const Whole& other) const {
  if (!node_ || !other.node_) return !node_ && !other.node_ && number_ == other.number_;
  if (node_ == other.node_) return true;
  const Node &x = *node_, &y = *other.node_;
  if (x.op != y.op || x.terms != y.terms) return false;
  if (x.op == '?') return false;
  if (x.op == 'x') return x.value == y.value && x.axis == y.axis;
  return x.a.same(y.a) && x.b.same(y.b);
}

// The factors of a product that are no numbers, and the number that they are multiplied with.
struct Whole::Product {
  std::vector<Whole> factors;
  std::int64_t number = 1;

  void take(const Whole& whole) {
    if (!whole.node_) {
      number = folded('*', number, whole.number_);
    } else if (whole.node_->op == '*') {
      take(whole.node_->a);
      take(whole.node_->b);
    } else {
      factors.push_back(whole);
    }
  }
};

// a / b where each factor of b is one of a: extents that an exporter multiplies, and divides by.
std::optional<Whole> Whole::cancelled(const Whole& a, const Whole& b) {
  Product above, below;
  above.take(a);
  below.take(b);
  if (below.number < 1 || above.number % below.number != 0) return std::nullopt;
  for (const Whole& factor : below.factors) {
    const auto found = std::find_if(above.factors.begin(), above.factors.end(),
                                    [&](const Whole& other) { return other.same(factor); });
    if (found == above.factors.end()) return std::nullopt;
    above.factors.erase(found);
  }
  Whole out = 1;
  for (const Whole& factor : above.factors) out = out * factor;
  return out * (above.number / below.number);
}

Whole Whole::combine(char op, const Whole& a, const Whole& b) {
  if (!a.node_ && !b.node_) return folded(op, a.number_, b.number_);
  const auto is = [](const Whole& w, std::int64_t n) { return !w.node_ && w.number_ == n; };
  if (op == '+' && is(a, 0)) return b;
  if ((op == '+' || op == '-') && is(b, 0)) return a;
  if (op == '*' && (is(a, 0) || is(b, 0))) return 0;
  if (op == '*' && is(a, 1)) return b;
  if ((op == '*' || op == '/') && is(b, 1)) return a;
  if (op == '-' && a.same(b)) return 0;
  if ((op == '<' || op == '>') && a.same(b)) return a;
  // Extents are not negative.
  if (op == '>' && a.node_ && a.node_->op == 'x' && !b.node_ && b.number_ <= 0) return a;
  if (a.node_ && !b.node_ && !a.node_->b.node_) {
    const Node& inner = *a.node_;
    const std::int64_t outer = b.number_;
    if ((op == '+' || op == '-') && (inner.op == '+' || inner.op == '-')) {
      const std::int64_t kept = inner.op == '+' ? inner.b.number_ : folded('-', 0, inner.b.number_);
      return combine('+', inner.a, folded(op, kept, outer));
    }
    if (op == '*' && inner.op == '*')
      return combine('*', inner.a, folded('*', inner.b.number_, outer));
    if (op == '/' && inner.op == '*' && outer > 0 && inner.b.number_ % outer == 0)
      return combine('*', inner.a, inner.b.number_ / outer);
    if (op == '/' && inner.op == '/' && outer > 0 && inner.b.number_ > 0)
      return combine('/', inner.a, folded('*', inner.b.number_, outer));
  }
  if ((op == '+' || op == '*') && !a.node_) return combine(op, b, a);  // the number last
  if (op == '/' && a.node_ && a.node_->op == '*')
    if (std::optional<Whole> out = cancelled(a, b)) return *std::move(out);
  auto node = std::make_shared<Node>();
  node->op = op;
  node->terms = a.terms() + b.terms();
  if (node->terms > kMaxKept) {
    node->op = '?';
    node->terms = kTooLong;
  } else {
    node->a = a;
    node->b = b;
  }
  Whole out;
  out.node_ = std::move(node);
  return out;
}

std::string Whole::text(std::vector<ValueRef>& like) const {
  if (!node_) return std::to_string(number_);
  if (node_->op == '?') return "0";  // never built: see terms()
  if (node_->op != 'x') {
    const std::string left = node_->a.text(like);
    return left + " " + node_->b.text(like) + " " + node_->op;
  }
  const auto found = std::find(like.begin(), like.end(), node_->value);
  const auto index = found - like.begin();
  if (found == like.end()) like.push_back(node_->value);
  return std::to_string(index) + ":" + std::to_string(node_->axis);
}

}  // namespace antiphon::onnx
