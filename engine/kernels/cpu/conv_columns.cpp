// 1-D convolution of stride 1 with the steps as the columns of the product: windows of x become
// panels of 16 steps, which x [C, T] holds as they are, the weights are the rows, and y [O, T']
// comes out as it lies. f32. The team divides the outputs, or the steps where there are few.
#include <algorithm>
#include <vector>

#include "engine/kernels/cpu/conv_shape.h"
#include "engine/kernels/cpu/epilogue.h"
#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"

namespace antiphon::cpu {
namespace {

constexpr std::int64_t kBlockOutputs = 96;  // their weights and results stay in L2
constexpr std::int64_t kGrain = 12;         // outputs of a tile
constexpr std::int64_t kMostPanelBytes = 8 << 20;

struct PackedRows final : Packed {
  std::vector<float> weights;  // [O, taps, C]
  std::size_t bytes() const override { return weights.size() * sizeof(float); }
};

std::int64_t window_of(const ConvShape& s) { return s.channels * s.taps; }
std::int64_t panels_bytes(const ConvShape& s) {
  return panel_elements(s.out_steps, window_of(s)) * static_cast<std::int64_t>(sizeof(float));
}

const char* refuse(const NodeView& view) {
  if (!view.inputs[1].is_constant) return "needs constant weights";
  if (view.inputs[1].dtype != DType::kF32) return "needs f32 weights";
  const ConvShape s = conv_shape(view);
  if (s.stride != 1 || s.groups != 1) return "needs stride 1 and one group";
  if (s.outputs < 4) return "needs 4 outputs";
  if (panels_bytes(s) > kMostPanelBytes) return "needs windows of at most 8 MiB together";
  return refuse_weights(view);
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const ConvShape s = conv_shape(view);
  const float* w = view.inputs[1].f32();
  auto packed = std::make_unique<PackedRows>();
  packed->weights.reserve(static_cast<std::size_t>(s.outputs * window_of(s)));
  for (std::int64_t o = 0; o < s.outputs; ++o)
    for (std::int64_t k = 0; k < s.taps; ++k)
      for (std::int64_t c = 0; c < s.channels; ++c)
        packed->weights.push_back(w[(o * s.channels + c) * s.taps + k]);
  return std::unique_ptr<Packed>(std::move(packed));
}

std::size_t workspace_bytes(const NodeView& view) {
  return static_cast<std::size_t>(panels_bytes(conv_shape(view)));
}

// Panel p of an item x [C, T]: [tap][channel][16 steps], zeros outside of x.
void pack_panel(const ConvShape& s, const float* x, std::int64_t p, float* to) {
  for (std::int64_t k = 0; k < s.taps; ++k) {
    const std::int64_t from = p * kPanelRows + k * s.dilation - s.pad_left;
    const std::int64_t begin = std::clamp<std::int64_t>(-from, 0, kPanelRows);
    const std::int64_t end = std::clamp<std::int64_t>(s.steps - from, begin, kPanelRows);
    for (std::int64_t c = 0; c < s.channels; ++c, to += kPanelRows) {
      const float* row = x + c * s.steps + from;
      if (end - begin == kPanelRows) {
        std::copy_n(row, kPanelRows, to);
        continue;
      }
      for (std::int64_t i = 0; i < kPanelRows; ++i) to[i] = i >= begin && i < end ? row[i] : 0.0f;
    }
  }
}

Status run(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  const ConvShape s = conv_shape(view);
  const float* weights = static_cast<const PackedRows&>(*args.packed).weights.data();
  const Epilogue epilogue = epilogue_of(view);
  const std::int64_t window = window_of(s);
  const std::int64_t num_panels = (s.out_steps + kPanelRows - 1) / kPanelRows;
  auto* panels = reinterpret_cast<float*>(args.workspace);
  const F32Panels steps(panels, s.out_steps, window, view.isa);
  const bool by_steps = s.outputs < 2 * kGrain * args.team->size();
  for (std::int64_t b = 0; b < s.batch; ++b) {
    const float* x = view.inputs[0].f32() + b * s.channels * s.steps;
    const std::int64_t base = b * s.outputs * s.out_steps;
    float* y = view.outputs[0].f32() + base;
    split(*args.team, num_panels, row_grain(window * kPanelRows),
          [&](std::int64_t begin, std::int64_t end, int) {
            for (std::int64_t p = begin; p < end; ++p)
              pack_panel(s, x, p, panels + p * window * kPanelRows);
          });
    const auto product = [&](Range outputs, Range at) {
      for (std::int64_t o = outputs.begin; o < outputs.end; o += kBlockOutputs) {
        const std::int64_t count = std::min(kBlockOutputs, outputs.end - o);
        gemm_f32(steps, {weights + o * window, window, 1, 0, window}, count, y + o * s.out_steps,
                 s.out_steps, at.begin, at.end);
        if (epilogue.is_empty()) continue;
        for (std::int64_t i = o; i < o + count; ++i) {
          const std::int64_t first = i * s.out_steps + at.begin;
          epilogue.channel_row(y + first, epilogue.residual_at(base + first), i, at.end - at.begin);
        }
      }
    };
    if (by_steps) {
      split(*args.team, s.out_steps, kPanelRows, [&](std::int64_t begin, std::int64_t end, int) {
        product({0, s.outputs}, {begin, end});
      });
    } else {
      split(*args.team, s.outputs, kGrain, [&](std::int64_t begin, std::int64_t end, int) {
        product({begin, end}, {0, s.out_steps});
      });
    }
  }
  return {};
}

}  // namespace

constinit const Kernel kConvColumns = {
    ir::OpKind::kConv, "cpu/conv_columns", refuse, workspace_bytes, run, pack};

}  // namespace antiphon::cpu
