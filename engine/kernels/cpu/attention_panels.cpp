// Attention, one head at a time: softmax(scale q k^T + mask_bias) v, both products by matrix
// panels that are packed from k and v on the spot. f32. The team divides the heads. Keys that a
// mask takes from a whole block of queries are left out, as of windows that move along the keys.
#include <algorithm>
#include <cmath>

#include "engine/kernels/cpu/attention_shape.h"
#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"

namespace antiphon::cpu {
namespace {

constexpr std::int64_t kBlockQueries = 24;

// One member's memory, in floats.
struct Space {
  std::int64_t keys, values, queries, scores, all;
};
Space space_of(const AttentionShape& s) {
  const auto line = [](std::int64_t n) { return (n + 15) / 16 * 16; };
  Space space{};
  space.values = line(panel_elements(s.keys, s.width));
  space.queries = space.values + line(panel_elements(s.value_width, s.keys));
  space.scores = space.queries + line(kBlockQueries * s.width);
  space.all = space.scores + line(kBlockQueries * s.keys);
  return space;
}
std::size_t workspace_bytes(const NodeView& view) {
  return static_cast<std::size_t>(view.num_threads * space_of(attention_shape(view)).all) *
         sizeof(float);
}

// k of one of its heads as a matrix [keys, width], v as one [value_width, keys], in panels of 16
// rows.
void pack_head(const AttentionShape& s, std::int64_t batch, std::int64_t head, float* keys,
               float* values) {
  const std::int64_t whole = (s.keys + kPanelRows - 1) / kPanelRows * kPanelRows;
  for (std::int64_t t = 0; t < whole; ++t) {
    float* to = keys + t / kPanelRows * kPanelRows * s.width + t % kPanelRows;
    const float* from = t < s.keys ? s.k.at(batch, head, t) : nullptr;
    for (std::int64_t d = 0; d < s.width; ++d) to[d * kPanelRows] = from ? from[d] : 0.0f;
  }
  for (std::int64_t d = 0; d < s.value_width; d += kPanelRows) {
    const std::int64_t n = std::min(kPanelRows, s.value_width - d);
    float* to = values + d * s.keys;
    for (std::int64_t t = 0; t < s.keys; ++t, to += kPanelRows) {
      std::copy_n(s.v.at(batch, head, t) + d, n, to);
      std::fill(to + n, to + kPanelRows, 0.0f);
    }
  }
}

// The largest norm of `count` rows, squared.
float most_squares(const VectorMath& math, const float* x, std::int64_t count, std::int64_t stride,
                   std::int64_t width) {
  float most = 0;
  for (std::int64_t i = 0; i < count; ++i, x += stride)
    most = std::max(most, math.dot(x, x, width));
  return most;
}

struct Range {
  std::int64_t begin, end;
  std::int64_t size() const { return end - begin; }
};

// Keys among which are all that weigh anything to `count` queries from `first` on, from the begin
// of a panel. No score is larger than `most`, so that of a key that is masked by kOutside
// exp(score - peak) is 0 in f32 where another key is not masked.
Range heard_keys(const AttentionShape& s, std::int64_t batch, std::int64_t head, std::int64_t first,
                 std::int64_t count, float most) {
  constexpr float kInside = -1, kOutside = -1e4f, kLeastExponent = -110;
  const Range all = {0, s.keys};
  if (s.mask_step == 0 || !(2 * most + kOutside - kInside < kLeastExponent)) return all;
  Range heard = {s.keys, 0};
  for (std::int64_t i = first; i < first + count; ++i) {
    const float* row = s.mask.at(batch, head, i);
    const auto outside = [row](std::int64_t t) { return row[t] <= kOutside; };
    std::int64_t begin = 0, end = s.keys;
    while (begin < heard.begin && outside(begin)) ++begin;
    while (end > heard.end && outside(end - 1)) --end;
    heard = {begin, std::max(end, begin)};
    if (std::none_of(row + heard.begin, row + heard.end, [](float m) { return m >= kInside; }))
      return all;
  }
  heard.begin -= heard.begin % kPanelRows;
  return heard;
}

// Scores of one query to weights, their sum not yet divided out: gives its inverse.
float weigh(const AttentionShape& s, const VectorMath& math, const float* mask, const Range& heard,
            float* scores) {
  constexpr auto kAdd = static_cast<std::size_t>(Binary::kAdd);
  if (mask && s.mask_step != 0)
    math.binary[kAdd](scores, mask + heard.begin, scores, heard.size());
  else if (mask)
    math.binary_right[kAdd](scores, mask, scores, heard.size());
  const float peak = math.max(scores, heard.size());
  if (s.masked_rows && std::isinf(peak) && peak < 0) {
    std::fill_n(scores, heard.size(), 0.0f);
    return 1.0f;
  }
  return 1.0f / math.exp_minus(scores, peak, scores, heard.size());
}

void attend(const AttentionShape& s, const NodeView& view, std::int64_t batch, std::int64_t head,
            float* memory) {
  const VectorMath& math = vector_math(view.isa);
  const auto times = math.binary_right[static_cast<std::size_t>(Binary::kMul)];
  const Space space = space_of(s);
  float *keys = memory, *values = memory + space.values, *queries = memory + space.queries,
        *scores = memory + space.scores;
  const std::int64_t shared = head / s.share;
  pack_head(s, batch, shared, keys, values);
  const F32Panels by_key(keys, s.keys, s.width, view.isa);
  const float most_key = most_squares(math, s.k.at(batch, shared, 0), s.keys, s.k.step, s.width);
  const std::int64_t y_stride = s.heads * s.value_width;
  for (std::int64_t t = 0; t < s.queries; t += kBlockQueries) {
    const std::int64_t count = std::min(kBlockQueries, s.queries - t);
    for (std::int64_t i = 0; i < count; ++i)
      times(s.q.at(batch, head, t + i), &s.scale, queries + i * s.width, s.width);
    const float most_query = most_squares(math, queries, count, s.width, s.width);
    const Range heard = heard_keys(s, batch, head, t, count, std::sqrt(most_query * most_key));
    gemm_f32(by_key, {queries, s.width, 1, 0, s.width}, count, scores, s.keys, heard.begin,
             heard.end);
    float inverse[kBlockQueries];
    float* const from = scores + heard.begin;
    for (std::int64_t i = 0; i < count; ++i)
      inverse[i] = weigh(s, math, s.mask.data ? s.mask.at(batch, head, t + i) : nullptr, heard,
                         from + i * s.keys);
    float* y = view.outputs[0].f32() + (batch * s.queries + t) * y_stride + head * s.value_width;
    for (std::int64_t d = 0; d < s.value_width; d += kPanelRows) {
      const std::int64_t rows = std::min(kPanelRows, s.value_width - d);
      const F32Panels panel(values + d * s.keys + heard.begin * kPanelRows, rows, heard.size(),
                            view.isa);
      gemm_f32(panel, {from, s.keys, 1, 0, heard.size()}, count, y + d, y_stride, 0, rows);
    }
    for (std::int64_t i = 0; i < count; ++i)
      times(y + i * y_stride, &inverse[i], y + i * y_stride, s.value_width);
  }
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const AttentionShape s = attention_shape(view);
  const std::int64_t all = space_of(s).all;
  split(*args.team, s.batch * s.heads, row_grain(s.queries * s.keys * (s.width + s.value_width)),
        [&](std::int64_t begin, std::int64_t end, int member) {
          float* memory = reinterpret_cast<float*>(args.workspace) + member * all;
          for (std::int64_t i = begin; i < end; ++i)
            attend(s, view, i / s.heads, i % s.heads, memory);
        });
  return {};
}

}  // namespace

constinit const Kernel kAttentionPanels = {ir::OpKind::kAttention, "cpu/attention_panels",
                                           refuse_attention, workspace_bytes, run};

}  // namespace antiphon::cpu
