// Maximum (with indices), average and p-norm over windows of 1 to 3 spatial axes.
#include <cmath>
#include <limits>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/view.h"
#include "engine/kernels/cpu/window_nd.h"

namespace antiphon::cpu {

using ir::Pool;

namespace {

struct Setup final : Prepared {
  WindowNd window;
  WindowNd::Axes after{0, 0, 0};  // padding
  Pool op = Pool::kMax;
  bool count_pad = false, column_major = false;
  double p = 2;
};

const char* refuse(const NodeView& view) {
  const DType dtype = view.inputs[0].dtype;
  if (dtype == DType::kF32) return nullptr;
  const bool max = static_cast<Pool>(view.node->attrs.i("op")) == Pool::kMax;
  return max && (dtype == DType::kI8 || dtype == DType::kU8) ? nullptr
                                                             : "needs f32, or bytes for maxima";
}

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed*) {
  auto s = std::make_unique<Setup>();
  const ir::Attrs& attrs = view.node->attrs;
  s->window = window_nd(*view.node, view.inputs[0], view.outputs[0], attrs.ints("kernel"));
  const auto pads = attrs.ints("pads");
  const std::size_t axes = static_cast<std::size_t>(view.inputs[0].rank - 2);
  for (std::size_t i = 0; i < axes && !pads.empty(); ++i) s->after[3 - axes + i] = pads[axes + i];
  s->op = static_cast<Pool>(attrs.i("op"));
  s->count_pad = attrs.i("count_pad") != 0;
  s->column_major = attrs.i("column_major") != 0;
  s->p = attrs.f("p", 2);
  return std::unique_ptr<Prepared>(std::move(s));
}

// What one window comes to.
struct Gathered {
  double peak = -std::numeric_limits<double>::infinity(), sum = 0;
  std::int64_t peak_at = -1, taps = 0, padded_taps = 0;
};

template <typename T>
Gathered gather(const Setup& s, const T* x, std::int64_t o0, std::int64_t o1, std::int64_t o2) {
  const WindowNd& w = s.window;
  Gathered g;
  const auto in_padding = [&](std::size_t axis, std::int64_t i) {
    return i < w.in[axis] + s.after[axis];
  };
  for (std::int64_t k0 = 0; k0 < w.kernel[0]; ++k0)
    for (std::int64_t k1 = 0; k1 < w.kernel[1]; ++k1)
      for (std::int64_t k2 = 0; k2 < w.kernel[2]; ++k2) {
        const std::int64_t i0 = w.at(0, o0, k0), i1 = w.at(1, o1, k1), i2 = w.at(2, o2, k2);
        if (in_padding(0, i0) && in_padding(1, i1) && in_padding(2, i2)) ++g.padded_taps;
        if (!w.inside(0, i0) || !w.inside(1, i1) || !w.inside(2, i2)) continue;
        ++g.taps;
        const auto value = static_cast<double>(x[(i0 * w.in[1] + i1) * w.in[2] + i2]);
        if (s.op == Pool::kLp) g.sum += std::pow(std::abs(value), s.p);
        if (s.op == Pool::kAverage) g.sum += value;
        if (g.peak_at < 0 || value > g.peak) {
          g.peak = value;
          g.peak_at = s.column_major ? (i2 * w.in[1] + i1) * w.in[0] + i0
                                     : (i0 * w.in[1] + i1) * w.in[2] + i2;
        }
      }
  return g;
}

double result(const Setup& s, const Gathered& g) {
  if (s.op == Pool::kMax) return g.peak;
  if (s.op == Pool::kLp) return std::pow(g.sum, 1 / s.p);
  const std::int64_t count = s.count_pad ? g.padded_taps : g.taps;
  return count == 0 ? 0 : g.sum / static_cast<double>(count);
}

template <typename T>
void run_as(const NodeView& view, const LaunchArgs& args) {
  const auto& s = static_cast<const Setup&>(*args.prepared);
  const WindowNd& w = s.window;
  const Tensor& y = view.outputs[0];
  const std::int64_t plane = w.out_elements(), in_plane = w.in_elements();
  auto* indices =
      view.outputs.size() > 1 ? static_cast<std::int64_t*>(view.outputs[1].data) : nullptr;
  // Column-major indices count the plane's axes the other way; a plane of fewer axes has ones.
  split(*args.team, y.dims[0] * y.dims[1], row_grain(plane * w.kernel_elements()),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t p = begin; p < end; ++p)
            for (std::int64_t i = 0; i < plane; ++i) {
              const Gathered g =
                  gather(s, static_cast<const T*>(view.inputs[0].data) + p * in_plane,
                         i / (w.out[1] * w.out[2]), i / w.out[2] % w.out[1], i % w.out[2]);
              static_cast<T*>(y.data)[p * plane + i] = static_cast<T>(result(s, g));
              if (indices) indices[p * plane + i] = p * in_plane + g.peak_at;
            }
        });
}

Status run(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  switch (view.inputs[0].dtype) {
    case DType::kI8: run_as<std::int8_t>(view, args); break;
    case DType::kU8: run_as<std::uint8_t>(view, args); break;
    default: run_as<float>(view, args); break;
  }
  return {};
}

}  // namespace

constinit const Kernel kPoolPlain = {ir::kOpPool, "cpu/pool_plain", refuse, nullptr,
                                     run,         nullptr,          prepare};

}  // namespace antiphon::cpu
