// Channels-last convolution as a product with packed panels: one row for each output pixel. A 1x1
// convolution reads its rows where they lie; others gather blocks of rows that stay in L2. An image
// whose channels come first (the network's input) is copied with its padding, the planes of a
// window beside each other, so that its rows can be read in place too. The team divides pixels, or
// outputs where those are few.
#include <vector>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/import_kernels.h"

namespace antiphon::cpu {
namespace {

constexpr std::int64_t kBlockBytes = 768 << 10;
constexpr std::int64_t kRowGrain = 12;        // rows of the widest tile
constexpr std::int64_t kFewPixels = 512;      // below, members divide the outputs
constexpr std::int64_t kMostRows = 384;       // of a block
constexpr std::int64_t kMemberOutputs = 64;   // least outputs of a member
constexpr std::int64_t kSerialWork = 262144;  // multiply-adds that wake nobody

struct PackedGroups final : Packed {
  std::vector<F32Matrix> groups;
  std::size_t bytes() const override {
    std::size_t sum = 0;
    for (const F32Matrix& m : groups) sum += m.bytes();
    return sum;
  }
};

const char* refuse(const NodeView& view) {
  const ConvLast s = conv_last(view);
  if (s.x_first && (s.groups != 1 || s.dilation_h != 1 || s.dilation_w != 1))
    return "with channels first needs one group and no dilation";
  return refuse_conv_last(view);
}

// Where in a filter [C][kd][kh][kw] each column of the product stands: [kd][kh][kw][C] as gathered
// rows have it, [kh][kd][C][kw] as the copied image has it.
std::vector<std::int64_t> column_order(const ConvLast& s) {
  std::vector<std::int64_t> order;
  const auto add = [&](std::int64_t c, std::int64_t d, std::int64_t h, std::int64_t k) {
    order.push_back(((c * s.kd + d) * s.kh + h) * s.kw + k);
  };
  if (s.x_first) {
    for (std::int64_t h = 0; h < s.kh; ++h)
      for (std::int64_t i = 0; i < s.kd * s.group_channels; ++i)
        for (std::int64_t k = 0; k < s.kw; ++k)
          add(i % s.group_channels, i / s.group_channels, h, k);
    return order;
  }
  for (std::int64_t i = 0; i < s.kd * s.kh * s.kw; ++i)
    for (std::int64_t c = 0; c < s.group_channels; ++c)
      add(c, i / (s.kh * s.kw), i / s.kw % s.kh, i % s.kw);
  return order;
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const ConvLast s = conv_last(view);
  const float* w = view.inputs[1].f32();
  auto packed = std::make_unique<PackedGroups>();
  const std::vector<std::int64_t> order = column_order(s);
  std::vector<float> rows(static_cast<std::size_t>(s.group_outputs() * s.depth()));
  for (std::int64_t g = 0; g < s.groups; ++g) {
    float* to = rows.data();
    for (std::int64_t o = 0; o < s.group_outputs(); ++o, w += s.depth())
      for (const std::int64_t at : order) *to++ = w[at];
    packed->groups.push_back(pack_f32(s.group_outputs(), s.depth(), rows.data(), view.isa));
  }
  return std::unique_ptr<Packed>(std::move(packed));
}

// One member does all.
bool is_little(const ConvLast& s) { return s.pixels() * s.outputs * s.depth() < kSerialWork; }

std::int64_t block_rows(const ConvLast& s) {
  const std::int64_t fit = kBlockBytes / (s.depth() * static_cast<std::int64_t>(sizeof(float)));
  return std::clamp<std::int64_t>(fit / kRowGrain * kRowGrain, 2 * kRowGrain, kMostRows);
}
// Even blocks of `count` rows: a short last one would read all weights for little.
std::int64_t even_rows(const ConvLast& s, std::int64_t count) {
  const std::int64_t most = block_rows(s),
                     blocks = std::max<std::int64_t>(1, (count + most - 1) / most);
  return std::min(most, (count + blocks * kRowGrain - 1) / (blocks * kRowGrain) * kRowGrain);
}

// The copied image that a member's rows of one plane of y read: [lines][kd][C][W + padding].
struct PaddedImage {
  std::int64_t lines, width, pitch;
  std::size_t bytes() const {
    return aligned_bytes(static_cast<std::size_t>(lines * pitch) * sizeof(float));
  }
};
PaddedImage padded_image(const ConvLast& s, int members) {
  PaddedImage image{};
  const std::int64_t rows = is_little(s) ? s.out_h : (s.planes() * s.out_h + members - 1) / members;
  image.lines = std::max<std::int64_t>(0, std::min(rows, s.out_h) - 1) * s.stride_h + s.kh;
  image.width = std::max((s.out_w - 1) * s.stride_w + s.kw, s.in_w + s.left);
  image.pitch = s.kd * s.channels * image.width;
  return image;
}

bool divides_outputs(const ConvLast& s, int members) {
  return members > 1 && s.groups == 1 && !s.x_first && s.pixels() < kFewPixels &&
         s.outputs >= kMemberOutputs * members;
}

std::size_t workspace_bytes(const NodeView& view) {
  const ConvLast s = conv_last(view);
  if (s.is_pointwise()) return 0;
  if (s.x_first)
    return padded_image(s, view.num_threads).bytes() * static_cast<std::size_t>(view.num_threads);
  const auto blocks =
      static_cast<std::size_t>(divides_outputs(s, view.num_threads) ? 1 : view.num_threads);
  return aligned_bytes(static_cast<std::size_t>(block_rows(s) * s.depth()) * sizeof(float)) *
         blocks;
}

// Taps [0, kw) of one kernel row of the pixel whose window begins at column `first`.
void gather_taps(const ConvLast& s, const float* x_row, std::int64_t first, float* to) {
  const std::int64_t n = s.group_channels;
  const std::int64_t row = s.kw * n;
  if (s.dilation_w == 1 && n == s.channels) {  // one run
    const std::int64_t begin = std::clamp<std::int64_t>(-first, 0, s.kw);
    const std::int64_t end = std::clamp<std::int64_t>(s.in_w - first, begin, s.kw);
    std::fill(to, to + begin * n, 0.0f);
    std::copy(x_row + (first + begin) * n, x_row + (first + end) * n, to + begin * n);
    std::fill(to + end * n, to + row, 0.0f);
    return;
  }
  for (std::int64_t k = 0; k < s.kw; ++k, to += n) {
    const std::int64_t at = first + k * s.dilation_w;
    if (at < 0 || at >= s.in_w)
      std::fill(to, to + n, 0.0f);
    else
      std::copy(x_row + at * s.channels, x_row + at * s.channels + n, to);
  }
}

// The rows of the product for pixels [begin, end): [end - begin, depth].
void gather(const ConvLast& s, const float* x, std::int64_t group, std::int64_t begin,
            std::int64_t end, float* to) {
  const std::int64_t tap_row = s.kw * s.group_channels;
  for (std::int64_t p = begin; p < end; ++p) {
    const std::int64_t w = p % s.out_w, h = p / s.out_w % s.out_h, plane = p / (s.out_w * s.out_h);
    for (std::int64_t d = 0; d < s.kd; ++d) {
      const std::int64_t from = s.plane_at(plane, d);
      const float* image = x + from * s.in_h * s.in_w * s.channels + group * s.group_channels;
      for (std::int64_t k = 0; k < s.kh; ++k, to += tap_row) {
        const std::int64_t at = h * s.stride_h - s.top + k * s.dilation_h;
        if (from < 0 || at < 0 || at >= s.in_h)
          std::fill(to, to + tap_row, 0.0f);
        else
          gather_taps(s, image + at * s.in_w * s.channels, w * s.stride_w - s.left, to);
      }
    }
  }
}

class Run {
 public:
  Run(const NodeView& view, const LaunchArgs& args)
      : s_(prepared_shape(args)),
        epilogue_(split_epilogue(view, s_.outputs, Relu6::kInRegisters)),
        to_(placed_at(view)),
        x_(view.inputs[0].f32()),
        workspace_(reinterpret_cast<float*>(args.workspace)),
        packed_(static_cast<const PackedGroups&>(*args.packed)),
        team_(*args.team) {}

