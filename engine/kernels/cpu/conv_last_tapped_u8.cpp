// Channels-last convolution on bytes that copies no windows. x becomes an image of bytes with its
// padding around it; then a line of a window is a run of bytes, rows of neighbouring windows
// overlap, and the product reads them where they lie. x may be bytes already, y may become the
// bytes of the next layer.
#include <algorithm>
#include <cstring>
#include <optional>
#include <vector>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/dynamic_bytes.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/import_kernels.h"

namespace antiphon::cpu {
namespace {

constexpr std::int64_t kUnitRows = 64, kManyUnitRows = 256;
constexpr std::size_t kManyWeights = 512 * 1024;  // bytes that are read again for a unit
constexpr std::int64_t kNarrow = 12;              // lines that are shorter fill no tile

std::int64_t up(std::int64_t n, std::int64_t grain) { return (n + grain - 1) / grain * grain; }

struct Shape final : Prepared {
  ConvLast c;
  ir::InputQuantizer quantizer;  // of a range found at run time: of nothing yet
  bool dynamic = false;
  std::int32_t shift = 0;                // of the weights
  std::optional<ir::InputQuantizer> to;  // y is bytes
  std::int64_t pixel = 0;                // bytes of a pixel of the image
  std::int64_t columns = 0;              // of a line of a window in the packed matrix
  std::int64_t height = 0, width = 0;    // of an image with its padding
  // Windows in the order of the image's pixels, those that begin in a line's padding left out at
  // the end; else line by line.
  bool flat = false;
  bool direct = false;               // x is the image
  std::int64_t lines = 1, rows = 0;  // rows of the product: a batch's, in lines of equal length
  std::int64_t units = 1, unit = 1;  // of a line; rows of one
  std::int64_t parts = 1;            // of the outputs
  std::size_t image_bytes = 0;

