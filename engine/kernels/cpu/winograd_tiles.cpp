// The transforms, a vector of channels at a time.
// clang-format off: the order matters
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/cpu/winograd_tiles.cpp"
#include <hwy/foreach_target.h>

#include "engine/kernels/cpu/simd_targets.h"
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <cstdlib>

#include "engine/kernels/cpu/partial_vectors-inl.h"
#include "engine/kernels/cpu/winograd_tiles.h"

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

using D = hn::CappedTag<float, 16>;
using V = hn::Vec<D>;
constexpr D kD;

// Tiles of 4x4 interpolate at 0, +-near, +-far and infinity. With near * far = 1 the transforms'
// constants stay near 1: less than half the rounding errors of the points 0, +-1, +-2.
constexpr float kNear = 0.70710678118654752f, kFar = 1.41421356237309505f;
// kWhole: at 0, +-1, +-2 and infinity.
enum Tile { kTwo, kFour, kWhole };
constexpr int outputs_of(Tile tile) { return tile == kTwo ? 2 : 4; }

// out = B' in, for one line of a patch.
template <int m>
HWY_INLINE void input_line(const V* in, V* out) {
  if constexpr (m == 2) {
    out[0] = hn::Sub(in[0], in[2]);
    out[1] = hn::Add(in[1], in[2]);
    out[2] = hn::Sub(in[2], in[1]);
    out[3] = hn::Sub(in[1], in[3]);
  } else {
    const V near = hn::Set(kD, kNear), far = hn::Set(kD, kFar);
    const V half = hn::Set(kD, 0.5f), two = hn::Set(kD, 2.0f), sum = hn::Set(kD, 2.5f);
    const V near_even = hn::NegMulAdd(two, in[2], in[4]);  // x4 - far^2 x2
    const V near_odd = hn::NegMulAdd(two, in[1], in[3]);
    const V far_even = hn::NegMulAdd(half, in[2], in[4]);  // x4 - near^2 x2
    const V far_odd = hn::NegMulAdd(half, in[1], in[3]);
    out[0] = hn::NegMulAdd(sum, in[2], hn::Add(in[0], in[4]));
    out[1] = hn::MulAdd(near, near_odd, near_even);
    out[2] = hn::NegMulAdd(near, near_odd, near_even);
    out[3] = hn::MulAdd(far, far_odd, far_even);
    out[4] = hn::NegMulAdd(far, far_odd, far_even);
    out[5] = hn::NegMulAdd(sum, in[3], hn::Add(in[1], in[5]));
  }
}

// out = A' in.
template <Tile tile>
HWY_INLINE void output_line(const V* in, V* out) {
  const V sum = hn::Add(in[1], in[2]), difference = hn::Sub(in[1], in[2]);
  if constexpr (tile == kTwo) {
    out[0] = hn::Add(in[0], sum);
    out[1] = hn::Sub(difference, in[3]);
  } else {
    constexpr bool whole = tile == kWhole;
    const V far = hn::Set(kD, whole ? 2.0f : kFar), far_square = hn::Set(kD, whole ? 4.0f : 2.0f);
    const V near = hn::Set(kD, kNear), half = hn::Set(kD, 0.5f);
    const V far_sum = hn::Add(in[3], in[4]), far_odd = hn::Mul(far, hn::Sub(in[3], in[4]));
    const V near_odd = whole ? difference : hn::Mul(near, difference);
    out[0] = hn::Add(in[0], hn::Add(sum, far_sum));
    out[1] = hn::Add(near_odd, far_odd);
    out[2] = hn::MulAdd(far_square, far_sum, whole ? sum : hn::Mul(half, sum));
    const V odd = whole ? near_odd : hn::Mul(half, near_odd);
    out[3] = hn::Add(hn::MulAdd(far_square, far_odd, odd), in[5]);
  }
}

