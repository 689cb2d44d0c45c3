// Reference interpreter: rotary position embeddings, as x cos + turned(x) sin over elements.
#include "engine/ir/op_enums.h"
#include "tests/support/reference_ops.h"

namespace antiphon::test {

Outs ref_rotary(const ir::Node& node, const Ins& in) {
  const RefTensor& x = *in[0];
  const std::int64_t heads = node.attrs.i("heads");
  const bool flat = x.dims.size() == 3, by_step = flat || node.attrs.i("steps_first") != 0;
  const std::int64_t d = flat ? x.dims[2] / heads : x.dims[3], width = node.attrs.i("width", d);
  const std::int64_t batch = x.dims[0], steps = x.dims[by_step ? 1 : 2];
  const bool neighbours = node.attrs.i("interleaved") != 0;
  const bool out_by_step = by_step && node.attrs.i("by_head") == 0;
  const auto row = [&](bool step_first, std::int64_t b, std::int64_t h, std::int64_t t) {
    return (step_first ? (b * steps + t) * heads + h : (b * heads + h) * steps + t) * d;
  };
  // The number for element i at step t.
  const auto angle = [&](const RefTensor& table, std::int64_t b, std::int64_t t, std::int64_t i) {
    const std::int64_t w = table.dims.back();
    if (w != width) i = neighbours ? i / 2 : i % (width / 2);
    const bool shared = table.dims.size() == 2 || table.dims[0] == 1;
    return table.values[static_cast<std::size_t>(((shared ? 0 : b) * steps + t) * w + i)];
  };
  RefTensor out{DType::kF32, x.dims, std::vector<double>(x.values.size())};
  if (node.attrs.i("by_head") != 0) out.dims = {batch, heads, steps, d};
  for (std::int64_t b = 0; b < batch; ++b)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t t = 0; t < steps; ++t)
        for (std::int64_t i = 0; i < d; ++i) {
          const auto element = [&](std::int64_t k) {
            return x.values[static_cast<std::size_t>(row(by_step, b, h, t) + k)];
          };
          double& y = out.values[static_cast<std::size_t>(row(out_by_step, b, h, t) + i)];
          y = element(i);
          if (i >= width) continue;
          const std::int64_t half = width / 2;
          const bool first = neighbours ? i % 2 == 0 : i < half;
          const std::int64_t other =
              neighbours ? (first ? i + 1 : i - 1) : (first ? i + half : i - half);
          y = y * angle(*in[1], b, t, i) +
              (first ? -element(other) : element(other)) * angle(*in[2], b, t, i);
        }
  return only(std::move(out));
}

}  // namespace antiphon::test
