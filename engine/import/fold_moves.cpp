// Known tensors gathered, joined, cut, reshaped and filled.
#include <algorithm>
#include <cmath>
#include <limits>

#include "engine/import/fold.h"
#include "engine/import/onnx.pb.h"
#include "engine/import/op.h"
#include "engine/ir/extents.h"

namespace antiphon::onnx {
namespace {

using Maybe = std::optional<Known>;

// Whole numbers, all known.
std::optional<Dims> numbers(const Known* known) {
  if (!known || is_real(known->type) || !known->all_numbers()) return std::nullopt;
  Dims out;
  for (const Number& n : known->values) out.push_back(*n.whole.number());
  return out;
}

std::optional<std::size_t> axis_in(std::int64_t axis, std::size_t rank) {
  const auto axes = static_cast<std::int64_t>(rank);
  if (axis < -axes || axis >= axes) return std::nullopt;
  return static_cast<std::size_t>(axis < 0 ? axis + axes : axis);
}

struct Around {
  std::int64_t outer = 1, extent = 1, inner = 1;
};
Around around(const Dims& dims, std::size_t axis) {
  Around a;
  for (std::size_t i = 0; i < dims.size(); ++i)
    (i < axis ? a.outer : i == axis ? a.extent : a.inner) *= dims[i];
  return a;
}

// The steps `ids` of the axis, which get the extents `put`.
Maybe taken(const Known& x, std::size_t axis, const Dims& ids, const Dims& put) {
  const Around a = around(x.dims, axis);
  Known out{x.type, Dims(x.dims.begin(), x.dims.begin() + static_cast<std::ptrdiff_t>(axis)), {}};
  out.dims.insert(out.dims.end(), put.begin(), put.end());
  out.dims.insert(out.dims.end(), x.dims.begin() + static_cast<std::ptrdiff_t>(axis) + 1,
                  x.dims.end());
  const auto count = static_cast<std::int64_t>(ids.size());
  if (a.outer * count * a.inner > kMaxKnown) return std::nullopt;
  for (std::int64_t o = 0; o < a.outer; ++o)
    for (const std::int64_t id : ids)
      for (std::int64_t i = 0; i < a.inner; ++i)
        out.values.push_back(x.values[static_cast<std::size_t>((o * a.extent + id) * a.inner + i)]);
  return out;
}

}  // namespace

Maybe fold_gather(Op& op) {
  const Known& x = *op.known(0);
  std::optional<Dims> ids = numbers(op.known(1));
  const auto axis = axis_in(op.attr_i("axis", 0), x.dims.size());
  if (!ids || !axis) return std::nullopt;
  for (std::int64_t& id : *ids) {
    const std::int64_t extent = x.dims[*axis], given = id;
    if (id < 0) id += extent;
    if (id < 0 || id >= extent) {
      op.invalid("indices: " + std::to_string(given) + " of an axis of " + std::to_string(extent));
      return std::nullopt;
    }
  }
  return taken(x, *axis, *ids, op.known(1)->dims);
}

Maybe fold_concat(Op& op) {
  const Known& first = *op.known(0);
  const auto axis = axis_in(op.attr_i("axis", 0), first.dims.size());
  if (!axis || *axis != 0) return std::nullopt;
  Known out{first.type, first.dims, {}};
  out.dims[0] = 0;
  for (std::size_t i = 0; i < op.num_inputs(); ++i) {
    const Known* part = op.known(i);
    if (!part || part->dims.size() != first.dims.size() ||
        !std::equal(part->dims.begin() + 1, part->dims.end(), first.dims.begin() + 1))
      return std::nullopt;
    out.dims[0] += part->dims[0];
    out.values.insert(out.values.end(), part->values.begin(), part->values.end());
    if (static_cast<std::int64_t>(out.values.size()) > kMaxKnown) return std::nullopt;
  }
  return out;
}

Maybe fold_slice(Op& op) {
  Known x = *op.known(0);
  Dims starts, ends, axes, steps;
  if (op.opset() < 10) {
    starts = op.attr_ints("starts");
    ends = op.attr_ints("ends");
    axes = op.attr_ints("axes");
  } else {
    const auto s = numbers(op.known(1)), e = numbers(op.known(2));
    const auto a = op.has(3) ? numbers(op.known(3)) : std::optional(Dims{});
    const auto t = op.has(4) ? numbers(op.known(4)) : std::optional(Dims{});
    if (!s || !e || !a || !t) return std::nullopt;
    starts = *s, ends = *e, axes = *a, steps = *t;
  }
  if (axes.empty())
    for (std::size_t i = 0; i < starts.size(); ++i) axes.push_back(static_cast<std::int64_t>(i));
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (ends.size() != starts.size() || axes.size() != starts.size() || steps.size() != starts.size())
    return std::nullopt;
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const auto axis = axis_in(axes[i], x.dims.size());
    if (!axis || steps[i] == 0) return std::nullopt;
    const ir::SliceRange r = ir::clamped_slice(x.dims[*axis], starts[i], ends[i], steps[i]);
    Dims ids;
    for (std::int64_t k = 0; k < r.count; ++k) ids.push_back(r.begin + k * steps[i]);
    Maybe part = taken(x, *axis, ids, {r.count});
    if (!part) return std::nullopt;
    x = std::move(*part);
  }
  return x;
}