template <int m>
void input_tile(const float* const* patch, std::int64_t channels, float* v, std::int64_t v_stride) {
  constexpr int n = m + 2;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(kD));
  for (std::int64_t c = 0; c < channels; c += lanes) {
    const auto some = static_cast<std::size_t>(std::min(lanes, channels - c));
    V rows[n][n];
    for (int i = 0; i < n; ++i) {
      V in[n];
#pragma GCC unroll 6
      for (int j = 0; j < n; ++j) in[j] = load_some(kD, patch[i * n + j] + c, some);
      input_line<m>(in, rows[i]);
    }
    for (int j = 0; j < n; ++j) {
      V in[n], out[n];
#pragma GCC unroll 6
      for (int i = 0; i < n; ++i) in[i] = rows[i][j];
      input_line<m>(in, out);
#pragma GCC unroll 6
      for (int i = 0; i < n; ++i) store_some(out[i], kD, v + (i * n + j) * v_stride + c, some);
    }
  }
}

// out = B' in at the whole points.
using D16 = hn::CappedTag<std::int16_t, 32>;
using V16 = hn::Vec<D16>;
HWY_INLINE void input_line_whole(const V16* in, V16* out) {
  const auto times4 = [](V16 v) HWY_ATTR { return hn::ShiftLeft<2>(v); };
  const V16 odd = hn::Sub(in[3], in[1]), twice = hn::Add(odd, odd);
  const V16 even = hn::Sub(in[4], in[2]);
  const V16 near_even = hn::Sub(in[4], times4(in[2])), near_odd = hn::Sub(in[3], times4(in[1]));
  out[0] = hn::Add(times4(hn::Sub(in[0], in[2])), even);
  out[1] = hn::Add(near_even, near_odd);
  out[2] = hn::Sub(near_even, near_odd);
  out[3] = hn::Add(even, twice);
  out[4] = hn::Sub(even, twice);
  out[5] = hn::Sub(hn::Sub(in[5], in[3]), hn::Add(twice, twice));
}

void input_tile_whole(const std::uint8_t* const* patch, std::int64_t channels, std::int32_t zero,
                      std::int16_t* v, std::int64_t v_stride) {
  constexpr int n = 6;
  const D16 d;
  const hn::Rebind<std::uint8_t, D16> bytes;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  // Only place (1, 1) of a patch that is the same everywhere is not zero: -6 squared times it.
  const V16 shift = hn::Set(d, static_cast<std::int16_t>(36 * zero));
  for (std::int64_t c = 0; c < channels; c += lanes) {
    const auto some = static_cast<std::size_t>(std::min(lanes, channels - c));
    V16 rows[n][n];
    for (int i = 0; i < n; ++i) {
      V16 in[n];
#pragma GCC unroll 6
      for (int j = 0; j < n; ++j)
        in[j] = hn::PromoteTo(d, load_some(bytes, patch[i * n + j] + c, some));
      input_line_whole(in, rows[i]);
    }
    for (int j = 0; j < n; ++j) {
      V16 in[n], out[n];
#pragma GCC unroll 6
      for (int i = 0; i < n; ++i) in[i] = rows[i][j];
      input_line_whole(in, out);
      if (j == 1) out[1] = hn::Sub(out[1], shift);
#pragma GCC unroll 6
      for (int i = 0; i < n; ++i) hn::StoreU(out[i], d, v + (i * n + j) * v_stride + c);
    }
  }
}

V finished(V y, std::int64_t o, std::size_t some, const float* residual, const GemmFinish& f) {
  if (f.bias) y = hn::Add(y, load_some(kD, f.bias + o, some));
  if (f.relu) y = hn::Min(hn::Max(y, hn::Zero(kD)), hn::Set(kD, f.most));
  if (residual) y = hn::Add(y, load_some(kD, residual + o, some));
  return f.relu_last ? hn::Max(y, hn::Zero(kD)) : y;
}

template <Tile tile>
void output_tile(const float* from, std::int64_t m_stride, std::int64_t outputs, float* const* y,
                 const float* const* residual, const GemmFinish& finish) {
  constexpr int m = outputs_of(tile), n = m + 2;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(kD));
  for (std::int64_t o = 0; o < outputs; o += lanes) {
    const auto some = static_cast<std::size_t>(std::min(lanes, outputs - o));
    V rows[n][m];
    for (int i = 0; i < n; ++i) {
      V in[n];
#pragma GCC unroll 6
      for (int j = 0; j < n; ++j) in[j] = load_some(kD, from + (i * n + j) * m_stride + o, some);
      output_line<tile>(in, rows[i]);
    }
    for (int j = 0; j < m; ++j) {
      V in[n], out[m];
#pragma GCC unroll 6
      for (int i = 0; i < n; ++i) in[i] = rows[i][j];
      output_line<tile>(in, out);
      for (int i = 0; i < m; ++i) {
        const int pixel = i * m + j;
        if (!y[pixel]) continue;
        store_some(finished(out[i], o, some, residual ? residual[pixel] : nullptr, finish), kD,
                   y[pixel] + o, some);
      }
    }
  }
}

}  // namespace

