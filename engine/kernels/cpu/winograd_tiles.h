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

// F(4x4, 3x3) at the points 0, +-1, +-2 and infinity, whose transform of bytes is exact in 16 bits:
// v = B' (x - zero) B. Rows of v are filled up to kWinogradWholeGrain numbers, any ones.
constexpr std::int64_t kWinogradWholeGrain = 32;
using WinogradInputWhole = void (*)(const std::uint8_t* const* patch, std::int64_t channels,
                                    std::int32_t zero, std::int16_t* v, std::int64_t v_stride);
WinogradInputWhole winograd_input_whole(Isa isa);
WinogradOutput winograd_output_whole(Isa isa);
void winograd_weights_whole(const float* w, double* u);
// The largest |v| at place k for bytes up to `levels` with any zero.
std::int32_t winograd_whole_most(int k, std::int32_t levels);

}  // namespace antiphon
