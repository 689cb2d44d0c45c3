// Convolution over 1 to 3 spatial axes with int8 weights and input bytes of calibrated numbers.
// x [B, C, S] becomes bytes [B, S, C]; the windows of a block of positions are copied to rows
// [position][tap][channel], zero point outside of x, and multiplied with the panels of linear
// layers. With the channels last x has that order already, and results are written where they
// belong. The team divides blocks of positions, and outputs where there are few.
#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/dynamic_bytes.h"
#include "engine/kernels/cpu/epilogue.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/transpose_tile.h"
#include "engine/kernels/cpu/window_nd.h"

namespace antiphon::cpu {
namespace {

constexpr std::int64_t kBlockPositions = 60;  // whole tiles of 12 or 6 rows
constexpr std::int64_t kBlockOutputs = 4 * kPanelRows;
constexpr std::int64_t kTilePositions = 64;  // of turning x

std::int64_t fours(std::int64_t n) { return (n + 3) / 4 * 4; }

struct Shape final : Prepared {
  WindowNd window;
  std::int64_t batch = 0, groups = 1, channels = 1, group_channels = 1, group_outputs = 1;
  std::int64_t in = 0, out = 0, taps = 1;  // positions; of a window
  ir::InputQuantizer quantizer;            // of a range found at run time: of nothing yet
  bool dynamic = false;
  std::int32_t shift = 0;              // of the weights
  bool last = false;                   // x [B, S, C]
  std::int64_t blocks = 1, block = 1;  // of an item's positions; positions of one
  std::int64_t parts = 1;              // of a group's outputs
  bool direct = false;                 // a window is a run of bytes: nothing is copied
  bool placed = false;                 // x is the rows
  std::size_t rows_at = 0, tiles_at = 0, patches_at = 0, tile_bytes = 0, patch_bytes = 0, all = 0;
  std::int64_t grain = 4;  // of the packed columns

