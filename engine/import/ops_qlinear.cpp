// Operators on bytes that carry their scales and zero points along: written as Q/DQ pairs around
// the real operator, of which passes make layers on bytes. Products whose pairs cannot be written
// so stay in whole numbers.
#include "engine/import/op.h"
#include "engine/import/ops.h"
#include "engine/import/quantized.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

void check_constant(Op& op, std::size_t zero) {
  if (op.has(zero) && !op.known(zero))
    op.unsupported("zero point (input " + std::to_string(zero) +
                   ") is computed at run time; it must be a constant");
}

// The numbers of three inputs from `first` on.
ValueRef real_input(Op& op, std::size_t first) {
  const QuantizedInput x{first, first + 1, first + 2};
  check_quantized(op, x);
  check_constant(op, x.zero);
  return op.failed() ? ValueRef{} : dequantized(op, x, 0);
}

// Output 0, by the scale at `scale` and the zero point behind it.
void set_bytes(Op& op, ValueRef y, std::size_t scale) {
  if (op.failed()) return;
  check_quantized_output(op, scale, scale + 1);
  check_constant(op, scale + 1);
  if (op.failed()) return;
  const Element type = quantized_type(op, scale + 1);
  op.set(0, quantized(op, y, {0, scale, scale + 1}, type, 0), type);
}

// a times the weights' constants, as a layer where they are bytes along two axes. `turned`: their
// rows are outputs.
ValueRef weighted(Op& op, ValueRef a, const QuantizedInput& w, bool turned) {
  const ValueRef y = byte_product(op, a, quantized_values(op, w), turned);
  return y.valid() ? y : product(op, a, dequantized(op, w, turned ? 0 : 1), turned);
}

// i32 in f32; of a constant one, too.
ValueRef real_numbers(Op& op, ValueRef whole) {
  const ir::ValueInfo* info = op.graph().constant_info(whole);
  if (!info || info->dtype != DType::kI32) return op.cast(whole, DType::kF32);
  const auto* from = static_cast<const std::int32_t*>(info->constant.data);
  const std::vector<float> real(from, from + info->constant.bytes / sizeof(std::int32_t));
  std::vector<std::int64_t> dims;
  for (const Dim& d : info->shape) dims.push_back(d.extent);
  return op.graph().constant(DType::kF32, dims, real.data());
}

// A bias of whole numbers in steps of a's scale times w's, which may be a list.
ValueRef real_bias(Op& op, std::size_t bias, std::size_t a_scale, std::size_t w_scale) {
  const ValueRef step =
      op.binary(Binary::kMul, op.reshape(op.value(a_scale), {}), op.value(w_scale));
  return op.binary(Binary::kMul, real_numbers(op, op.value(bias)), step);
}

// x without its zero point; a list of zero points lies along `axis`.
ValueRef centred(Op& op, std::size_t input, std::size_t zero, std::int64_t axis, DType dtype) {
  const ValueRef x = op.cast(op.value(input), dtype);
  if (!op.has(zero) || all_zero(op.known(zero))) return x;
  const ValueRef z = beside(op, op.cast(op.value(zero), dtype), x, axis);
  return op.binary(Binary::kSub, x, z);
}

// The exact total as the quantised output.
void set_requantized(Op& op, ValueRef total, ValueRef scale, std::size_t out_scale,
                     std::size_t out_zero) {
  const ValueRef real = op.binary(Binary::kMul, op.cast(total, DType::kF32), scale);
  const Element type = quantized_type(op, out_zero);
  const ValueRef zero = op.has(out_zero) ? op.reshape(op.value(out_zero), {}) : ValueRef{};
  const ValueRef y = quantized_real(op, real, op.reshape(op.value(out_scale), {}), zero, type);
  if (!op.failed()) op.set(0, op.cast(y, *storage_of(type)), type);
}

bool is_constant(Op& op, std::size_t i) {
  return !op.has(i) || op.graph().constant_info(op.value(i)) != nullptr;
}

// True: Q/DQ pairs say the same. Inputs: x 0 to 2, constant weights 3 to 5, output 6 and 7.
bool can_pair(Op& op) {
  return has_pair_form(op, op.element(0), 1, 2) && is_constant(op, 3) && is_constant(op, 4) &&
         is_constant(op, 5) && has_pair_form(op, quantized_type(op, 7), 6, 7);
}

void check_product(Op& op) {
  check_quantized(op, {0, 1, 2});
  if (!op.failed()) check_quantized(op, {3, 4, 5});
  if (!op.failed()) check_quantized_output(op, 6, 7);
}

}  // namespace

