// Where the heads of a rotary embedding lie, in and out, and the numbers that turn them.
#pragma once

#include "engine/kernels/cpu/view.h"

namespace antiphon {

// Strides in elements.
struct RotaryLayout {
  std::int64_t batch = 0, head = 0, step = 0;
};

struct RotaryShape {
  const float *x = nullptr, *cos = nullptr, *sin = nullptr;
  float* y = nullptr;
  std::int64_t batch = 0, heads = 0, steps = 0;
  std::int64_t head_width = 0;                // elements of a head
  std::int64_t half = 0;                      // pairs that turn: of the first 2 * half elements
  std::int64_t angles = 0;                    // numbers a step in cos and sin: half, or 2 * half
  std::int64_t cos_batch = 0, sin_batch = 0;  // strides; 0: the same for every batch
  RotaryLayout from, to;
  bool interleaved = false;

  std::int64_t num_rows() const { return batch * heads * steps; }
  // An angle of its own for each element of a pair.
  bool each() const { return angles != half; }
};

// One head at one step.
struct RotaryRow {
  const float *x, *cos, *sin;
  float* y;
};

// Rows in the order of the result: steps of a head where it is by head, else heads of a step.
inline RotaryRow rotary_row(const RotaryShape& s, std::int64_t r) {
  const bool by_head = s.to.head >= s.to.step;
  const std::int64_t inner = by_head ? s.steps : s.heads, outer = by_head ? s.heads : s.steps;
  const std::int64_t b = r / (inner * outer), o = r / inner % outer, i = r % inner;
  const std::int64_t head = by_head ? o : i, step = by_head ? i : o;
  return {s.x + b * s.from.batch + head * s.from.head + step * s.from.step,
          s.cos + b * s.cos_batch + step * s.angles, s.sin + b * s.sin_batch + step * s.angles,
          s.y + b * s.to.batch + head * s.to.head + step * s.to.step};
}

inline RotaryShape rotary_shape(const NodeView& view) {
  const Tensor &x = view.inputs[0], &cos = view.inputs[1], &sin = view.inputs[2];
  const ir::Attrs& attrs = view.node->attrs;
  const bool steps_first = x.rank == 3 || attrs.i("steps_first") != 0;
  RotaryShape s;
  s.x = x.f32();
  s.cos = cos.f32();
  s.sin = sin.f32();
  s.y = view.outputs[0].f32();
  s.batch = x.dims[0];
  s.heads = attrs.i("heads", 1);
  s.steps = x.dims[steps_first ? 1 : 2];
  s.head_width = x.rank == 3 ? x.dims[2] / s.heads : x.dims[3];
  s.half = attrs.i("width", s.head_width) / 2;
  s.angles = cos.dims[static_cast<std::size_t>(cos.rank - 1)];
  const auto stride = [&](const Tensor& t) {
    return t.rank == 2 || t.dims[0] == 1 ? 0 : s.steps * s.angles;
  };
  s.cos_batch = stride(cos);
  s.sin_batch = stride(sin);
  const std::int64_t d = s.head_width, all = s.heads * s.steps * d;
  const RotaryLayout by_step{all, d, s.heads * d}, by_head{all, s.steps * d, d};
  s.from = steps_first ? by_step : by_head;
  s.to = attrs.i("by_head") != 0 ? by_head : s.from;
  s.interleaved = attrs.i("interleaved") != 0;
  return s;
}

// The pairs from `i` on, and what does not turn.
inline void turn_rest(const RotaryShape& s, const RotaryRow& row, std::int64_t i) {
  const std::int64_t stride = s.interleaved ? 2 : 1, second = s.interleaved ? 1 : s.half;
  for (; i < s.half; ++i) {
    const std::int64_t a = i * stride, b = a + second;
    const std::int64_t at_a = s.each() ? a : i, at_b = s.each() ? b : i;
    const float first = row.x[a], other = row.x[b];
    row.y[a] = first * row.cos[at_a] - other * row.sin[at_a];
    row.y[b] = other * row.cos[at_b] + first * row.sin[at_b];
  }
  if (row.x != row.y) std::copy(row.x + 2 * s.half, row.x + s.head_width, row.y + 2 * s.half);
}

inline const char* refuse_rotary(const NodeView& view) {
  if (!all_f32(view)) return "needs f32";
  if (view.inputs[0].rank != 3 && view.inputs[0].rank != 4) return "needs three or four axes";
  return view.node->attrs.i("heads") < 1 ? "needs heads >= 1" : nullptr;
}

// True where a head is written to where it was read.
inline bool rotary_in_place(const NodeView& view) { return view.node->attrs.i("by_head") == 0; }

}  // namespace antiphon
