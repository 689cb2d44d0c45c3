// The window that a channels-last pool looks at.
#pragma once

#include <array>
#include <cstdint>

namespace antiphon {

// The taps that lie inside of x, along planes, rows and columns; strides in elements.
struct PoolWindow {
  std::array<std::int64_t, 3> count, stride;
};

}  // namespace antiphon
