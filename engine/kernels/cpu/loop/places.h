// Views of places: the moving operators that need no copy, and how partitions follow them.
#pragma once

#include <optional>

#include "engine/kernels/cpu/loop/program.h"

namespace antiphon::loop {

// Row-major over `dims`.
Place dense_place(std::int32_t base, const Tensor& shape);
bool same_dims(const Place& a, const Place& b);
// [begin, begin + count) of an axis.
Place narrow(Place place, int axis, std::int64_t begin, std::int64_t count);
Place transposed(const Place& place, const std::vector<std::int64_t>& order);
// Empty: the elements do not lie so.
std::optional<Place> reshaped(const Place& place, const Tensor& shape);
// Stretched to `dims` of an element-wise result: stride 0 where broadcast.
Place broadcast_to(const Place& place, const Place& result);

Partition slice_partition(const Partition& part, const Place& from, int axis, std::int64_t begin,
                          std::int64_t count);
Partition transpose_partition(Partition part, const std::vector<std::int64_t>& order);
Partition reshape_partition(const Partition& part, const Place& from, const Place& to);

// Drops axes of extent 1 and joins axes that lie one after the other in every place (all of one
// shape). At least one axis is left.
void coalesce(std::vector<Place*> places);

}  // namespace antiphon::loop
