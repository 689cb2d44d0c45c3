// Channels-last transposed convolution whose windows do not overlap: one packed product for each
// place of the window, written straight to its pixels.
#include <vector>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
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
  if (!view.inputs[1].is_constant) return "needs constant weights";
  return view.inputs[1].num_elements() == 0 ? "needs channels and a window" : nullptr;
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  const std::int64_t channels = w.dims[0], outputs = w.dims[1], window = w.dims[2] * w.dims[3];
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

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &w = view.inputs[1], &y = view.outputs[0];
  if (y.num_elements() == 0) return {};
  copy_base(view, kBase, *args.team);
  const auto& packed = static_cast<const PackedPlaces&>(*args.packed);
  const std::int64_t channels = w.dims[0], outputs = w.dims[1], kh = w.dims[2], kw = w.dims[3];
  const std::int64_t columns = x.dims[2];
  const Placed to = placed_at(view);
  GemmFinish finish;
  if (has_input(view, kBias)) finish.bias = view.inputs[kBias].f32();
  split(*args.team, x.dims[0] * x.dims[1], row_grain(columns * channels),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r)
            for (std::int64_t k = 0; k < kh * kw; ++k)
              gemm_f32(packed.places[static_cast<std::size_t>(k)],
                       {x.f32() + r * columns * channels, channels, 1, 0, channels}, columns,
                       to.pixel((r * kh + k / kw) * columns * kw + k % kw), kw * to.width, 0,
                       outputs, &finish);
        });
  return {};
}

bool in_place(const NodeView& view) { return has_input(view, kBase); }

}  // namespace

constinit const Kernel kConvTransposeLast = {.op = ir::kOpConvTransposeLast,
                                             .name = "cpu/conv_transpose_last",
                                             .refuse = refuse,
                                             .workspace_bytes = nullptr,
                                             .run = run,
                                             .pack = pack,
                                             .in_place = in_place,
                                             .in_place_input = kBase};

}  // namespace antiphon::cpu