  std::int64_t pitch() const { return width * pixel; }
  std::int64_t image() const { return height * pitch(); }
};

Shape shape_of(const NodeView& view) {
  Shape s;
  s.c = conv_last(view);
  const ConvLast& c = s.c;
  s.dynamic = ir::has_dynamic_range(view.node->attrs);
  s.shift = static_cast<std::int32_t>(view.node->attrs.i("w_shift"));
  s.quantizer = ir::input_quantizer(view.node->attrs).value_or(ir::InputQuantizer());
  s.to = ir::output_quantizer(view.node->attrs);
  s.pixel = up(c.channels, 4);
  s.columns = up(c.kw * s.pixel, u8_grain(view.isa));
  s.height = (c.out_h - 1) * c.stride_h + (c.kh - 1) * c.dilation_h + 1;
  s.width = (c.out_w - 1) * c.stride_w + c.kw;
  const bool dense = c.stride_h == 1 && c.stride_w == 1;
  const std::int64_t weights = up(c.outputs, kPanelRows) * c.kh * s.columns;
  const bool many = static_cast<std::size_t>(weights) > kManyWeights;
  s.flat =
      dense && (c.kw == 1 || view.isa == Isa::kAmxInt8 || c.out_w < (many ? kUnitRows : kNarrow));
  s.direct = view.inputs[0].dtype == DType::kU8 && s.pixel == c.channels &&
             s.columns == c.kw * s.pixel && c.top == 0 && c.left == 0 && s.height == c.in_h &&
             s.width == c.in_w;
  s.lines = s.flat ? c.batch : c.batch * c.out_h;
  s.rows = s.flat ? (c.out_h - 1) * s.width + c.out_w : c.out_w;
  const std::int64_t most = many ? kManyUnitRows : kUnitRows;
  s.units = many ? std::max<std::int64_t>(1, (s.rows + most - 1) / most)
                 : even_parts(s.lines, s.rows, most, view.num_threads);
  s.unit = std::max<std::int64_t>(1, (s.rows + s.units - 1) / s.units);
  // Whole tiles of AMX; most is a multiple.
  if (s.flat && view.isa == Isa::kAmxInt8) s.unit = up(s.unit, 16);
  s.units = std::max<std::int64_t>(1, (s.rows + s.unit - 1) / s.unit);  // none is empty
  const std::int64_t panels = (c.outputs + kPanelRows - 1) / kPanelRows;
  // Members read their own part of many weights, and of few rows.
  if (many || s.lines * s.units < 2 * view.num_threads)
    s.parts = std::clamp<std::int64_t>(view.num_threads, 1, std::max<std::int64_t>(1, panels));
  if (!s.direct) s.image_bytes = static_cast<std::size_t>(c.batch * s.image() + s.columns);
  return s;
}

const char* refuse(const NodeView& view) {
  if (const char* reason = refuse_ranges(view)) return reason;
  if (view.node->attrs.i("x_first") != 0) return "needs the channels last";
  const Tensor& w = view.inputs[1];
  if (w.dtype != DType::kI8) return "needs i8 weights";
  if (w.num_elements() == 0) return "needs channels and a window";
  if (!w.is_constant || !has_input(view, 2) || !view.inputs[2].is_constant)
    return "needs constant weights and scales";
  const ConvLast c = conv_last(view);
  if (c.is_volume()) return "takes windows over two axes";
  if (c.groups != 1) return "takes one group";
  if (view.node->attrs.i("w_shift") != 0 && c.channels % 4 != 0)
    return "shifts weights of whole fours of channels";
  if (c.dilation_w != 1) return "takes windows without gaps in a line";
  if (c.kh * up(c.kw * up(c.channels, 4), u8_grain(view.isa)) > kMaxU8Cols)
    return "takes at most 65536 weights an output";
  if (c.out_w * c.out_h >= (std::int64_t{1} << 31)) return "takes fewer pixels";
  return refuse_bytes(view);
}

struct PackedTaps final : Packed {
  U8Matrix matrix;
  std::size_t bytes() const override { return matrix.bytes(); }
};

// Columns in the order [line of the window][place][channel of a pixel].
Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const Shape s = shape_of(view);
  const ConvLast& c = s.c;
  const auto* w = static_cast<const std::int8_t*>(view.inputs[1].data);
  const std::int64_t taps = c.kh * c.kw;
  std::vector<std::int8_t> turned(static_cast<std::size_t>(c.outputs * taps * s.pixel));
  for (std::int64_t o = 0; o < c.outputs; ++o)
    for (std::int64_t tap = 0; tap < taps; ++tap)
      for (std::int64_t i = 0; i < c.channels; ++i)
        turned[static_cast<std::size_t>((o * taps + tap) * s.pixel + i)] =
            w[(o * c.channels + i) * taps + tap];
  auto packed = std::make_unique<PackedTaps>();
  packed->matrix = pack_u8(c.outputs, taps * s.pixel, turned.data(), view.inputs[2].f32(), view.isa,
                           static_cast<int>(c.kh), s.quantizer.levels, u8_grain(view.isa));
  return std::unique_ptr<Packed>(std::move(packed));
}

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed*) {
  return std::unique_ptr<Prepared>(std::make_unique<Shape>(shape_of(view)));
}

std::size_t workspace_bytes(const NodeView& view) {
  const Shape s = shape_of(view);
  return s.image_bytes + (s.dynamic ? dynamic_quantizer_bytes(view.num_threads) : 0);
}

// `count` pixels of bytes, spread to the image's.
void spread(const Shape& s, const std::uint8_t* from, std::int64_t count, std::uint8_t* to) {
  const std::int64_t channels = s.c.channels;
  if (channels == s.pixel) {
    std::memcpy(to, from, static_cast<std::size_t>(count * channels));
    return;
  }
  std::int64_t i = 0;
  if (channels == 3)  // four bytes at once, where there are four
    for (; i + 1 < count; ++i, from += 3, to += 4) {
      std::memcpy(to, from, 4);
      to[3] = 0;
    }
  for (; i < count; ++i, from += channels, to += s.pixel) {
    std::uint8_t last[4] = {};
    const std::int64_t whole = channels / 4 * 4;
    for (std::int64_t k = whole; k < channels; ++k) last[k - whole] = from[k];
    std::memcpy(to, from, static_cast<std::size_t>(whole));
    std::memcpy(to + whole, last, 4);
  }
}

