// Reference interpreter: look-ups, scatters, sorting and running sums.
#include <algorithm>
#include <numeric>

#include "tests/support/reference_extents.h"
#include "tests/support/reference_ops.h"

namespace antiphon::test {
namespace {

using Index = std::vector<std::int64_t>;

Index index_of(const Index& dims, std::int64_t flat) {
  Index out(dims.size());
  for (std::size_t i = dims.size(); i-- > 0;) {
    out[i] = flat % dims[i];
    flat /= dims[i];
  }
  return out;
}

std::int64_t flat_of(const Index& dims, const Index& index) {
  std::int64_t out = 0;
  for (std::size_t i = 0; i < dims.size(); ++i) out = out * dims[i] + index[i];
  return out;
}

std::size_t front_axis(const ir::Node& node, const RefTensor& x, std::int64_t fallback = 0) {
  const std::int64_t axis = node.attrs.i("axis", fallback);
  return static_cast<std::size_t>(axis < 0 ? axis + static_cast<std::int64_t>(x.dims.size())
                                           : axis);
}

std::int64_t id_at(const RefTensor& ids, std::int64_t flat, std::int64_t extent) {
  const auto id = static_cast<std::int64_t>(ids.values[static_cast<std::size_t>(flat)]);
  return id < 0 ? id + extent : id;
}

RefTensor filled_like(const ir::Node& node, const Ins& in, std::size_t output, DType dtype) {
  RefTensor out{dtype, inferred_dims(node, in)[output], {}};
  out.values.assign(static_cast<std::size_t>(num_elements(out.dims)), 0.0);
  return out;
}

double combined(ir::Scatter op, double a, double b) {
  switch (op) {
    case ir::Scatter::kAdd: return a + b;
    case ir::Scatter::kMul: return a * b;
    case ir::Scatter::kMax: return std::max(a, b);
    case ir::Scatter::kMin: return std::min(a, b);
    case ir::Scatter::kReplace: break;
  }
  return b;
}

}  // namespace

Outs ref_gather(const ir::Node& node, const Ins& in) {
  const RefTensor &x = *in[0], &ids = *in[1];
  const std::size_t axis = front_axis(node, x);
  RefTensor out = filled_like(node, in, 0, x.dtype);
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    const Index o = index_of(out.dims, static_cast<std::int64_t>(i));
    const auto split = o.begin() + static_cast<std::ptrdiff_t>(axis);
    const auto after = split + static_cast<std::ptrdiff_t>(ids.dims.size());
    Index from(o.begin(), split);
    from.push_back(id_at(ids, flat_of(ids.dims, Index(split, after)), x.dims[axis]));
    from.insert(from.end(), after, o.end());
    out.values[i] = x.values[static_cast<std::size_t>(flat_of(x.dims, from))];
  }
  return only(std::move(out));
}

Outs ref_gather_nd(const ir::Node& node, const Ins& in) {
  const RefTensor &x = *in[0], &ids = *in[1];
  const auto batch = static_cast<std::size_t>(node.attrs.i("batch_dims"));
  RefTensor out = filled_like(node, in, 0, x.dtype);
  const std::int64_t width = ids.dims.back();
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    const Index o = index_of(out.dims, static_cast<std::int64_t>(i));
    Index tuple(o.begin(), o.begin() + static_cast<std::ptrdiff_t>(ids.dims.size()) - 1);
    Index from(o.begin(), o.begin() + static_cast<std::ptrdiff_t>(batch));
    tuple.push_back(0);
    for (std::int64_t k = 0; k < width; ++k) {
      tuple.back() = k;
      from.push_back(id_at(ids, flat_of(ids.dims, tuple), x.dims[from.size()]));
    }
    from.insert(from.end(), o.begin() + static_cast<std::ptrdiff_t>(ids.dims.size()) - 1, o.end());
    out.values[i] = x.values[static_cast<std::size_t>(flat_of(x.dims, from))];
  }
  return only(std::move(out));
}

Outs ref_gather_elements(const ir::Node& node, const Ins& in) {
  const RefTensor &x = *in[0], &ids = *in[1];
  const std::size_t axis = front_axis(node, x);
  RefTensor out = filled_like(node, in, 0, x.dtype);
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    Index from = index_of(out.dims, static_cast<std::int64_t>(i));
    from[axis] = id_at(ids, static_cast<std::int64_t>(i), x.dims[axis]);
    out.values[i] = x.values[static_cast<std::size_t>(flat_of(x.dims, from))];
  }
  return only(std::move(out));
}