  std::int64_t columns() const { return group_channels * taps; }
  std::int64_t packed_columns() const { return (columns() + grain - 1) / grain * grain; }
  std::int64_t row() const { return fours(channels); }  // bytes of a position of x
};

// An image with its channels first, as the windows are described.
Tensor channels_first(Tensor t) {
  std::rotate(t.dims.begin() + 1, t.dims.begin() + t.rank - 1, t.dims.begin() + t.rank);
  return t;
}

WindowNd window_of(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  if (view.node->op == ir::kOpConvLast)
    return window_nd(*view.node, channels_first(view.inputs[0]), channels_first(view.outputs[0]),
                     w.dims.data() + 2);
  if (view.node->op == ir::kOpConvNd)
    return window_nd(*view.node, view.inputs[0], view.outputs[0], w.dims.data() + 2);
  const ir::Attrs& attrs = view.node->attrs;
  WindowNd out;
  out.in[2] = view.inputs[0].dims[2];
  out.out[2] = view.outputs[0].dims[2];
  out.kernel[2] = w.dims[2];
  out.stride[2] = attrs.i("stride", 1);
  out.dilation[2] = attrs.i("dilation", 1);
  out.before[2] = attrs.i("pad_left");
  return out;
}

Shape shape_of(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  Shape s;
  s.window = window_of(view);
  s.batch = view.inputs[0].dims[0];
  s.groups = view.node->attrs.i("groups", 1);
  s.last = view.node->op == ir::kOpConvLast;
  s.channels = view.inputs[0].dims[s.last ? static_cast<std::size_t>(w.rank - 1) : 1];
  s.group_channels = w.dims[1];
  s.group_outputs = w.dims[0] / s.groups;
  s.in = s.window.in_elements();
  s.out = s.window.out_elements();
  s.taps = s.window.kernel_elements();
  s.dynamic = ir::has_dynamic_range(view.node->attrs);
  s.shift = static_cast<std::int32_t>(view.node->attrs.i("w_shift"));
  s.quantizer = ir::input_quantizer(view.node->attrs).value_or(ir::InputQuantizer());
  s.grain = u8_grain(view.isa);
  // Blocks of one size, and enough units for the team.
  s.blocks = even_parts(s.batch * s.groups, s.out, kBlockPositions, view.num_threads);
  s.block = std::max<std::int64_t>(1, (s.out + s.blocks - 1) / s.blocks);
  s.blocks = std::max<std::int64_t>(1, (s.out + s.block - 1) / s.block);  // none is empty
  const std::int64_t units = s.batch * s.groups * s.blocks, panels = s.group_outputs / kPanelRows;
  if (units < 2 * view.num_threads)
    s.parts = std::clamp<std::int64_t>(2 * view.num_threads / std::max<std::int64_t>(1, units), 1,
                                       std::max<std::int64_t>(1, panels));
  const auto& stride = s.window.stride;
  s.direct = s.taps == 1 && s.in == s.out && stride[0] * stride[1] * stride[2] == 1 &&
             (s.groups == 1 || s.group_channels % 4 == 0);
  s.placed = s.last && view.inputs[0].dtype == DType::kU8 && s.row() == s.channels &&
             (!s.direct || s.packed_columns() == s.columns());
  // A row may be read to the end of its columns, which meet zero weights.
  if (s.dynamic) s.rows_at = dynamic_quantizer_bytes(view.num_threads);
  s.tiles_at = s.rows_at;
  if (!s.placed)
    s.tiles_at += aligned_bytes(static_cast<std::size_t>(s.batch * s.in * s.row() + s.grain));
  s.tile_bytes = aligned_bytes(kBlockPositions * kBlockOutputs * sizeof(float));
  s.patches_at = s.tiles_at + static_cast<std::size_t>(view.num_threads) * s.tile_bytes;
  s.patch_bytes =
      s.direct ? 0 : aligned_bytes(static_cast<std::size_t>(s.block * s.packed_columns()));
  s.all = s.patches_at + static_cast<std::size_t>(view.num_threads) * s.patch_bytes;
  return s;
}

const char* refuse(const NodeView& view) {
  if (const char* reason = refuse_ranges(view)) return reason;
  if (view.node->attrs.i("x_first") != 0) return "needs the channels last";
  const Tensor& w = view.inputs[1];
  if (w.dtype != DType::kI8) return "needs i8 weights";
  if (!w.is_constant || !has_input(view, 2) || !view.inputs[2].is_constant)
    return "needs constant weights and scales";
  if (w.num_elements() / std::max<std::int64_t>(1, w.dims[0]) > kMaxU8Cols)
    return "takes at most 65536 weights an output";
  return view.node->op == ir::kOpConvLast ? refuse_bytes(view) : refuse_weights(view, true);
}

// One matrix a group, columns in the order [tap][channel].
struct PackedGroups final : Packed {
  std::vector<U8Matrix> groups;
  std::size_t bytes() const override {
    std::size_t total = 0;
    for (const U8Matrix& m : groups) total += m.bytes();
    return total;
  }
};

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const Shape s = shape_of(view);
  const auto* w = static_cast<const std::int8_t*>(view.inputs[1].data);
  auto packed = std::make_unique<PackedGroups>();
  std::vector<std::int8_t> turned(static_cast<std::size_t>(s.group_outputs * s.columns()));
  for (std::int64_t g = 0; g < s.groups; ++g) {
    std::size_t at = 0;
    for (std::int64_t o = 0; o < s.group_outputs; ++o)
      for (std::int64_t tap = 0; tap < s.taps; ++tap)
        for (std::int64_t c = 0; c < s.group_channels; ++c)
          turned[at++] = w[((g * s.group_outputs + o) * s.group_channels + c) * s.taps + tap];
    packed->groups.push_back(pack_u8(s.group_outputs, s.columns(), turned.data(),
                                     view.inputs[2].f32() + g * s.group_outputs, view.isa, 1,
                                     s.quantizer.levels, u8_grain(view.isa)));
  }
  return std::unique_ptr<Packed>(std::move(packed));
}

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed*) {
  return std::unique_ptr<Prepared>(std::make_unique<Shape>(shape_of(view)));
}

