// Channels-last depth-wise convolution on bytes of known numbers: x becomes an image of bytes with
// its padding around it, in which the taps of every window lie at the same distances.
#include <algorithm>
#include <cstring>
#include <optional>
#include <utility>
#include <vector>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/depthwise_u8.h"
#include "engine/kernels/cpu/import_kernels.h"

namespace antiphon::cpu {
namespace {

constexpr std::int64_t kMostTaps = 256;

struct Shape final : Prepared {
  ConvLast c;
  ir::InputQuantizer quantizer;
  std::optional<ir::InputQuantizer> to;  // y is bytes
  std::int64_t height = 0, width = 0;    // of an image with its padding
  std::vector<std::int32_t> offsets;     // of the taps, filled up to whole fours

  std::int64_t pitch() const { return width * c.channels; }
};

Shape shape_of(const NodeView& view) {
  Shape s;
  s.c = conv_last(view);
  const ConvLast& c = s.c;
  s.quantizer = ir::input_quantizer(view.node->attrs).value_or(ir::InputQuantizer());
  s.to = ir::output_quantizer(view.node->attrs);
  s.height = (c.out_h - 1) * c.stride_h + (c.kh - 1) * c.dilation_h + 1;
  s.width = (c.out_w - 1) * c.stride_w + (c.kw - 1) * c.dilation_w + 1;
  for (std::int64_t i = 0; i < c.kh; ++i)
    for (std::int64_t j = 0; j < c.kw; ++j)
      s.offsets.push_back(
          static_cast<std::int32_t>(i * c.dilation_h * s.pitch() + j * c.dilation_w * c.channels));
  while (s.offsets.size() % 4 != 0) s.offsets.push_back(0);  // meet weights of zero
  return s;
}

// Bias and relu, which a row does itself, and what is left.
struct Parted {
  const float* bias;
  bool relu;
  Epilogue rest;
};
Parted parted_epilogue(const NodeView& view) {
  Parted e{nullptr, false, epilogue_of(view)};
  e.bias = std::exchange(e.rest.bias, nullptr);
  e.relu = view.node->attrs.i("act", -1) == static_cast<std::int64_t>(Unary::kRelu);
  if (e.relu) e.rest.act = nullptr;
  return e;
}

const char* refuse(const NodeView& view) {
  if (!ir::input_quantizer(view.node->attrs)) return "needs known ranges";
  if (view.node->attrs.i("x_first") != 0) return "needs the channels last";
  const Tensor& w = view.inputs[1];
  if (w.dtype != DType::kI8) return "needs i8 weights";
  if (w.num_elements() == 0) return "needs channels and a window";
  if (!w.is_constant || !has_input(view, 2) || !view.inputs[2].is_constant)
    return "needs constant weights and scales";
  const ConvLast c = conv_last(view);
  if (c.group_channels != 1 || c.outputs != c.groups) return "needs one channel a group";
  if (c.is_volume()) return "takes windows over two axes";
  if (c.kh * c.kw > kMostTaps) return "takes at most 256 taps";
  constexpr double kMostReach = 1 << 30;
  const double width = static_cast<double>(c.out_w) * static_cast<double>(c.stride_w) +
                       static_cast<double>(c.kw) * static_cast<double>(c.dilation_w);
  const double lines = static_cast<double>(c.kh) * static_cast<double>(c.dilation_h);
  if (lines * width * static_cast<double>(c.channels) > kMostReach)
    return "takes windows that reach over less than 2^30 bytes";
  if (view.outputs[0].dtype == DType::kU8 && !parted_epilogue(view).rest.is_empty())
    return "makes bytes behind bias and relu only";
  return refuse_bytes(view);
}

struct PackedTaps final : Packed {
  DepthwiseU8 taps;
  std::size_t bytes() const override { return taps.bytes(); }
};

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const ConvLast c = conv_last(view);
  auto packed = std::make_unique<PackedTaps>();
  packed->taps = pack_depthwise_u8(
      c.channels, c.kh * c.kw, static_cast<const std::int8_t*>(view.inputs[1].data),
      static_cast<std::int32_t>(view.node->attrs.i("w_shift")), view.inputs[2].f32(), view.isa);
  return std::unique_ptr<Packed>(std::move(packed));
}

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed*) {
  return std::unique_ptr<Prepared>(std::make_unique<Shape>(shape_of(view)));
}

std::size_t workspace_bytes(const NodeView& view) {
  const Shape s = shape_of(view);
  return static_cast<std::size_t>(s.c.batch * s.height * s.pitch() + kDepthwiseSlack);
}

