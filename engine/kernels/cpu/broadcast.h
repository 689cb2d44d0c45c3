// Broadcasting as rows: an outer walk, and an inner run in which each input is a vector or a
// scalar.
#pragma once

#include <array>
#include <cstdint>
#include <span>

#include "engine/kernels/kernel.h"

namespace antiphon {

constexpr int kMaxBroadcastInputs = 32;

struct BroadcastRows {
  int num_inputs = 0;
  int outer_rank = 0;
  std::int64_t num_rows = 1;  // product of outer_dims
  std::int64_t row_elements = 1;
  std::array<std::int64_t, Tensor::kMaxRank> outer_dims{};
  // In elements. row_stride: 1, or 0 where the input is one value for the whole row.
  std::array<std::array<std::int64_t, Tensor::kMaxRank>, kMaxBroadcastInputs> outer_strides{};
  std::array<std::int64_t, kMaxBroadcastInputs> row_stride{};

  // Offset of input `input` at the start of row `row`.
  std::int64_t offset(int input, std::int64_t row) const {
    const auto& strides = outer_strides[static_cast<std::size_t>(input)];
    std::int64_t at = 0;
    for (int d = outer_rank - 1; d >= 0; --d) {
      const std::int64_t extent = outer_dims[static_cast<std::size_t>(d)];
      at += row % extent * strides[static_cast<std::size_t>(d)];
      row /= extent;
    }
    return at;
  }
};

// At most kMaxBroadcastInputs inputs, each of which broadcasts to `output`.
BroadcastRows broadcast_rows(std::span<const Tensor> inputs, const Tensor& output);

// f(offsets of the inputs [num_inputs], first element of the output, elements) over the output's
// elements [begin, end), in pieces of at most `most` that stay inside a row.
template <typename F>
void for_each_piece(const BroadcastRows& rows, std::int64_t begin, std::int64_t end,
                    std::int64_t most, F&& f) {
  std::array<std::int64_t, kMaxBroadcastInputs> at;
  while (begin < end) {
    const std::int64_t row = begin / rows.row_elements, column = begin % rows.row_elements;
    const std::int64_t n = std::min({rows.row_elements - column, end - begin, most});
    for (int i = 0; i < rows.num_inputs; ++i) {
      const auto k = static_cast<std::size_t>(i);
      at[k] = rows.offset(i, row) + column * rows.row_stride[k];
    }
    f(at.data(), begin, n);
    begin += n;
  }
}

}  // namespace antiphon
