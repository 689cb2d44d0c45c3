// The two transforms of Winograd's convolution (arXiv 1509.09308), F(2x2, 3x3) and F(4x4, 3x3),
// over all channels of one tile; and that of the weights.
#pragma once

#include <cstdint>

#include "engine/kernels/cpu/gemv_f32.h"

namespace antiphon {

constexpr int kWinogradMaxPatch = 36;

// A tile's patch [(m + 2)^2] of pointers to pixels, `channels` numbers each; transformed to
// v[i * v_stride + c].
using WinogradInput = void (*)(const float* const* patch, std::int64_t channels, float* v,
                               std::int64_t v_stride);
// m[i * m_stride + o], o < outputs, to the m x m pixels of y; null ones are outside the image.
// finish.residual is `residual`'s pixel instead.
using WinogradOutput = void (*)(const float* m, std::int64_t m_stride, std::int64_t outputs,
                                float* const* y, const float* const* residual,
                                const GemmFinish& finish);

// For tiles of m x m outputs, m = 2 or 4.
WinogradInput winograd_input(Isa isa, int m);
WinogradOutput winograd_output(Isa isa, int m);

// w [3][3] -> u [(m + 2)^2].
void winograd_weights(int m, const float* w, double* u);

}  // namespace antiphon
