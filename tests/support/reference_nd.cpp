// Reference interpreter: convolution, pooling and resampling over several spatial axes, by
// coordinates.
#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/ir/input_quantizer.h"
#include "tests/support/reference_extents.h"
#include "tests/support/reference_ops.h"

namespace antiphon::test {
namespace {

using Index = std::vector<std::int64_t>;

Index list_or(const ir::Node& node, const char* name, std::size_t count, std::int64_t fallback) {
  Index list = node.attrs.ints(name);
  if (list.empty()) list.assign(count, fallback);
  return list;
}

// The next index of `dims` in row-major order; false after the last.
bool advance(Index& index, const Index& dims) {
  for (std::size_t i = dims.size(); i-- > 0;) {
    if (++index[i] < dims[i]) return true;
    index[i] = 0;
  }
  return false;
}

template <typename F>
void for_each_index(const Index& dims, F f) {
  if (num_elements(dims) == 0) return;
  Index index(dims.size(), 0);
  do f(index);
  while (advance(index, dims));
}

double& element(RefTensor& t, const Index& index) {
  std::int64_t at = 0;
  for (std::size_t i = 0; i < index.size(); ++i) at = at * t.dims[i] + index[i];
  return t.values[static_cast<std::size_t>(at)];
}
double element(const RefTensor& t, const Index& index) {
  return element(const_cast<RefTensor&>(t), index);
}

struct Windows {
  Index kernel, strides, dilations, pads;

