// Channels-last transposed convolution over two or three axes whose windows do not overlap: one
// packed product for each place of the window, written straight to its pixels.
#include "engine/kernels/cpu/conv_transpose_last.h"

#include <vector>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/import_kernels.h"

namespace antiphon::cpu {
namespace {

constexpr std::size_t kBias = 2, kBase = 3;

struct PackedPlaces final : Packed {
  std::vector<F32Matrix> places;  // [O, C], one a place of the window
  std::size_t bytes() const override {
    return places.size() * (places.empty() ? 0 : places[0].bytes());
  }
};

const char* refuse(const NodeView& view) {
  if (view.inputs[0].dtype != DType::kF32) return "needs f32";
  if (!view.inputs[1].is_constant) return "needs constant weights";
  return view.inputs[1].num_elements() == 0 ? "needs channels and a window" : nullptr;
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  const std::int64_t channels = w.dims[0], outputs = w.dims[1],
                     window = grown_windows(view).places();
  auto packed = std::make_unique<PackedPlaces>();
  std::vector<float> matrix(static_cast<std::size_t>(channels * outputs));
  for (std::int64_t k = 0; k < window; ++k) {
    for (std::int64_t o = 0; o < outputs; ++o)
      for (std::int64_t c = 0; c < channels; ++c)
        matrix[static_cast<std::size_t>(o * channels + c)] =
            w.f32()[(c * outputs + o) * window + k];
    packed->places.push_back(pack_f32(outputs, channels, matrix.data(), view.isa));
  }
  return std::unique_ptr<Packed>(std::move(packed));
}

// Of one line of x with one place of the window: where results become bytes.
std::size_t line_bytes(const NodeView& view) {
  if (view.outputs[0].dtype != DType::kU8) return 0;
  return aligned_bytes(
      static_cast<std::size_t>(grown_windows(view).columns * view.inputs[1].dims[1]) *
      sizeof(float));
}
std::size_t workspace_bytes(const NodeView& view) {
  return static_cast<std::size_t>(view.num_threads) * line_bytes(view);
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &w = view.inputs[1], &y = view.outputs[0];
  if (y.num_elements() == 0) return {};
  copy_base(view, kBase, *args.team);
  const auto& packed = static_cast<const PackedPlaces&>(*args.packed);
  const GrownWindows g = grown_windows(view);
  const std::int64_t channels = w.dims[0], outputs = w.dims[1], columns = g.columns;
  const Placed to = placed_at(view);
  const auto quantizer = ir::output_quantizer(view.node->attrs);
  auto* bytes = static_cast<std::uint8_t*>(y.data) + view.node->attrs.i("y_begin");
  GemmFinish finish;
  if (has_input(view, kBias)) finish.bias = view.inputs[kBias].f32();
  split(*args.team, g.lines, row_grain(columns * channels),
        [&](std::int64_t begin, std::int64_t end, int member) {
          auto* line = reinterpret_cast<float*>(args.workspace + static_cast<std::size_t>(member) *
                                                                     line_bytes(view));
          for (std::int64_t r = begin; r < end; ++r)
            for (std::int64_t k = 0; k < g.places(); ++k) {
              const std::int64_t pixel = g.pixel(r, k);
              gemm_f32(packed.places[static_cast<std::size_t>(k)],
                       {x.f32() + r * columns * channels, channels, 1, 0, channels}, columns,
                       quantizer ? line : to.pixel(pixel), quantizer ? outputs : g.kw * to.width, 0,
                       outputs, &finish);
              for (std::int64_t i = 0; quantizer && i < columns; ++i)
                quantize_u8_static(view.isa, line + i * outputs, outputs,
                                   {quantizer->scale, quantizer->zero}, quantizer->levels,
                                   bytes + (pixel + i * g.kw) * to.width);
            }
        });
  return {};
}

bool in_place(const NodeView& view) { return has_input(view, kBase); }

}  // namespace

constinit const Kernel kConvTransposeLast = {.op = ir::kOpConvTransposeLast,
                                             .name = "cpu/conv_transpose_last",
                                             .refuse = refuse,
                                             .workspace_bytes = workspace_bytes,
                                             .run = run,
                                             .pack = pack,
                                             .in_place = in_place,
                                             .in_place_input = kBase};

}  // namespace antiphon::cpu
