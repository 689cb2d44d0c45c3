// Rotary position embeddings, a head at a time in vectors of pairs. f32; may alias x where both lie
// alike.
// clang-format off: the order matters
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/cpu/rotary_rows.cpp"
#include <hwy/foreach_target.h>

#include "engine/kernels/cpu/simd_targets.h"
// clang-format on
#include <hwy/highway.h>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/rotary_shape.h"
#include "engine/kernels/cpu/split.h"

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using F = hn::ScalableTag<float>;
using V = hn::Vec<F>;
constexpr F kF;

// a cos - b sin, and b cos + a sin.
HWY_INLINE V first_of(V a, V b, V cos, V sin) { return hn::NegMulAdd(b, sin, hn::Mul(a, cos)); }
HWY_INLINE V second_of(V a, V b, V cos, V sin) { return hn::MulAdd(a, sin, hn::Mul(b, cos)); }

// Elements i and half + i; the angles of the second lie `other` behind those of the first.
std::int64_t turn_halves(const RotaryShape& s, const RotaryRow& row) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(kF));
  const std::int64_t other = s.each() ? s.half : 0;
  std::int64_t i = 0;
  for (; i + lanes <= s.half; i += lanes) {
    const V a = hn::LoadU(kF, row.x + i), b = hn::LoadU(kF, row.x + s.half + i);
    const float *cos = row.cos + i, *sin = row.sin + i;
    const V y = first_of(a, b, hn::LoadU(kF, cos), hn::LoadU(kF, sin));
    const V z = second_of(a, b, hn::LoadU(kF, cos + other), hn::LoadU(kF, sin + other));
    hn::StoreU(y, kF, row.y + i);
    hn::StoreU(z, kF, row.y + s.half + i);
  }
  return i;
}

// Neighbours.
std::int64_t turn_neighbours(const RotaryShape& s, const RotaryRow& row) {
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(kF));
  std::int64_t i = 0;
  for (; i + lanes <= s.half; i += lanes) {
    V a, b, cos_a, cos_b, sin_a, sin_b;
    hn::LoadInterleaved2(kF, row.x + 2 * i, a, b);
    if (s.each()) {
      hn::LoadInterleaved2(kF, row.cos + 2 * i, cos_a, cos_b);
      hn::LoadInterleaved2(kF, row.sin + 2 * i, sin_a, sin_b);
    } else {
      cos_a = cos_b = hn::LoadU(kF, row.cos + i);
      sin_a = sin_b = hn::LoadU(kF, row.sin + i);
    }
    hn::StoreInterleaved2(first_of(a, b, cos_a, sin_a), second_of(a, b, cos_b, sin_b), kF,
                          row.y + 2 * i);
  }
  return i;
}

using Turn = std::int64_t (*)(const RotaryShape&, const RotaryRow&);
Turn halves_turn() { return turn_halves; }
Turn neighbours_turn() { return turn_neighbours; }

}  // namespace
}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace antiphon::cpu {
namespace {

// Turns as many pairs as fill vectors, and says how many.
using Turn = std::int64_t (*)(const RotaryShape&, const RotaryRow&);
Turn halves_for(Isa isa) { ANTIPHON_BY_ISA(isa, halves_turn); }
Turn neighbours_for(Isa isa) { ANTIPHON_BY_ISA(isa, neighbours_turn); }

Status run(const NodeView& view, const LaunchArgs& args) {
  const RotaryShape s = rotary_shape(view);
  const Turn turn = s.interleaved ? neighbours_for(view.isa) : halves_for(view.isa);
  split(*args.team, s.num_rows(), row_grain(2 * s.head_width),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            const RotaryRow row = rotary_row(s, r);
            turn_rest(s, row, turn(s, row));
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kRotaryRows = {.op = ir::kOpRotary,
                                      .name = "cpu/rotary_rows",
                                      .refuse = refuse_rotary,
                                      .workspace_bytes = nullptr,
                                      .run = run,
                                      .in_place = rotary_in_place};

}  // namespace antiphon::cpu
#endif
