// Reference interpreter: the operators whose channels come last, by permuting what those with the
// channels first give.
#include <algorithm>
#include <cmath>
#include <functional>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "tests/support/reference_ops.h"

namespace antiphon::test {
namespace {

// Axis i of the result is axis order[i] of x.
RefTensor permuted(const RefTensor& x, const std::vector<std::size_t>& order) {
  RefTensor out{x.dtype, {}, {}};
  std::vector<std::int64_t> steps(x.dims.size(), 1);
  for (std::size_t i = x.dims.size() - 1; i-- > 0;) steps[i] = steps[i + 1] * x.dims[i + 1];
  for (const std::size_t axis : order) out.dims.push_back(x.dims[axis]);
  const std::function<void(std::size_t, std::int64_t)> visit = [&](std::size_t axis,
                                                                   std::int64_t from) {
    if (axis == order.size()) {
      out.values.push_back(x.values[static_cast<std::size_t>(from)]);
      return;
    }
    for (std::int64_t i = 0; i < out.dims[axis]; ++i)
      visit(axis + 1, from + i * steps[order[axis]]);
  };
  visit(0, 0);
  return out;
}
RefTensor first(const RefTensor& x) {
  return permuted(x, x.dims.size() == 4 ? std::vector<std::size_t>{0, 3, 1, 2}
                                        : std::vector<std::size_t>{0, 4, 1, 2, 3});
}
RefTensor last(const RefTensor& x) {
  return permuted(x, x.dims.size() == 4 ? std::vector<std::size_t>{0, 2, 3, 1}
                                        : std::vector<std::size_t>{0, 2, 3, 4, 1});
}

// The node as the operator with channels first takes it.
ir::Node plain(const ir::Node& node, ir::OpKind op) {
  ir::Node copy = ir::clone(node);
  copy.op = op;
  for (const char* name : {"x_first", "y_begin", "y_width", "y_scale", "y_zero", "y_levels"})
    copy.attrs.erase(name);
  return copy;
}

// y as a part of base, or of zeros.
Outs placed(const ir::Node& node, const RefTensor* base, RefTensor y) {
  if (!node.attrs.has("y_width")) return only(std::move(y));
  const std::int64_t width = node.attrs.i("y_width"), begin = node.attrs.i("y_begin");
  const std::int64_t own = y.dims.back();
  RefTensor out = y;
  out.dims.back() = width;
  out.values.assign(static_cast<std::size_t>(num_elements(out.dims)), 0.0);
  if (base) out.values = base->values;
  for (std::size_t i = 0; i < y.values.size(); ++i) {
    const auto at = static_cast<std::int64_t>(i);
    out.values[static_cast<std::size_t>(at / own * width + begin + at % own)] = y.values[i];
  }
  return only(std::move(out));
}

// What the bytes of x stand for.
RefTensor expanded(const ir::Node& node, RefTensor x) {
  if (x.dtype != DType::kU8) return x;
  const ir::InputQuantizer quantizer = *ir::input_quantizer(node.attrs);
  for (double& v : x.values) v = (v - quantizer.zero) * double{quantizer.scale};
  x.dtype = DType::kF32;
  return x;
}

// y as the bytes that the node says.
RefTensor as_bytes(const ir::Node& node, RefTensor y) {
  const auto quantizer = ir::output_quantizer(node.attrs);
  if (!quantizer) return y;
  for (double& v : y.values) {
    const double steps = std::nearbyint(static_cast<float>(v) / quantizer->scale);
    v = std::clamp(steps + quantizer->zero, 0.0, static_cast<double>(quantizer->levels));
  }
  y.dtype = DType::kU8;
  return y;
}

}  // namespace

Outs ref_conv_last(const ir::Node& node, const Ins& in) {
  const RefTensor x = expanded(node, node.attrs.i("x_first") != 0 ? *in[0] : first(*in[0]));
  RefTensor residual;
  Ins inputs = {&x, in[1], at(in, 2), at(in, 3)};
  if (const RefTensor* r = at(in, 4)) {
    residual = first(*r);
    inputs.push_back(&residual);
  }
  return placed(node, at(in, 5),
                as_bytes(node, last(ref_conv_nd(plain(node, ir::kOpConvNd), inputs).value()[0])));
}

Outs ref_pool_last(const ir::Node& node, const Ins& in) {
  const RefTensor x = first(*in[0]);
  return placed(node, at(in, 1), last(ref_pool(plain(node, ir::kOpPool), {&x}).value()[0]));
}

Outs ref_conv_transpose_last(const ir::Node& node, const Ins& in) {
  const RefTensor x = quantized_input(node, expanded(node, first(*in[0])));
  const ir::Node as = plain(node, ir::kOpConvTranspose);
  return placed(node, at(in, 3),
                as_bytes(node, last(ref_conv_transpose(as, {&x, in[1], at(in, 2)}).value()[0])));
}

Outs ref_place(const ir::Node& node, const Ins& in) { return placed(node, at(in, 1), *in[0]); }

}  // namespace antiphon::test
