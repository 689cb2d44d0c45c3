// Channels-last pooling, maxima and averages: a vector of channels at a time.
// clang-format off: the order matters
#undef HWY_TARGET_INCLUDE
#define HWY_TARGET_INCLUDE "engine/kernels/cpu/pool_last.cpp"
#include <hwy/foreach_target.h>

#include "engine/kernels/cpu/simd_targets.h"
// clang-format on
#include <hwy/highway.h>

#include <algorithm>
#include <limits>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/partial_vectors-inl.h"

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {
namespace {
namespace hn = hwy::HWY_NAMESPACE;

// Pixels [h][w] of a window: rows are row_stride apart, columns column_stride.
struct Window {
  const float* x;
  std::int64_t rows, columns, row_stride, column_stride;
};

// y[c] = the largest, or factor * the sum, over the window.
template <bool kMax>
void window(const Window& w, std::int64_t channels, float factor, float* y) {
  const hn::ScalableTag<float> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  const auto begin = hn::Set(d, kMax ? -std::numeric_limits<float>::infinity() : 0.0f);
  const auto join = [](auto a, auto b) HWY_ATTR { return kMax ? hn::Max(a, b) : hn::Add(a, b); };
  const auto store = [&](auto sum, std::int64_t c, std::size_t some) HWY_ATTR {
    store_some(kMax ? sum : hn::Mul(sum, hn::Set(d, factor)), d, y + c, some);
  };
  std::int64_t c = 0;
  for (; c + 2 * lanes <= channels; c += 2 * lanes) {
    auto a = begin, b = begin;
    for (std::int64_t i = 0; i < w.rows; ++i)
      for (std::int64_t j = 0; j < w.columns; ++j) {
        const float* from = w.x + i * w.row_stride + j * w.column_stride + c;
        a = join(a, hn::LoadU(d, from));
        b = join(b, hn::LoadU(d, from + lanes));
      }
    store(a, c, static_cast<std::size_t>(lanes));
    store(b, c + lanes, static_cast<std::size_t>(lanes));
  }
  for (; c < channels; c += lanes) {
    const auto some = static_cast<std::size_t>(std::min(lanes, channels - c));
    auto sum = begin;
    for (std::int64_t i = 0; i < w.rows; ++i)
      for (std::int64_t j = 0; j < w.columns; ++j)
        sum = join(sum, load_some(d, w.x + i * w.row_stride + j * w.column_stride + c, some));
    store(sum, c, some);
  }
}

// The same maxima of bytes.
void byte_window(const std::uint8_t* x, const Window& w, std::int64_t channels, std::uint8_t* y) {
  const hn::ScalableTag<std::uint8_t> d;
  const auto lanes = static_cast<std::int64_t>(hn::Lanes(d));
  std::int64_t c = 0;
  for (; c + lanes <= channels; c += lanes) {
    auto most = hn::Zero(d);
    for (std::int64_t i = 0; i < w.rows; ++i)
      for (std::int64_t j = 0; j < w.columns; ++j)
        most = hn::Max(most, hn::LoadU(d, x + i * w.row_stride + j * w.column_stride + c));
    hn::StoreU(most, d, y + c);
  }
  for (; c < channels; ++c) {
    std::uint8_t most = 0;
    for (std::int64_t i = 0; i < w.rows; ++i)
      for (std::int64_t j = 0; j < w.columns; ++j)
        most = std::max(most, x[i * w.row_stride + j * w.column_stride + c]);
    y[c] = most;
  }
}

}  // namespace

void pool_bytes(const std::uint8_t* x, std::int64_t rows, std::int64_t columns,
                std::int64_t row_stride, std::int64_t column_stride, std::int64_t channels,
                std::uint8_t* y) {
  byte_window(x, {nullptr, rows, columns, row_stride, column_stride}, channels, y);
}
using PoolBytes = void (*)(const std::uint8_t*, std::int64_t, std::int64_t, std::int64_t,
                           std::int64_t, std::int64_t, std::uint8_t*);
PoolBytes pool_bytes_function() { return pool_bytes; }

template <bool kMax>
void pool_window(const float* x, std::int64_t rows, std::int64_t columns, std::int64_t row_stride,
                 std::int64_t column_stride, std::int64_t channels, float factor, float* y) {
  window<kMax>({x, rows, columns, row_stride, column_stride}, channels, factor, y);
}
using PoolFunction = void (*)(const float*, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                              std::int64_t, float, float*);
PoolFunction pool_max_function() { return pool_window<true>; }
PoolFunction pool_sum_function() { return pool_window<false>; }

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#if HWY_ONCE
namespace antiphon::cpu {
namespace {

using PoolFunction = void (*)(const float*, std::int64_t, std::int64_t, std::int64_t, std::int64_t,
                              std::int64_t, float, float*);
PoolFunction max_for(Isa isa) { ANTIPHON_BY_ISA(isa, pool_max_function); }
PoolFunction sum_for(Isa isa) { ANTIPHON_BY_ISA(isa, pool_sum_function); }

using PoolBytes = void (*)(const std::uint8_t*, std::int64_t, std::int64_t, std::int64_t,
                           std::int64_t, std::int64_t, std::uint8_t*);
PoolBytes bytes_for(Isa isa) { ANTIPHON_BY_ISA(isa, pool_bytes_function); }

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

Axis axis(const NodeView& view, std::size_t i) {
  const ir::Attrs& attrs = view.node->attrs;
  const auto number = [&](const char* name, std::size_t at, std::int64_t fallback) {
    const auto list = attrs.ints(name);
    return at < list.size() ? list[at] : fallback;
  };
  return {view.inputs[0].dims[1 + i], view.outputs[0].dims[1 + i], number("kernel", i, 1),
          number("strides", i, 1),    number("dilations", i, 1),   number("pads", i, 0),
          number("pads", 2 + i, 0)};
}

struct PreparedAxes final : Prepared {
  Axis rows{}, columns{};
};
Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed*) {
  auto prepared = std::make_unique<PreparedAxes>();
  prepared->rows = axis(view, 0);
  prepared->columns = axis(view, 1);
  return std::unique_ptr<Prepared>(std::move(prepared));
}

// Maxima of bytes. A window that lies in the padding alone gives 0: there is none such.
Status run_bytes(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  const auto& prepared = static_cast<const PreparedAxes&>(*args.prepared);
  const Axis &rows = prepared.rows, &columns = prepared.columns;
  const std::int64_t channels = x.dims[3], width = y.dims[3];
  const auto* from = static_cast<const std::uint8_t*>(x.data);
  auto* to = static_cast<std::uint8_t*>(y.data) + view.node->attrs.i("y_begin");
  const PoolBytes pool = bytes_for(view.isa);
  split(*args.team, y.dims[0] * rows.out * columns.out,
        row_grain(rows.kernel * columns.kernel * channels),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t p = begin; p < end; ++p) {
            const Axis::Span h = rows.span(p / columns.out % rows.out);
            const Axis::Span w = columns.span(p % columns.out);
            const std::int64_t image = p / (columns.out * rows.out) * rows.in * columns.in;
            pool(from + (image + h.first * columns.in + w.first) * channels, h.count, w.count,
                 rows.dilation * columns.in * channels, columns.dilation * channels, channels,
                 to + p * width);
          }
        });
  return {};
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  if (y.num_elements() == 0) return {};
  copy_base(view, kBase, *args.team);
  if (x.dtype == DType::kU8) return run_bytes(view, args);
  const bool max = static_cast<ir::Pool>(view.node->attrs.i("op")) == ir::Pool::kMax;
  const bool count_pad = view.node->attrs.i("count_pad") != 0;
  const auto& prepared = static_cast<const PreparedAxes&>(*args.prepared);
  const Axis &rows = prepared.rows, &columns = prepared.columns;
  const Placed to = placed_at(view);
  const std::int64_t channels = x.dims[3];
  const PoolFunction pool = max ? max_for(view.isa) : sum_for(view.isa);
  split(*args.team, y.dims[0] * rows.out * columns.out,
        row_grain(rows.kernel * columns.kernel * channels),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t p = begin; p < end; ++p) {
            const Axis::Span h = rows.span(p / columns.out % rows.out);
            const Axis::Span w = columns.span(p % columns.out);
            const std::int64_t taps = count_pad ? h.padded * w.padded : h.count * w.count;
            const float* image =
                x.f32() + p / (columns.out * rows.out) * rows.in * columns.in * channels;
            pool(image + (h.first * columns.in + w.first) * channels, h.count, w.count,
                 rows.dilation * columns.in * channels, columns.dilation * channels, channels,
                 taps == 0 ? 0.0f : 1.0f / static_cast<float>(taps), to.pixel(p));
          }
        });
  return {};
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