Outs ref_scatter_elements(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  const std::size_t axis = front_axis(node, out);
  for (std::int64_t i = 0; i < num_elements(in[1]->dims); ++i) {
    Index to = index_of(in[1]->dims, i);
    to[axis] = id_at(*in[1], i, out.dims[axis]);
    double& value = out.values[static_cast<std::size_t>(flat_of(out.dims, to))];
    value = combined(static_cast<ir::Scatter>(node.attrs.i("op")), value,
                     in[2]->values[static_cast<std::size_t>(i)]);
  }
  return only(std::move(out));
}

Outs ref_scatter_nd(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  const RefTensor &ids = *in[1], &updates = *in[2];
  const std::int64_t width = ids.dims.back();
  for (std::int64_t i = 0; i < num_elements(updates.dims); ++i) {
    const Index u = index_of(updates.dims, i);
    const auto split = u.begin() + static_cast<std::ptrdiff_t>(ids.dims.size()) - 1;
    Index tuple(u.begin(), split), to;
    tuple.push_back(0);
    for (std::int64_t k = 0; k < width; ++k) {
      tuple.back() = k;
      to.push_back(id_at(ids, flat_of(ids.dims, tuple), out.dims[to.size()]));
    }
    to.insert(to.end(), split, u.end());
    double& value = out.values[static_cast<std::size_t>(flat_of(out.dims, to))];
    value = combined(static_cast<ir::Scatter>(node.attrs.i("op")), value,
                     updates.values[static_cast<std::size_t>(i)]);
  }
  return only(std::move(out));
}

Outs ref_top_k(const ir::Node& node, const Ins& in) {
  const RefTensor& x = *in[0];
  const std::size_t axis = front_axis(node, x, -1);
  const bool largest = node.attrs.i("largest", 1) != 0;
  RefTensor values = filled_like(node, in, 0, x.dtype);
  RefTensor positions = filled_like(node, in, 1, DType::kI64);
  const AxisSplit s = split_at(x.dims, static_cast<std::int64_t>(axis));
  const std::int64_t k = values.dims[axis];
  for (std::int64_t b = 0; b < s.before; ++b)
    for (std::int64_t a = 0; a < s.after; ++a) {
      const auto at = [&](std::int64_t i) {
        return x.values[static_cast<std::size_t>((b * s.extent + i) * s.after + a)];
      };
      Index order(static_cast<std::size_t>(s.extent));
      std::iota(order.begin(), order.end(), 0);
      std::stable_sort(order.begin(), order.end(), [&](std::int64_t i, std::int64_t j) {
        return largest ? at(i) > at(j) : at(i) < at(j);
      });
      for (std::int64_t i = 0; i < k; ++i) {
        const auto to = static_cast<std::size_t>((b * k + i) * s.after + a);
        values.values[to] = at(order[static_cast<std::size_t>(i)]);
        positions.values[to] = static_cast<double>(order[static_cast<std::size_t>(i)]);
      }
    }
  std::vector<RefTensor> out = only(std::move(values));
  out.push_back(std::move(positions));
  return out;
}

Outs ref_cum_sum(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  const std::size_t axis = front_axis(node, out);
  const bool exclusive = node.attrs.i("exclusive") != 0, reverse = node.attrs.i("reverse") != 0;
  const bool product = node.attrs.i("op") == 1;
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    const Index to = index_of(out.dims, static_cast<std::int64_t>(i));
    double total = product ? 1 : 0;
    for (std::int64_t k = 0; k < out.dims[axis]; ++k) {
      const bool before = reverse ? k > to[axis] : k < to[axis];
      if (!before && (k != to[axis] || exclusive)) continue;
      Index from = to;
      from[axis] = k;
      const double value = in[0]->values[static_cast<std::size_t>(flat_of(out.dims, from))];
      total = product ? total * value : total + value;
    }
    out.values[i] = total;
  }
  return only(std::move(out));
}

Outs ref_trilu(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    const Index at = index_of(out.dims, static_cast<std::int64_t>(i));
    const std::int64_t off = at.back() - at[at.size() - 2] - node.attrs.i("k");
    if (node.attrs.i("upper", 1) != 0 ? off < 0 : off > 0) out.values[i] = 0;
  }
  return only(std::move(out));
}

Outs ref_reverse_sequence(const ir::Node& node, const Ins& in) {
  RefTensor out = *in[0];
  const auto batch = static_cast<std::size_t>(node.attrs.i("batch_axis", 1));
  const auto time = static_cast<std::size_t>(node.attrs.i("time_axis"));
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    Index from = index_of(out.dims, static_cast<std::int64_t>(i));
    const auto length =
        static_cast<std::int64_t>(in[1]->values[static_cast<std::size_t>(from[batch])]);
    if (from[time] < length) from[time] = length - 1 - from[time];
    out.values[i] = in[0]->values[static_cast<std::size_t>(flat_of(out.dims, from))];
  }
  return only(std::move(out));
}

}  // namespace antiphon::test