// Pixels of f32 to the image's bytes.
void quantize(const Shape& s, Isa isa, const float* x, std::int64_t count, std::uint8_t* to) {
  const U8Row numbers{s.quantizer.scale, s.quantizer.zero};
  const std::int64_t channels = s.c.channels;
  if (channels == s.pixel)
    return quantize_u8_static(isa, x, count * channels, numbers, s.quantizer.levels, to);
  std::uint8_t bytes[1024];
  const std::int64_t most = static_cast<std::int64_t>(sizeof bytes) / channels;
  if (most == 0) {  // wider than the buffer: pixel by pixel, its last channels zero
    for (std::int64_t i = 0; i < count; ++i, to += s.pixel) {
      quantize_u8_static(isa, x + i * channels, channels, numbers, s.quantizer.levels, to);
      std::fill(to + channels, to + s.pixel, std::uint8_t{0});
    }
    return;
  }
  for (std::int64_t i = 0; i < count; i += most) {
    const std::int64_t some = std::min(most, count - i);
    quantize_u8_static(isa, x + i * channels, some * channels, numbers, s.quantizer.levels, bytes);
    spread(s, bytes, some, to + i * s.pixel);
  }
}

// Lines [begin, end) of the images of a batch.
void make_lines(const Shape& s, const NodeView& view, std::int64_t begin, std::int64_t end,
                std::uint8_t* image) {
  const ConvLast& c = s.c;
  const auto zero = static_cast<std::uint8_t>(s.quantizer.zero);
  const std::int64_t count = std::clamp<std::int64_t>(s.width - c.left, 0, c.in_w);
  const std::int64_t left = std::min(c.left, s.width);
  for (std::int64_t line = begin; line < end; ++line) {
    std::uint8_t* to = image + line * s.pitch();
    const std::int64_t at = line % s.height - c.top;
    if (at < 0 || at >= c.in_h) {
      std::memset(to, zero, static_cast<std::size_t>(s.pitch()));
      continue;
    }
    const std::int64_t from = (line / s.height * c.in_h + at) * c.in_w * c.channels;
    std::memset(to, zero, static_cast<std::size_t>(left * s.pixel));
    if (view.inputs[0].dtype == DType::kU8)
      spread(s, static_cast<const std::uint8_t*>(view.inputs[0].data) + from, count,
             to + left * s.pixel);
    else
      quantize(s, view.isa, view.inputs[0].f32() + from, count, to + left * s.pixel);
    const std::int64_t done = left + count;
    std::memset(to + done * s.pixel, zero, static_cast<std::size_t>((s.width - done) * s.pixel));
  }
}

// What a run writes to.
struct Results {
  SplitEpilogue parted;
  Placed to;            // f32
  std::uint8_t* bytes;  // or these
  std::int64_t stride;  // channels of a pixel of y
};

