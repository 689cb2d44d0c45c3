// Network: one function an operation.
#include <string>
#include <utility>

#include "engine/ir/dims.h"
#include "engine/ir/enum_names.h"
#include "engine/network/impl.h"

namespace antiphon {

using ir::Attrs;
using ir::OpKind;

namespace {

Attrs with(std::string_view name, std::int64_t value) {
  Attrs attrs;
  attrs.set(name, value);
  return attrs;
}

}  // namespace

Value Network::linear(Value x, Value w, Value bias) {
  return impl_->add(OpKind::kLinear, "linear", {x, w, Value{}, bias});
}

Value Network::matmul(Value a, Value b) { return impl_->add(OpKind::kMatMul, "matmul", {a, b}); }

Value Network::conv1d(Value x, Value w, Value bias, const Conv1dOptions& options) {
  Attrs attrs;
  if (options.stride != 1) attrs.set("stride", std::int64_t{options.stride});
  if (options.dilation != 1) attrs.set("dilation", std::int64_t{options.dilation});
  if (options.groups != 1) attrs.set("groups", std::int64_t{options.groups});
  if (options.pad_left != 0) attrs.set("pad_left", std::int64_t{options.pad_left});
  if (options.pad_right != 0) attrs.set("pad_right", std::int64_t{options.pad_right});
  return impl_->add(OpKind::kConv, "conv", {x, w, Value{}, bias}, std::move(attrs));
}

Value Network::embedding(Value ids, Value table) {
  return impl_->add(OpKind::kEmbedding, "embedding", {ids, table});
}

Value Network::unary(Unary op, Value x) {
  const auto code = static_cast<std::int64_t>(op);
  return impl_->add(OpKind::kUnary, ir::unary_name(code), {x}, with("op", code));
}

Value Network::binary(Binary op, Value a, Value b) {
  const auto code = static_cast<std::int64_t>(op);
  return impl_->add(OpKind::kBinary, ir::binary_name(code), {a, b}, with("op", code));
}

Value Network::clamp(Value x, float low, float high) {
  Attrs attrs;
  attrs.set("low", static_cast<double>(low));
  attrs.set("high", static_cast<double>(high));
  return impl_->add(OpKind::kClamp, "clamp", {x}, std::move(attrs));
}

Value Network::where(Value condition, Value a, Value b) {
  return impl_->add(OpKind::kWhere, "where", {condition, a, b});
}

Value Network::softmax(Value x, int axis) {
  axis = impl_->axis_of(x, axis, "softmax");
  return impl_->add(OpKind::kSoftmax, "softmax", {x}, with("axis", axis));
}

Value Network::log_softmax(Value x, int axis) {
  axis = impl_->axis_of(x, axis, "log_softmax");
  return impl_->add(OpKind::kLogSoftmax, "log_softmax", {x}, with("axis", axis));
}

Value Network::layer_norm(Value x, Value gamma, Value beta, float epsilon) {
  Attrs attrs;
  attrs.set("epsilon", static_cast<double>(epsilon));
  return impl_->add(OpKind::kLayerNorm, "layer_norm", {x, gamma, beta}, std::move(attrs));
}

Value Network::reduce(Reduce op, Value x, int axis, bool keep_dim) {
  Attrs attrs = with("op", static_cast<std::int64_t>(op));
  attrs.set("axis", std::int64_t{impl_->axis_of(x, axis, "reduce")});
  attrs.set("keep_dim", std::int64_t{keep_dim ? 1 : 0});
  return impl_->add(OpKind::kReduce, "reduce", {x}, std::move(attrs));
}

Value Network::cast(Value x, DType dtype) {
  return impl_->add(OpKind::kCast, "cast", {x}, with("dtype", static_cast<std::int64_t>(dtype)));
}

Value Network::transpose(Value x, std::vector<int> order) {
  const ir::ValueInfo* info = impl_->info_of(x);
  std::vector<std::int64_t> axes;
  for (const int axis : order)
    axes.push_back(axis < 0 && info ? axis + static_cast<std::int64_t>(info->shape.size()) : axis);
  Attrs attrs;
  attrs.set("order", std::move(axes));
  return impl_->add(OpKind::kTranspose, "transpose", {x}, std::move(attrs));
}

Value Network::reshape(Value x, std::vector<std::int64_t> dims) {
  Attrs attrs;
  attrs.set("dims", std::move(dims));
  return impl_->add(OpKind::kReshape, "reshape", {x}, std::move(attrs));
}

Value Network::slice(Value x, int axis, std::int64_t begin, std::int64_t end) {
  Attrs attrs = with("axis", impl_->axis_of(x, axis, "slice"));
  attrs.set("begin", begin);
  attrs.set("end", end);
  return impl_->add(OpKind::kSlice, "slice", {x}, std::move(attrs));
}

Value Network::concat(std::span<const Value> parts, int axis) {
  if (parts.empty()) return impl_->fail("concat", invalid_argument("no parts")), Value{};
  axis = impl_->axis_of(parts[0], axis, "concat");
  return impl_->add(OpKind::kConcat, "concat", {parts.begin(), parts.end()}, with("axis", axis));
}

std::vector<Value> Network::split(Value x, int parts, int axis) {
  std::vector<Value> out(parts > 0 ? static_cast<std::size_t>(parts) : 0);
  axis = impl_->axis_of(x, axis, "split");
  if (axis < 0) return out;
  const ir::ValueInfo* info = impl_->info_of(x);
  const Dim extent = info->shape[static_cast<std::size_t>(axis)];
  if (parts < 1 || !extent.is_static() || extent.extent % parts != 0) {
    impl_->fail("split", invalid_argument("axis " + std::to_string(axis) + " of " + info->name +
                                          " " + ir::shape_text(info->shape) + " into " +
                                          std::to_string(parts) + " parts"));
    return out;
  }
  const std::int64_t step = extent.extent / parts;
  for (int i = 0; i < parts; ++i)
    out[static_cast<std::size_t>(i)] = slice(x, axis, i * step, (i + 1) * step);
  return out;
}

Value Network::repeat(Value x, int times, int axis) {
  Attrs attrs = with("times", times);
  attrs.set("axis", std::int64_t{impl_->axis_of(x, axis, "repeat")});
  return impl_->add(OpKind::kRepeat, "repeat", {x}, std::move(attrs));
}

Value Network::reverse(Value x, int axis) {
  axis = impl_->axis_of(x, axis, "reverse");
  return impl_->add(OpKind::kReverse, "reverse", {x}, with("axis", axis));
}

Value Network::pad(Value x, int axis, int before, int after, float value) {
  Attrs attrs = with("axis", impl_->axis_of(x, axis, "pad"));
  attrs.set("before", std::int64_t{before});
  attrs.set("after", std::int64_t{after});
  attrs.set("value", static_cast<double>(value));
  return impl_->add(OpKind::kPad, "pad", {x}, std::move(attrs));
}

}  // namespace antiphon
