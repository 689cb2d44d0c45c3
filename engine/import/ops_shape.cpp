// Operators on shapes: what reads them, and what gives a tensor another.
#include <algorithm>

#include "engine/import/onnx.pb.h"
#include "engine/import/op.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {
namespace {

Item list_item(const Wholes& wholes, Element type = Element::kInt64) {
  Known known{type, {static_cast<std::int64_t>(wholes.size())}, {}};
  for (const Whole& w : wholes) known.values.push_back({w, 0});
  return Item::of(std::move(known));
}

// Extents of an input without putting constants into the graph.
Wholes extents_of(Op& op, std::size_t i) {
  const Item& item = op.item(i);
  const Dims* dims = item.known      ? &item.known->dims
                     : item.constant ? &item.constant->dims
                                     : nullptr;
  if (dims) return {dims->begin(), dims->end()};
  return op.extents(op.value(i));
}

Whole product(const Wholes& wholes, std::size_t from = 0) {
  Whole out = 1;
  for (std::size_t i = from; i < wholes.size(); ++i) out = out * wholes[i];
  return out;
}

}  // namespace

void lower_shape(Op& op) {
  const Wholes all = extents_of(op, 0);
  const auto rank = static_cast<std::int64_t>(all.size());
  const auto clamp = [&](std::int64_t i) {
    return std::min(std::max<std::int64_t>(i < 0 ? i + rank : i, 0), rank);
  };
  const std::int64_t begin = clamp(op.attr_i("start", 0));
  const std::int64_t end = clamp(op.attr_i("end", rank));
  Wholes part;
  for (std::int64_t i = begin; i < end; ++i) part.push_back(all[static_cast<std::size_t>(i)]);
  op.set(0, list_item(part));
}

void lower_size(Op& op) {
  Known known{Element::kInt64, {}, {{product(extents_of(op, 0)), 0}}};
  op.set(0, Item::of(std::move(known)));
}

void lower_reshape(Op& op) {
  const ValueRef x = op.value(0);
  const Wholes given = op.wholes(1, "shape");
  if (op.failed()) return;
  const bool zero_is_zero = op.attr_i("allowzero", 0) != 0;
  const Wholes from = op.extents(x);
  Wholes dims;
  std::optional<std::size_t> inferred;
  for (std::size_t i = 0; i < given.size(); ++i) {
    if (given[i].number() == 0 && !zero_is_zero) {
      if (i >= from.size())
        return op.invalid("shape: 0 keeps axis " + std::to_string(i) + " of " +
                          std::to_string(from.size()));
      dims.push_back(from[i]);
    } else if (given[i].number() == -1) {
      if (inferred) return op.invalid("shape: more than one -1");
      inferred = i;
      dims.emplace_back(1);
    } else {
      dims.push_back(given[i]);
    }
  }
  if (inferred) {
    // What is left after the extents that both sides have.
    Wholes above = from, below;
    for (std::size_t i = 0; i < dims.size(); ++i) {
      if (i == *inferred) continue;
      bool cancelled = false;
      for (std::size_t k = 0; k < above.size() && !cancelled; ++k) {
        if (!above[k].same(dims[i]) || dims[i].number() == 0) continue;
        above.erase(above.begin() + static_cast<std::ptrdiff_t>(k));
        cancelled = true;
      }
      if (!cancelled) below.push_back(dims[i]);
    }
    const Whole divisor = product(below);
    if (divisor.number() == 0) return op.invalid("shape: -1 cannot be inferred beside a 0");
    const Whole total = product(above);
    if (total.number() && divisor.number() && *total.number() % *divisor.number() != 0)
      return op.invalid("shape: the elements do not divide into it");
    dims[*inferred] = Whole::combine('/', total, divisor);
  }
  op.set(op.reshape(x, dims));
}

void lower_flatten(Op& op) {
  const ValueRef x = op.value(0);
  const std::int64_t rank = op.rank(x), given = op.attr_i("axis", 1);
  if (given < -rank || given > rank)
    return op.invalid("axis " + std::to_string(given) + " of " + std::to_string(rank) + " axes");
  const std::int64_t axis = given < 0 ? given + rank : given;
  Whole before = 1, after = 1;
  for (std::int64_t i = 0; i < rank; ++i) {
    Whole& part = i < axis ? before : after;
    part = part * op.extent(x, i);
  }
  op.set(op.reshape(x, {before, after}));
}

