// Reference interpreter: products, convolution, look-up, attention and quantisation.
#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/ir/input_quantizer.h"
#include "tests/support/reference_ops.h"

namespace antiphon::test {

namespace {

// As DynamicQuantizeLinear of ONNX says, in f32.
ir::InputQuantizer dynamic_quantizer(const RefTensor& x) {
  float low = 0, high = 0;
  for (const double v : x.values) {
    low = std::min(low, static_cast<float>(v));
    high = std::max(high, static_cast<float>(v));
  }
  const float scale = low == high ? 1.0f : (high - low) / 255.0f;
  return {.scale = scale, .zero = static_cast<int>(std::nearbyint(-low / scale))};
}

}  // namespace

RefTensor quantized_input(const ir::Node& node, const RefTensor& x, bool dynamic) {
  const auto quantizer =
      dynamic ? std::optional(dynamic_quantizer(x)) : ir::input_quantizer(node.attrs);
  if (!quantizer) return x;
  RefTensor out = x;
  for (double& v : out.values) {
    const double steps = std::nearbyint(static_cast<float>(v) / quantizer->scale);
    const double zero = quantizer->zero, most = quantizer->levels;
    v = (std::clamp(steps + zero, 0.0, most) - zero) * double{quantizer->scale};
  }
  return out;
}

double weight_at(const RefTensor& w, const RefTensor* scale, std::int64_t row,
                 std::int64_t offset) {
  const std::int64_t row_elements = num_elements(w.dims) / w.dims[0];
  const double v = w.values[static_cast<std::size_t>(row * row_elements + offset)];
  return scale ? v * scale->values[static_cast<std::size_t>(row)] : v;
}

namespace {

// act2(act(sum + bias) + residual)
double finish(const ir::Node& node, const Ins& in, double sum, std::int64_t row,
              std::size_t index) {
  if (const RefTensor* bias = at(in, 3)) sum += bias->values[static_cast<std::size_t>(row)];
  if (node.attrs.has("act")) sum = apply_unary(static_cast<Unary>(node.attrs.i("act")), sum);
  if (const RefTensor* residual = at(in, 4)) sum += residual->values[index];
  if (node.attrs.has("act2")) sum = apply_unary(static_cast<Unary>(node.attrs.i("act2")), sum);
  return sum;
}

}  // namespace

Outs ref_linear(const ir::Node& node, const Ins& in) {
  const RefTensor x = quantized_input(node, *in[0]);
  const std::int64_t n = in[1]->dims[0], k = in[1]->dims[1];
  RefTensor out{DType::kF32, x.dims, {}};
  out.dims.back() = n;
  const std::int64_t rows =
      num_elements(std::vector<std::int64_t>(x.dims.begin(), x.dims.end() - 1));
  for (std::int64_t r = 0; r < rows; ++r)
    for (std::int64_t o = 0; o < n; ++o) {
      double sum = 0;
      for (std::int64_t i = 0; i < k; ++i)
        sum += x.values[static_cast<std::size_t>(r * k + i)] * weight_at(*in[1], at(in, 2), o, i);
      out.values.push_back(finish(node, in, sum, o, out.values.size()));
    }
  return only(std::move(out));
}

Outs ref_conv(const ir::Node& node, const Ins& in) {
  const RefTensor x = quantized_input(node, *in[0]);
  const auto& w = in[1]->dims;
  const std::int64_t stride = node.attrs.i("stride", 1), dilation = node.attrs.i("dilation", 1);
  const std::int64_t groups = node.attrs.i("groups", 1), left = node.attrs.i("pad_left");
  const std::int64_t steps = x.dims[2], padded = steps + left + node.attrs.i("pad_right");
  const std::int64_t span = (w[2] - 1) * dilation + 1;
  RefTensor out{DType::kF32, {x.dims[0], w[0], (padded - span) / stride + 1}, {}};
  for (std::int64_t b = 0; b < out.dims[0]; ++b)
    for (std::int64_t o = 0; o < w[0]; ++o)
      for (std::int64_t t = 0; t < out.dims[2]; ++t) {
        const std::int64_t first = o / (w[0] / groups) * w[1];  // channel of x
        double sum = 0;
        for (std::int64_t c = 0; c < w[1]; ++c)
          for (std::int64_t i = 0; i < w[2]; ++i) {
            const std::int64_t s = t * stride + i * dilation - left;
            if (s < 0 || s >= steps) continue;
            sum += x.values[static_cast<std::size_t>((b * x.dims[1] + first + c) * steps + s)] *
                   weight_at(*in[1], at(in, 2), o, c * w[2] + i);
          }
        out.values.push_back(finish(node, in, sum, o, out.values.size()));
      }
  return only(std::move(out));
}

Outs ref_matmul(const ir::Node& node, const Ins& in) {
  const RefTensor &a = *in[0], &b = *in[1];
  const bool ta = node.attrs.i("transpose_a") != 0, tb = node.attrs.i("transpose_b") != 0;
  const auto last = [](const RefTensor& t, std::size_t i) { return t.dims[t.dims.size() - i]; };
  const std::int64_t m = last(a, ta ? 1 : 2), k = last(a, ta ? 2 : 1), n = last(b, tb ? 2 : 1);
  const std::vector<std::int64_t> batch_a(a.dims.begin(), a.dims.end() - 2),
      batch_b(b.dims.begin(), b.dims.end() - 2);
  RefTensor out{a.dtype, broadcast_dims(batch_a, batch_b), {}};
  // The number of the matrix of each operand, broadcast like a tensor of numbers.
  RefTensor number_a{DType::kI64, batch_a, {}}, number_b{DType::kI64, batch_b, {}};
  for (std::int64_t i = 0; i < num_elements(batch_a); ++i)
    number_a.values.push_back(static_cast<double>(i));
  for (std::int64_t i = 0; i < num_elements(batch_b); ++i)
    number_b.values.push_back(static_cast<double>(i));
  const std::int64_t batches = num_elements(out.dims);
  for (std::int64_t i = 0; i < batches; ++i) {
    const auto at_a = static_cast<std::int64_t>(broadcast_at(number_a, out.dims, i)) * m * k;
    const auto at_b = static_cast<std::int64_t>(broadcast_at(number_b, out.dims, i)) * k * n;
    for (std::int64_t r = 0; r < m; ++r)
      for (std::int64_t c = 0; c < n; ++c) {
        double sum = 0;
        for (std::int64_t j = 0; j < k; ++j)
          sum += a.values[static_cast<std::size_t>(at_a + (ta ? j * m + r : r * k + j))] *
                 b.values[static_cast<std::size_t>(at_b + (tb ? c * k + j : j * n + c))];
        out.values.push_back(sum * node.attrs.f("alpha", 1));
      }
  }
  out.dims.push_back(m);
  out.dims.push_back(n);
  return only(std::move(out));
}

Outs ref_embedding(const ir::Node&, const Ins& in) {
  RefTensor out{DType::kF32, in[0]->dims, {}};
  const std::int64_t rows = in[1]->dims[0], width = in[1]->dims[1];
  for (const double id : in[0]->values) {
    if (id < 0 || id >= static_cast<double>(rows))
      return invalid_argument("id outside of the table");
    for (std::int64_t i = 0; i < width; ++i)
      out.values.push_back(weight_at(*in[1], at(in, 2), static_cast<std::int64_t>(id), i));
  }
  out.dims.push_back(width);
  return only(std::move(out));
}

namespace {

// [B, keys], [B, queries, keys] or [B, heads, queries, keys], whose axes of 1 are for all.
double mask_at(const RefTensor& mask, std::int64_t b, std::int64_t h, std::int64_t t,
               std::int64_t s) {
  std::vector<std::int64_t> index = {b, s};
  if (mask.dims.size() == 3) index = {b, t, s};
  if (mask.dims.size() == 4) index = {b, h, t, s};
  std::int64_t at = 0;
  for (std::size_t i = 0; i < index.size(); ++i)
    at = at * mask.dims[i] + (mask.dims[i] == 1 ? 0 : index[i]);
  return mask.values[static_cast<std::size_t>(at)];
}

}  // namespace

Outs ref_attention(const ir::Node& node, const Ins& in) {
  const std::int64_t heads = node.attrs.i("heads");
  const bool packed = node.attrs.i("packed") != 0;
  const RefTensor &q = *in[0], &k = packed ? q : *in[1], &v = packed ? q : *in[2];
  const bool by_head = q.dims.size() == 4;
  const std::int64_t width = by_head ? heads * q.dims[3] : packed ? q.dims[2] / 3 : q.dims[2];
  const std::int64_t d = width / heads, steps = by_head ? q.dims[2] : q.dims[1];
  const std::int64_t keys = k.dims.size() == 4 ? k.dims[2] : k.dims[1];
  const std::int64_t kv_heads = node.attrs.i("kv_heads", heads), share = heads / kv_heads;
  const std::int64_t value_width = packed               ? d
                                   : v.dims.size() == 4 ? v.dims[3]
                                                        : v.dims[2] / kv_heads;
  const double scale = node.attrs.f("scale", 1 / std::sqrt(static_cast<double>(d)));
  // Element i of head h at step t of part 0 (q), 1 (k) or 2 (v).
  const auto element = [&](const RefTensor& x, std::int64_t part, std::int64_t b, std::int64_t t,
                           std::int64_t h, std::int64_t i) {
    const std::int64_t num_heads = part == 0 ? heads : kv_heads;
    if (part != 0) h /= share;
    if (x.dims.size() == 4)
      return x
          .values[static_cast<std::size_t>(((b * num_heads + h) * x.dims[2] + t) * x.dims[3] + i)];
    const std::int64_t of_head = packed ? d : x.dims[2] / num_heads;
    const std::int64_t column = (packed ? part * width : 0) + h * of_head + i;
    return x.values[static_cast<std::size_t>((b * x.dims[1] + t) * x.dims[2] + column)];
  };
  RefTensor out{
      DType::kF32,
      {q.dims[0], steps, heads * value_width},
      std::vector<double>(static_cast<std::size_t>(q.dims[0] * steps * heads * value_width))};
  for (std::int64_t b = 0; b < q.dims[0]; ++b)
    for (std::int64_t h = 0; h < heads; ++h)
      for (std::int64_t t = 0; t < steps; ++t) {
        std::vector<double> p;
        for (std::int64_t s = 0; s < keys; ++s) {
          double score = 0;
          for (std::int64_t i = 0; i < d; ++i)
            score += element(q, 0, b, t, h, i) * element(k, 1, b, s, h, i);
          score *= scale;
          if (const RefTensor* mask = at(in, 3)) score += mask_at(*mask, b, h, t, s);
          p.push_back(score);
        }
        const double peak = p.empty() ? 0 : *std::max_element(p.begin(), p.end());
        if (node.attrs.i("masked_rows") != 0 && std::isinf(peak)) continue;
        double sum = 0;
        for (double& e : p) sum += e = std::exp(e - peak);
        for (std::int64_t i = 0; i < value_width; ++i) {
          double mixed = 0;
          for (std::int64_t s = 0; s < keys; ++s)
            mixed += p[static_cast<std::size_t>(s)] / sum * element(v, 2, b, s, h, i);
          out.values[static_cast<std::size_t>(((b * steps + t) * heads + h) * value_width + i)] =
              mixed;
        }
      }
  return only(std::move(out));
}

namespace {

RefTensor scaled(const ir::Node& node, const Ins& in, DType dtype,
                 const std::function<double(double, double)>& apply) {
  RefTensor out = *in[0];
  out.dtype = dtype;
  const AxisSplit s = split_at(out.dims, node.attrs.i("axis", 0));
  for (std::size_t i = 0; i < out.values.size(); ++i) {
    const std::int64_t channel = static_cast<std::int64_t>(i) / s.after % s.extent;
    const bool single = in[1]->values.size() == 1;
    out.values[i] =
        apply(out.values[i], in[1]->values[static_cast<std::size_t>(single ? 0 : channel)]);
  }
  return out;
}

}  // namespace

Outs ref_dequantize(const ir::Node& node, const Ins& in) {
  const double zero = static_cast<double>(node.attrs.i("zero"));
  return only(
      scaled(node, in, DType::kF32, [&](double x, double scale) { return (x - zero) * scale; }));
}

Outs ref_quantize(const ir::Node& node, const Ins& in) {
  const double zero = static_cast<double>(node.attrs.i("zero"));
  const double low = static_cast<double>(node.attrs.i("low", -127)), high = low == 0 ? 255 : 127;
  return only(scaled(node, in, low == 0 ? DType::kU8 : DType::kI8, [&](double x, double scale) {
    return std::clamp(std::nearbyint(x / scale) + zero, low, high);
  }));
}

}  // namespace antiphon::test
