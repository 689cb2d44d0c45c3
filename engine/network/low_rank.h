// What low-rank adaptation (arXiv 2106.09685) adds to a matrix.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/network/matrix_rows.h"

namespace antiphon {

// transpose(up) * down, row by row. Owns its tables. Immutable: any thread.
class LowRank {
 public:
  // down: [rank, in]; up: [rank, out].
  LowRank(const MatrixRows& down, const MatrixRows& up);
  // values: [in], of row `row` of [out, in]. Sums in doubles, rounded once. use_avx2: what it takes
  // for the same result.
  void add_to(std::size_t row, std::span<float> values, bool use_avx2) const;

 private:
  std::size_t rank_;
  std::vector<double> down_;  // [rank, in]
  std::vector<double> up_;    // [out, rank]
};

}  // namespace antiphon