// Lines [begin, end) of the images of a batch.
void make_lines(const Shape& s, const NodeView& view, std::int64_t begin, std::int64_t end,
                std::uint8_t* image) {
  const ConvLast& c = s.c;
  const auto zero = static_cast<std::uint8_t>(s.quantizer.zero);
  const std::int64_t left = std::min(c.left, s.width) * c.channels;
  const std::int64_t count = std::clamp<std::int64_t>(s.width - c.left, 0, c.in_w) * c.channels;
  for (std::int64_t line = begin; line < end; ++line) {
    std::uint8_t* to = image + line * s.pitch();
    const std::int64_t at = line % s.height - c.top;
    if (at < 0 || at >= c.in_h) {
      std::memset(to, zero, static_cast<std::size_t>(s.pitch()));
      continue;
    }
    const std::int64_t from = (line / s.height * c.in_h + at) * c.in_w * c.channels;
    std::memset(to, zero, static_cast<std::size_t>(left));
    if (view.inputs[0].dtype == DType::kU8)
      std::memcpy(to + left, static_cast<const std::uint8_t*>(view.inputs[0].data) + from,
                  static_cast<std::size_t>(count));
    else
      quantize_u8_static(view.isa, view.inputs[0].f32() + from, count,
                         {s.quantizer.scale, s.quantizer.zero}, s.quantizer.levels, to + left);
    std::memset(to + left + count, zero, static_cast<std::size_t>(s.pitch() - left - count));
  }
}

// Lines [begin, end) of y, of one image.
void run_lines(const Shape& s, const NodeView& view, const DepthwiseU8& taps,
               const std::uint8_t* image, std::int64_t begin, std::int64_t end) {
  const ConvLast& c = s.c;
  const Parted epilogue = parted_epilogue(view);
  const Placed placed = placed_at(view);
  const std::int64_t pixel = begin * c.out_w, pixels = (end - begin) * c.out_w;
  DepthwiseLines lines;
  lines.x = image + (begin / c.out_h * s.height + begin % c.out_h * c.stride_h) * s.pitch();
  lines.x_stride = c.stride_w * c.channels;
  lines.x_line = c.stride_h * s.pitch();
  lines.offsets = s.offsets.data();
  lines.numbers = {s.quantizer.scale, s.quantizer.zero};
  lines.lines = end - begin;
  lines.pixels = c.out_w;
  lines.bias = epilogue.bias;
  lines.relu = epilogue.relu;
  lines.stride = placed.width;
  if (s.to) {
    lines.bytes = static_cast<std::uint8_t*>(view.outputs[0].data) + view.node->attrs.i("y_begin") +
                  pixel * lines.stride;
    lines.to = {s.to->scale, s.to->zero};
    lines.levels = s.to->levels;
  } else {
    lines.y = placed.pixel(pixel);
  }
  depthwise_u8(view.isa, taps, lines);
  if (epilogue.rest.is_empty()) return;
  for (std::int64_t p = pixel; p < pixel + pixels; ++p)
    epilogue.rest.row(placed.pixel(p), epilogue.rest.residual_at(p * c.outputs), 0, c.outputs);
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const auto& s = static_cast<const Shape&>(*args.prepared);
  const ConvLast& c = s.c;
  const Tensor& y = view.outputs[0];
  if (y.num_elements() == 0) return {};
  copy_base(view, kConvLastBase, *args.team);
  auto* image = reinterpret_cast<std::uint8_t*>(args.workspace);
  split(*args.team, c.batch * s.height, row_grain(s.pitch()),
        [&](std::int64_t begin, std::int64_t end, int) { make_lines(s, view, begin, end, image); });
  const DepthwiseU8& taps = static_cast<const PackedTaps&>(*args.packed).taps;
  split(*args.team, c.batch * c.out_h, 1, [&](std::int64_t begin, std::int64_t end, int) {
    while (begin < end) {  // image by image
      const std::int64_t image_end = std::min(end, (begin / c.out_h + 1) * c.out_h);
      run_lines(s, view, taps, image, begin, image_end);
      begin = image_end;
    }
  });
  return {};
}

}  // namespace

constinit const Kernel kConvLastDepthwiseU8 = {.op = ir::kOpConvLast,
                                               .name = "cpu/conv_last_depthwise_u8",
                                               .refuse = refuse,
                                               .workspace_bytes = workspace_bytes,
                                               .run = run,
                                               .pack = pack,
                                               .prepare = prepare,
                                               .in_place = conv_last_in_place,
                                               .in_place_input = kConvLastBase};

}  // namespace antiphon::cpu
