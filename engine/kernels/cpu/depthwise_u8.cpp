// Packed taps of depthwise convolutions on bytes, their rows for AVX2 and AVX-512, and plain ones.
#include "engine/kernels/cpu/depthwise_u8.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/kernels/cpu/depthwise_u8_rows.h"

namespace antiphon {
namespace {

constexpr std::int64_t kFoursLanes = 64;  // of AVX-512 VNNI

// Where a channel of a group lies in its vectors.
std::int64_t place_of(std::int64_t lane, std::int64_t lanes) {
  return lane % 16 / 4 * (lanes / 4) + lane / 16 * 4 + lane % 4;
}

DepthwiseGroup pack_group(std::int64_t channel, std::int64_t lanes, std::int64_t count,
                          std::int64_t taps, const std::int8_t* w, std::int32_t shift,
                          const float* scale) {
  DepthwiseGroup g;
  g.channel = channel;
  g.lanes = lanes;
  g.count = count;
  const bool fours = lanes == kFoursLanes && shift == 0;
  if (fours)
    g.fours.resize(static_cast<std::size_t>((taps + 3) / 4 * lanes * 4));
  else
    g.weights.resize(static_cast<std::size_t>((taps + 1) / 2 * lanes * 2));
  g.sums.resize(static_cast<std::size_t>(lanes));
  g.scales.resize(static_cast<std::size_t>(lanes));
  for (std::int64_t lane = 0; lane < count; ++lane) {
    const std::int64_t place = place_of(lane, lanes);
    std::int32_t sum = 0;
    for (std::int64_t tap = 0; tap < taps; ++tap) {
      const std::int32_t weight = w[(channel + lane) * taps + tap] + shift;
      if (fours)
        g.fours[static_cast<std::size_t>((tap / 4 * lanes + place) * 4 + tap % 4)] =
            static_cast<std::int8_t>(weight);
      else
        g.weights[static_cast<std::size_t>((tap / 2 * lanes + place) * 2 + tap % 2)] =
            static_cast<std::int16_t>(weight);
      sum += weight;
    }
    g.sums[static_cast<std::size_t>(place)] = sum;
    g.scales[static_cast<std::size_t>(place)] = scale[channel + lane];
  }
  return g;
}

std::int32_t weight_of(const DepthwiseGroup& g, std::int64_t tap, std::size_t place) {
  const auto at = [&](std::int64_t beside) {
    return (static_cast<std::size_t>(tap / beside * g.lanes) + place) *
               static_cast<std::size_t>(beside) +
           static_cast<std::size_t>(tap % beside);
  };
  return g.fours.empty() ? std::int32_t{g.weights[at(2)]} : std::int32_t{g.fours[at(4)]};
}

void row_plain(const DepthwiseU8& w, const DepthwiseGroup& g, const DepthwiseLines& row) {
  for (std::int64_t p = 0; p < row.lines * row.pixels; ++p)
    for (std::int64_t lane = 0; lane < g.count; ++lane) {
      const auto place = static_cast<std::size_t>(place_of(lane, g.lanes));
      const std::uint8_t* x =
          row.x + p / row.pixels * row.x_line + p % row.pixels * row.x_stride + g.channel + lane;
      std::int32_t sum = -row.numbers.zero * g.sums[place];
      for (std::int64_t tap = 0; tap < w.taps; ++tap)
        sum += x[row.offsets[tap]] * weight_of(g, tap, place);
      volatile float product = static_cast<float>(sum) * (g.scales[place] * row.numbers.scale);
      float v = product;  // rounded before the bias is added
      if (row.bias) v += row.bias[g.channel + lane];
      if (row.relu) v = std::max(v, 0.0f);
      const std::int64_t at = p * row.stride + g.channel + lane;
      if (row.bytes)
        quantize_u8_static(Isa::kPortable, &v, 1, row.to, row.levels, row.bytes + at);
      else
        row.y[at] = v;
    }
}

}  // namespace

std::size_t DepthwiseU8::bytes() const {
  std::size_t total = 0;
  for (const DepthwiseGroup& g : groups)
    total += g.weights.size() * 2 + g.fours.size() + (g.sums.size() + g.scales.size()) * 4;
  return total;
}

DepthwiseU8 pack_depthwise_u8(std::int64_t channels, std::int64_t taps, const std::int8_t* w,
                              std::int32_t shift, const float* scale, Isa isa) {
  DepthwiseU8 out;
  out.taps = taps;
  out.most_weight = 128 + std::abs(shift);
  for (std::int64_t c = 0; c < channels; ++c)
    if (!(scale[c] <= out.most_scale)) out.most_scale = scale[c];
  const std::int64_t lanes = isa >= Isa::kAvx512Vnni ? kFoursLanes : 32;
  for (std::int64_t c = 0; c < channels;) {
    const std::int64_t count = std::min(lanes, channels - c);
    out.groups.push_back(pack_group(c, lanes, count, taps, w, shift, scale));
    c += count;
  }
  return out;
}

namespace {

// Bytes need no care: no value is NaN or leaves 30 bits in steps of them; narrowing saturates.
bool makes_plain_bytes(const DepthwiseU8& w, const DepthwiseLines& row) {
  if (!row.bytes || row.levels != 255 || (row.relu && row.to.zero != 0)) return false;
  float most = 0;
  for (const DepthwiseGroup& g : w.groups)
    for (std::int64_t c = 0; row.bias && c < g.count; ++c)
      if (!(std::abs(row.bias[g.channel + c]) <= most)) most = std::abs(row.bias[g.channel + c]);
  const double sum = 2.0 * 255 * w.most_weight * static_cast<double>(w.taps);
  return sum * double{w.most_scale} * std::abs(double{row.numbers.scale}) + double{most} <
         0x1p30 * double{row.to.scale};
}

}  // namespace

void depthwise_u8(Isa isa, const DepthwiseU8& w, const DepthwiseLines& row) {
  [[maybe_unused]] const bool plain = makes_plain_bytes(w, row);
  for (const DepthwiseGroup& g : w.groups) {
#if defined(__x86_64__)
    if (isa != Isa::kPortable && (!row.bytes || u8_inverse(row.to.scale) != 0)) {
      if (g.lanes == kFoursLanes)
        depthwise_row_vnni(w.taps, g, row, plain);
      else
        depthwise_row_avx2(w.taps, g, row);
      continue;
    }
#endif
    (void)isa;
    row_plain(w, g, row);
  }
}

}  // namespace antiphon
