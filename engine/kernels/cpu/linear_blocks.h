// How linear kernels walk their result: blocks that stay in cache, and the division over a team.
#pragma once

#include <algorithm>

#include "engine/kernels/cpu/epilogue.h"
#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/cpu/split.h"

namespace antiphon {

// Rows of x that one pass over a panel serves: x and y of a block stay in cache.
constexpr std::int64_t kBlockRows = 48;
// Outputs of a block: the epilogue finds them in cache.
constexpr std::int64_t kBlockOutputs = 8 * kPanelRows;

// x [rows, k], w [n, k], y [rows, n].
struct LinearExtents {
  std::int64_t rows = 1, n, k;
};
inline LinearExtents linear_extents(const NodeView& view) {
  const Tensor& x = view.inputs[0];
  LinearExtents e{.n = view.inputs[1].dims[0], .k = view.inputs[1].dims[1]};
  for (int i = 0; i + 1 < x.rank; ++i) e.rows *= x.dims[static_cast<std::size_t>(i)];
  return e;
}

inline const char* refuse_constant_linear(const NodeView& view, bool takes_bytes = false) {
  if (!view.inputs[1].is_constant) return "needs constant weights";
  if (has_input(view, 2) && !view.inputs[2].is_constant) return "needs constant scales";
  return refuse_weights(view, takes_bytes);
}

// product(first row, rows, first output, end of outputs), then the epilogue, block by block.
template <typename F>
void for_each_block(const NodeView& view, const LinearExtents& e, Range rows, Range outputs,
                    F product) {
  const Epilogue epilogue = epilogue_of(view);
  float* y = view.outputs[0].f32();
  for (std::int64_t n = outputs.begin; n < outputs.end; n += kBlockOutputs) {
    const std::int64_t n_end = std::min(n + kBlockOutputs, outputs.end);
    for (std::int64_t r = rows.begin; r < rows.end; r += kBlockRows) {
      const std::int64_t count = std::min(kBlockRows, rows.end - r);
      product(r, count, n, n_end);
      if (epilogue.is_empty()) continue;
      for (std::int64_t i = r; i < r + count; ++i)
        epilogue.row(y + i * e.n + n, epilogue.residual_at(i * e.n + n), n, n_end - n);
    }
  }
}

// task(rows, outputs) on every member.
template <typename F>
void divide(Team& team, const LinearExtents& e, F&& task) {
  // 64 K multiply-adds take about as long as waking a member.
  if (team.size() == 1 || e.rows * e.n * e.k < 65536) {
    task(Range{0, e.rows}, Range{0, e.n});
    return;
  }
  const bool by_rows = e.rows >= 4 * team.size() && e.n < 8 * kPanelRows * team.size();
  auto member_task = [&](int member) {
    const int size = team.size();
    if (by_rows) {
      task(share(e.rows, 1, member, size), Range{0, e.n});
    } else {
      task(Range{0, e.rows}, share(e.n, kPanelRows, member, size));
    }
  };
  team.run(member_task);
}

}  // namespace antiphon
