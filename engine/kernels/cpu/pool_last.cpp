// Channels-last pooling, maxima and averages: a vector of channels at a time.
// clang-format off: the order matters
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/cpu/pool_last.cpp"
#include <hwy/foreach_target.h>

#include "engine/kernels/cpu/simd_targets.h"
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <array>
#include <limits>
#include <type_traits>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/partial_vectors-inl.h"
#include "engine/kernels/cpu/pool_window.h"

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

template <typename T>
constexpr T least() {
  if constexpr (std::is_same_v<T, float>) return -std::numeric_limits<T>::infinity();
  return 0;
}

// y[c] = the largest, or factor * the sum, over a window of pixels.
template <bool kMax, typename T>
void pool_window(const T* x, const PoolWindow& w, std::int64_t channels, float factor, T* y) {
  const auto some_channels = [&](auto d, std::int64_t c, std::size_t some) HWY_ATTR {
    auto total = hn::Set(d, kMax ? least<T>() : T{0});
    for (std::int64_t p = 0; p < w.count[0]; ++p)
      for (std::int64_t i = 0; i < w.count[1]; ++i) {
        const T* line = x + p * w.stride[0] + i * w.stride[1] + c;
        for (std::int64_t j = 0; j < w.count[2]; ++j) {
          const auto one = load_some(d, line + j * w.stride[2], some);
          total = kMax ? hn::Max(total, one) : hn::Add(total, one);
        }
      }
    if constexpr (!kMax) total = hn::Mul(total, hn::Set(d, factor));
    store_some(total, d, y + c, some);
  };
  const hn::ScalableTag<T> wide;
  const hn::CappedTag<T, 16> narrow;  // a vector of bytes is more than many have channels
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(wide));
  const auto few = static_cast<std::int64_t>(hn::Lanes(narrow));
  std::int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) some_channels(wide, c, hn::Lanes(wide));
  for (; c < channels; c += few)
    some_channels(narrow, c, static_cast<std::size_t>(std::min(few, channels - c)));
}

}  // namespace

template <typename T>
using PoolFunction = void (*)(const T*, const PoolWindow&, std::int64_t, float, T*);
PoolFunction<float> pool_max() { return pool_window<true, float>; }
PoolFunction<float> pool_sum() { return pool_window<false, float>; }
PoolFunction<std::uint8_t> pool_max_bytes() { return pool_window<true, std::uint8_t>; }

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace antiphon::cpu {
namespace {

template <typename T>
using PoolFunction = void (*)(const T*, const PoolWindow&, std::int64_t, float, T*);
PoolFunction<float> max_for(Isa isa) { ANTIPHON_BY_ISA(isa, pool_max); }
PoolFunction<float> sum_for(Isa isa) { ANTIPHON_BY_ISA(isa, pool_sum); }
PoolFunction<std::uint8_t> max_bytes_for(Isa isa) { ANTIPHON_BY_ISA(isa, pool_max_bytes); }

constexpr std::size_t kBase = 1;

const char* refuse(const NodeView& view) {
  const DType x = view.inputs[0].dtype;
  return x == DType::kF32 || x == DType::kU8 ? nullptr : "needs f32, or maxima of u8";
}

// One spatial axis: the taps of window `o` that lie inside.
struct Axis {
  std::int64_t in, out, kernel, stride, dilation, before, after;

  struct Span {
    std::int64_t first, count, padded;  // padded: taps in the input or its padding
  };
  Span span(std::int64_t o) const {
    const std::int64_t at = o * stride - before;
    const auto taps_below = [&](std::int64_t limit) {
      return std::clamp<std::int64_t>((limit - at + dilation - 1) / dilation, 0, kernel);
    };
    const std::int64_t skip = at >= 0 ? 0 : (-at + dilation - 1) / dilation;
    return {at + skip * dilation, std::max<std::int64_t>(0, taps_below(in) - skip),
            taps_below(in + after)};
  }
};

Axis axis(const NodeView& view, std::size_t i, std::size_t axes) {
  const ir::Attrs& attrs = view.node->attrs;
  const auto number = [&](const char* name, std::size_t at, std::int64_t fallback) {
    const auto list = attrs.ints(name);
    return at < list.size() ? list[at] : fallback;
  };
  return {view.inputs[0].dims[1 + i], view.outputs[0].dims[1 + i], number("kernel", i, 1),
          number("strides", i, 1),    number("dilations", i, 1),   number("pads", i, 0),
          number("pads", axes + i, 0)};
}

// Planes, rows and columns; with two axes one plane.
struct PreparedAxes final : Prepared {
  std::array<Axis, 3> axes;
};
Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed*) {
  auto prepared = std::make_unique<PreparedAxes>();
  prepared->axes.fill({1, 1, 1, 1, 1, 0, 0});
  const auto axes = static_cast<std::size_t>(view.inputs[0].rank - 2);
  for (std::size_t i = 0; i < axes; ++i) prepared->axes[3 - axes + i] = axis(view, i, axes);
  return std::unique_ptr<Prepared>(std::move(prepared));
}

// A window that lies in the padding alone has no largest: -inf, of bytes 0.
template <typename T>
Status run_with(const NodeView& view, const LaunchArgs& args, PoolFunction<T> pool) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  const bool count_pad = view.node->attrs.i("count_pad") != 0;
  const auto& axes = static_cast<const PreparedAxes&>(*args.prepared).axes;
  const Axis &planes = axes[0], &rows = axes[1], &columns = axes[2];
  const auto last = static_cast<std::size_t>(x.rank - 1);
  const std::int64_t channels = x.dims[last], width = y.dims[last];
  const std::int64_t row = columns.in * channels, plane = rows.in * row;
  const auto* from = static_cast<const T*>(x.data);
  auto* to = static_cast<T*>(y.data) + view.node->attrs.i("y_begin");
  split(*args.team, y.dims[0] * planes.out * rows.out * columns.out,
        row_grain(planes.kernel * rows.kernel * columns.kernel * channels),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t p = begin; p < end; ++p) {
            const std::int64_t line = p / columns.out, image = line / rows.out;
            const Axis::Span d = planes.span(image % planes.out), h = rows.span(line % rows.out);
            const Axis::Span w = columns.span(p % columns.out);
            const std::int64_t taps =
                count_pad ? d.padded * h.padded * w.padded : d.count * h.count * w.count;
            const std::int64_t first = image / planes.out * planes.in + d.first;
            pool(from + first * plane + h.first * row + w.first * channels,
                 {{d.count, h.count, w.count},
                  {planes.dilation * plane, rows.dilation * row, columns.dilation * channels}},
                 channels, taps == 0 ? 0.0f : 1.0f / static_cast<float>(taps), to + p * width);
          }
        });
  return {};
}

Status run(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  copy_base(view, kBase, *args.team);
  if (view.inputs[0].dtype == DType::kU8) return run_with(view, args, max_bytes_for(view.isa));
  const bool max = static_cast<ir::Pool>(view.node->attrs.i("op")) == ir::Pool::kMax;
  return run_with(view, args, max ? max_for(view.isa) : sum_for(view.isa));
}

bool in_place(const NodeView& view) { return has_input(view, kBase); }

}  // namespace

constinit const Kernel kPoolLast = {.op = ir::kOpPoolLast,
                                    .name = "cpu/pool_last",
                                    .refuse = refuse,
                                    .workspace_bytes = nullptr,
                                    .run = run,
                                    .prepare = prepare,
                                    .in_place = in_place,
                                    .in_place_input = kBase};

}  // namespace antiphon::cpu
#endif