void run_unit(const Shape& s, const U8Matrix& w, const Results& results, std::int64_t unit,
              const Range& outputs, const std::uint8_t* image) {
  const ConvLast& c = s.c;
  const std::int64_t line = unit / s.units, first = unit % s.units * s.unit;
  const std::int64_t count = std::min(s.unit, s.rows - first);
  std::int32_t places[kManyUnitRows];
  const std::uint8_t* x = image;
  std::int64_t pixel = 0;  // of y, that places count from
  if (s.flat) {
    x += line * s.image() + first * s.pixel;
    pixel = line * c.out_h * c.out_w;
    for (std::int64_t i = 0; i < count; ++i) {
      const std::int64_t row = (first + i) / s.width, column = (first + i) % s.width;
      places[i] = column < c.out_w ? static_cast<std::int32_t>(row * c.out_w + column) : -1;
    }
  } else {
    x += line / c.out_h * s.image() + line % c.out_h * c.stride_h * s.pitch() +
         first * c.stride_w * s.pixel;
    pixel = line * c.out_w + first;
    for (std::int64_t i = 0; i < count; ++i) places[i] = static_cast<std::int32_t>(i);
  }
  GemmFinish finish = results.parted.finish;
  if (finish.residual) finish.residual += pixel * c.outputs;
  U8Sink sink;
  sink.stride = results.stride;
  sink.places = places;
  if (s.to) {
    sink.bytes = results.bytes + pixel * results.stride;
    sink.numbers = {s.to->scale, s.to->zero};
    sink.levels = s.to->levels;
  } else {
    sink.y = results.to.pixel(pixel);
  }
  const U8Row numbers{s.quantizer.scale, s.quantizer.zero};
  const TappedRows<std::uint8_t> windows{x, c.stride_w * s.pixel, static_cast<int>(c.kh),
                                         c.dilation_h * s.pitch(), s.columns};
  std::int32_t more[kManyUnitRows];
  if (s.shift != 0) {
    shifted_sums(windows, c.kw * s.pixel, count, s.quantizer.zero, s.shift, more);
    sink.more = more;
  }
  gemm_u8(w, windows, numbers, count, sink, outputs.begin, outputs.end, finish);
  const Epilogue& rest = results.parted.rest;
  if (rest.is_empty()) return;
  for (std::int64_t i = 0; i < count; ++i)
    if (places[i] >= 0)
      rest.row(sink.y + places[i] * sink.stride + outputs.begin,
               rest.residual_at((pixel + places[i]) * c.outputs + outputs.begin), outputs.begin,
               outputs.end - outputs.begin);
}

Status run(const NodeView& view, const LaunchArgs& args) {
  Shape s = static_cast<const Shape&>(*args.prepared);
  const Tensor& y = view.outputs[0];
  if (y.num_elements() == 0) return {};
  copy_base(view, kConvLastBase, *args.team);
  std::byte* workspace = args.workspace;
  if (s.dynamic) {
    s.quantizer = dynamic_quantizer(view.isa, view.inputs[0], *args.team, workspace);
    workspace += dynamic_quantizer_bytes(view.num_threads);
  }
  const auto* image = static_cast<const std::uint8_t*>(view.inputs[0].data);
  if (!s.direct) {
    auto* made = reinterpret_cast<std::uint8_t*>(workspace);
    split(
        *args.team, s.c.batch * s.height, row_grain(s.width * s.c.channels),
        [&](std::int64_t begin, std::int64_t end, int) { make_lines(s, view, begin, end, made); });
    image = made;
  }
  const U8Matrix& w = static_cast<const PackedTaps&>(*args.packed).matrix;
  Results results{split_epilogue(view, s.c.outputs), placed_at(view), nullptr, 0};
  results.stride = results.to.width;
  if (s.to) results.bytes = static_cast<std::uint8_t*>(y.data) + view.node->attrs.i("y_begin");
  const std::int64_t units = s.lines * s.units;
  split(*args.team, units * s.parts, 1, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i)
      run_unit(
          s, w, results, i % units,
          share(s.c.outputs, kPanelRows, static_cast<int>(i / units), static_cast<int>(s.parts)),
          image);
  });
  return {};
}

}  // namespace

constinit const Kernel kConvLastTappedU8 = {.op = ir::kOpConvLast,
                                            .name = "cpu/conv_last_tapped_u8",
                                            .refuse = refuse,
                                            .workspace_bytes = workspace_bytes,
                                            .run = run,
                                            .pack = pack,
                                            .prepare = prepare,
                                            .in_place = conv_last_in_place,
                                            .in_place_input = kConvLastBase};

}  // namespace antiphon::cpu