  void go() {
    if (s_.x_first) return rows_in_place();
    if (divides_outputs(s_, team_.size())) return by_outputs();
    const auto room = static_cast<std::size_t>(block_rows(s_) * s_.depth()) * sizeof(float);
    by_members(s_.pixels(), kRowGrain, [&](std::int64_t begin, std::int64_t end, int member) {
      float* block =
          workspace_ + aligned_bytes(room) / sizeof(float) * static_cast<std::size_t>(member);
      const std::int64_t step = even_rows(s_, end - begin);
      for (std::int64_t p = begin; p < end; p += step)
        for (std::int64_t g = 0; g < s_.groups; ++g) {
          const std::int64_t count = std::min(step, end - p);
          if (!s_.is_pointwise()) gather(s_, x_, g, p, p + count, block);
          multiply(rows_at(block, p, g), g, p, count, 0, s_.group_outputs());
        }
    });
  }

 private:
  template <typename F>
  void by_members(std::int64_t count, std::int64_t grain, F&& f) {
    if (is_little(s_)) {
      if (count > 0) f(std::int64_t{0}, count, 0);
      return;
    }
    split(team_, count, grain, f);
  }

  TappedRows<float> rows_at(const float* block, std::int64_t pixel, std::int64_t group) const {
    if (!s_.is_pointwise()) return {block, s_.depth(), 1, 0, s_.depth()};
    return {x_ + pixel * s_.channels + group * s_.group_channels, s_.channels, 1, 0, s_.depth()};
  }