void lower_qlinear_matmul(Op& op) {
  check_product(op);
  const int left = op.failed() ? 0 : op.rank(op.value(0)), right = left ? op.rank(op.value(3)) : 0;
  if (op.failed() || left < 2 || right < 2) return op.unsupported("wanted two axes or more");
  if (right == 2 && can_pair(op)) {
    const ValueRef a = dequantized(op, QuantizedInput{0, 1, 2}, 0);
    const ValueRef y = byte_product(op, a, quantized_values(op, {3, 4, 5}), false);
    if (y.valid()) return set_bytes(op, y, 6);
  }
  // a's scales lie along its rows, b's along its columns.
  const DType dtype = exact_type(op.extent(op.value(0), left - 1));
  const ValueRef a = centred(op, 0, 2, left - 2, dtype), b = centred(op, 3, 5, right - 1, dtype);
  const ValueRef total = op.node(OpKind::kMatMul, {a, b});
  const ValueRef a_scale = beside(op, op.value(1), total, op.rank(total) - 2);
  const ValueRef b_scale = beside(op, op.value(4), total, op.rank(total) - 1);
  set_requantized(op, total, op.binary(Binary::kMul, a_scale, b_scale), 6, 7);
}

void lower_qlinear_conv(Op& op) {
  check_product(op);
  if (!op.failed() && op.has(8) && op.element(8) != Element::kInt32)
    op.invalid("bias (input 8): wanted int32, got " +
               element_name(static_cast<int>(op.element(8))));
  if (op.failed()) return;
  if (can_pair(op)) {
    const ValueRef x = dequantized(op, QuantizedInput{0, 1, 2}, 1);
    const ValueRef w = filters(op, quantized_values(op, {3, 4, 5}));
    const ValueRef bias = op.has(8) ? real_bias(op, 8, 1, 4) : ValueRef{};
    return set_bytes(op, convolution(op, x, w, bias), 6);
  }
  const ValueRef x = centred(op, 0, 2, 1, DType::kI32), w = centred(op, 3, 5, 0, DType::kI32);
  const ValueRef total = convolution(op, x, w, op.has(8) ? op.value(8) : ValueRef{});
  const ValueRef x_scale = op.reshape(op.value(1), {});
  const ValueRef w_scale = beside(op, op.value(4), total, 1);
  set_requantized(op, total, op.binary(Binary::kMul, x_scale, w_scale), 6, 7);
}

// alpha * (a b + c); without an output scale in f32.
void lower_qgemm(Op& op) {
  const QuantizedInput b{3, 4, 5};
  ValueRef a = real_input(op, 0);
  if (!op.failed()) check_quantized(op, b);
  if (!op.failed() && (op.rank(a) != 2 || op.rank(op.value(3)) != 2))
    op.invalid("a, b: wanted two axes each");
  if (op.failed()) return;
  if (op.attr_i("transA", 0) != 0) a = op.transpose(a, {1, 0});
  ValueRef y = weighted(op, a, b, op.attr_i("transB", 0) != 0);
  if (op.has(6)) y = op.binary(Binary::kAdd, y, real_bias(op, 6, 1, 4));
  if (const double alpha = op.attr_f("alpha", 1); alpha != 1) y = op.binary(Binary::kMul, y, alpha);
  if (op.has(7)) return set_bytes(op, y, 7);
  op.set(0, y, Element::kFloat);
}

void lower_qlinear_binary(Op& op) {
  const ValueRef a = real_input(op, 0), b = real_input(op, 3);
  set_bytes(op, op.binary(op.type() == "QLinearMul" ? Binary::kMul : Binary::kAdd, a, b), 6);
}

namespace {

ValueRef sigmoid(Op& op, ValueRef x) { return op.unary(Unary::kSigmoid, x); }
ValueRef quantized_softmax(Op& op, ValueRef x) { return softmax(op, x, op.attr_i("opset", 13)); }

struct UnaryOperator {
  const char* name;
  ValueRef (*lower)(Op&, ValueRef);
};
constexpr UnaryOperator kUnary[] = {{"QLinearAveragePool", average_pool},
                                    {"QLinearGlobalAveragePool", global_pool},
                                    {"QLinearLeakyRelu", leaky_relu},
                                    {"QLinearSigmoid", sigmoid},
                                    {"QLinearSoftmax", quantized_softmax}};

}  // namespace

void lower_qlinear_unary(Op& op) {
  if (op.attr_i("channels_last", 0) != 0)
    return op.unsupported("channels_last: wanted 0, the layout of ONNX");
  const ValueRef x = real_input(op, 0);
  for (const UnaryOperator& entry : kUnary)
    if (!op.failed() && op.type() == entry.name) set_bytes(op, entry.lower(op, x), 3);
}

// The output's scale and zero point come first, then three inputs for each part.
void lower_qlinear_concat(Op& op) {
  std::vector<ValueRef> parts;
  for (std::size_t i = 2; i < op.num_inputs() && !op.failed(); i += 3)
    parts.push_back(real_input(op, i));
  if (!op.failed() && parts.empty()) op.invalid("nothing to join");
  if (op.failed()) return;
  set_bytes(op, op.concat(parts, op.axis(op.attr_i("axis", 0), op.rank(parts[0]))), 0);
}

void lower_qlinear_where(Op& op) {
  const ValueRef condition = op.value(0), a = real_input(op, 1), b = real_input(op, 4);
  set_bytes(op, op.where(condition, a, b), 7);
}

}  // namespace antiphon::onnx
