// What runs the tasks: one function a kind of operation. None allocates or locks.
#pragma once

#include "engine/kernels/cpu/loop/program.h"

namespace antiphon::loop {

// Elements of a row that a point-wise program handles at a time.
constexpr std::int64_t kChunk = 256;

// in..., out...: broadcast to one shape and coalesced. f32.
void run_pointwise(const Task& task, const Frame& frame);
// in, out of one shape: any type, any strides.
void run_copy(const Task& task, const Frame& frame);
// unary, binary, clamp, where, cast on any types; computed in double, element by element.
void run_scalar(const Task& task, const Frame& frame);

// x [..., K] with K contiguous; op.weights; [residual]; [w [N, K]] when the weights are no
// constant.
std::size_t linear_temp_bytes(std::int64_t num_rows, std::int64_t k);
void run_linear(const Task& task, const Frame& frame);
// x [B, C, T], [residual], [w]
void run_conv(const Task& task, const Frame& frame);
// The same in one group, by matrix panels; the result's channels lie together.
void run_conv_panels(const Task& task, const Frame& frame);
std::size_t conv_temp_bytes(const Op& op, std::int64_t steps, std::int64_t channels,
                            std::int64_t taps);
void run_matmul(const Task& task, const Frame& frame);

void run_softmax(const Task& task, const Frame& frame);  // and log_softmax
void run_layer_norm(const Task& task, const Frame& frame);
void run_reduce(const Task& task, const Frame& frame);

void run_embedding(const Task& task, const Frame& frame);
void run_repeat(const Task& task, const Frame& frame);
void run_reverse(const Task& task, const Frame& frame);
void run_pad(const Task& task, const Frame& frame);

// Calls f(offsets) for every index of the axes but `skip`; offsets[i] are of places[i], in
// elements.
template <std::size_t N, typename F>
void for_each_row(const std::array<const Place*, N>& places, int skip, F&& f) {
  const Place& shape = *places[0];
  std::array<std::int64_t, kMaxRank> at{};
  std::array<std::int64_t, N> offsets{};
  if (shape.num_elements() == 0) return;
  while (true) {
    f(offsets);
    int axis = shape.rank - 1;
    for (; axis >= 0; --axis) {
      if (axis == skip) continue;
      std::int64_t& i = at[static_cast<std::size_t>(axis)];
      ++i;
      for (std::size_t p = 0; p < N; ++p) offsets[p] += places[p]->stride(axis);
      if (i < shape.dim(axis)) break;
      for (std::size_t p = 0; p < N; ++p) offsets[p] -= places[p]->stride(axis) * i;
      i = 0;
    }
    if (axis < 0) return;
  }
}

}  // namespace antiphon::loop