std::size_t workspace_bytes(const NodeView& view) { return shape_of(view).all; }

// Positions [begin, end) of an item of x [S, C], bytes or f32, to rows [S][C].
void to_rows_last(const Shape& s, Isa isa, const Tensor& x, std::int64_t item, std::int64_t begin,
                  std::int64_t end, std::uint8_t* rows) {
  const U8Row numbers{s.quantizer.scale, s.quantizer.zero};
  const bool dense = s.row() == s.channels, bytes = x.dtype == DType::kU8;
  const std::int64_t at_once = dense ? end - begin : 1, count = at_once * s.channels;
  for (std::int64_t t = begin; t < end; t += at_once) {
    const std::int64_t at = item + t * s.channels;
    if (bytes)
      std::memcpy(rows + t * s.row(), static_cast<const std::uint8_t*>(x.data) + at,
                  static_cast<std::size_t>(count));
    else
      quantize_u8_static(isa, x.f32() + at, count, numbers, s.quantizer.levels, rows + t * s.row());
  }
}

// The same of x [C, S].
void to_rows_first(const Shape& s, Isa isa, const float* x, std::int64_t begin, std::int64_t end,
                   std::uint8_t* rows) {
  alignas(64) std::uint8_t planes[16 * kTilePositions];
  const U8Row numbers{s.quantizer.scale, s.quantizer.zero};
  for (std::int64_t t = begin; t < end; t += kTilePositions) {
    const std::int64_t count = std::min(kTilePositions, end - t);
    for (std::int64_t c = 0; c < s.channels; c += 16) {
      const std::int64_t some = std::min<std::int64_t>(16, s.channels - c);
      for (std::int64_t i = 0; i < some; ++i)
        quantize_u8_static(isa, x + (c + i) * s.in + t, count, numbers, s.quantizer.levels,
                           planes + i * kTilePositions);
      transpose_bytes(planes, kTilePositions, some, count, rows + t * s.row() + c, s.row());
    }
  }
}

// Taps of one line of a window whose channels lie together: one run of bytes.
bool copy_run(const Shape& s, const std::uint8_t* line, std::int64_t first, std::uint8_t* out) {
  const WindowNd& w = s.window;
  if (w.dilation[2] != 1 || s.row() != s.group_channels || first < 0 ||
      first + w.kernel[2] > w.in[2])
    return false;
  std::memcpy(out, line + first * s.row(), static_cast<std::size_t>(w.kernel[2] * s.row()));
  return true;
}

// The window of one position of one group, [tap][channel].
void copy_window(const Shape& s, const std::uint8_t* rows, std::int64_t position,
                 std::uint8_t* out) {
  const WindowNd& w = s.window;
  const std::int64_t o2 = position % w.out[2], o1 = position / w.out[2] % w.out[1];
  const std::int64_t o0 = position / w.out[2] / w.out[1];
  const auto channels = static_cast<std::size_t>(s.group_channels);
  for (std::int64_t k0 = 0; k0 < w.kernel[0]; ++k0)
    for (std::int64_t k1 = 0; k1 < w.kernel[1]; ++k1) {
      const std::int64_t i0 = w.at(0, o0, k0), i1 = w.at(1, o1, k1);
      const bool line = w.inside(0, i0) && w.inside(1, i1);
      if (line &&
          copy_run(s, rows + (i0 * w.in[1] + i1) * w.in[2] * s.row(), w.at(2, o2, 0), out)) {
        out += w.kernel[2] * s.row();
        continue;
      }
      for (std::int64_t k2 = 0; k2 < w.kernel[2]; ++k2, out += channels) {
        const std::int64_t i2 = w.at(2, o2, k2);
        if (line && w.inside(2, i2))
          std::memcpy(out, rows + ((i0 * w.in[1] + i1) * w.in[2] + i2) * s.row(), channels);
        else
          std::memset(out, s.quantizer.zero, channels);
      }
    }
}