  // Where tap k of window o lies on each axis.
  Index at(const Index& o, const Index& k) const {
    Index out;
    for (std::size_t i = 0; i < kernel.size(); ++i)
      out.push_back(o[i + 2] * strides[i] + k[i] * dilations[i] - pads[i]);
    return out;
  }
};

Windows windows_of(const ir::Node& node, const Index& kernel) {
  const std::size_t axes = kernel.size();
  return {kernel, list_or(node, "strides", axes, 1), list_or(node, "dilations", axes, 1),
          list_or(node, "pads", 2 * axes, 0)};
}

bool inside(const Index& at, const Index& dims) {
  for (std::size_t i = 0; i < at.size(); ++i)
    if (at[i] < 0 || at[i] >= dims[i + 2]) return false;
  return true;
}

RefTensor empty_like(const ir::Node& node, const Ins& in, DType dtype) {
  RefTensor out{dtype, inferred_dims(node, in)[0], {}};
  out.values.assign(static_cast<std::size_t>(num_elements(out.dims)), 0.0);
  return out;
}

}  // namespace

Outs ref_conv_nd(const ir::Node& node, const Ins& in) {
  const RefTensor& w = *in[1];
  const bool bytes = w.dtype == DType::kI8;
  const RefTensor x = quantized_input(node, *in[0], bytes && ir::has_dynamic_range(node.attrs));
  const auto shift = static_cast<double>(node.attrs.i("w_shift"));
  const Windows windows = windows_of(node, Index(w.dims.begin() + 2, w.dims.end()));
  const double* scale = at(in, 2) ? at(in, 2)->values.data() : nullptr;
  const std::int64_t groups = node.attrs.i("groups", 1);
  RefTensor out = empty_like(node, in, x.dtype);
  for_each_index(out.dims, [&](const Index& o) {
    const std::int64_t first = o[1] / (w.dims[0] / groups) * w.dims[1];
    double sum = at(in, 3) ? at(in, 3)->values[static_cast<std::size_t>(o[1])] : 0.0;
    for (std::int64_t c = 0; c < w.dims[1]; ++c)
      for_each_index(windows.kernel, [&](const Index& k) {
        const Index place = windows.at(o, k);
        if (!inside(place, x.dims)) return;
        Index from = {o[0], first + c}, tap = {o[1], c};
        from.insert(from.end(), place.begin(), place.end());
        tap.insert(tap.end(), k.begin(), k.end());
        sum += element(x, from) * (element(w, tap) + shift) * (scale ? scale[o[1]] : 1.0);
      });
    if (node.attrs.has("act")) sum = apply_unary(static_cast<Unary>(node.attrs.i("act")), sum);
    if (const RefTensor* residual = at(in, 4)) sum += element(*residual, o);
    if (node.attrs.has("act2")) sum = apply_unary(static_cast<Unary>(node.attrs.i("act2")), sum);
    element(out, o) = sum;
  });
  return only(std::move(out));
}

Outs ref_conv_transpose(const ir::Node& node, const Ins& in) {
  const RefTensor &x = *in[0], &w = *in[1];
  const Windows windows = windows_of(node, Index(w.dims.begin() + 2, w.dims.end()));
  const std::int64_t groups = node.attrs.i("groups", 1);
  RefTensor out = empty_like(node, in, x.dtype);
  if (const RefTensor* bias = at(in, 2))
    for_each_index(out.dims, [&](const Index& o) {
      element(out, o) = bias->values[static_cast<std::size_t>(o[1])];
    });
  for_each_index(x.dims, [&](const Index& i) {
    const std::int64_t group = i[1] / (x.dims[1] / groups);
    for (std::int64_t o = 0; o < w.dims[1]; ++o)
      for_each_index(windows.kernel, [&](const Index& k) {
        const Index place = windows.at(i, k);
        if (!inside(place, out.dims)) return;
        Index to = {i[0], group * w.dims[1] + o}, tap = {i[1], o};
        to.insert(to.end(), place.begin(), place.end());
        tap.insert(tap.end(), k.begin(), k.end());
        element(out, to) += element(x, i) * element(w, tap);
      });
  });
  return only(std::move(out));
}

Outs ref_pool(const ir::Node& node, const Ins& in) {
  const RefTensor& x = *in[0];
  const auto op = static_cast<ir::Pool>(node.attrs.i("op"));
  const Windows windows = windows_of(node, node.attrs.ints("kernel"));
  const std::size_t axes = windows.kernel.size();
  const double p = node.attrs.f("p", 2);
  RefTensor out = empty_like(node, in, x.dtype), indices = out;
  indices.dtype = DType::kI64;
  for_each_index(out.dims, [&](const Index& o) {
    double peak = -INFINITY, sum = 0, count = 0, where = 0;
    for_each_index(windows.kernel, [&](const Index& k) {
      const Index place = windows.at(o, k);
      bool padded = true;
      for (std::size_t i = 0; i < axes; ++i)
        padded = padded && place[i] < x.dims[i + 2] + windows.pads[axes + i];
      if (!inside(place, x.dims)) {
        if (padded && node.attrs.i("count_pad") != 0) ++count;
        return;
      }
      ++count;
      Index from = {o[0], o[1]};
      from.insert(from.end(), place.begin(), place.end());
      const double value = element(x, from);
      sum += op == ir::Pool::kLp ? std::pow(std::abs(value), p) : value;
      if (value <= peak) return;
      peak = value;
      std::int64_t flat = 0, plane = 1;
      for (std::size_t i = 0; i < axes; ++i) {
        const std::size_t a = node.attrs.i("column_major") != 0 ? axes - 1 - i : i;
        flat = flat * x.dims[a + 2] + place[a];
        plane *= x.dims[i + 2];
      }
      where = static_cast<double>((o[0] * x.dims[1] + o[1]) * plane + flat);
    });
    const double mean = count == 0 ? 0 : sum / count;
    element(out, o) = op == ir::Pool::kMax  ? peak
                      : op == ir::Pool::kLp ? std::pow(sum, 1 / p)
                                            : mean;
    element(indices, o) = where;
  });
  std::vector<RefTensor> all = only(std::move(out));
  if (node.outputs.size() == 2) all.push_back(std::move(indices));
  return all;
}

namespace {

double source_position(const ir::Node& node, double i, double in, double out, double scale) {
  const double begin = node.attrs.f("roi_begin", 0), end = node.attrs.f("roi_end", 1);
  switch (static_cast<ir::Grid>(node.attrs.i("grid"))) {
    case ir::Grid::kHalfPixel: return (i + 0.5) / scale - 0.5;
    case ir::Grid::kPytorchHalfPixel: return out > 1 ? (i + 0.5) / scale - 0.5 : 0;
    case ir::Grid::kAlignCorners: return out > 1 ? i * (in - 1) / (out - 1) : 0;
    case ir::Grid::kAsymmetric: return i / scale;
    case ir::Grid::kCropAndResize:
      return out > 1 ? (in - 1) * (begin + i * (end - begin) / (out - 1))
                     : (in - 1) * (begin + end) / 2;
    case ir::Grid::kHalfPixelSymmetric:
      return in / 2 * (1 - out / (scale * in)) + (i + 0.5) / scale - 0.5;
  }
  return i;
}

double kernel_at(const ir::Node& node, double d) {
  d = std::abs(d);
  if (static_cast<ir::Resample>(node.attrs.i("mode")) == ir::Resample::kLinear)
    return d < 1 ? 1 - d : 0;
  const double a = node.attrs.f("cubic", -0.75);
  if (d <= 1) return (a + 2) * d * d * d - (a + 3) * d * d + 1;
  return d < 2 ? a * (d * d * d - 5 * d * d + 8 * d - 4) : 0;
}

double rounded(const ir::Node& node, double x) {
  switch (static_cast<ir::NearestRound>(node.attrs.i("round"))) {
    case ir::NearestRound::kPreferFloor: return std::ceil(x - 0.5);
    case ir::NearestRound::kPreferCeil: return std::floor(x + 0.5);
    case ir::NearestRound::kFloor: return std::floor(x);
    case ir::NearestRound::kCeil: return std::ceil(x);
  }
  return x;
}

// y = sum of weight(k) x(k) over all k of a generous reach, taps outside at the edge.
double resampled(const ir::Node& node, double position, double scale, std::int64_t n,
                 const std::function<double(std::int64_t)>& x) {
  const double last = static_cast<double>(n - 1);
  if (static_cast<ir::Grid>(node.attrs.i("grid")) == ir::Grid::kCropAndResize &&
      (position < 0 || position > last))
    return node.attrs.f("outside");
  if (static_cast<ir::Resample>(node.attrs.i("mode")) == ir::Resample::kNearest)
    return x(static_cast<std::int64_t>(std::clamp(rounded(node, position), 0.0, last)));
  const double narrow = node.attrs.i("antialias") != 0 ? std::min(scale, 1.0) : 1.0;
  double sum = 0, weights = 0;
  const auto reach = static_cast<std::int64_t>(std::ceil(3 / narrow));
  const auto middle = static_cast<std::int64_t>(std::floor(position));
  for (std::int64_t k = middle - reach; k <= middle + reach; ++k) {
    if ((k < 0 || k >= n) && node.attrs.i("exclude_outside") != 0) continue;
    const double w = kernel_at(node, (position - static_cast<double>(k)) * narrow);
    weights += w;
    sum += w * x(std::clamp<std::int64_t>(k, 0, n - 1));
  }
  return sum / weights;
}

}  // namespace

Outs ref_resample(const ir::Node& node, const Ins& in) {
  const RefTensor& x = *in[0];
  RefTensor out = empty_like(node, in, x.dtype);
  const std::int64_t given = node.attrs.i("axis");
  const auto axis = static_cast<std::size_t>(
      given < 0 ? given + static_cast<std::int64_t>(x.dims.size()) : given);
  const auto n = static_cast<double>(x.dims[axis]), m = static_cast<double>(out.dims[axis]);
  const double scale = node.attrs.has("scale") ? node.attrs.f("scale") : m / n;
  for_each_index(out.dims, [&](const Index& o) {
    const double position = source_position(node, static_cast<double>(o[axis]), n, m, scale);
    element(out, o) = resampled(node, position, scale, x.dims[axis], [&](std::int64_t k) {
      Index from = o;
      from[axis] = k;
      return element(x, from);
    });
  });
  return only(std::move(out));
}

namespace {

double mirrored(double x, double low, double high) {
  if (high <= low) return low;
  while (x < low || x > high) x = x < low ? 2 * low - x : 2 * high - x;
  return x;
}

// Weighted taps of one axis of a grid position; a tap outside is worth nothing.
std::vector<std::pair<std::int64_t, double>> grid_taps(const ir::Node& node, double g,
                                                       std::int64_t n) {
  const bool corners = node.attrs.i("align_corners") != 0;
  const auto mode = static_cast<ir::Resample>(node.attrs.i("mode"));
  const std::int64_t padding = node.attrs.i("padding");
  const auto extent = static_cast<double>(n);
  const auto moved = [&](double x) {
    if (padding == 1) x = std::clamp(x, 0.0, extent - 1);
    if (padding == 2)
      x = std::clamp(corners ? mirrored(x, 0, extent - 1) : mirrored(x, -0.5, extent - 0.5), 0.0,
                     extent - 1);
    return x;
  };
  double x = corners ? (g + 1) / 2 * (extent - 1) : ((g + 1) * extent - 1) / 2;
  if (mode != ir::Resample::kCubic) x = moved(x);
  std::vector<std::pair<std::int64_t, double>> taps;
  const auto add = [&](double i, double weight) {
    i = std::round(moved(i));
    if (i >= 0 && i < extent) taps.emplace_back(static_cast<std::int64_t>(i), weight);
  };
  if (mode == ir::Resample::kNearest) {
    add(std::nearbyint(x), 1);
    return taps;
  }
  for (double k = std::floor(x) - 2; k <= std::floor(x) + 3; ++k) {
    const double weight = kernel_at(node, x - k);
    if (weight != 0) add(k, weight);
  }
  return taps;
}

}  // namespace

Outs ref_grid_sample(const ir::Node& node, const Ins& in) {
  const RefTensor &x = *in[0], &grid = *in[1];
  RefTensor out = empty_like(node, in, x.dtype);
  const std::size_t axes = x.dims.size() - 2;
  for_each_index(out.dims, [&](const Index& o) {
    Index at = {o[0]};
    at.insert(at.end(), o.begin() + 2, o.end());
    at.push_back(0);
    // All combinations of the axes' taps, one axis after the other.
    std::vector<std::pair<Index, double>> places = {{{o[0], o[1]}, 1.0}};
    for (std::size_t a = 0; a < axes; ++a) {
      at.back() = static_cast<std::int64_t>(axes - 1 - a);
      const auto taps = grid_taps(node, element(grid, at), x.dims[a + 2]);
      std::vector<std::pair<Index, double>> next;
      for (const auto& [index, weight] : places)
        for (const auto& [k, w] : taps) {
          next.emplace_back(index, weight * w);
          next.back().first.push_back(k);
        }
      places = std::move(next);
    }
    double sum = 0;
    for (const auto& [index, weight] : places) sum += weight * element(x, index);
    element(out, o) = sum;
  });
  return only(std::move(out));
}

}  // namespace antiphon::test
