// Axes in another order: merged axes, blocks of 16 x 16 where both sides would stride.
#include <algorithm>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/move_axis.h"

namespace antiphon::cpu {
namespace {

constexpr std::int64_t kTile = 16;

// The output's axes after merging, outermost first, with the input's strides in elements.
struct Walk final : Prepared {
  int rank = 0;
  std::array<std::int64_t, Tensor::kMaxRank> extent{}, stride{};
};

const char* refuse(const NodeView& view) {
  if (view.inputs[0].rank != view.outputs[0].rank) return "needs equal ranks";
  return view.inputs[0].dtype == view.outputs[0].dtype ? nullptr : "needs equal types";
}

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed*) {
  const Tensor& x = view.inputs[0];
  const std::vector<std::int64_t> order = view.node->attrs.ints("order");
  if (order.size() != static_cast<std::size_t>(x.rank))
    return invalid_argument("transpose: order has " + std::to_string(order.size()) +
                            " axes, wanted " + std::to_string(x.rank));
  std::array<std::int64_t, Tensor::kMaxRank> strides{};
  std::int64_t stride = 1;
  for (std::size_t d = order.size(); d-- > 0;) {
    strides[d] = stride;
    stride *= x.dims[d];
  }
  auto walk = std::make_unique<Walk>();
  for (const std::int64_t axis : order) {
    const auto d = static_cast<std::size_t>(axis < 0 ? axis + x.rank : axis);
    if (d >= order.size()) return invalid_argument("transpose: order is outside the tensor");
    if (x.dims[d] == 1) continue;
    const auto last = static_cast<std::size_t>(walk->rank - 1);
    if (walk->rank > 0 && walk->stride[last] == strides[d] * x.dims[d]) {
      walk->extent[last] *= x.dims[d];
      walk->stride[last] = strides[d];
    } else {
      walk->extent[last + 1] = x.dims[d];
      walk->stride[last + 1] = strides[d];
      ++walk->rank;
    }
  }
  return std::unique_ptr<Prepared>(std::move(walk));
}

// Rows [begin, end) of the output; a row is its innermost merged axis.
template <typename T>
void copy_rows(const Walk& walk, const T* x, T* y, std::int64_t begin, std::int64_t end) {
  const auto inner = static_cast<std::size_t>(walk.rank - 1);
  const std::int64_t n = walk.extent[inner], step = walk.stride[inner];
  const auto offset = [&](std::int64_t row) {
    std::int64_t at = 0;
    for (std::size_t d = inner; d-- > 0;) {
      at += row % walk.extent[d] * walk.stride[d];
      row /= walk.extent[d];
    }
    return at;
  };
  if (step == 1) {
    for (std::int64_t row = begin; row < end; ++row) std::copy_n(x + offset(row), n, y + row * n);
    return;
  }
  // Tiles keep the cache lines that several rows read.
  for (std::int64_t row = begin; row < end; row += kTile) {
    const std::int64_t rows = std::min(kTile, end - row);
    std::array<std::int64_t, kTile> from;
    for (std::int64_t r = 0; r < rows; ++r) from[static_cast<std::size_t>(r)] = offset(row + r);
    for (std::int64_t c = 0; c < n; c += kTile) {
      const std::int64_t columns = std::min(kTile, n - c);
      for (std::int64_t r = 0; r < rows; ++r) {
        const T* source = x + from[static_cast<std::size_t>(r)] + c * step;
        T* target = y + (row + r) * n + c;
        for (std::int64_t i = 0; i < columns; ++i) target[i] = source[i * step];
      }
    }
  }
}

template <typename T>
void transpose_as(const NodeView& view, const LaunchArgs& args) {
  const auto& walk = static_cast<const Walk&>(*args.prepared);
  const auto* x = static_cast<const T*>(view.inputs[0].data);
  auto* y = static_cast<T*>(view.outputs[0].data);
  const std::int64_t total = view.outputs[0].num_elements();
  if (total == 0) return;
  if (walk.rank == 0) {
    *y = *x;
    return;
  }
  const std::int64_t n = walk.extent[static_cast<std::size_t>(walk.rank - 1)];
  split(*args.team, total / n, std::max(kTile, row_grain(n)),
        [&](std::int64_t begin, std::int64_t end, int) { copy_rows(walk, x, y, begin, end); });
}

Status run(const NodeView& view, const LaunchArgs& args) {
  switch (dtype_bytes(view.outputs[0].dtype)) {
    case 1: transpose_as<std::uint8_t>(view, args); break;
    case 2: transpose_as<std::uint16_t>(view, args); break;
    case 4: transpose_as<std::uint32_t>(view, args); break;
    default: transpose_as<std::uint64_t>(view, args); break;
  }
  return {};
}

}  // namespace

constinit const Kernel kTransposeTiles = {
    ir::OpKind::kTranspose, "cpu/transpose_tiles", refuse, nullptr, run, nullptr, prepare};

}  // namespace antiphon::cpu