namespace {

std::optional<Dims> squeezed(Op& op, const Dims& from) {
  std::optional<Dims> axes;
  if (op.opset() >= 13 && op.has(1)) axes = numbers(op.known(1));
  if (op.opset() < 13 && op.has_attr("axes")) axes = op.attr_ints("axes");
  Dims out;
  for (std::size_t i = 0; i < from.size(); ++i) {
    const auto named = [&](std::int64_t axis) { return axis_in(axis, from.size()) == i; };
    const bool drop = axes ? std::any_of(axes->begin(), axes->end(), named) : from[i] == 1;
    if (drop && from[i] != 1) return std::nullopt;
    if (!drop) out.push_back(from[i]);
  }
  return out;
}

std::optional<Dims> unsqueezed(Op& op, const Dims& from) {
  const auto axes = op.opset() >= 13 ? numbers(op.known(1)) : std::optional(op.attr_ints("axes"));
  if (!axes) return std::nullopt;
  const std::size_t rank = from.size() + axes->size();
  std::vector<bool> added(rank, false);
  for (const std::int64_t axis : *axes) {
    const auto at = axis_in(axis, rank);
    if (!at || added[*at]) return std::nullopt;
    added[*at] = true;
  }
  Dims out;
  std::size_t next = 0;
  for (std::size_t i = 0; i < rank; ++i) out.push_back(added[i] ? 1 : from[next++]);
  return out;
}

std::optional<Dims> reshaped(Op& op, const Dims& from) {
  const auto given = numbers(op.known(1));
  if (!given || op.attr_i("allowzero", 0) != 0) return std::nullopt;
  Dims out = *given;
  std::int64_t product = 1, inferred = -1;
  for (std::size_t i = 0; i < out.size(); ++i) {
    if (out[i] == 0 && i < from.size()) out[i] = from[i];
    if (out[i] == -1 && inferred < 0)
      inferred = static_cast<std::int64_t>(i);
    else if (out[i] < 0 || out[i] > kMaxKnown || product > kMaxKnown)
      return std::nullopt;
    else
      product *= out[i];
  }
  if (inferred >= 0) {
    if (product == 0 || num_elements(from) % product != 0) return std::nullopt;
    out[static_cast<std::size_t>(inferred)] = num_elements(from) / product;
  }
  return out;
}

}  // namespace

Maybe fold_reshape(Op& op) {
  Known x = *op.known(0);
  std::optional<Dims> dims;
  if (op.type() == "Squeeze") dims = squeezed(op, x.dims);
  if (op.type() == "Unsqueeze") dims = unsqueezed(op, x.dims);
  if (op.type() == "Reshape") dims = reshaped(op, x.dims);
  if (!dims || num_elements(*dims) != static_cast<std::int64_t>(x.values.size()))
    return std::nullopt;
  x.dims = *dims;
  return x;
}

