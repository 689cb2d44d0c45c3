// Transposed convolution over 1 to 3 spatial axes, one group: a product with packed panels gives
// what every input pixel spreads, which is then added row by row of the window. The team divides
// the output channels.
#include <algorithm>
#include <numeric>
#include <vector>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/cpu/view.h"
#include "engine/kernels/cpu/window_nd.h"

namespace antiphon::cpu {
namespace {

constexpr std::int64_t kRows = 48;          // pixels of a block
constexpr std::int64_t kShortRow = 8;       // of a window: below, a call costs more than it saves
constexpr std::int64_t kLeastSpread = 256;  // columns of a block, about

struct PackedSpread final : Packed {
  F32Matrix matrix;  // [O * window, C]
  std::size_t bytes() const override { return matrix.bytes(); }
};
struct Shape final : Prepared {
  WindowNd window;
  std::int64_t channels = 0, outputs = 0;
};

const char* refuse(const NodeView& view) {
  if (!view.inputs[1].is_constant) return "needs constant weights";
  if (view.node->attrs.i("groups", 1) != 1) return "needs one group";
  return view.inputs[1].num_elements() == 0 ? "needs channels and a window" : nullptr;
}

std::int64_t window_elements(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  return w.num_elements() / (w.dims[0] * w.dims[1]);
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  const std::int64_t channels = w.dims[0], rows = w.num_elements() / channels;
  std::vector<float> turned(static_cast<std::size_t>(w.num_elements()));
  for (std::int64_t c = 0; c < channels; ++c)
    for (std::int64_t r = 0; r < rows; ++r)
      turned[static_cast<std::size_t>(r * channels + c)] = w.f32()[c * rows + r];
  auto packed = std::make_unique<PackedSpread>();
  packed->matrix = pack_f32(rows, channels, turned.data(), view.isa);
  return std::unique_ptr<Packed>(std::move(packed));
}

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed*) {
  auto s = std::make_unique<Shape>();
  s->window =
      window_nd(*view.node, view.inputs[0], view.outputs[0], view.inputs[1].dims.data() + 2);
  s->channels = view.inputs[1].dims[0];
  s->outputs = view.inputs[1].dims[1];
  return std::unique_ptr<Prepared>(std::move(s));
}

// Output channels of a block: whole panels, so that members do not share one.
std::int64_t block_outputs(std::int64_t window) {
  const std::int64_t grain = kPanelRows / std::gcd(window, kPanelRows);
  return grain * std::max<std::int64_t>(1, kLeastSpread / (window * grain));
}

std::size_t member_floats(const NodeView& view) {
  const std::int64_t window = window_elements(view);
  return aligned_bytes(static_cast<std::size_t>(kRows * block_outputs(window) * window) *
                       sizeof(float)) /
         sizeof(float);
}
std::int64_t pixels_of(const Tensor& x) { return x.num_elements() / (x.dims[0] * x.dims[1]); }

std::size_t workspace_bytes(const NodeView& view) {
  const Tensor& x = view.inputs[0];
  if (x.num_elements() == 0) return 0;
  const auto turned = static_cast<std::size_t>(pixels_of(x) * x.dims[1]);
  return aligned_bytes(turned * sizeof(float)) +
         member_floats(view) * sizeof(float) * static_cast<std::size_t>(view.num_threads);
}

// Adds the window of one pixel, [window] numbers, to one output plane.
void spread(const WindowNd& w, const VectorMath& math, std::int64_t pixel, const float* from,
            float* plane) {
  const std::int64_t i0 = pixel / (w.in[1] * w.in[2]), i1 = pixel / w.in[2] % w.in[1];
  const std::int64_t first = pixel % w.in[2] * w.stride[2] - w.before[2];
  const auto add = math.binary[static_cast<std::size_t>(Binary::kAdd)];
  for (std::int64_t k0 = 0; k0 < w.kernel[0]; ++k0)
    for (std::int64_t k1 = 0; k1 < w.kernel[1]; ++k1, from += w.kernel[2]) {
      const std::int64_t o0 = i0 * w.stride[0] + k0 * w.dilation[0] - w.before[0];
      const std::int64_t o1 = i1 * w.stride[1] + k1 * w.dilation[1] - w.before[1];
      if (o0 < 0 || o0 >= w.out[0] || o1 < 0 || o1 >= w.out[1]) continue;
      float* row = plane + (o0 * w.out[1] + o1) * w.out[2];
      if (w.dilation[2] == 1) {
        const std::int64_t begin = std::clamp<std::int64_t>(-first, 0, w.kernel[2]);
        const std::int64_t end = std::clamp<std::int64_t>(w.out[2] - first, begin, w.kernel[2]);
        float* to = row + first;
        if (end - begin < kShortRow)
          for (std::int64_t k = begin; k < end; ++k) to[k] += from[k];
        else
          add(to + begin, from + begin, to + begin, end - begin);
        continue;
      }
      for (std::int64_t k = 0; k < w.kernel[2]; ++k) {
        const std::int64_t at = first + k * w.dilation[2];
        if (at >= 0 && at < w.out[2]) row[at] += from[k];
      }
    }
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  if (y.num_elements() == 0) return {};
  const auto& s = static_cast<const Shape&>(*args.prepared);
  const F32Matrix& matrix = static_cast<const PackedSpread&>(*args.packed).matrix;
  const WindowNd& w = s.window;
  const VectorMath& math = vector_math(view.isa);
  const std::int64_t pixels = w.in_elements(), plane = w.out_elements();
  const std::int64_t window = w.kernel_elements(), step = block_outputs(window);
  auto* turned = reinterpret_cast<float*>(args.workspace);
  float* products =
      turned +
      aligned_bytes(static_cast<std::size_t>(pixels * s.channels) * sizeof(float)) / sizeof(float);
  const std::size_t room = member_floats(view);
  for (std::int64_t b = 0; b < x.dims[0]; ++b) {
    const float* image = x.f32() + b * s.channels * pixels;
    split(*args.team, pixels, row_grain(s.channels),
          [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t p = begin; p < end; ++p)
              for (std::int64_t c = 0; c < s.channels; ++c)
                turned[p * s.channels + c] = image[c * pixels + p];
          });
    split(*args.team, s.outputs, step, [&](std::int64_t begin, std::int64_t end, int member) {
      float* product = products + room * static_cast<std::size_t>(member);
      float* planes = y.f32() + b * s.outputs * plane;
      for (std::int64_t o = begin; o < end; ++o)
        std::fill_n(planes + o * plane, plane, has_input(view, 2) ? view.inputs[2].f32()[o] : 0.0f);
      for (std::int64_t o = begin; o < end; o += step) {
        const std::int64_t count = std::min(step, end - o), width = count * window;
        for (std::int64_t p = 0; p < pixels; p += kRows) {
          const std::int64_t rows = std::min(kRows, pixels - p);
          gemm_f32(matrix, {turned + p * s.channels, s.channels, 1, 0, s.channels}, rows,
                   product - o * window, width, o * window, o * window + width);
          for (std::int64_t r = 0; r < rows; ++r)
            for (std::int64_t i = 0; i < count; ++i)
              spread(w, math, p + r, product + r * width + i * window, planes + (o + i) * plane);
        }
      }
    });
  }
  return {};
}

}  // namespace

constinit const Kernel kConvTransposePanels = {.op = ir::kOpConvTranspose,
                                               .name = "cpu/conv_transpose_panels",
                                               .refuse = refuse,
                                               .workspace_bytes = workspace_bytes,
                                               .run = run,
                                               .pack = pack,
                                               .prepare = prepare};

}  // namespace antiphon::cpu
