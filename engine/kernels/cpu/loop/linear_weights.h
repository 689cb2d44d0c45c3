// Weights of a body's linear and conv nodes, packed once and shared.
#pragma once

#include <memory>
#include <vector>

#include "engine/kernels/cpu/gemm_i24.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/cpu/gemv_int8.h"
#include "engine/kernels/kernel.h"

namespace antiphon::loop {

// w [n, k]: panels of f32, of 24 bits, or of int8 for x in 16 bits or in bytes, one matrix for each
// of `groups` blocks of equal height: the gates of a recurrent cell, of which a member owns the
// same rows. All empty: the weights are no constant.
struct LinearWeights {
  std::int64_t n = 0, k = 0;
  std::int64_t groups = 1;
  std::vector<F32Matrix> f32;
  std::vector<I24Matrix> i24;
  std::vector<std::unique_ptr<Int8Matrix>> i8;
  int q_max = 0;  // of the int8 groups, the smallest
  std::vector<U8Matrix> u8;
  const float* bias = nullptr;  // may be null
  std::vector<float> plain;     // row-major f32
};

// Below this, a panel of 16 rows would be mostly zeros.
constexpr std::int64_t kFewRows = 5;

struct LoopPacked final : Packed {
  std::vector<std::unique_ptr<LinearWeights>> by_node;  // of the body; null for other nodes
  std::size_t packed_bytes = 0;
  std::size_t bytes() const override { return packed_bytes; }
};

// How weights are kept, or what becomes of x where they are int8: words of 16 bits but for kBytes.
enum class Packing : std::uint8_t { kAsGiven, kBytes, kI24 };
Result<std::unique_ptr<LoopPacked>> pack_weights(const NodeView& view, Packing packing);

}  // namespace antiphon::loop
