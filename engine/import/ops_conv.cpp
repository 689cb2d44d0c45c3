// Convolutions, poolings and what is built from them.
#include <algorithm>

#include "engine/import/op.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

struct Windows {
  Dims kernel, strides, dilations, pads;
  std::int64_t groups = 1;
};

// SAME_* and VALID become numbers: extents must be known for SAME_* with strides.
void apply_auto_pad(Op& op, ValueRef x, Windows& w) {
  const std::string mode = op.attr_s("auto_pad", "NOTSET");
  const std::size_t axes = w.kernel.size();
  if (mode == "NOTSET" || mode.empty()) return;
  w.pads.assign(2 * axes, 0);
  if (mode == "VALID") return;
  for (std::size_t i = 0; i < axes; ++i) {
    const std::int64_t span = (w.kernel[i] - 1) * w.dilations[i] + 1;
    const auto extent = op.extent(x, static_cast<std::int64_t>(i) + 2).number();
    if (!extent && w.strides[i] != 1)
      return op.unsupported("auto_pad " + mode + " with strides needs a fixed extent on axis " +
                            std::to_string(i + 2));
    const std::int64_t n = extent.value_or(1), out = (n + w.strides[i] - 1) / w.strides[i];
    const std::int64_t total = std::max<std::int64_t>(0, (out - 1) * w.strides[i] + span - n);
    w.pads[i] = mode == "SAME_UPPER" ? total / 2 : total - total / 2;
    w.pads[axes + i] = total - w.pads[i];
  }
}

bool in_range(const Dims& list) {
  return std::all_of(list.begin(), list.end(),
                     [](std::int64_t v) { return v >= -(1 << 20) && v <= 1 << 20; });
}

Windows windows_of(Op& op, ValueRef x, Dims kernel) {
  Windows w;
  const std::size_t axes = op.rank(x) < 2 ? 0 : static_cast<std::size_t>(op.rank(x)) - 2;
  w.kernel = std::move(kernel);
  w.strides = op.attr_ints("strides");
  w.dilations = op.attr_ints("dilations");
  w.pads = op.attr_ints("pads");
  w.groups = op.attr_i("group", 1);
  if (w.strides.empty()) w.strides.assign(axes, 1);
  if (w.dilations.empty()) w.dilations.assign(axes, 1);
  if (w.pads.empty()) w.pads.assign(2 * axes, 0);
  if (axes < 1 || w.kernel.size() != axes || w.strides.size() != axes ||
      w.dilations.size() != axes || w.pads.size() != 2 * axes)
    op.invalid("kernel_shape, strides, dilations and pads: wanted numbers for " +
               std::to_string(axes) + " spatial axes");
  else if (!in_range(w.kernel) || !in_range(w.strides) || !in_range(w.dilations) ||
           !in_range(w.pads) || *std::min_element(w.strides.begin(), w.strides.end()) < 1)
    op.invalid("kernel_shape, strides, dilations or pads: out of range");
  else
    apply_auto_pad(op, x, w);
  return w;
}

Dims kernel_of(Op& op, ValueRef w) {
  Dims kernel;
  for (int i = 2; i < op.rank(w); ++i) {
    const auto extent = op.extent(w, i).number();
    if (!extent) op.unsupported("the window's extents must be fixed");
    kernel.push_back(extent.value_or(1));
  }
  return kernel;
}

// Negative pads cut the input.
ValueRef cut(Op& op, ValueRef x, Dims& pads) {
  const std::size_t axes = pads.size() / 2;
  for (std::size_t i = 0; i < axes && !op.failed(); ++i) {
    const std::int64_t axis = static_cast<std::int64_t>(i) + 2;
    const std::int64_t before = std::min<std::int64_t>(pads[i], 0);
    const std::int64_t after = std::min<std::int64_t>(pads[axes + i], 0);
    if (before != 0 || after != 0) x = op.slice(x, axis, -before, op.extent(x, axis) + after);
    pads[i] = std::max<std::int64_t>(pads[i], 0);
    pads[axes + i] = std::max<std::int64_t>(pads[axes + i], 0);
  }
  return x;
}

AttrList attrs_of(const Windows& w) {
  return {{"strides", w.strides}, {"dilations", w.dilations}, {"pads", w.pads}};
}

}  // namespace

