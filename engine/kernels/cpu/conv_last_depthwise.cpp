// Channels-last depth-wise convolution: any window, stride and dilation; a vector of channels at a
// time, sums in registers.
// clang-format off: the order matters
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/cpu/conv_last_depthwise.cpp"
#include <hwy/foreach_target.h>

#include "engine/kernels/cpu/simd_targets.h"
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <vector>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/partial_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// y[c] = bias[c] + sum over taps of x[tap][c] w[tap][c], then relu; bias may be null.
void pixel(const float* const* x, const float* w, std::int64_t taps, std::int64_t channels,
           std::int64_t w_stride, const GemmFinish& finish, float* y) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto end = [&](auto sum, std::int64_t c, std::size_t some) HWY_ATTR {
    if (finish.bias) sum = hn::Add(sum, load_some(d, finish.bias + c, some));
    if (finish.relu) sum = hn::Min(hn::Max(sum, hn::Zero(d)), hn::Set(d, finish.most));
    if (finish.residual) sum = hn::Add(sum, load_some(d, finish.residual + c, some));
    if (finish.relu_last) sum = hn::Max(sum, hn::Zero(d));
    store_some(sum, d, y + c, some);
  };
  std::int64_t c = 0;
  for (; c + 4 * lanes <= channels; c += 4 * lanes) {
    auto s0 = hn::Zero(d), s1 = s0, s2 = s0, s3 = s0;
    for (std::int64_t k = 0; k < taps; ++k) {
      const float *from = x[k] + c, *by = w + k * w_stride + c;
      s0 = hn::MulAdd(hn::LoadU(d, from), hn::LoadU(d, by), s0);
      s1 = hn::MulAdd(hn::LoadU(d, from + lanes), hn::LoadU(d, by + lanes), s1);
      s2 = hn::MulAdd(hn::LoadU(d, from + 2 * lanes), hn::LoadU(d, by + 2 * lanes), s2);
      s3 = hn::MulAdd(hn::LoadU(d, from + 3 * lanes), hn::LoadU(d, by + 3 * lanes), s3);
    }
    const auto all = static_cast<std::size_t>(lanes);
    end(s0, c, all);
    end(s1, c + lanes, all);
    end(s2, c + 2 * lanes, all);
    end(s3, c + 3 * lanes, all);
  }
  for (; c < channels; c += lanes) {
    const auto some = static_cast<std::size_t>(std::min(lanes, channels - c));
    auto sum = hn::Zero(d);
    for (std::int64_t k = 0; k < taps; ++k)
      sum = hn::MulAdd(load_some(d, x[k] + c, some), load_some(d, w + k * w_stride + c, some), sum);
    end(sum, c, some);
  }
}

}  // namespace

using DepthwisePixel = void (*)(const float* const*, const float*, std::int64_t, std::int64_t,
                                std::int64_t, const GemmFinish&, float*);
DepthwisePixel depthwise_pixel() { return pixel; }

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace antiphon::cpu {
namespace {

using DepthwisePixel = void (*)(const float* const*, const float*, std::int64_t, std::int64_t,
                                std::int64_t, const GemmFinish&, float*);
DepthwisePixel pixel_for(Isa isa) { ANTIPHON_BY_ISA(isa, depthwise_pixel); }

constexpr std::int64_t kMostTaps = 256;

struct PackedTaps final : Packed {
  std::vector<float> weights;  // [taps][channels]
  std::vector<float> zeros;    // a pixel of the padding
  std::size_t bytes() const override { return weights.size() * sizeof(float); }
};

const char* refuse(const NodeView& view) {
  const ConvLast s = conv_last(view);
  if (s.group_channels != 1 || s.outputs != s.groups || s.x_first)
    return "needs one channel a group, channels last";
  if (s.kd * s.kh * s.kw > kMostTaps) return "takes at most 256 taps";
  return refuse_conv_last(view);
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const ConvLast s = conv_last(view);
  auto packed = std::make_unique<PackedTaps>();
  const std::int64_t taps = s.kd * s.kh * s.kw;
  for (std::int64_t k = 0; k < taps; ++k)
    for (std::int64_t c = 0; c < s.channels; ++c)
      packed->weights.push_back(view.inputs[1].f32()[c * taps + k]);
  packed->zeros.resize(static_cast<std::size_t>(s.channels));
  return std::unique_ptr<Packed>(std::move(packed));
}

// The pixels of x under the window of pixel p of y.
std::int64_t taps_of(const ConvLast& s, const float* x, const float* zeros, std::int64_t p,
                     const float** taps) {
  const std::int64_t w = p % s.out_w, h = p / s.out_w % s.out_h, plane = p / (s.out_w * s.out_h);
  std::int64_t count = 0;
  for (std::int64_t d = 0; d < s.kd; ++d) {
    const std::int64_t from = s.plane_at(plane, d);
    const float* image = x + from * s.in_h * s.in_w * s.channels;
    for (std::int64_t i = 0; i < s.kh; ++i)
      for (std::int64_t j = 0; j < s.kw; ++j) {
        const std::int64_t at_h = h * s.stride_h - s.top + i * s.dilation_h;
        const std::int64_t at_w = w * s.stride_w - s.left + j * s.dilation_w;
        const bool inside = from >= 0 && at_h >= 0 && at_h < s.in_h && at_w >= 0 && at_w < s.in_w;
        taps[count++] = inside ? image + (at_h * s.in_w + at_w) * s.channels : zeros;
      }
  }
  return count;
}

Status run(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  copy_base(view, kConvLastBase, *args.team);
  const ConvLast& s = prepared_shape(args);
  const SplitEpilogue epilogue = split_epilogue(view, s.outputs, Relu6::kInRegisters);
  const Placed to = placed_at(view);
  const auto& packed = static_cast<const PackedTaps&>(*args.packed);
  const DepthwisePixel pixel = pixel_for(view.isa);
  split(*args.team, s.pixels(), row_grain(s.kd * s.kh * s.kw * s.channels),
        [&](std::int64_t begin, std::int64_t end, int) {
          const float* taps[kMostTaps];
          for (std::int64_t p = begin; p < end; ++p) {
            const std::int64_t count =
                taps_of(s, view.inputs[0].f32(), packed.zeros.data(), p, taps);
            GemmFinish finish = epilogue.finish;
            if (finish.residual) finish.residual += p * s.outputs;
            float* y = to.pixel(p);
            pixel(taps, packed.weights.data(), count, s.channels, s.channels, finish, y);
            epilogue.rest.row(y, epilogue.rest.residual_at(p * s.outputs), 0, s.outputs);
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kConvLastDepthwise = {.op = ir::kOpConvLast,
                                             .name = "cpu/conv_last_depthwise",
                                             .refuse = refuse,
                                             .workspace_bytes = nullptr,
                                             .run = run,
                                             .pack = pack,
                                             .prepare = prepare_conv_last,
                                             .in_place = conv_last_in_place,
                                             .in_place_input = kConvLastBase};

}  // namespace antiphon::cpu
#endif
