// Reference interpreter: operators that move data.
#include <limits>
#include <sstream>

#include "tests/support/reference_ops.h"

namespace antiphon::test {
namespace {

std::int64_t front_axis(const ir::Node& node, const RefTensor& x) {
  const std::int64_t axis = node.attrs.i("axis");
  return axis < 0 ? axis + static_cast<std::int64_t>(x.dims.size()) : axis;
}

// out[b][k][a] = value(b, k, a), with `extent` steps on the axis.
template <typename F>
std::vector<RefTensor> rebuilt(const ir::Node& node, const RefTensor& x, std::int64_t extent,
                               F value) {
  const std::int64_t axis = front_axis(node, x);
  const AxisSplit s = split_at(x.dims, axis);
  RefTensor out{x.dtype, x.dims, {}};
  out.dims[static_cast<std::size_t>(axis)] = extent;
  for (std::int64_t b = 0; b < s.before; ++b)
    for (std::int64_t k = 0; k < extent; ++k)
      for (std::int64_t a = 0; a < s.after; ++a) {
        const std::int64_t from = value(k);
        const bool inside = from >= 0 && from < s.extent;
        out.values.push_back(
            inside ? x.values[static_cast<std::size_t>((b * s.extent + from) * s.after + a)]
                   : node.attrs.f("value"));
      }
  return only(std::move(out));
}

std::int64_t extent_of(const ir::Node& node, const RefTensor& x) {
  return x.dims[static_cast<std::size_t>(front_axis(node, x))];
}

}  // namespace

Outs ref_transpose(const ir::Node& node, const Ins& in) {
  const std::vector<std::int64_t> order = node.attrs.ints("order");
  const RefTensor& x = *in[0];
  RefTensor out{x.dtype, {}, {}};
  std::vector<std::int64_t> strides(x.dims.size(), 1), moved;
  for (std::size_t i = x.dims.size(); i-- > 1;) strides[i - 1] = strides[i] * x.dims[i];
  for (const std::int64_t axis : order) {
    out.dims.push_back(x.dims[static_cast<std::size_t>(axis)]);
    moved.push_back(strides[static_cast<std::size_t>(axis)]);
  }
  for (std::int64_t i = 0; i < num_elements(out.dims); ++i) {
    std::int64_t rest = i, offset = 0;
    for (std::size_t a = out.dims.size(); a-- > 0;) {
      offset += rest % out.dims[a] * moved[a];
      rest /= out.dims[a];
    }
    out.values.push_back(x.values[static_cast<std::size_t>(offset)]);
  }
  return only(std::move(out));
}

Outs ref_reshape(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  const std::int64_t total = num_elements(out.dims);
  std::vector<std::int64_t> dims = node.attrs.ints("dims");
  std::int64_t product = 1;
  for (std::size_t i = 0; i < dims.size(); ++i) {
    if (dims[i] == 0) dims[i] = out.dims[i];
    if (dims[i] != -1) product *= dims[i];
  }
  for (std::int64_t& d : dims)
    if (d == -1) d = product == 0 ? 0 : total / product;
  out.dims = dims;
  return only(std::move(out));
}

Outs ref_slice(const ir::Node& node, const Ins& in) {
  const std::int64_t extent = extent_of(node, *in[0]);
  std::int64_t begin = node.attrs.i("begin"),
               end = node.attrs.i("end", std::numeric_limits<std::int64_t>::max());
  if (begin < 0) begin += extent;
  if (end < 0) end += extent;
  if (end > extent) end = extent;
  return rebuilt(node, *in[0], end - begin, [&](std::int64_t k) { return begin + k; });
}

Outs ref_concat(const ir::Node& node, const Ins& in) {
  const std::int64_t axis = front_axis(node, *in[0]);
  RefTensor out{in[0]->dtype, in[0]->dims, {}};
  out.dims[static_cast<std::size_t>(axis)] = 0;
  for (const RefTensor* part : in)
    out.dims[static_cast<std::size_t>(axis)] += part->dims[static_cast<std::size_t>(axis)];
  const std::int64_t before = split_at(in[0]->dims, axis).before;
  for (std::int64_t b = 0; b < before; ++b)
    for (const RefTensor* part : in) {
      const AxisSplit s = split_at(part->dims, axis);
      const auto first = part->values.begin() + b * s.extent * s.after;
      out.values.insert(out.values.end(), first, first + s.extent * s.after);
    }
  return only(std::move(out));
}

Outs ref_repeat(const ir::Node& node, const Ins& in) {
  const std::int64_t times = node.attrs.i("times", 1);
  return rebuilt(node, *in[0], extent_of(node, *in[0]) * times,
                 [&](std::int64_t k) { return k / times; });
}

Outs ref_reverse(const ir::Node& node, const Ins& in) {
  const std::int64_t extent = extent_of(node, *in[0]);
  return rebuilt(node, *in[0], extent, [&](std::int64_t k) { return extent - 1 - k; });
}

Outs ref_pad(const ir::Node& node, const Ins& in) {
  const std::int64_t before = node.attrs.i("before"), after = node.attrs.i("after");
  return rebuilt(node, *in[0], extent_of(node, *in[0]) + before + after,
                 [&](std::int64_t k) { return k - before; });
}

Outs ref_zeros(const ir::Node& node, const Ins& in) {
  RefTensor out;
  std::istringstream text(node.attrs.s("shape_text"));
  for (std::string item; std::getline(text, item, ',');) {
    const std::size_t colon = item.find(':');
    if (colon == std::string::npos)
      out.dims.push_back(std::stoll(item));
    else
      out.dims.push_back(in[std::stoul(item)]->dims[std::stoul(item.substr(colon + 1))]);
  }
  out.values.assign(static_cast<std::size_t>(num_elements(out.dims)), 0.0);
  return only(std::move(out));
}

}  // namespace antiphon::test
