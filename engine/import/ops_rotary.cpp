// Rotary position embeddings, of ONNX (opset 23) and of ONNX Runtime.
#include <string>

#include "engine/import/attention.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {

namespace {

std::string axes_text(Op& op, ValueRef x) { return std::to_string(op.rank(x)) + " axes"; }

// The width of a head where it is a number.
std::int64_t head_width(Op& op, ValueRef x, std::int64_t heads, const char* name) {
  const std::optional<std::int64_t> last = op.extent(x, op.rank(x) - 1).number();
  const bool flat = op.rank(x) == 3;
  if (!last || (flat && *last % heads != 0)) {
    op.invalid(std::string(name) + ": wanted [B, S, H] with H a fixed multiple of the heads (" +
               std::to_string(heads) + "), or [B, heads, S, d] with d fixed");
    return 0;
  }
  return flat ? *last / heads : *last;
}

// The heads by the attribute, or of the second of four axes.
std::int64_t heads_of(Op& op, ValueRef x, std::int64_t heads) {
  if (op.failed()) return 1;
  if (op.rank(x) != 3 && op.rank(x) != 4)
    op.invalid("input (input 0): wanted [B, S, H] or [B, num_heads, S, d], got " +
               axes_text(op, x));
  else if (op.rank(x) == 4)
    heads = op.extent(x, 1).number().value_or(0);
  if (!op.failed() && heads < 1)
    op.invalid(op.rank(x) == 4 ? "input (input 0): wanted a fixed number of heads (axis 1)"
                               : "num_heads: wanted 1 or more for an input of three axes");
  return heads < 1 ? 1 : heads;
}

void check_tables(Op& op, const Rotation& by, std::int64_t d) {
  if (op.failed()) return;
  const int rank = by.positions.valid() ? 2 : 3;
  if (op.rank(by.cos) != rank || op.rank(by.sin) != rank)
    return op.invalid(std::string("cos_cache and sin_cache: wanted ") +
                      (rank == 2 ? "[positions, w]" : "[B, S, w] where there are no position_ids") +
                      ", got " + axes_text(op, by.cos) + " and " + axes_text(op, by.sin));
  const std::int64_t width = by.width == 0 ? d : by.width;
  if (width < 0 || width > d || width % 2 != 0)
    return op.invalid("rotary_embedding_dim: wanted an even number up to the width of a head (" +
                      std::to_string(d) + "), got " + std::to_string(width));
  for (const ValueRef table : {by.cos, by.sin})
    if (op.extent(table, rank - 1).number() != width / 2)
      return op.invalid(
          "cos_cache and sin_cache: wanted half as many numbers a position as turn, " +
          std::to_string(width / 2));
}

}  // namespace

ValueRef rotated(Op& op, ValueRef x, const Rotation& by) {
  if (op.failed()) return {};
  const std::int64_t d = head_width(op, x, by.heads, by.name);
  check_tables(op, by, d);
  if (op.failed()) return {};
  const auto at_steps = [&](ValueRef table) {
    return by.positions.valid()
               ? op.node(ir::kOpGather, {table, by.positions}, {{"axis", std::int64_t{0}}})
               : table;
  };
  AttrList attrs = {{"heads", by.heads}};
  if (by.width != 0 && by.width != d) attrs.emplace_back("width", by.width);
  if (by.interleaved) attrs.emplace_back("interleaved", std::int64_t{1});
  if (by.by_head && op.rank(x) == 3) attrs.emplace_back("by_head", std::int64_t{1});
  return op.node(ir::kOpRotary, {x, at_steps(by.cos), at_steps(by.sin)}, attrs);
}

// Input, cos_cache, sin_cache, position_ids.
void lower_rotary(Op& op) {
  const ValueRef x = op.value(0);
  Rotation by{op.value(1), op.value(2), op.value_or_none(3)};
  by.heads = heads_of(op, x, op.attr_i("num_heads", 0));
  by.width = op.attr_i("rotary_embedding_dim", 0);
  by.interleaved = op.attr_i("interleaved", 0) != 0;
  if (!op.failed() && by.positions.valid() && op.rank(by.positions) != 2)
    op.invalid("position_ids (input 3): wanted [B, S], got " + axes_text(op, by.positions));
  op.set(rotated(op, x, by));
}

// Input, position_ids, cos_cache, sin_cache. A single position is that of the first step.
void lower_microsoft_rotary(Op& op) {
  if (op.attr_i("is_packed_batching", 0) != 0) op.unsupported("is_packed_batching: wanted 0");
  if (op.attr_f("scale", 1) != 1) op.unsupported("scale: wanted 1");
  const ValueRef x = op.value(0), positions = op.value(1);
  Rotation by{op.value(2), op.value(3), positions};
  if (op.failed()) return;
  by.width = op.attr_i("rotary_embedding_dim", 0);
  by.interleaved = op.attr_i("interleaved", 0) != 0;
  std::int64_t heads = op.attr_i("num_heads", 0);
  if (heads == 0 && op.rank(x) == 3 && op.rank(by.cos) == 2) {  // the tables are for whole heads
    const std::int64_t d = (op.extent(by.cos, 1) * 2).number().value_or(0);
    const std::int64_t all = op.extent(x, 2).number().value_or(0);
    heads = d > 0 && all % d == 0 ? all / d : 0;
  }
  by.heads = heads_of(op, x, heads);
  if (op.failed()) return;
  const int rank = op.rank(positions);
  if (rank != 1 && rank != 2)
    return op.invalid("position_ids (input 1): wanted [1] or [B, S], got " +
                      axes_text(op, positions));
  if (rank == 1) {
    const Whole count = op.extent(x, op.rank(x) == 3 ? 1 : 2);
    const ValueRef at = op.reshape(steps(op, 0, count, 3), {count});
    by.positions = op.binary(Binary::kAdd, at, op.cast(positions, DType::kI32));
  }
  op.set(rotated(op, x, by));
}

}  // namespace antiphon::onnx
