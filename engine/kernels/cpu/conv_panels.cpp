// 1-D convolution with constant weights as a product over taps: x is turned into padded rows
// [T, C], so that a window is `taps` runs of channels, and the panels of linear layers do the rest.
// In f32 (also from int8, expanded), or streamed as int8 with activations quantised to int16 or to
// bytes, one scale for each item of the batch. The team divides blocks of steps and outputs.
#include <algorithm>
#include <vector>

#include "engine/ir/input_quantizer.h"
#include "engine/kernels/cpu/conv_shape.h"
#include "engine/kernels/cpu/epilogue.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/cpu/gemv_int8.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"

namespace antiphon::cpu {
namespace {

constexpr std::int64_t kBlockSteps = 48;
constexpr std::int64_t kBlockOutputs = 4 * kPanelRows;
constexpr std::int64_t kTile = 16;  // of transposition

// One matrix a group, columns in the order [tap][channel].
struct PackedF32 final : Packed {
  std::vector<F32Matrix> groups;
  std::size_t bytes() const override {
    std::size_t total = 0;
    for (const F32Matrix& m : groups) total += m.bytes();
    return total;
  }
};
struct PackedInt8 final : Packed {
  std::vector<std::unique_ptr<Int8Matrix>> groups;
  int q_max = 32767;
  std::size_t bytes() const override {
    std::size_t total = 0;
    for (const auto& m : groups) total += m->bytes();
    return total;
  }
};

struct PackedU8 final : Packed {
  std::vector<U8Matrix> groups;
  std::size_t bytes() const override {
    std::size_t total = 0;
    for (const U8Matrix& m : groups) total += m.bytes();
    return total;
  }
};

const char* refuse_f32(const NodeView& view) {
  if (!view.inputs[1].is_constant) return "needs constant weights";
  if (has_input(view, 2) && !view.inputs[2].is_constant) return "needs constant scales";
  if (const char* reason = refuse_weights(view)) return reason;
  const ConvShape s = conv_shape(view);
  return s.groups > 1 && s.group_outputs() < 8 ? "needs 8 outputs a group or more" : nullptr;
}
const char* refuse_int8(const NodeView& view) {
  if (view.inputs[1].dtype != DType::kI8) return "needs i8 weights";
  const ConvShape s = conv_shape(view);
  if (s.group_channels * s.taps > (1 << 24)) return "takes at most 2^24 weights an output";
  return refuse_f32(view);
}

const char* refuse_u8(const NodeView& view) {
  if (ir::input_quantizer(view.node->attrs)) return "needs ranges that are not known";
  if (view.inputs[1].dtype != DType::kI8) return "needs i8 weights";
  const ConvShape s = conv_shape(view);
  if (s.group_channels * s.taps > kMaxU8Cols) return "takes at most 65536 weights an output";
  return refuse_f32(view);
}

// w [O, C, k] of one group as [O, k, C].
template <typename T>
std::vector<T> tap_major(const ConvShape& s, const T* w) {
  std::vector<T> out(static_cast<std::size_t>(s.group_outputs() * s.group_channels * s.taps));
  std::size_t at = 0;
  for (std::int64_t o = 0; o < s.group_outputs(); ++o)
    for (std::int64_t k = 0; k < s.taps; ++k)
      for (std::int64_t c = 0; c < s.group_channels; ++c)
        out[at++] = w[(o * s.group_channels + c) * s.taps + k];
  return out;
}

Result<std::unique_ptr<Packed>> pack_as_f32(const NodeView& view) {
  const ConvShape s = conv_shape(view);
  const Tensor& w = view.inputs[1];
  const std::int64_t outputs = s.group_outputs(), cols = s.group_channels * s.taps;
  auto packed = std::make_unique<PackedF32>();
  for (std::int64_t g = 0; g < s.groups; ++g) {
    const std::int64_t at = g * outputs * cols;
    packed->groups.push_back(
        w.dtype == DType::kF32
            ? pack_f32(outputs, cols, tap_major(s, w.f32() + at).data(), view.isa)
            : pack_f32(outputs, cols,
                       tap_major(s, static_cast<const std::int8_t*>(w.data) + at).data(),
                       view.inputs[2].f32() + g * outputs, view.isa));
  }
  return std::unique_ptr<Packed>(std::move(packed));
}

Result<std::unique_ptr<Packed>> pack_as_int8(const NodeView& view) {
  const ConvShape s = conv_shape(view);
  const std::int64_t outputs = s.group_outputs(), cols = s.group_channels * s.taps;
  auto packed = std::make_unique<PackedInt8>();
  for (std::int64_t g = 0; g < s.groups; ++g) {
    const auto* w = static_cast<const std::int8_t*>(view.inputs[1].data) + g * outputs * cols;
    ANTIPHON_ASSIGN_OR_RETURN(auto matrix, pack_int8(outputs, cols, tap_major(s, w).data(),
                                                     view.inputs[2].f32() + g * outputs, view.isa,
                                                     static_cast<int>(s.taps)));
    packed->q_max = std::min(packed->q_max, matrix->q_max);
    packed->groups.push_back(std::move(matrix));
  }
  return std::unique_ptr<Packed>(std::move(packed));
}

Result<std::unique_ptr<Packed>> pack_as_u8(const NodeView& view) {
  const ConvShape s = conv_shape(view);
  const std::int64_t outputs = s.group_outputs(), cols = s.group_channels * s.taps;
  auto packed = std::make_unique<PackedU8>();
  for (std::int64_t g = 0; g < s.groups; ++g) {
    const auto* w = static_cast<const std::int8_t*>(view.inputs[1].data) + g * outputs * cols;
    packed->groups.push_back(pack_u8(outputs, cols, tap_major(s, w).data(),
                                     view.inputs[2].f32() + g * outputs, view.isa,
                                     static_cast<int>(s.taps)));
  }
  return std::unique_ptr<Packed>(std::move(packed));
}

// Steps of x with its padding, as far as windows reach.
std::int64_t padded_steps(const ConvShape& s) {
  return (s.out_steps - 1) * s.stride + (s.taps - 1) * s.dilation + 1;
}

// x [C, T] to rows [padded steps][C] for the steps [begin, end); outside of x `nothing`.
template <typename T>
void to_rows(const ConvShape& s, const T* x, T nothing, std::int64_t begin, std::int64_t end,
             T* rows) {
  for (std::int64_t t0 = begin; t0 < end; t0 += kTile)
    for (std::int64_t c0 = 0; c0 < s.channels; c0 += kTile) {
      const std::int64_t c_end = std::min(c0 + kTile, s.channels);
      for (std::int64_t t = t0; t < std::min(t0 + kTile, end); ++t) {
        const std::int64_t from = t - s.pad_left;
        T* out = rows + t * s.channels;
        if (from < 0 || from >= s.steps) {
          std::fill(out + c0, out + c_end, nothing);
        } else {
          for (std::int64_t c = c0; c < c_end; ++c) out[c] = x[c * s.steps + from];
        }
      }
    }
}

// Elements of an item's rows; the last few are read, but meet zero weights.
std::int64_t item_elements(const ConvShape& s) { return padded_steps(s) * s.channels + 4; }

struct Workspace {
  std::size_t rows, quantized, scales, tile, all;  // offsets
};
// element: bytes of one value of the rows.
Workspace workspace_of(const NodeView& view, std::size_t element) {
  const ConvShape s = conv_shape(view);
  const auto batch = static_cast<std::size_t>(s.batch);
  const auto item = static_cast<std::size_t>(item_elements(s));
  Workspace w{};
  w.quantized = aligned_bytes(batch * item * element);
  // int8 only: x quantised where it stands, before it is turned.
  const auto plane = static_cast<std::size_t>(s.channels * s.steps + 2) * element;
  w.scales = w.quantized + (element < 4 ? aligned_bytes(batch * plane) : 0);
  w.tile = w.scales + aligned_bytes(batch * sizeof(U8Row));
  w.all = w.tile + static_cast<std::size_t>(view.num_threads) *
                       aligned_bytes(kBlockSteps * kBlockOutputs * sizeof(float));
  return w;
}
std::size_t workspace_f32(const NodeView& view) { return workspace_of(view, 4).all; }
std::size_t workspace_int8(const NodeView& view) { return workspace_of(view, 2).all; }
std::size_t workspace_u8(const NodeView& view) { return workspace_of(view, 1).all; }

// A block of steps and outputs of one group of one item.
struct Block {
  std::int64_t batch, group, first_step, num_steps, first_output, end_output;
};
Block block_of(const ConvShape& s, std::int64_t unit) {
  const std::int64_t step_blocks = (s.out_steps + kBlockSteps - 1) / kBlockSteps;
  const std::int64_t output_blocks = (s.group_outputs() + kBlockOutputs - 1) / kBlockOutputs;
  Block b{};
  b.first_step = unit % step_blocks * kBlockSteps;
  unit /= step_blocks;
  b.first_output = unit % output_blocks * kBlockOutputs;
  unit /= output_blocks;
  b.group = unit % s.groups;
  b.batch = unit / s.groups;
  b.num_steps = std::min(kBlockSteps, s.out_steps - b.first_step);
  b.end_output = std::min(b.first_output + kBlockOutputs, s.group_outputs());
  return b;
}
std::int64_t num_blocks(const ConvShape& s) {
  return s.batch * s.groups * ((s.group_outputs() + kBlockOutputs - 1) / kBlockOutputs) *
         ((s.out_steps + kBlockSteps - 1) / kBlockSteps);
}

// tile [steps][outputs of the block] to y [O, T'], then the epilogue.
void finish(const ConvShape& s, const Epilogue& epilogue, const Block& b, const float* tile,
            float* y) {
  const std::int64_t width = b.end_output - b.first_output;
  for (std::int64_t o = 0; o < width; ++o) {
    const std::int64_t channel = b.group * s.group_outputs() + b.first_output + o;
    const std::int64_t at = (b.batch * s.outputs + channel) * s.out_steps + b.first_step;
    for (std::int64_t t = 0; t < b.num_steps; ++t) y[at + t] = tile[t * width + o];
    epilogue.channel_row(y + at, epilogue.residual_at(at), channel, b.num_steps);
  }
}

// product(block, its rows, tile): the sums of a block. nothing(item): what stands for zero.
template <typename T, typename N, typename F>
void run_blocks(const NodeView& view, const LaunchArgs& args, const T* x, N nothing, F product) {
  const ConvShape s = conv_shape(view);
  const Workspace space = workspace_of(view, sizeof(T));
  const std::int64_t item = item_elements(s), steps = padded_steps(s);
  auto* rows = reinterpret_cast<T*>(args.workspace + space.rows);
  for (std::int64_t b = 0; b < s.batch; ++b)
    split(*args.team, steps, std::max(kTile, row_grain(s.channels)),
          [&](std::int64_t begin, std::int64_t end, int) {
            to_rows(s, x + b * s.channels * s.steps, nothing(b), begin, end, rows + b * item);
          });
  for (std::int64_t b = 0; b < s.batch; ++b) std::fill_n(rows + (b + 1) * item - 4, 4, T{});
  const Epilogue epilogue = epilogue_of(view);
  float* y = view.outputs[0].f32();
  split(*args.team, num_blocks(s), 1, [&](std::int64_t begin, std::int64_t end, int member) {
    auto* tile = reinterpret_cast<float*>(args.workspace + space.tile +
                                          static_cast<std::size_t>(member) *
                                              aligned_bytes(kBlockSteps * kBlockOutputs * 4));
    for (std::int64_t unit = begin; unit < end; ++unit) {
      const Block b = block_of(s, unit);
      const T* from =
          rows + b.batch * item + b.first_step * s.stride * s.channels + b.group * s.group_channels;
      product(s, b,
              TappedRows<T>{from, s.stride * s.channels, static_cast<int>(s.taps),
                            s.dilation * s.channels, s.group_channels},
              tile - b.first_output);
      finish(s, epilogue, b, tile, y);
    }
  });
}

Status run_f32(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  const auto& packed = static_cast<const PackedF32&>(*args.packed);
  run_blocks(
      view, args, static_cast<const float*>(view.inputs[0].f32()),
      [](std::int64_t) { return 0.0f; },
      [&](const ConvShape&, const Block& b, const TappedRows<float>& x, float* tile) {
        gemm_f32(packed.groups[static_cast<std::size_t>(b.group)], x, b.num_steps, tile,
                 b.end_output - b.first_output, b.first_output, b.end_output);
      });
  return {};
}

Status run_int8(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  const auto& packed = static_cast<const PackedInt8&>(*args.packed);
  const ConvShape shape = conv_shape(view);
  const Workspace space = workspace_of(view, 2);
  const std::int64_t plane = shape.channels * shape.steps;
  auto* values = reinterpret_cast<std::int16_t*>(args.workspace + space.quantized);
  auto* scales = reinterpret_cast<float*>(args.workspace + space.scales);
  // Items stand without gaps for to_rows: the rounding of an odd one is overwritten by the next.
  for (std::int64_t b = 0; b < shape.batch; ++b)
    quantize_rows(view.isa, view.inputs[0].f32() + b * plane, plane, plane, packed.q_max,
                  {values + b * plane, plane, scales + b, 1});
  run_blocks(
      view, args, static_cast<const std::int16_t*>(values),
      [](std::int64_t) { return std::int16_t{0}; },
      [&](const ConvShape&, const Block& b, TappedRows<std::int16_t> x, float* tile) {
        const Int8Matrix& w = *packed.groups[static_cast<std::size_t>(b.group)];
        // An odd last channel meets a zero weight, whatever stands after it.
        x.tap_cols = w.padded_tap_cols();
        gemm_int8(w, x, scales + b.batch, 0, b.num_steps, tile, b.end_output - b.first_output,
                  b.first_output, b.end_output);
      });
  return {};
}

Status run_u8(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  const auto& packed = static_cast<const PackedU8&>(*args.packed);
  const ConvShape shape = conv_shape(view);
  const Workspace space = workspace_of(view, 1);
  const std::int64_t plane = shape.channels * shape.steps;
  auto* values = reinterpret_cast<std::uint8_t*>(args.workspace + space.quantized);
  auto* numbers = reinterpret_cast<U8Row*>(args.workspace + space.scales);
  for (std::int64_t b = 0; b < shape.batch; ++b)
    numbers[b] = quantize_u8(view.isa, view.inputs[0].f32() + b * plane, plane, values + b * plane);
  run_blocks(
      view, args, static_cast<const std::uint8_t*>(values),
      [&](std::int64_t b) { return static_cast<std::uint8_t>(numbers[b].zero); },
      [&](const ConvShape&, const Block& b, TappedRows<std::uint8_t> x, float* tile) {
        const U8Matrix& w = packed.groups[static_cast<std::size_t>(b.group)];
        x.tap_cols = w.padded_tap_cols();
        gemm_u8(w, x, numbers + b.batch, 0, b.num_steps, tile, b.end_output - b.first_output,
                b.first_output, b.end_output);
      });
  return {};
}

}  // namespace

constinit const Kernel kConvPanelsF32 = {
    ir::OpKind::kConv, "cpu/conv_panels_f32", refuse_f32, workspace_f32, run_f32, pack_as_f32};
constinit const Kernel kConvPanelsInt8 = {
    ir::OpKind::kConv, "cpu/conv_panels_int8", refuse_int8, workspace_int8, run_int8, pack_as_int8};
constinit const Kernel kConvPanelsU8 = {.op = ir::OpKind::kConv,
                                        .name = "cpu/conv_panels_u8",
                                        .refuse = refuse_u8,
                                        .workspace_bytes = workspace_u8,
                                        .run = run_u8,
                                        .pack = pack_as_u8,
                                        .coarse = true};

}  // namespace antiphon::cpu
