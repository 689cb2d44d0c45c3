// Arithmetic on extents: numbers, and symbols of the form "2*T+4".
//
// A derived extent keeps its symbol where it is c * symbol + k: a delay line of 4 steps before T
// steps is "T+4", and the convolution of width 5 over it is "T" again. Anything else is Dim{}: not
// known. "T<512" is the smaller of T and 512, a name of its own in that arithmetic, and so is "?7",
// which tells an unknown extent from others while passes run.
#pragma once

#include <cstdint>
#include <string>

#include "engine/base/status.h"
#include "engine/network.h"

namespace antiphon::ir {

bool is_unknown(const Dim& dim);
// True when both are surely the same extent.
bool same_extent(const Dim& a, const Dim& b);
bool same_shape(const Shape& a, const Shape& b);
// False when they cannot be the same extent.
bool compatible(const Dim& a, const Dim& b);
// The one of two compatible extents that says more.
const Dim& more_specific(const Dim& a, const Dim& b);

Dim dim_sum(const Dim& a, const Dim& b);
Dim dim_plus(const Dim& a, std::int64_t offset);
Dim dim_times(const Dim& a, std::int64_t factor);
// The smaller of both: what a slice to `a` leaves of `most` steps. Known for numbers and plain
// names.
Dim dim_smaller(const Dim& a, std::int64_t most);
// "?7", and what was derived of such.
Dim dim_of_its_own(int number);
bool is_its_own(const Dim& dim);
// Windows of `span` every `stride` in `a`: floor((a - span) / stride) + 1.
Dim dim_windows(const Dim& a, std::int64_t span, std::int64_t stride);
// Splits "2*T" into 2 and "T"; {1, symbol} when there is an offset.
struct Factored {
  std::int64_t factor = 1;
  std::string symbol;
};
Factored factor_of(const Dim& dim);

// Extents other than 1 must be equal, so of "T" and "T<512" it is "T".
Result<Shape> broadcast(const Shape& a, const Shape& b);
// "[B, 80, ?]"
std::string shape_text(const Shape& shape);
std::string dim_text(const Dim& dim);
bool valid_symbol(const std::string& name);

}  // namespace antiphon::ir
