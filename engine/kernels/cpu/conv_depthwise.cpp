// Depth-wise 1-D convolution, stride 1, any dilation: each row in one pass, eight or more steps a
// vector; the steps whose windows leave the row are done one by one. int8 weights are expanded.
// clang-format off: the order matters
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/cpu/conv_depthwise.cpp"
#include <hwy/foreach_target.h>

#include "engine/kernels/cpu/simd_targets.h"
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <vector>

#include "engine/kernels/cpu/conv_shape.h"
#include "engine/kernels/cpu/epilogue.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// y[t] = sum over k of w[k] x[t + k * dilation] for t in [0, n): all of x is there.
void inner_row(const float* x, const float* w, std::int64_t taps, std::int64_t dilation, float* y,
               std::int64_t n) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t t = 0;
  for (; t + 2 * lanes <= n; t += 2 * lanes) {
    auto a = hn::Zero(d), b = a;
    for (std::int64_t k = 0; k < taps; ++k) {
      const auto weight = hn::Set(d, w[k]);
      const float* from = x + t + k * dilation;
      a = hn::MulAdd(weight, hn::LoadU(d, from), a);
      b = hn::MulAdd(weight, hn::LoadU(d, from + lanes), b);
    }
    hn::StoreU(a, d, y + t);
    hn::StoreU(b, d, y + t + lanes);
  }
  for (; t + lanes <= n; t += lanes) {
    auto a = hn::Zero(d);
    for (std::int64_t k = 0; k < taps; ++k)
      a = hn::MulAdd(hn::Set(d, w[k]), hn::LoadU(d, x + t + k * dilation), a);
    hn::StoreU(a, d, y + t);
  }
  for (; t < n; ++t) {
    float sum = 0;
    for (std::int64_t k = 0; k < taps; ++k) sum += w[k] * x[t + k * dilation];
    y[t] = sum;
  }
}

}  // namespace

using InnerRow = void (*)(const float*, const float*, std::int64_t, std::int64_t, float*,
                          std::int64_t);
InnerRow depthwise_inner_row() { return inner_row; }

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace antiphon::cpu {
namespace {

using InnerRow = void (*)(const float*, const float*, std::int64_t, std::int64_t, float*,
                          std::int64_t);
InnerRow inner_row_for(Isa isa) { ANTIPHON_BY_ISA(isa, depthwise_inner_row); }

struct PackedTaps final : Packed {
  std::vector<float> weights;  // [channels][taps]
  std::size_t bytes() const override { return weights.size() * sizeof(float); }
};

const char* refuse(const NodeView& view) {
  if (!view.inputs[1].is_constant) return "needs constant weights";
  if (has_input(view, 2) && !view.inputs[2].is_constant) return "needs constant scales";
  if (const char* reason = refuse_weights(view)) return reason;
  const ConvShape s = conv_shape(view);
  if (s.group_channels != 1 || s.outputs != s.groups) return "needs one channel a group";
  return s.stride == 1 ? nullptr : "needs stride 1";
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  auto packed = std::make_unique<PackedTaps>();
  const std::int64_t taps = w.dims[2], count = w.num_elements();
  for (std::int64_t i = 0; i < count; ++i)
    packed->weights.push_back(w.dtype == DType::kF32
                                  ? w.f32()[i]
                                  : static_cast<float>(static_cast<const std::int8_t*>(w.data)[i]) *
                                        view.inputs[2].f32()[i / taps]);
  return std::unique_ptr<Packed>(std::move(packed));
}

// Steps [begin, end) whose windows may leave the row.
void edge(const ConvShape& s, const float* x, const float* w, std::int64_t begin, std::int64_t end,
          float* y) {
  for (std::int64_t t = begin; t < end; ++t) {
    float sum = 0;
    for (std::int64_t k = 0; k < s.taps; ++k) {
      const std::int64_t at = t + k * s.dilation - s.pad_left;
      if (at >= 0 && at < s.steps) sum += w[k] * x[at];
    }
    y[t] = sum;
  }
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const ConvShape s = conv_shape(view);
  const Epilogue epilogue = epilogue_of(view);
  const float* weights = static_cast<const PackedTaps&>(*args.packed).weights.data();
  const InnerRow inner = inner_row_for(view.isa);
  // Windows that lie inside the row.
  const std::int64_t first = std::min(s.pad_left, s.out_steps);
  const std::int64_t last =
      std::clamp(s.steps + s.pad_left - (s.taps - 1) * s.dilation, first, s.out_steps);
  split(*args.team, s.batch * s.channels, row_grain(s.taps * s.out_steps),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            const std::int64_t channel = r % s.channels;
            const float* w = weights + channel * s.taps;
            const float* x = view.inputs[0].f32() + r * s.steps;
            float* y = view.outputs[0].f32() + r * s.out_steps;
            edge(s, x, w, 0, first, y);
            if (first < last)
              inner(x + first - s.pad_left, w, s.taps, s.dilation, y + first, last - first);
            edge(s, x, w, last, s.out_steps, y);
            epilogue.channel_row(y, epilogue.residual_at(r * s.out_steps), channel, s.out_steps);
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kConvDepthwise = {
    ir::OpKind::kConv, "cpu/conv_depthwise", refuse, nullptr, run, pack};

}  // namespace antiphon::cpu
#endif