void lower_squeeze(Op& op) {
  const ValueRef x = op.value(0);
  const std::optional<Dims> axes = op.ints_of("axes", 1, 13);
  const Wholes from = op.extents(x);
  if (op.failed()) return;
  std::vector<bool> drop(from.size(), false);
  if (axes) {
    for (const std::int64_t given : *axes) {
      const auto axis = op.axis(given, static_cast<std::int64_t>(from.size()));
      if (op.failed()) return;
      drop[static_cast<std::size_t>(axis)] = true;
    }
  } else {
    for (std::size_t i = 0; i < from.size(); ++i) drop[i] = from[i].number() == 1;
  }
  Wholes dims;
  for (std::size_t i = 0; i < from.size(); ++i) {
    if (!drop[i])
      dims.push_back(from[i]);
    else if (from[i].number() && *from[i].number() != 1)
      return op.invalid("axes: axis " + std::to_string(i) + " has " +
                        std::to_string(*from[i].number()) + ", wanted 1");
  }
  op.set(op.reshape(x, dims));
}

void lower_unsqueeze(Op& op) {
  const ValueRef x = op.value(0);
  const std::optional<Dims> axes = op.ints_of("axes", 1, 13);
  if (!axes) return op.invalid("axes are absent");
  const Wholes from = op.extents(x);
  const std::size_t rank = from.size() + axes->size();
  std::vector<bool> added(rank, false);
  for (const std::int64_t given : *axes) {
    const auto axis = static_cast<std::size_t>(op.axis(given, static_cast<std::int64_t>(rank)));
    if (op.failed()) return;
    if (added[axis]) return op.invalid("axes: one is named twice");
    added[axis] = true;
  }
  Wholes dims;
  std::size_t next = 0;
  for (std::size_t i = 0; i < rank; ++i) dims.push_back(added[i] ? Whole(1) : from[next++]);
  op.set(op.reshape(x, dims));
}

void lower_transpose(Op& op) {
  const ValueRef x = op.value(0);
  Dims order = op.attr_ints("perm");
  if (!op.has_attr("perm"))
    for (int i = op.rank(x); i-- > 0;) order.push_back(i);
  op.set(op.transpose(x, std::move(order)));
}

void lower_expand(Op& op) { op.set(op.expand(op.value(0), op.wholes(1, "shape"))); }

void lower_constant_of_shape(Op& op) {
  const Wholes dims = op.wholes(0, "shape");
  ValueRef value;
  Element type = Element::kFloat;
  if (const auto* tensor = op.attr("value")) {
    const auto constant = op.constant(tensor->t());
    if (!constant) return;
    type = constant->type;
    value = op.reshape(op.to_value(Item::of(constant)), {});
  } else {
    value = op.number(DType::kF32, 0);
  }
  op.set(0, op.expand(value, dims), type);
}

void lower_range(Op& op) {
  const Element type = op.element(0);
  if (is_real(type)) return op.unsupported("a range of real numbers must be a constant");
  const Wholes start = op.wholes(0, "start"), limit = op.wholes(1, "limit");
  const Wholes delta = op.wholes(2, "delta");
  if (op.failed() || start.size() != 1 || limit.size() != 1 || delta.size() != 1) return;
  const std::optional<std::int64_t> step = delta[0].number();
  if (!step || *step == 0) return op.unsupported("delta must be a constant other than 0");
  // ceil((limit - start) / step), not below 0
  const Whole span = *step > 0 ? limit[0] - start[0] : start[0] - limit[0];
  const std::int64_t stride = *step > 0 ? *step : -*step;
  const Whole count =
      Whole::combine('>', Whole::combine('/', span + (stride - 1), Whole(stride)), 0);
  std::vector<ValueRef> like;
  const std::string text =
      start[0].text(like) + "," + count.text(like) + "," + std::to_string(*step);
  const DType dtype = *storage_of(type);
  const ValueRef out = op.node(
      ir::kOpRange, like, {{"extents", text}, {"dtype", static_cast<std::int64_t>(DType::kI64)}});
  op.set(0, op.cast(out, dtype), type);
}

void lower_eye_like(Op& op) {
  const Wholes dims = extents_of(op, 0);
  if (dims.size() != 2) return op.invalid("wanted two axes, got " + std::to_string(dims.size()));
  const auto type =
      static_cast<Element>(op.attr_i("dtype", static_cast<std::int64_t>(op.element(0))));
  const std::optional<DType> dtype = storage_of(type);
  if (!dtype) return op.unsupported("dtype " + element_name(static_cast<int>(type)));
  const auto steps = [&](const Whole& count) {
    std::vector<ValueRef> like;
    const std::string text = "0," + count.text(like) + ",1";
    return op.node(ir::kOpRange, like,
                   {{"extents", text}, {"dtype", static_cast<std::int64_t>(DType::kI64)}});
  };
  const ValueRef rows = op.reshape(steps(dims[0]), {dims[0], Whole(1)});
  const ValueRef shifted = op.binary(Binary::kAdd, rows, static_cast<double>(op.attr_i("k", 0)));
  op.set(0, op.cast(op.binary(Binary::kEqual, shifted, steps(dims[1])), *dtype), type);
}

}  // namespace antiphon::onnx
