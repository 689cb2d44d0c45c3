// The range of a tensor by a team, the numbers of its bytes, and sums of them.
#include "engine/kernels/cpu/dynamic_bytes.h"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/split.h"

namespace antiphon {
namespace {

struct alignas(64) Part {  // a line of the cache for each member
  float low, high;
};
constexpr std::int64_t kGrain = 16384;
constexpr float kLevels = 255;

}  // namespace

std::size_t dynamic_quantizer_bytes(int members) {
  return sizeof(Part) * static_cast<std::size_t>(members);
}

// Four sums of two bytes each in the lanes of a word; 128 of them fit 16 bits.
void shifted_sums(const TappedRows<std::uint8_t>& x, std::int64_t tap_cols, std::int64_t num_rows,
                  std::int32_t zero, std::int32_t shift, std::int32_t* sums) {
  constexpr std::uint64_t kEven = 0x00ff00ff00ff00ff;
  const auto all = [&](std::uint64_t lanes) {
    std::int64_t sum = 0;
    for (int k = 0; k < 64; k += 16) sum += static_cast<std::int64_t>(lanes >> k & 0xffff);
    return sum;
  };
  for (std::int64_t r = 0; r < num_rows; ++r) {
    std::int64_t sum = 0;
    for (int tap = 0; tap < x.taps; ++tap) {
      const std::uint8_t* row = x.x + r * x.row_stride + tap * x.tap_stride;
      std::int64_t c = 0;
      while (c + 8 <= tap_cols) {
        std::uint64_t lanes = 0;
        for (int i = 0; i < 128 && c + 8 <= tap_cols; ++i, c += 8) {
          std::uint64_t word;
          std::memcpy(&word, row + c, sizeof word);
          lanes += (word & kEven) + (word >> 8 & kEven);
        }
        sum += all(lanes);
      }
      for (; c < tap_cols; ++c) sum += row[c];
    }
    sums[r] = static_cast<std::int32_t>((sum - zero * tap_cols * x.taps) * shift);
  }
}

ir::InputQuantizer dynamic_quantizer(Isa isa, const Tensor& x, Team& team, std::byte* workspace) {
  auto* parts = reinterpret_cast<Part*>(workspace);
  std::fill_n(parts, team.size(), Part{0, 0});
  split(team, x.num_elements(), kGrain, [&](std::int64_t begin, std::int64_t end, int member) {
    range_of(isa, x.f32() + begin, end - begin, &parts[member].low, &parts[member].high);
  });
  float low = 0, high = 0;
  for (int member = 0; member < team.size(); ++member) {
    low = std::min(low, parts[member].low);
    high = std::max(high, parts[member].high);
  }
  const float scale = low == high ? 1.0f : (high - low) / kLevels;
  const float zero = std::isfinite(scale) && scale > 0 ? -low / scale : 0.0f;
  return {.scale = scale,
          .zero = static_cast<std::int32_t>(std::nearbyint(std::clamp(zero, 0.0f, kLevels)))};
}

}  // namespace antiphon
