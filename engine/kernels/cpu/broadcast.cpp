// Merges axes that all inputs walk alike.
#include "engine/kernels/cpu/broadcast.h"

namespace antiphon {
namespace {

using Strides = std::array<std::int64_t, Tensor::kMaxRank>;

// Strides of x along the output's axes; 0 where x has extent 1.
Strides strides_along(const Tensor& x, const Tensor& output) {
  Strides strides{};
  std::int64_t stride = 1;
  for (int d = x.rank - 1; d >= 0; --d) {
    const std::int64_t extent = x.dims[static_cast<std::size_t>(d)];
    strides[static_cast<std::size_t>(d + output.rank - x.rank)] = extent == 1 ? 0 : stride;
    stride *= extent;
  }
  return strides;
}

}  // namespace

BroadcastRows broadcast_rows(std::span<const Tensor> inputs, const Tensor& output) {
  BroadcastRows rows;
  rows.num_inputs = static_cast<int>(inputs.size());
  std::array<Strides, kMaxBroadcastInputs> full;
  for (std::size_t i = 0; i < inputs.size(); ++i) full[i] = strides_along(inputs[i], output);

  // Axes from the outside in, merged with the one before where every input allows it.
  int rank = 0;
  auto& dims = rows.outer_dims;
  for (std::size_t d = 0; d < static_cast<std::size_t>(output.rank); ++d) {
    const std::int64_t extent = output.dims[d];
    if (extent == 1) continue;
    bool merges = rank > 0;
    const auto last = static_cast<std::size_t>(rank - 1);
    for (std::size_t i = 0; i < inputs.size() && merges; ++i)
      merges = rows.outer_strides[i][last] == full[i][d] * extent;
    const std::size_t at = merges ? last : static_cast<std::size_t>(rank++);
    dims[at] = merges ? dims[at] * extent : extent;
    for (std::size_t i = 0; i < inputs.size(); ++i) rows.outer_strides[i][at] = full[i][d];
  }
  if (rank > 0) {  // the innermost becomes the row
    const auto inner = static_cast<std::size_t>(rank - 1);
    rows.row_elements = dims[inner];
    for (std::size_t i = 0; i < inputs.size(); ++i)
      rows.row_stride[i] = rows.outer_strides[i][inner];
    rows.outer_rank = rank - 1;
  }
  for (int d = 0; d < rows.outer_rank; ++d) rows.num_rows *= dims[static_cast<std::size_t>(d)];
  return rows;
}

}  // namespace antiphon
