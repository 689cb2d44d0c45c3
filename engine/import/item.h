// What a name of an ONNX graph stands for while it is imported.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "engine/import/element.h"
#include "engine/import/whole.h"

namespace antiphon::onnx {

using Dims = std::vector<std::int64_t>;

// Larger tensors are constants of the graph, but not worked on at import.
constexpr std::int64_t kMaxKnown = 8192;

std::int64_t num_elements(const Dims& dims);

// One element of a small tensor.
struct Number {
  Whole whole;      // whole numbers and truth values
  double real = 0;  // the rest
};

// A small tensor whose elements are known at import, or are expressions over extents. Shapes are
// computed with these.
struct Known {
  Element type = Element::kInt64;
  Dims dims;
  std::vector<Number> values;

  bool all_numbers() const;  // no expressions
  double as_real(std::size_t i) const;
};

// A constant tensor: the engine's bytes for it.
struct Constant {
  Element type = Element::kFloat;
  Dims dims;
  std::shared_ptr<const void> owner;
  const void* data = nullptr;  // 64-byte aligned, in the storage type
  std::size_t bytes = 0;
};

struct Item {
  enum class Kind : std::uint8_t {
    kAbsent,    // an optional input that is not there; an empty optional
    kValue,     // computed at run time
    kConstant,  // `constant`, and `known` too where it is small
    kKnown,     // `known`
    kSequence,  // `items`
    kFailed     // made by a node that could not be imported: said once, not again
  };
  Kind kind = Kind::kAbsent;
  Element type = Element::kFloat;
  ValueRef value;
  std::shared_ptr<const Constant> constant;
  std::shared_ptr<const Known> known;
  std::vector<Item> items;
  // Where a constant or known tensor already stands in the graph, by scope.
  std::shared_ptr<std::map<int, ir::ValueId>> made = std::make_shared<std::map<int, ir::ValueId>>();

  static Item of(ValueRef value, Element type);
  static Item of(Known known);
  static Item of(std::shared_ptr<const Constant> constant);
  bool present() const { return kind != Kind::kAbsent; }
};

}  // namespace antiphon::onnx