ValueRef convolution(Op& op, ValueRef x, ValueRef weights, ValueRef bias, bool dynamic) {
  if (op.failed()) return {};
  Windows w = windows_of(op, x, kernel_of(op, weights));
  if (op.failed()) return {};
  const ValueRef whole = x;
  x = cut(op, x, w.pads);
  // One spatial axis has its own operator, which has the faster kernels.
  if (w.kernel.size() == 1 && op.dtype(x) == DType::kF32)
    return op.node(OpKind::kConv, {x, weights, {}, bias},
                   {{"stride", w.strides[0]},
                    {"dilation", w.dilations[0]},
                    {"groups", w.groups},
                    {"pad_left", w.pads[0]},
                    {"pad_right", w.pads[1]}});
  AttrList attrs = attrs_of(w);
  attrs.emplace_back("groups", w.groups);
  // What is cut off counts for the range.
  if (dynamic && x.id == whole.id) attrs.emplace_back("x_dynamic", std::int64_t{1});
  return op.node(ir::kOpConvNd, {x, weights, {}, bias}, std::move(attrs));
}

void lower_conv(Op& op) {
  const ValueRef x = op.value(0), w = op.value(1);
  op.set(convolution(op, x, w, op.value_or_none(2)));
}

void lower_conv_transpose(Op& op) {
  const ValueRef x = op.value(0), weights = op.value(1);
  const ValueRef bias = op.value_or_none(2);
  if (op.failed()) return;
  const std::string mode = op.attr_s("auto_pad", "NOTSET");
  Windows w;
  const Dims kernel = kernel_of(op, weights);
  const std::size_t axes = kernel.size();
  Dims more = op.attr_ints("output_padding");
  if (more.empty()) more.assign(axes, 0);
  w.strides = op.attr_ints("strides");
  w.dilations = op.attr_ints("dilations");
  w.pads = op.attr_ints("pads");
  if (w.strides.empty()) w.strides.assign(axes, 1);
  if (w.dilations.empty()) w.dilations.assign(axes, 1);
  if (w.pads.empty()) w.pads.assign(2 * axes, 0);
  if (axes < 1 || w.strides.size() != axes || w.dilations.size() != axes ||
      w.pads.size() != 2 * axes || more.size() != axes || !in_range(w.strides) ||
      !in_range(w.dilations) || !in_range(w.pads) || !in_range(more))
    return op.invalid("strides, dilations, pads or output_padding: out of range");
  const Dims wanted = op.attr_ints("output_shape");
  for (std::size_t i = 0; i < axes; ++i) {
    const std::int64_t span = (kernel[i] - 1) * w.dilations[i] + 1;
    std::optional<std::int64_t> total;
    if (!wanted.empty()) {
      const auto n = op.extent(x, static_cast<std::int64_t>(i) + 2).number();
      if (!n || wanted.size() < axes) return op.unsupported("output_shape needs fixed extents");
      const std::int64_t target = wanted[wanted.size() - axes + i];
      total = w.strides[i] * (*n - 1) + more[i] + span - target;
    } else if (mode == "SAME_UPPER" || mode == "SAME_LOWER") {
      total = span + more[i] - w.strides[i];
    } else if (mode == "VALID") {
      total = 0;
    }
    if (!total) continue;
    if (*total < 0) {  // more than the windows reach: zeros behind
      more[i] -= *total;
      total = 0;
    }
    w.pads[i] = mode == "SAME_UPPER" || wanted.empty() ? *total / 2 : *total - *total / 2;
    if (mode == "SAME_LOWER") w.pads[i] = *total - *total / 2;
    if (!wanted.empty()) w.pads[i] = mode == "SAME_UPPER" ? *total / 2 : *total - *total / 2;
    w.pads[axes + i] = *total - w.pads[i];
  }
  AttrList attrs = attrs_of(w);
  attrs.emplace_back("output_padding", more);
  attrs.emplace_back("groups", op.attr_i("group", 1));
  op.set(op.node(ir::kOpConvTranspose, {x, weights, bias}, std::move(attrs)));
}

namespace {

AttrList pool_attrs(Op& op, const Windows& w, ir::Pool kind) {
  AttrList attrs = attrs_of(w);
  attrs.emplace_back("op", static_cast<std::int64_t>(kind));
  attrs.emplace_back("kernel", w.kernel);
  attrs.emplace_back("ceil", op.attr_i("ceil_mode", 0));
  return attrs;
}

}  // namespace

void lower_max_pool(Op& op) {
  const ValueRef x = op.value(0);
  const Windows w = windows_of(op, x, op.attr_ints("kernel_shape"));
  if (op.failed()) return;
  AttrList attrs = pool_attrs(op, w, ir::Pool::kMax);
  const bool indices = op.wants_output(1);
  attrs.emplace_back("column_major", op.attr_i("storage_order", 0));
  const auto out = op.graph().nodes(ir::kOpPool, {x}, std::move(attrs), indices ? 2 : 1);
  op.set(out[0]);
  if (indices) op.set(1, out[1], Element::kInt64);
}

