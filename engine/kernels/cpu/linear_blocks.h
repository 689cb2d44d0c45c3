// How linear kernels walk their result: blocks that stay in cache, and the division over a team.
#pragma once

#include <algorithm>

#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/split_epilogue.h"

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
void for_each_block(const NodeView& view, const LinearExtents& e, const Epilogue& epilogue,
                    Range rows, Range outputs, F product) {
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

template <typename F>
void for_each_block(const NodeView& view, const LinearExtents& e, Range rows, Range outputs,
                    F product) {
  for_each_block(view, e, epilogue_of(view), rows, outputs, product);
}

// The same for products that begin the epilogue themselves, by a last argument of theirs.
template <typename F>
void for_each_finished_block(const NodeView& view, const LinearExtents& e, Range rows,
                             Range outputs, F product) {
  const SplitEpilogue parted = split_epilogue(view, e.n);
  for_each_block(view, e, parted.rest, rows, outputs,
                 [&](std::int64_t r, std::int64_t count, std::int64_t n, std::int64_t n_end) {
                   GemmFinish finish = parted.finish;
                   if (finish.residual) finish.residual += r * e.n;
                   product(r, count, n, n_end, finish);
                 });
}

// True: members have rows of their own, and all outputs.
inline bool divides_rows(const Team& team, const LinearExtents& e) {
  // 64 K multiply-adds take about as long as waking a member.
  if (team.size() == 1 || e.rows * e.n * e.k < 65536) return true;
  return e.rows >= 4 * team.size() && e.n <= 8 * kPanelRows * team.size();
}

// task(rows, outputs) on every member.
template <typename F>
void divide(Team& team, const LinearExtents& e, F&& task) {
  if (team.size() == 1 || e.rows * e.n * e.k < 65536) {
    task(Range{0, e.rows}, Range{0, e.n});
    return;
  }
  const bool by_rows = divides_rows(team, e);
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
