// Sequences and optional values: lists that are known at import, of tensors that need not be.
#include <algorithm>

#include "engine/import/importer.h"
#include "engine/import/onnx.pb.h"
#include "engine/import/op.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {
namespace {

bool want_sequence(Op& op, std::size_t i) {
  if (op.item(i).kind == Item::Kind::kSequence) return true;
  op.invalid("input " + std::to_string(i) + ": wanted a sequence");
  return false;
}

Item sequence(std::vector<Item> items) {
  Item out;
  out.kind = Item::Kind::kSequence;
  out.items = std::move(items);
  return out;
}

// A position 0..count (or 0..count - 1), counted from the end when negative.
std::optional<std::size_t> position(Op& op, std::size_t input, std::size_t count, bool behind) {
  const Dims given = op.ints(input, "position");
  if (op.failed() || given.size() != 1) return std::nullopt;
  const auto n = static_cast<std::int64_t>(count);
  const std::int64_t at = given[0] < 0 ? given[0] + n : given[0];
  if (at >= 0 && at < n + (behind ? 1 : 0)) return static_cast<std::size_t>(at);
  op.invalid("position " + std::to_string(given[0]) + " of a sequence of " + std::to_string(n));
  return std::nullopt;
}

}  // namespace

void lower_sequence_construct(Op& op) {
  std::vector<Item> items;
  for (std::size_t i = 0; i < op.num_inputs(); ++i) items.push_back(op.item(i));
  op.set(0, sequence(std::move(items)));
}

void lower_sequence_empty(Op& op) { op.set(0, sequence({})); }

void lower_sequence_at(Op& op) {
  if (!want_sequence(op, 0)) return;
  const auto at = position(op, 1, op.item(0).items.size(), false);
  if (at) op.set(0, op.item(0).items[*at]);
}

void lower_sequence_length(Op& op) {
  if (!want_sequence(op, 0)) return;
  const auto count = static_cast<std::int64_t>(op.item(0).items.size());
  op.set(0, Item::of(Known{Element::kInt64, {}, {{count, 0}}}));
}

void lower_sequence_insert(Op& op) {
  if (!want_sequence(op, 0)) return;
  std::vector<Item> items = op.item(0).items;
  const auto at = op.has(2) ? position(op, 2, items.size(), true) : items.size();
  if (!at) return;
  items.insert(items.begin() + static_cast<std::ptrdiff_t>(*at), op.item(1));
  op.set(0, sequence(std::move(items)));
}

void lower_sequence_erase(Op& op) {
  if (!want_sequence(op, 0)) return;
  std::vector<Item> items = op.item(0).items;
  if (items.empty()) return op.invalid("the sequence is empty");
  const auto at = op.has(1) ? position(op, 1, items.size(), false) : items.size() - 1;
  if (!at) return;
  items.erase(items.begin() + static_cast<std::ptrdiff_t>(*at));
  op.set(0, sequence(std::move(items)));
}

void lower_split_to_sequence(Op& op) {
  const ValueRef x = op.value(0);
  const std::int64_t axis = op.axis(op.attr_i("axis", 0), op.rank(x));
  const auto extent = op.extent(x, axis).number();
  if (op.failed()) return;
  if (!extent) return op.unsupported("the axis has no fixed extent");
  Dims widths;
  const bool list = op.has(1) && op.known(1) && !op.known(1)->dims.empty();
  const Dims given = op.has(1) ? op.ints(1, "split") : Dims{1};
  if (op.failed()) return;
  if (list) {
    widths = given;
  } else {
    if (given.size() != 1 || given[0] < 1) return op.invalid("split: wanted 1 or more");
    for (std::int64_t done = 0; done < *extent; done += given[0])
      widths.push_back(std::min(given[0], *extent - done));
  }
  if (!op.importer().spend(widths.size())) return;
  std::vector<Item> items;
  std::int64_t begin = 0;
  const bool drop = !op.has(1) && op.attr_i("keepdims", 1) == 0;
  for (const std::int64_t width : widths) {
    ValueRef part = op.slice(x, axis, begin, begin + width);
    if (drop) {
      Wholes dims = op.extents(part);
      dims.erase(dims.begin() + axis);
      part = op.reshape(part, dims);
    }
    items.push_back(Item::of(part, op.element(0)));
    begin += width;
  }
  op.set(0, sequence(std::move(items)));
}

void lower_concat_from_sequence(Op& op) {
  if (!want_sequence(op, 0)) return;
  const bool fresh = op.attr_i("new_axis", 0) != 0;
  std::vector<ValueRef> parts;
  const std::vector<Item>& items = op.item(0).items;
  if (items.empty()) return op.invalid("the sequence is empty");
  std::int64_t axis = 0;
  for (const Item& item : items) {
    ValueRef x = op.to_value(item);
    axis = op.axis(op.attr_i("axis", 0), op.rank(x) + (fresh ? 1 : 0));
    if (op.failed()) return;
    if (fresh) {
      Wholes dims = op.extents(x);
      dims.insert(dims.begin() + axis, Whole(1));
      x = op.reshape(x, dims);
    }
    parts.push_back(x);
  }
  op.set(0, op.concat(parts, axis), items[0].type);
}

void lower_sequence_map(Op& op) {
  const auto* body = op.attr("body");
  if (!body || !body->has_g()) return op.invalid("body is absent");
  if (!want_sequence(op, 0)) return;
  const std::size_t count = op.item(0).items.size();
  std::vector<std::vector<Item>> outputs(op.num_outputs());
  for (std::size_t k = 0; k < count; ++k) {
    std::vector<Item> inputs;
    for (std::size_t i = 0; i < op.num_inputs(); ++i) {
      const Item& item = op.item(i);
      const bool list = item.kind == Item::Kind::kSequence;
      if (list && item.items.size() != count) return op.invalid("sequences of different lengths");
      inputs.push_back(list ? item.items[k] : item);
    }
    const auto out = op.importer().run_subgraph(body->g(), op.frame(), inputs, "body");
    if (op.failed()) return;
    for (std::size_t i = 0; i < outputs.size() && i < out.size(); ++i) outputs[i].push_back(out[i]);
  }
  for (std::size_t i = 0; i < outputs.size(); ++i) op.set(i, sequence(std::move(outputs[i])));
}

void lower_optional(Op& op) {
  if (op.has(0)) op.set(0, op.item(0));
}

void lower_optional_has_element(Op& op) {
  op.set(0, Item::of(Known{Element::kBool, {}, {{op.has(0) ? 1 : 0, 0}}}));
}

void lower_optional_get_element(Op& op) {
  if (!op.has(0)) return op.invalid("the optional value is empty");
  op.set(0, op.item(0));
}

}  // namespace antiphon::onnx
