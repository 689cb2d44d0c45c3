// Sums a few columns at a time, in registers.
#include "engine/network/low_rank.h"

namespace antiphon {
namespace {

constexpr std::size_t kLanes = 8;

// values[i] += sum over k of factors[k] * down[k * stride + i], for i below kCount.
template <std::size_t kCount>
void add_block(std::span<const double> factors, const double* down, std::size_t stride,
               float* values) {
  double sums[kCount];
  for (std::size_t i = 0; i < kCount; ++i) sums[i] = double{values[i]};
  for (const double factor : factors) {
    for (std::size_t i = 0; i < kCount; ++i) sums[i] += factor * down[i];
    down += stride;
  }
  for (std::size_t i = 0; i < kCount; ++i) values[i] = static_cast<float>(sums[i]);
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

void LowRank::add_to(std::size_t row, std::span<float> values) const {
  const std::span<const double> factors = std::span(up_).subspan(row * rank_, rank_);
  const std::size_t whole = values.size() / kLanes * kLanes;
  for (std::size_t i = 0; i < whole; i += kLanes)
    add_block<kLanes>(factors, down_.data() + i, values.size(), values.data() + i);
  for (std::size_t i = whole; i < values.size(); ++i)
    add_block<1>(factors, down_.data() + i, values.size(), values.data() + i);
}

}  // namespace antiphon
