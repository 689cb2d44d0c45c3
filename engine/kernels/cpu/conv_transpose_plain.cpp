// Transposed convolution: each input element is spread over its window of the output.
#include <algorithm>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/view.h"
#include "engine/kernels/cpu/window_nd.h"

namespace antiphon::cpu {
namespace {

struct Shape final : Prepared {
  WindowNd window;  // `in` is the output of the node, `out` its input
  std::int64_t groups = 1;
};

const char* refuse(const NodeView& view) { return all_f32(view) ? nullptr : "needs f32"; }

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed*) {
  auto s = std::make_unique<Shape>();
  s->window =
      window_nd(*view.node, view.outputs[0], view.inputs[0], view.inputs[1].dims.data() + 2);
  s->groups = view.node->attrs.i("groups", 1);
  return std::unique_ptr<Prepared>(std::move(s));
}

// y plane += the spread of x plane by one filter.
void spread(const WindowNd& w, const float* x, const float* filter, float* y) {
  for (std::int64_t o0 = 0; o0 < w.out[0]; ++o0)
    for (std::int64_t o1 = 0; o1 < w.out[1]; ++o1, x += w.out[2])
      for (std::int64_t k0 = 0; k0 < w.kernel[0]; ++k0)
        for (std::int64_t k1 = 0; k1 < w.kernel[1]; ++k1) {
          const std::int64_t i0 = w.at(0, o0, k0), i1 = w.at(1, o1, k1);
          if (!w.inside(0, i0) || !w.inside(1, i1)) continue;
          float* row = y + (i0 * w.in[1] + i1) * w.in[2];
          const float* taps = filter + (k0 * w.kernel[1] + k1) * w.kernel[2];
          for (std::int64_t k2 = 0; k2 < w.kernel[2]; ++k2)
            for (std::int64_t o2 = 0; o2 < w.out[2]; ++o2) {
              const std::int64_t i2 = w.at(2, o2, k2);
              if (w.inside(2, i2)) row[i2] += taps[k2] * x[o2];
            }
        }
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const auto& s = static_cast<const Shape&>(*args.prepared);
  const Tensor &x = view.inputs[0], &w = view.inputs[1], &y = view.outputs[0];
  const std::int64_t channels = x.dims[1] / s.groups, outputs = w.dims[1];
  const std::int64_t in_plane = s.window.out_elements(), out_plane = s.window.in_elements();
  const std::int64_t filter = s.window.kernel_elements();
  split(*args.team, y.dims[0] * y.dims[1], row_grain(channels * filter * in_plane),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t p = begin; p < end; ++p) {
            const std::int64_t b = p / y.dims[1], o = p % y.dims[1], group = o / outputs;
            float* to = y.f32() + p * out_plane;
            std::fill_n(to, out_plane, has_input(view, 2) ? view.inputs[2].f32()[o] : 0.0f);
            for (std::int64_t c = 0; c < channels; ++c) {
              const std::int64_t channel = group * channels + c;
              spread(s.window, x.f32() + (b * x.dims[1] + channel) * in_plane,
                     w.f32() + (channel * outputs + o % outputs) * filter, to);
            }
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kConvTransposePlain = {
    ir::kOpConvTranspose, "cpu/conv_transpose_plain", refuse, nullptr, run, nullptr, prepare};

}  // namespace antiphon::cpu
