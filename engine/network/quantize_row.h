// Int8 rows with a scale each, as packs store matrices.
#pragma once

#include <cstdint>
#include <span>

namespace antiphon {

// row: finite; out: as long. Returns the scale: value = int8 * scale. Of training/tts/pack.py,
// function quantised: symmetric, -127 to 127, half to even; of six scales that clip ever more of
// the row's peak, the one of least squared error. use_avx2: what it takes for the same result.
float quantize_row(std::span<const float> row, std::span<std::int8_t> out, bool use_avx2);

}  // namespace antiphon