// By m / 2 - 1.
std::array<WinogradInput, 2> winograd_inputs() { return {input_tile<2>, input_tile<4>}; }
std::array<WinogradOutput, 3> winograd_outputs() {
  return {output_tile<kTwo>, output_tile<kFour>, output_tile<kWhole>};
}
WinogradInputWhole winograd_input_of_bytes() { return input_tile_whole; }

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace antiphon {
namespace {

std::array<WinogradInput, 2> inputs_for(Isa isa) { ANTIPHON_BY_ISA(isa, winograd_inputs); }
WinogradInputWhole input_of_bytes_for(Isa isa) { ANTIPHON_BY_ISA(isa, winograd_input_of_bytes); }
std::array<WinogradOutput, 3> outputs_for(Isa isa) { ANTIPHON_BY_ISA(isa, winograd_outputs); }

// Rows of G.
constexpr double kG2[4][3] = {{1, 0, 0}, {0.5, 0.5, 0.5}, {0.5, -0.5, 0.5}, {0, 0, 1}};
constexpr double kRoot2 = 1.41421356237309504880;
constexpr double kG4[6][3] = {{1, 0, 0},
                              {-2.0 / 3, -kRoot2 / 3, -1.0 / 3},
                              {-2.0 / 3, kRoot2 / 3, -1.0 / 3},
                              {1.0 / 6, kRoot2 / 6, 1.0 / 3},
                              {1.0 / 6, -kRoot2 / 6, 1.0 / 3},
                              {0, 0, 1}};

// At the whole points; rows of B' beside it.
constexpr double kGWhole[6][3] = {{1.0 / 4, 0, 0},
                                  {-1.0 / 6, -1.0 / 6, -1.0 / 6},
                                  {-1.0 / 6, 1.0 / 6, -1.0 / 6},
                                  {1.0 / 24, 1.0 / 12, 1.0 / 6},
                                  {1.0 / 24, -1.0 / 12, 1.0 / 6},
                                  {0, 0, 1}};
constexpr int kBWhole[6][6] = {{4, 0, -5, 0, 1, 0},  {0, -4, -4, 1, 1, 0}, {0, 4, -4, -1, 1, 0},
                               {0, -2, -1, 2, 1, 0}, {0, 2, -1, -2, 1, 0}, {0, 4, 0, -5, 0, 1}};

// u = G w G'.
void transform_weights(const double (*g)[3], int n, const float* w, double* u) {
  for (int i = 0; i < n; ++i)
    for (int j = 0; j < n; ++j) {
      double sum = 0;
      for (int a = 0; a < 3; ++a)
        for (int b = 0; b < 3; ++b) sum += g[i][a] * double{w[a * 3 + b]} * g[j][b];
      u[i * n + j] = sum;
    }
}

}  // namespace

WinogradInput winograd_input(Isa isa, int m) {
  return inputs_for(isa)[static_cast<std::size_t>(m / 2 - 1)];
}
WinogradOutput winograd_output(Isa isa, int m) {
  return outputs_for(isa)[static_cast<std::size_t>(m / 2 - 1)];
}

void winograd_weights(int m, const float* w, double* u) {
  transform_weights(m == 2 ? kG2 : kG4, m + 2, w, u);
}

WinogradInputWhole winograd_input_whole(Isa isa) { return input_of_bytes_for(isa); }
WinogradOutput winograd_output_whole(Isa isa) { return outputs_for(isa)[2]; }
void winograd_weights_whole(const float* w, double* u) { transform_weights(kGWhole, 6, w, u); }

std::int32_t winograd_whole_most(int k, std::int32_t levels) {
  std::int32_t above = 0, below = 0;
  for (const int a : kBWhole[k / 6])
    for (const int b : kBWhole[k % 6]) (a * b > 0 ? above : below) += std::abs(a * b);
  return levels * std::max(above, below);
}

}  // namespace antiphon
#endif
