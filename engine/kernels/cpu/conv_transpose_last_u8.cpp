// Channels-last transposed convolution on bytes whose windows do not overlap: one u8 x s8 product
// for each place of the window, written straight to its pixels. Weights are rounded to bytes, each
// output of each place with a scale of its own.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <optional>
#include <vector>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/conv_transpose_last.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/import_kernels.h"

namespace antiphon::cpu {
namespace {

constexpr std::size_t kBias = 2, kBase = 3;
constexpr std::int64_t kUnitRows = 64;

struct PackedPlaces final : Packed {
  std::vector<U8Matrix> places;  // [O, C], one a place of the window
  std::size_t bytes() const override {
    std::size_t total = 0;
    for (const U8Matrix& m : places) total += m.bytes();
    return total;
  }
};

const char* refuse(const NodeView& view) {
  const Tensor &x = view.inputs[0], &w = view.inputs[1];
  if (!ir::input_quantizer(view.node->attrs)) return "needs known ranges";
  if (!w.is_constant) return "needs constant weights";
  if (w.num_elements() == 0) return "needs channels and a window";
  if (w.dims[0] > kMaxU8Cols) return "takes at most 65536 channels";
  if (x.dtype != DType::kF32 && x.dtype != DType::kU8) return "needs x in f32 or u8";
  if (view.outputs[0].num_elements() / w.dims[1] >= (std::int64_t{1} << 31))
    return "takes fewer pixels";
  return nullptr;
}

// Bytes of a pixel of x as the product reads it.
std::int64_t row_of(const NodeView& view) {
  const std::int64_t grain = u8_grain(view.isa);
  return (view.inputs[1].dims[0] + grain - 1) / grain * grain;
}
bool is_direct(const NodeView& view) {
  return view.inputs[0].dtype == DType::kU8 && row_of(view) == view.inputs[1].dims[0];
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  const std::int64_t channels = w.dims[0], outputs = w.dims[1],
                     window = grown_windows(view).places();
  const auto quantizer = *ir::input_quantizer(view.node->attrs);
  auto packed = std::make_unique<PackedPlaces>();
  std::vector<std::int8_t> matrix(static_cast<std::size_t>(channels * outputs));
  std::vector<float> scales(static_cast<std::size_t>(outputs));
  for (std::int64_t k = 0; k < window; ++k) {
    for (std::int64_t o = 0; o < outputs; ++o) {
      const auto weight = [&](std::int64_t c) { return w.f32()[(c * outputs + o) * window + k]; };
      float most = 0;
      for (std::int64_t c = 0; c < channels; ++c) most = std::max(most, std::abs(weight(c)));
      const float scale = std::isnormal(most / 127) ? most / 127 : 1.0f;  // a row of nothing
      scales[static_cast<std::size_t>(o)] = scale;
      for (std::int64_t c = 0; c < channels; ++c)
        matrix[static_cast<std::size_t>(o * channels + c)] = static_cast<std::int8_t>(
            std::clamp(std::nearbyint(weight(c) / scale), -127.0f, 127.0f));
    }
    packed->places.push_back(pack_u8(outputs, channels, matrix.data(), scales.data(), view.isa, 1,
                                     quantizer.levels, u8_grain(view.isa)));
  }
  return std::unique_ptr<Packed>(std::move(packed));
}

std::size_t workspace_bytes(const NodeView& view) {
  if (is_direct(view)) return 0;
  return static_cast<std::size_t>(grown_windows(view).pixels() * row_of(view));
}

// x as rows of bytes, filled up with zeros, which meet zero weights.
void make_rows(const NodeView& view, Team& team, std::uint8_t* rows) {
  const Tensor& x = view.inputs[0];
  const auto quantizer = *ir::input_quantizer(view.node->attrs);
  const std::int64_t channels = view.inputs[1].dims[0], row = row_of(view);
  split(team, grown_windows(view).pixels(), row_grain(channels),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t i = begin; i < end; ++i) {
            std::uint8_t* to = rows + i * row;
            if (x.dtype == DType::kU8)
              std::memcpy(to, static_cast<const std::uint8_t*>(x.data) + i * channels,
                          static_cast<std::size_t>(channels));
            else
              quantize_u8_static(view.isa, x.f32() + i * channels, channels,
                                 {quantizer.scale, quantizer.zero}, quantizer.levels, to);
            std::fill(to + channels, to + row, std::uint8_t{0});
          }
        });
}

// The product of some pixels of x with one place of the window.
void run_unit(const NodeView& view, const U8Matrix& w, const std::uint8_t* rows, std::int64_t first,
              std::int64_t count, std::int64_t k) {
  const Tensor& y = view.outputs[0];
  const GrownWindows g = grown_windows(view);
  const auto quantizer = *ir::input_quantizer(view.node->attrs);
  std::int32_t places[kUnitRows];
  for (std::int64_t i = 0; i < count; ++i) {
    const std::int64_t line = (first + i) / g.columns, column = (first + i) % g.columns;
    places[i] = static_cast<std::int32_t>(g.pixel(line, k) + column * g.kw);
  }
  U8Sink sink;
  sink.stride = y.dims[static_cast<std::size_t>(y.rank - 1)];
  sink.places = places;
  if (const auto to = ir::output_quantizer(view.node->attrs)) {
    sink.bytes = static_cast<std::uint8_t*>(y.data) + view.node->attrs.i("y_begin");
    sink.numbers = {to->scale, to->zero};
    sink.levels = to->levels;
  } else {
    sink.y = placed_at(view).y;
  }
  GemmFinish finish;
  if (has_input(view, kBias)) finish.bias = view.inputs[kBias].f32();
  const std::int64_t row = row_of(view);
  gemm_u8(w, {rows + first * row, row, 1, 0, row}, {quantizer.scale, quantizer.zero}, count, sink,
          0, w.rows, finish);
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor& x = view.inputs[0];
  if (view.outputs[0].num_elements() == 0) return {};
  copy_base(view, kBase, *args.team);
  const auto& packed = static_cast<const PackedPlaces&>(*args.packed);
  const auto* rows = static_cast<const std::uint8_t*>(x.data);
  if (!is_direct(view)) {
    auto* made = reinterpret_cast<std::uint8_t*>(args.workspace);
    make_rows(view, *args.team, made);
    rows = made;
  }
  const GrownWindows g = grown_windows(view);
  const std::int64_t pixels = g.pixels(), units = (pixels + kUnitRows - 1) / kUnitRows;
  split(*args.team, units * g.places(), 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      const std::int64_t first = i % units * kUnitRows;
      run_unit(view, packed.places[static_cast<std::size_t>(i / units)], rows, first,
               std::min(kUnitRows, pixels - first), i / units);
    }
  });
  return {};
}

bool in_place(const NodeView& view) { return has_input(view, kBase); }

}  // namespace

constinit const Kernel kConvTransposeLastU8 = {.op = ir::kOpConvTransposeLast,
                                               .name = "cpu/conv_transpose_last_u8",
                                               .refuse = refuse,
                                               .workspace_bytes = workspace_bytes,
                                               .run = run,
                                               .pack = pack,
                                               .in_place = in_place,
                                               .in_place_input = kBase};

}  // namespace antiphon::cpu
