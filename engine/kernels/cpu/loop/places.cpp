// Views of places: the moving operators that need no copy, and how partitions follow them.
#include "engine/kernels/cpu/loop/places.h"

#include <algorithm>

namespace antiphon::loop {
namespace {

std::size_t u(int axis) { return static_cast<std::size_t>(axis); }

// Product of the extents after `axis`.
std::int64_t trailing(const Place& place, int axis) {
  std::int64_t n = 1;
  for (int i = axis + 1; i < place.rank; ++i) n *= place.dim(i);
  return n;
}

}  // namespace

Range slice_of(std::int64_t width, int members, int member) {
  const std::int64_t grain = width >= kSlicedRows ? kPanelRows : 1;
  return share(width, grain, member, members);
}

Place dense_place(std::int32_t base, const Tensor& shape) {
  Place place;
  place.base = base;
  place.dtype = shape.dtype;
  place.rank = shape.rank;
  std::int64_t stride = 1;
  for (int i = shape.rank - 1; i >= 0; --i) {
    place.dims[u(i)] = shape.dims[u(i)];
    place.strides[u(i)] = stride;
    stride *= shape.dims[u(i)];
  }
  return place;
}

bool same_dims(const Place& a, const Place& b) {
  return a.rank == b.rank && std::equal(a.dims.begin(), a.dims.begin() + a.rank, b.dims.begin());
}

Place narrow(Place place, int axis, std::int64_t begin, std::int64_t count) {
  place.offset += begin * place.stride(axis);
  place.dims[u(axis)] = count;
  return place;
}

Place transposed(const Place& place, const std::vector<std::int64_t>& order) {
  Place out = place;
  for (std::size_t i = 0; i < order.size(); ++i) {
    out.dims[i] = place.dim(static_cast<int>(order[i]));
    out.strides[i] = place.stride(static_cast<int>(order[i]));
  }
  return out;
}

std::optional<Place> reshaped(const Place& place, const Tensor& shape) {
  Place out = dense_place(place.base, shape);
  out.offset = place.offset;
  if (place.num_elements() == 0) return out;
  Place from = place;  // without axes of extent 1, joined where they can be
  std::vector<Place*> only = {&from};
  coalesce(only);
  int f = from.rank - 1;
  std::int64_t left = f >= 0 ? from.dim(f) : 1;
  std::int64_t stride = f >= 0 ? from.stride(f) : 1;
  for (int i = out.rank - 1; i >= 0; --i) {
    const std::int64_t n = out.dim(i);
    if (n == 1) {
      out.strides[u(i)] = stride;
      continue;
    }
    if (left == 1) {
      if (--f < 0) return std::nullopt;
      left = from.dim(f);
      stride = from.stride(f);
    }
    if (left % n != 0) return std::nullopt;
    out.strides[u(i)] = stride;
    left /= n;
    stride *= n;
  }
  return out;
}

Place broadcast_to(const Place& place, const Place& result) {
  Place out = place;
  out.rank = result.rank;
  const int lead = result.rank - place.rank;
  for (int i = result.rank - 1; i >= 0; --i) {
    const bool there = i >= lead && place.dim(i - lead) == result.dim(i);
    out.strides[u(i)] = there ? place.stride(i - lead) : 0;
    out.dims[u(i)] = result.dim(i);
  }
  return out;
}

Partition slice_partition(const Partition& part, const Place& from, int axis, std::int64_t begin,
                          std::int64_t count) {
  if (part.kind != Partition::Kind::kSliced || part.axis != axis) return part;
  if (begin == 0 && count == from.dim(axis)) return part;
  const std::int64_t width = from.dim(axis) / part.groups;
  if (width > 0 && part.groups > 1 && begin % width == 0 && count % width == 0 && count > 0)
    return {part.kind, axis, count / width};
  return {Partition::Kind::kMixed, 0, 1};
}

Partition transpose_partition(Partition part, const std::vector<std::int64_t>& order) {
  if (part.kind != Partition::Kind::kSliced) return part;
  const auto found = std::find(order.begin(), order.end(), part.axis);
  part.axis = static_cast<int>(found - order.begin());
  return part;
}

Partition reshape_partition(const Partition& part, const Place& from, const Place& to) {
  if (part.kind != Partition::Kind::kSliced) return part;
  const std::int64_t after = trailing(from, part.axis);
  const std::int64_t extent = from.dim(part.axis);
  for (int i = 0; i < to.rank; ++i) {
    if (trailing(to, i) != after || to.dim(i) == 1) continue;
    if (to.dim(i) == extent) return {part.kind, i, part.groups};
    if (to.dim(i) == extent / part.groups) return {part.kind, i, 1};
  }
  return {Partition::Kind::kMixed, 0, 1};
}

void coalesce(std::vector<Place*> places) {
  Place& first = *places[0];
  int kept = 0;  // axes kept so far, in place
  for (int i = 0; i < first.rank; ++i) {
    if (first.dim(i) == 1) continue;
    bool join = kept > 0;
    for (const Place* p : places) join = join && p->stride(kept - 1) == p->stride(i) * p->dim(i);
    for (Place* p : places) {
      const int to = join ? kept - 1 : kept;
      p->dims[u(to)] = join ? p->dim(to) * p->dim(i) : p->dim(i);
      p->strides[u(to)] = p->stride(i);
    }
    if (!join) ++kept;
  }
  for (Place* p : places) {
    if (kept == 0) {
      p->dims[0] = 1;
      p->strides[0] = 1;
    }
    p->rank = std::max(kept, 1);
  }
}

}  // namespace antiphon::loop
