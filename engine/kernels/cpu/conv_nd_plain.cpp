// Convolution over 1 to 3 spatial axes by taps: each output row is a sum of shifted input rows.
#include <algorithm>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/epilogue.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/window_nd.h"

namespace antiphon::cpu {
namespace {

struct Shape final : Prepared {
  WindowNd window;
  std::int64_t groups = 1, channels = 1, group_channels = 1, outputs = 1;
};

const char* refuse(const NodeView& view) {
  const DType dtype = view.inputs[0].dtype;
  if (dtype != DType::kF32 && dtype != DType::kI32) return "needs f32 or i32";
  if (dtype != view.inputs[1].dtype || has_input(view, 2)) return "needs w of the type of x";
  if (dtype == DType::kI32 && (view.node->attrs.has("act") || has_input(view, 4)))
    return "has no activation or residual in i32";
  return refuse_epilogue(view);
}

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed*) {
  const Tensor &x = view.inputs[0], &w = view.inputs[1];
  auto s = std::make_unique<Shape>();
  s->window = window_nd(*view.node, x, view.outputs[0], w.dims.data() + 2);
  s->groups = view.node->attrs.i("groups", 1);
  s->channels = x.dims[1];
  s->group_channels = w.dims[1];
  s->outputs = w.dims[0];
  return std::unique_ptr<Prepared>(std::move(s));
}

// y[t] += factor * x[t * stride + shift] for the steps of the row that exist.
template <typename T>
void add_tap(const WindowNd& w, const VectorMath& math, T factor, const T* x, std::int64_t shift,
             T* y) {
  const std::int64_t stride = w.stride[2], n = w.in[2];
  const std::int64_t first = shift >= 0 ? 0 : (-shift + stride - 1) / stride;
  const std::int64_t end = std::min(w.out[2], shift < n ? (n - 1 - shift) / stride + 1 : 0);
  if constexpr (std::is_same_v<T, float>) {
    if (stride == 1) {
      if (first < end) math.multiply_add(factor, x + first + shift, y + first, end - first);
      return;
    }
  }
  for (std::int64_t t = first; t < end; ++t) y[t] += factor * x[t * stride + shift];
}

// One output plane row [out 2] at (o0, o1): all channels and taps.
template <typename T>
void add_row(const WindowNd& w, const VectorMath& math, std::int64_t channels, const T* x,
             const T* weights, std::int64_t o0, std::int64_t o1, T* y) {
  for (std::int64_t c = 0; c < channels; ++c, x += w.in_elements())
    for (std::int64_t k0 = 0; k0 < w.kernel[0]; ++k0) {
      const std::int64_t i0 = w.at(0, o0, k0);
      for (std::int64_t k1 = 0; k1 < w.kernel[1]; ++k1, weights += w.kernel[2]) {
        const std::int64_t i1 = w.at(1, o1, k1);
        if (!w.inside(0, i0) || !w.inside(1, i1)) continue;
        const T* row = x + (i0 * w.in[1] + i1) * w.in[2];
        for (std::int64_t k2 = 0; k2 < w.kernel[2]; ++k2)
          add_tap(w, math, weights[k2], row, k2 * w.dilation[2] - w.before[2], y);
      }
    }
}

template <typename T>
void run_as(const NodeView& view, const LaunchArgs& args) {
  const auto& s = static_cast<const Shape&>(*args.prepared);
  const WindowNd& w = s.window;
  const Epilogue epilogue = epilogue_of(view);
  const std::int64_t planes = view.inputs[0].dims[0] * s.outputs, rows = w.out[0] * w.out[1];
  const auto* x = static_cast<const T*>(view.inputs[0].data);
  const auto* weights = static_cast<const T*>(view.inputs[1].data);
  const std::int64_t filter = s.group_channels * w.kernel_elements();
  const T* bias = has_input(view, 3) ? static_cast<const T*>(view.inputs[3].data) : nullptr;
  split(*args.team, planes * rows, row_grain(filter * w.out[2]),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            const std::int64_t plane = r / rows, o = plane % s.outputs, row = r % rows;
            const std::int64_t group = o / (s.outputs / s.groups);
            const T* from =
                x + (plane / s.outputs * s.channels + group * s.group_channels) * w.in_elements();
            T* y = static_cast<T*>(view.outputs[0].data) + r * w.out[2];
            std::fill_n(y, w.out[2], T{});
            add_row(w, *epilogue.math, s.group_channels, from, weights + o * filter, row / w.out[1],
                    row % w.out[1], y);
            if constexpr (std::is_same_v<T, float>) {
              epilogue.channel_row(y, epilogue.residual_at(r * w.out[2]), o, w.out[2]);
            } else if (bias) {
              for (std::int64_t t = 0; t < w.out[2]; ++t) y[t] += bias[o];
            }
          }
        });
}

Status run(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  if (view.inputs[0].dtype == DType::kF32)
    run_as<float>(view, args);
  else
    run_as<std::uint32_t>(view, args);  // wraps
  return {};
}

}  // namespace

constinit const Kernel kConvNdPlain = {
    ir::kOpConvNd, "cpu/conv_nd_plain", refuse, nullptr, run, nullptr, prepare};

}  // namespace antiphon::cpu
