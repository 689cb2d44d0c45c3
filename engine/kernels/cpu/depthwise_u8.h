// Lines of a depthwise convolution on bytes: windows of one channel each, sums in whole numbers.
#pragma once

#include <cstdint>
#include <vector>

#include "engine/base/huge_pages.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/kernel.h"

namespace antiphon {

// Weights of neighbouring channels, `lanes` of them or what is left. Vectors of four channels of
// each sixteen, taps beside each other, as bytes lie once they are interleaved.
struct DepthwiseGroup {
  std::int64_t channel = 0, lanes = 0, count = 0;  // the first; of which `count` are real
  // [pairs of taps][4][lanes / 4][2], or where bytes hold them, [fours][4][lanes / 4][4].
  std::vector<std::int16_t, HugePageAllocator<std::int16_t>> weights;  // 64-byte aligned
  std::vector<std::int8_t, HugePageAllocator<std::int8_t>> fours;
  std::vector<std::int32_t> sums;  // of a channel's weights, [4][lanes / 4]
  std::vector<float> scales;       // likewise
};

struct DepthwiseU8 {
  std::int64_t taps = 0;
  float most_scale = 0;  // of all channels; NaN if one is
  std::int32_t most_weight = 0;
  std::vector<DepthwiseGroup> groups;
  std::size_t bytes() const;
};

// w: [channels][taps], each weight `shift` more than its byte; scale: [channels]. Allocates.
DepthwiseU8 pack_depthwise_u8(std::int64_t channels, std::int64_t taps, const std::int8_t* w,
                              std::int32_t shift, const float* scale, Isa isa);

// Lines of y, all of one image. A load may read kDepthwiseSlack bytes behind a pixel's channels.
constexpr std::int64_t kDepthwiseSlack = 64;
struct DepthwiseLines {
  const std::uint8_t* x = nullptr;        // first tap of the first pixel, channel 0
  std::int64_t x_stride = 0, x_line = 0;  // between pixels, between lines
  const std::int32_t* offsets = nullptr;  // of the taps, filled up to whole fours
  U8Row numbers;                          // of x
  std::int64_t lines = 0, pixels = 0;     // of a line
  const float* bias = nullptr;            // [channels], or null
  bool relu = false;
  float* y = nullptr;             // of pixel 0, channel 0
  std::uint8_t* bytes = nullptr;  // instead of y: as U8Sink's
  std::int64_t stride = 0;        // between pixels of y, whose lines follow each other
  U8Row to;
  std::int32_t levels = 255;
};

// The same bits on every ISA. No allocation, any thread.
void depthwise_u8(Isa isa, const DepthwiseU8& w, const DepthwiseLines& lines);

}  // namespace antiphon
