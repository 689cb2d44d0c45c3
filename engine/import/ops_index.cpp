// Look-ups and scatters by index.
#include <algorithm>

#include "engine/import/op.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

// Ids of any whole-number type as i32 or i64.
ValueRef ids_of(Op& op, std::size_t i) {
  const ValueRef ids = op.value(i);
  const DType dtype = op.dtype(ids);
  return dtype == DType::kI32 || dtype == DType::kI64 ? ids : op.cast(ids, DType::kI64);
}

AttrList scatter_attrs(Op& op) {
  static constexpr const char* kNames[] = {"none", "add", "mul", "max", "min"};
  const std::string name = op.attr_s("reduction", "none");
  for (std::int64_t i = 0; i < 5; ++i)
    if (name == kNames[i]) return {{"op", i}};
  op.unsupported("reduction '" + name + "' is not supported");
  return {};
}

}  // namespace

void lower_gather(Op& op) {
  const ValueRef x = op.value(0);
  const Known* known = op.known(1);
  const std::int64_t axis = op.axis(op.attr_i("axis", 0), op.rank(x));
  // One number is a slice: what passes understand.
  if (!op.failed() && known && known->values.size() == 1 && known->values[0].whole.number()) {
    const Whole n = op.extent(x, axis);
    const std::int64_t given = *known->values[0].whole.number();
    if (n.number() && (given < -*n.number() || given >= *n.number()))
      return op.invalid("indices: " + std::to_string(given) + " of an axis of " +
                        std::to_string(*n.number()));
    const Whole at = given < 0 ? n + given : Whole(given);
    ValueRef y = op.slice(x, axis, at, at + 1);
    Wholes dims = op.extents(y);
    dims.erase(dims.begin() + axis);
    dims.insert(dims.begin() + axis, known->dims.begin(), known->dims.end());
    return op.set(op.reshape(y, dims));
  }
  op.set(op.node(ir::kOpGather, {x, ids_of(op, 1)}, {{"axis", axis}}));
}

void lower_gather_nd(Op& op) {
  const ValueRef x = op.value(0);
  op.set(
      op.node(ir::kOpGatherNd, {x, ids_of(op, 1)}, {{"batch_dims", op.attr_i("batch_dims", 0)}}));
}

void lower_gather_elements(Op& op) {
  const ValueRef x = op.value(0);
  op.set(op.node(ir::kOpGatherElements, {x, ids_of(op, 1)},
                 {{"axis", op.axis(op.attr_i("axis", 0), op.rank(x))}}));
}

void lower_scatter_elements(Op& op) {
  const ValueRef x = op.value(0), updates = op.value(2);
  AttrList attrs = scatter_attrs(op);
  attrs.emplace_back("axis", op.axis(op.attr_i("axis", 0), op.rank(x)));
  op.set(op.node(ir::kOpScatterElements, {x, ids_of(op, 1), updates}, std::move(attrs)));
}

void lower_scatter_nd(Op& op) {
  const ValueRef x = op.value(0), updates = op.value(2);
  op.set(op.node(ir::kOpScatterNd, {x, ids_of(op, 1), updates}, scatter_attrs(op)));
}

void lower_one_hot(Op& op) {
  ValueRef ids = op.value(0);
  const Dims depth = [&] {
    const Known* known = op.known(1);
    if (!known || !is_real(known->type)) return op.ints(1, "depth");
    Dims out;
    for (const double v : op.reals(1, "depth")) out.push_back(static_cast<std::int64_t>(v));
    return out;
  }();
  const ValueRef values = op.value(2);
  if (op.failed() || depth.size() != 1 || depth[0] < 1 || depth[0] > 1 << 24)
    return op.invalid("depth: wanted one number above 0");
  ids = op.cast(ids, DType::kI64);
  const std::int64_t axis = op.axis(op.attr_i("axis", -1), op.rank(ids) + 1);
  const ValueRef negative = op.binary(Binary::kLess, ids, 0.0);
  ids = op.where(negative, op.binary(Binary::kAdd, ids, static_cast<double>(depth[0])), ids);
  Wholes column = op.extents(ids), row(static_cast<std::size_t>(op.rank(ids)) + 1, Whole(1));
  column.insert(column.begin() + axis, Whole(1));
  row[static_cast<std::size_t>(axis)] = depth[0];
  const ValueRef steps = op.node(ir::kOpRange, {},
                                 {{"extents", "0," + std::to_string(depth[0]) + ",1"},
                                  {"dtype", static_cast<std::int64_t>(DType::kI64)}});
  const ValueRef hot = op.binary(Binary::kEqual, op.reshape(ids, column), op.reshape(steps, row));
  const ValueRef on = op.slice(values, 0, 1, 2), off = op.slice(values, 0, 0, 1);
  op.set(0, op.where(hot, op.reshape(on, {}), op.reshape(off, {})), op.element(2));
}

// With a known condition it is a look-up.
void lower_compress(Op& op) {
  ValueRef x = op.value(0);
  const Dims condition = op.ints(1, "condition");
  if (op.failed()) return;
  std::int64_t axis = 0;
  if (op.has_attr("axis"))
    axis = op.axis(op.attr_i("axis", 0), op.rank(x));
  else
    x = op.reshape(x, {Whole(-1)});
  const auto extent = op.extent(x, axis).number();
  Dims ids;
  for (std::size_t i = 0; i < condition.size(); ++i)
    if (condition[i] != 0 && (!extent || static_cast<std::int64_t>(i) < *extent))
      ids.push_back(static_cast<std::int64_t>(i));
  const auto count = static_cast<std::int64_t>(ids.size());
  ids.push_back(0);  // so that there is memory when none is taken
  const ValueRef list = op.graph().constant(DType::kI64, {count}, ids.data());
  op.set(op.node(ir::kOpGather, {x, list}, {{"axis", axis}}));
}

}  // namespace antiphon::onnx