ValueRef average_pool(Op& op, ValueRef x) {
  const Windows w = windows_of(op, x, op.attr_ints("kernel_shape"));
  if (op.failed()) return {};
  AttrList attrs = pool_attrs(op, w, ir::Pool::kAverage);
  attrs.emplace_back("count_pad", op.attr_i("count_include_pad", 0));
  return op.node(ir::kOpPool, {x}, std::move(attrs));
}

void lower_average_pool(Op& op) { op.set(average_pool(op, op.value(0))); }

void lower_lp_pool(Op& op) {
  const ValueRef x = op.value(0);
  const Windows w = windows_of(op, x, op.attr_ints("kernel_shape"));
  if (op.failed()) return;
  AttrList attrs = pool_attrs(op, w, ir::Pool::kLp);
  attrs.emplace_back("p", static_cast<double>(op.attr_i("p", 2)));
  op.set(op.node(ir::kOpPool, {x}, std::move(attrs)));
}

// The maxima put back where the indices say, into zeros.
void lower_max_unpool(Op& op) {
  const ValueRef x = op.value(0), indices = op.value(1);
  if (op.failed()) return;
  const Dims kernel = op.attr_ints("kernel_shape");
  Dims strides = op.attr_ints("strides"), pads = op.attr_ints("pads");
  const std::size_t axes = kernel.size();
  if (strides.empty()) strides.assign(axes, 1);
  if (pads.empty()) pads.assign(2 * axes, 0);
  if (static_cast<std::size_t>(op.rank(x)) != axes + 2 || strides.size() != axes ||
      pads.size() != 2 * axes)
    return op.invalid("kernel_shape, strides and pads: wanted numbers for every spatial axis");
  Wholes natural = {op.extent(x, 0), op.extent(x, 1)}, dims;
  for (std::size_t i = 0; i < axes; ++i)
    natural.push_back((op.extent(x, static_cast<std::int64_t>(i) + 2) - 1) * strides[i] +
                      (kernel[i] - pads[i] - pads[axes + i]));
  dims = op.has(2) ? op.wholes(2, "output_shape") : natural;
  if (op.failed() || dims.size() != natural.size()) return op.invalid("output_shape: wrong rank");
  // Indices count in the natural shape; a wider one has zeros behind it.
  Whole elements = 1;
  for (const Whole& extent : natural) elements = elements * extent;
  const ValueRef flat = op.expand(op.number(DType::kF32, 0), {elements});
  const ValueRef ids = op.reshape(indices, {Whole(-1)}), updates = op.reshape(x, {Whole(-1)});
  ValueRef y = op.node(ir::kOpScatterElements, {flat, ids, updates}, {{"axis", std::int64_t{0}}});
  y = op.reshape(y, natural);
  for (std::size_t i = 0; i < dims.size() && !op.failed(); ++i) {
    const std::optional<std::int64_t> more = (dims[i] - natural[i]).number();
    if (more == 0) continue;
    if (!more || *more < 0) return op.unsupported("output_shape: below what the windows cover");
    y = op.node(
        OpKind::kPad, {y},
        {{"axis", static_cast<std::int64_t>(i)}, {"before", std::int64_t{0}}, {"after", *more}});
  }
  op.set(y);
}

// x / (bias + alpha / size * sum of squares over neighbouring channels) ^ beta
void lower_lrn(Op& op) {
  const ValueRef x = op.value(0);
  const std::int64_t channels = op.attr_i("size", 1);
  if (op.failed() || op.rank(x) < 3 || channels < 1 || channels > 1 << 16)
    return op.invalid("wanted [B, C, ...] and a size of 1 or more");
  const Wholes shape = op.extents(x);
  Whole rest = 1;
  for (std::size_t i = 2; i < shape.size(); ++i) rest = rest * shape[i];
  const ValueRef squares = op.reshape(op.binary(Binary::kMul, x, x), {shape[0], 1, shape[1], rest});
  const std::int64_t before = (channels - 1) / 2;
  const ValueRef mean = op.node(ir::kOpPool, {squares},
                                {{"op", static_cast<std::int64_t>(ir::Pool::kAverage)},
                                 {"kernel", Dims{channels, 1}},
                                 {"pads", Dims{before, 0, channels - 1 - before, 0}},
                                 {"count_pad", std::int64_t{1}}});
  const ValueRef scaled = op.binary(
      Binary::kAdd, op.binary(Binary::kMul, op.reshape(mean, shape), op.attr_f("alpha", 1e-4)),
      op.attr_f("bias", 1));
  op.set(op.binary(Binary::kDiv, x, op.binary(Binary::kPow, scaled, op.attr_f("beta", 0.75))));
}

}  // namespace antiphon::onnx
