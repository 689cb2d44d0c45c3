// The range of a tensor by a team, and the numbers of its bytes.
#include "engine/kernels/cpu/dynamic_bytes.h"

#include <algorithm>
#include <cmath>

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
