// Where the windows of a channels-last transposed convolution, which do not overlap, lie.
#pragma once

#include <cstdint>

#include "engine/kernels/kernel.h"

namespace antiphon {

// x [B, (D,) H, W, C], w [C, O, (kd,) kh, kw]: every pixel of x makes kd x kh x kw pixels of y.
struct GrownWindows {
  std::int64_t lines, height, columns;  // of x: B D H, H, W
  std::int64_t kd, kh, kw;

  std::int64_t places() const { return kd * kh * kw; }  // of a window
  std::int64_t pixels() const { return lines * columns; }
  // The pixel of y at place k of the window of the first pixel of a line of x; the next pixel's is
  // kw further.
  std::int64_t pixel(std::int64_t line, std::int64_t k) const {
    const std::int64_t plane = line / height * kd + k / (kh * kw);
    const std::int64_t row = (plane * height + line % height) * kh + k / kw % kh;
    return row * columns * kw + k % kw;
  }
};

inline GrownWindows grown_windows(const NodeView& view) {
  const Tensor &x = view.inputs[0], &w = view.inputs[1];
  const auto axes = static_cast<std::size_t>(x.rank - 2);
  GrownWindows g{
      1, x.dims[axes - 1], x.dims[axes], axes == 3 ? w.dims[2] : 1, w.dims[axes], w.dims[axes + 1]};
  for (std::size_t i = 0; i < axes; ++i) g.lines *= x.dims[i];
  return g;
}

}  // namespace antiphon