// A block of positions and a part of the outputs of one group of one item.
struct Unit {
  std::int64_t batch, group, first, count, begin, end;
};
Unit unit_of(const Shape& s, std::int64_t unit) {
  Unit u{};
  const Range outputs = share(s.group_outputs, kPanelRows, static_cast<int>(unit % s.parts),
                              static_cast<int>(s.parts));
  unit /= s.parts;
  u.begin = outputs.begin;
  u.end = outputs.end;
  u.first = unit % s.blocks * s.block;
  u.count = std::min(s.block, s.out - u.first);
  unit /= s.blocks;
  u.group = unit % s.groups;
  u.batch = unit / s.groups;
  return u;
}

// tile [positions][outputs] to y [O, S'], then the epilogue.
void finish(const Shape& s, const Epilogue& epilogue, const Unit& u, std::int64_t output,
            std::int64_t width, const float* tile, float* y) {
  const std::int64_t channel = u.group * s.group_outputs + output;
  const std::int64_t at = (u.batch * s.groups * s.group_outputs + channel) * s.out + u.first;
  transpose_floats(tile, width, u.count, width, y + at, s.out);
  if (epilogue.is_empty()) return;
  for (std::int64_t o = 0; o < width; ++o)
    epilogue.channel_row(y + at + o * s.out, epilogue.residual_at(at + o * s.out), channel + o,
                         u.count);
}

// What a run writes to, beside the epilogue of either order.
struct Results {
  Epilogue epilogue;     // channels first
  SplitEpilogue parted;  // channels last
  Placed to;
  float* y;
  std::optional<ir::InputQuantizer> numbers;  // y is bytes, channels last
  std::uint8_t* bytes;                        // first written channel of them
};

void multiply_last(const Shape& s, const U8Matrix& w, const Results& results, const Unit& u,
                   const TappedRows<std::uint8_t>& x, const std::int32_t* more) {
  const U8Row numbers{s.quantizer.scale, s.quantizer.zero};
  const std::int64_t first = u.group * s.group_outputs, outputs = s.groups * s.group_outputs;
  const std::int64_t position = u.batch * s.out + u.first;
  GemmFinish finish = results.parted.finish;
  if (finish.bias) finish.bias += first;
  if (finish.residual) finish.residual += position * outputs + first;
  U8Sink sink;
  sink.stride = results.to.width;
  sink.more = more;
  if (results.numbers) {
    sink.bytes = results.bytes + position * sink.stride + first;
    sink.numbers = {results.numbers->scale, results.numbers->zero};
    sink.levels = results.numbers->levels;
  } else {
    sink.y = results.to.pixel(position) + first;
  }
  gemm_u8(w, x, numbers, u.count, sink, u.begin, u.end, finish);
  const Epilogue& rest = results.parted.rest;
  if (rest.is_empty()) return;
  for (std::int64_t p = position; p < position + u.count; ++p)
    rest.row(results.to.pixel(p) + first + u.begin, rest.residual_at(p * outputs + first + u.begin),
             first + u.begin, u.end - u.begin);
}

void run_unit(const Shape& s, const U8Matrix& w, const Results& results, const Unit& u,
              const std::uint8_t* rows, std::uint8_t* patch, bool has_patch, float* tile) {
  const U8Row numbers{s.quantizer.scale, s.quantizer.zero};
  const std::int64_t columns = s.packed_columns();
  TappedRows<std::uint8_t> x{rows + u.first * s.row(), s.row(), 1, 0, columns};
  if (!s.direct) {
    for (std::int64_t i = 0; i < u.count && !has_patch; ++i) {
      copy_window(s, rows, u.first + i, patch + i * columns);
      std::fill_n(patch + i * columns + s.columns(), columns - s.columns(), std::uint8_t{0});
    }
    x.x = patch;
    x.row_stride = columns;
  }
  std::int32_t sums[kBlockPositions];
  const std::int32_t* more = s.shift != 0 ? sums : nullptr;
  if (more) shifted_sums(x, s.columns(), u.count, s.quantizer.zero, s.shift, sums);
  if (s.last) return multiply_last(s, w, results, u, x, more);
  for (std::int64_t o = u.begin; o < u.end; o += kBlockOutputs) {
    const std::int64_t width = std::min(kBlockOutputs, u.end - o);
    U8Sink sink;
    sink.y = tile - o;
    sink.stride = width;
    sink.more = more;
    gemm_u8(w, x, numbers, u.count, sink, o, o + width, {});
    finish(s, results.epilogue, u, o, width, tile, results.y);
  }
}