  // Outputs [begin, end) of a group for `count` pixels.
  void multiply(const TappedRows<float>& rows, std::int64_t group, std::int64_t pixel,
                std::int64_t count, std::int64_t begin, std::int64_t end) const {
    const std::int64_t first = group * s_.group_outputs();
    GemmFinish finish = epilogue_.finish;
    if (finish.bias) finish.bias += first;
    if (finish.residual) finish.residual += pixel * s_.outputs + first;
    gemm_f32(packed_.groups[static_cast<std::size_t>(group)], rows, count, to_.pixel(pixel) + first,
             to_.width, begin, end, &finish);
    const Epilogue& rest = epilogue_.rest;
    rest.rows(to_.pixel(pixel) + first + begin, to_.width,
              rest.residual_at(pixel * s_.outputs + first + begin), s_.outputs, count,
              first + begin, end - begin);
  }

  // Few pixels: the team gathers together, then each member multiplies for its outputs.
  void by_outputs() {
    const std::int64_t step = even_rows(s_, s_.pixels());
    for (std::int64_t p = 0; p < s_.pixels(); p += step) {
      const std::int64_t count = std::min(step, s_.pixels() - p);
      if (!s_.is_pointwise())
        split(team_, count, row_grain(s_.depth()), [&](std::int64_t a, std::int64_t b, int) {
          gather(s_, x_, 0, p + a, p + b, workspace_ + a * s_.depth());
        });
      const TappedRows<float> rows = rows_at(workspace_, p, 0);
      by_members(s_.outputs, 2 * kPanelRows, [&](std::int64_t begin, std::int64_t end, int) {
        multiply(rows, 0, p, count, begin, end);
      });
    }
  }

  // Channels first: each output row is a product with rows that overlap in the copied image.
  void rows_in_place() {
    const PaddedImage image = padded_image(s_, team_.size());
    by_members(s_.planes() * s_.out_h, 1, [&](std::int64_t begin, std::int64_t end, int member) {
      float* copy = workspace_ + image.bytes() / sizeof(float) * static_cast<std::size_t>(member);
      while (begin < end) {  // plane by plane
        const std::int64_t plane = begin / s_.out_h, first = begin % s_.out_h;
        const std::int64_t count = std::min(end - begin, s_.out_h - first);
        copy_lines(image, plane, first * s_.stride_h - s_.top, (count - 1) * s_.stride_h + s_.kh,
                   copy);
        for (std::int64_t i = 0; i < count; ++i)
          multiply({copy + i * s_.stride_h * image.pitch, s_.stride_w,
                    static_cast<int>(s_.kh * s_.kd * s_.channels), image.width, s_.kw},
                   0, (begin + i) * s_.out_w, s_.out_w, 0, s_.outputs);
        begin += count;
      }
    });
  }

  // `count` lines from line `first` of x on for a plane of y, zeros outside of x.
  void copy_lines(const PaddedImage& image, std::int64_t plane, std::int64_t first,
                  std::int64_t count, float* to) const {
    const std::int64_t in = s_.in_h * s_.in_w;
    std::fill_n(to, count * image.pitch, 0.0f);
    for (std::int64_t i = 0; i < count; ++i)
      for (std::int64_t d = 0; d < s_.kd; ++d) {
        const std::int64_t h = first + i, from = s_.plane_at(plane, d);
        if (from < 0 || h < 0 || h >= s_.in_h) continue;
        const float* line = x_ + (from / s_.in_d * s_.channels * s_.in_d + from % s_.in_d) * in;
        float* row = to + i * image.pitch + d * s_.channels * image.width + s_.left;
        for (std::int64_t c = 0; c < s_.channels; ++c)
          std::copy_n(line + c * s_.in_d * in + h * s_.in_w, s_.in_w, row + c * image.width);
      }
  }

  const ConvLast& s_;
  SplitEpilogue epilogue_;
  Placed to_;
  const float* x_;
  float* workspace_;
  const PackedGroups& packed_;
  Team& team_;
};

Status run(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  copy_base(view, kConvLastBase, *args.team);
  Run(view, args).go();
  return {};
}

}  // namespace

constinit const Kernel kConvLastPanels = {.op = ir::kOpConvLast,
                                          .name = "cpu/conv_last_panels",
                                          .refuse = refuse,
                                          .workspace_bytes = workspace_bytes,
                                          .run = run,
                                          .pack = pack,
                                          .prepare = prepare_conv_last,
                                          .in_place = conv_last_in_place,
                                          .in_place_input = kConvLastBase};

}  // namespace antiphon::cpu
