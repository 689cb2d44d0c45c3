// Whole numbers at import: known, or an expression over extents of values that run time knows.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "engine/ir/graph.h"

namespace antiphon::onnx {

// A value of the graph that is being built, or of a loop body of it.
struct ValueRef {
  int scope = 0;
  ir::ValueId id = ir::kNoValue;
  bool valid() const { return id != ir::kNoValue; }
  bool operator==(const ValueRef&) const = default;
};

// Immutable; cheap to copy.
class Whole {
 public:
  Whole(std::int64_t number = 0) : number_(number) {}  // NOLINT: implicit on purpose
  static Whole extent(ValueRef value, int axis);

  std::optional<std::int64_t> number() const;
  bool is_number() const { return !node_; }
  // True when both are surely the same number.
  bool same(const Whole& other) const;

  // Floor division; the divisor must not be the number 0. '<' is the smaller, '>' the larger.
  static Whole combine(char op, const Whole& a, const Whole& b);
  friend Whole operator+(const Whole& a, const Whole& b) { return combine('+', a, b); }
  friend Whole operator-(const Whole& a, const Whole& b) { return combine('-', a, b); }
  friend Whole operator*(const Whole& a, const Whole& b) { return combine('*', a, b); }

  // As an expression of ir/extents.h; values that it reads are added to `like`.
  std::string text(std::vector<ValueRef>& like) const;
  // Terms of it; what is too large to stand in an attribute is not built.
  int terms() const;

 private:
  struct Node;
  struct Product;
  static std::optional<Whole> cancelled(const Whole& a, const Whole& b);
  std::int64_t number_ = 0;
  std::shared_ptr<const Node> node_;  // null: a number
};

}  // namespace antiphon::onnx
