// Expressions over the extents of a node's inputs: how sizes that are known only at run time stand
// in an attribute.
//
// A list of expressions, separated by commas; each is in postfix order, separated by spaces:
//   12        a whole number             1:0       the extent of axis 0 of input 1
//   + - *     of the two before it       / %       floor division and its remainder
//   < >       the smaller, the larger
// "0:1 2 *, 768" is [twice axis 1 of input 0, 768].
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "engine/base/status.h"
#include "engine/network.h"

namespace antiphon::ir {

// The value of one expression: a number, or where that is not known yet, what is known as an extent
// (Dim{} where nothing is).
struct WholeNumber {
  std::optional<std::int64_t> number;
  Dim dim;
};

// The extent of an axis of an input; nothing where there is no such axis.
using ExtentSource = std::function<std::optional<Dim>(std::size_t input, std::size_t axis)>;

// kInvalidArgument: the text is malformed, names an axis that is not there, or divides by zero.
Result<std::vector<WholeNumber>> evaluate_extents(std::string_view text,
                                                  const ExtentSource& source);

// NumPy's x[begin:end:step] on an axis: the first index and how many. step is not 0.
struct SliceRange {
  std::int64_t begin = 0, count = 0;
};
SliceRange clamped_slice(std::int64_t extent, std::int64_t begin, std::int64_t end,
                         std::int64_t step);

}  // namespace antiphon::ir
