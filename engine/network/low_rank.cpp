// Sums a few columns at a time, in registers.
#include "engine/network/low_rank.h"

#include "engine/network/avx2.h"

namespace antiphon {
namespace {

constexpr std::size_t kLanes = 32;

// values[i] += sum over k of factors[k] * down[k * stride + i], for i below kCount.
template <std::size_t kCount>
ANTIPHON_INLINED void add_block(std::span<const double> factors, const double* down,
                                std::size_t stride, float* values) {
  double sums[kCount];
  for (std::size_t i = 0; i < kCount; ++i) sums[i] = double{values[i]};
  for (const double factor : factors) {
    for (std::size_t i = 0; i < kCount; ++i) sums[i] += factor * down[i];
    down += stride;
  }
  for (std::size_t i = 0; i < kCount; ++i) values[i] = static_cast<float>(sums[i]);
}

ANTIPHON_INLINED void add_row(std::span<const double> factors, const double* down,
                              std::span<float> values) {
  const std::size_t whole = values.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes)
    add_block<kLanes>(factors, down + i, values.size(), values.data() + i);
  for (std::size_t i = whole; i < values.size(); ++i)
    add_block<1>(factors, down + i, values.size(), values.data() + i);
}

ANTIPHON_FOR_AVX2 void add_row_avx2(std::span<const double> factors, const double* down,
                                    std::span<float> values) {
  add_row(factors, down, values);
}

}  // namespace

LowRank::LowRank(const MatrixRows& down, const MatrixRows& up)
    : rank_(down.rows()), down_(rank_ * down.cols()), up_(rank_ * up.cols()) {
  std::vector<float> row(down.cols());
  for (std::size_t k = 0; k < rank_; ++k) {
    down.read(k, row);
    for (std::size_t i = 0; i < row.size(); ++i) down_[k * row.size() + i] = double{row[i]};
  }
  row.resize(up.cols());
  for (std::size_t k = 0; k < rank_; ++k) {
    up.read(k, row);
    for (std::size_t i = 0; i < row.size(); ++i) up_[i * rank_ + k] = double{row[i]};
  }
}

void LowRank::add_to(std::size_t row, std::span<float> values, bool use_avx2) const {
  const std::span<const double> factors = std::span(up_).subspan(row * rank_, rank_);
  if (use_avx2)
    add_row_avx2(factors, down_.data(), values);
  else
    add_row(factors, down_.data(), values);
}

}  // namespace antiphon