Results results_of(const NodeView& view, const Shape& s) {
  float* y = view.outputs[0].f32();
  if (!s.last) return {epilogue_of(view), {}, {}, y, {}, nullptr};
  return {{},
          split_epilogue(view, s.groups * s.group_outputs),
          placed_at(view),
          y,
          ir::output_quantizer(view.node->attrs),
          static_cast<std::uint8_t*>(view.outputs[0].data) + view.node->attrs.i("y_begin")};
}

void make_rows(const Shape& s, const NodeView& view, Team& team, std::uint8_t* rows) {
  const Tensor& x = view.inputs[0];
  for (std::int64_t b = 0; b < s.batch; ++b)
    split(team, s.in, std::max(kTilePositions, row_grain(s.channels)),
          [&](std::int64_t begin, std::int64_t end, int) {
            const std::int64_t item = b * s.channels * s.in;
            std::uint8_t* to = rows + b * s.in * s.row();
            if (s.last) return to_rows_last(s, view.isa, x, item, begin, end, to);
            to_rows_first(s, view.isa, x.f32() + item, begin, end, to);
          });
}

Status run(const NodeView& view, const LaunchArgs& args) {
  Shape s = static_cast<const Shape&>(*args.prepared);
  const auto& packed = static_cast<const PackedGroups&>(*args.packed);
  if (view.outputs[0].num_elements() == 0) return {};
  if (s.last) copy_base(view, kConvLastBase, *args.team);
  if (s.dynamic)
    s.quantizer = dynamic_quantizer(view.isa, view.inputs[0], *args.team, args.workspace);
  const auto* rows = static_cast<const std::uint8_t*>(view.inputs[0].data);
  if (!s.placed) {
    auto* made = reinterpret_cast<std::uint8_t*>(args.workspace + s.rows_at);
    make_rows(s, view, *args.team, made);
    rows = made;
  }
  const Results results = results_of(view, s);
  split(*args.team, s.batch * s.groups * s.blocks * s.parts, 1,
        [&](std::int64_t begin, std::int64_t end, int member) {
          const auto m = static_cast<std::size_t>(member);
          auto* tile = reinterpret_cast<float*>(args.workspace + s.tiles_at + m * s.tile_bytes);
          auto* patch =
              reinterpret_cast<std::uint8_t*>(args.workspace + s.patches_at + m * s.patch_bytes);
          for (std::int64_t i = begin; i < end; ++i) {
            const Unit u = unit_of(s, i);
            // The parts of a block's outputs are neighbours.
            const bool has_patch = i > begin && i % s.parts != 0;
            run_unit(s, packed.groups[static_cast<std::size_t>(u.group)], results, u,
                     rows + u.batch * s.in * s.row() + u.group * s.group_channels, patch, has_patch,
                     tile);
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kConvStaticU8 = {
    ir::OpKind::kConv, "cpu/conv_static_u8", refuse, workspace_bytes, run, pack, prepare};
constinit const Kernel kConvNdStaticU8 = {
    ir::kOpConvNd, "cpu/conv_nd_static_u8", refuse, workspace_bytes, run, pack, prepare};
constinit const Kernel kConvLastStaticU8 = {.op = ir::kOpConvLast,
                                            .name = "cpu/conv_last_static_u8",
                                            .refuse = refuse,
                                            .workspace_bytes = workspace_bytes,
                                            .run = run,
                                            .pack = pack,
                                            .prepare = prepare,
                                            .in_place = conv_last_in_place,
                                            .in_place_input = kConvLastBase};

}  // namespace antiphon::cpu