Maybe fold_transpose(Op& op) {
  const Known& x = *op.known(0);
  if (x.dims.size() > 1) return std::nullopt;
  return x;
}

Maybe fold_range(Op& op) {
  if (op.num_inputs() != 3) return std::nullopt;
  const Known &start = *op.known(0), &limit = *op.known(1), &delta = *op.known(2);
  for (const Known* k : {&start, &limit, &delta})
    if (!k->all_numbers() || k->values.size() != 1 || k->type != start.type) return std::nullopt;
  const double span = limit.as_real(0) - start.as_real(0), step = delta.as_real(0);
  const double count = std::max(0.0, std::ceil(span / step));
  if (step == 0 || !(count <= static_cast<double>(kMaxKnown))) return std::nullopt;
  Known out{start.type, {static_cast<std::int64_t>(count)}, {}};
  for (std::int64_t i = 0; i < out.dims[0]; ++i) {
    if (is_real(start.type))
      out.values.push_back({0, start.values[0].real + static_cast<double>(i) * step});
    else
      out.values.push_back({start.values[0].whole + delta.values[0].whole * i, 0});
  }
  return out;
}

namespace {

// Every element of a shape of known extents from position to source.
template <typename F>
Maybe filled(Element type, const std::optional<Dims>& dims, F value) {
  if (!dims) return std::nullopt;
  std::int64_t count = 1;
  for (const std::int64_t d : *dims)
    if (d < 0 || __builtin_mul_overflow(count, d, &count) || count > kMaxKnown) return std::nullopt;
  Known out{type, *dims, {}};
  for (std::int64_t i = 0; i < count; ++i) out.values.push_back(value(i));
  return out;
}

}  // namespace

Maybe fold_constant_of_shape(Op& op) {
  Known value{Element::kFloat, {1}, {Number{}}};
  if (const auto* tensor = op.attr("value")) {
    const auto constant = op.constant(tensor->t());
    if (!constant) return std::nullopt;
    const Item item = Item::of(constant);
    if (!item.known || item.known->values.size() != 1) return std::nullopt;
    value = *item.known;
  }
  return filled(value.type, numbers(op.known(0)), [&](std::int64_t) { return value.values[0]; });
}

Maybe fold_expand(Op& op) {
  const Known& x = *op.known(0);
  if (x.values.size() != 1) return std::nullopt;
  auto dims = numbers(op.known(1));
  if (!dims) return std::nullopt;
  while (dims->size() < x.dims.size()) dims->insert(dims->begin(), 1);
  return filled(x.type, dims, [&](std::int64_t) { return x.values[0]; });
}

Maybe fold_tile(Op& op) {
  const Known& x = *op.known(0);
  const auto times = numbers(op.known(1));
  if (!times || x.dims.size() != 1 || times->size() != 1 || (*times)[0] < 0 ||
      (*times)[0] > kMaxKnown || x.values.empty())
    return std::nullopt;
  const auto n = static_cast<std::int64_t>(x.values.size());
  return filled(x.type, Dims{n * (*times)[0]},
                [&](std::int64_t i) { return x.values[static_cast<std::size_t>(i % n)]; });
}

Maybe fold_non_zero(Op& op) {
  const Known& x = *op.known(0);
  if (!x.all_numbers() || x.dims.empty()) return std::nullopt;
  std::vector<std::int64_t> at;
  for (std::size_t i = 0; i < x.values.size(); ++i)
    if (x.as_real(i) != 0) at.push_back(static_cast<std::int64_t>(i));
  Known out{Element::kInt64,
            {static_cast<std::int64_t>(x.dims.size()), static_cast<std::int64_t>(at.size())},
            {}};
  for (std::size_t axis = 0; axis < x.dims.size(); ++axis) {
    std::int64_t stride = 1;
    for (std::size_t k = axis + 1; k < x.dims.size(); ++k) stride *= x.dims[k];
    for (const std::int64_t i : at) out.values.push_back({i / stride % x.dims[axis], 0});
  }
  return out;
}

}  // namespace antiphon::onnx
