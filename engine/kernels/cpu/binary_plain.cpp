// Binary operations on any types: integer arithmetic wraps, comparisons give bool.
#include <cmath>
#include <limits>

#include "engine/kernels/cpu/broadcast.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/scalar_access.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

bool is_comparison(Binary op) {
  return op == Binary::kEqual || op == Binary::kLess || op == Binary::kGreater;
}
bool is_logic(Binary op) { return op == Binary::kAnd || op == Binary::kOr; }

std::int64_t integer_power(std::int64_t base, std::int64_t exponent) {
  if (exponent < 0) return base == 1 ? 1 : base == -1 ? (exponent % 2 ? -1 : 1) : 0;
  std::uint64_t result = 1, factor = static_cast<std::uint64_t>(base);
  for (; exponent > 0; exponent >>= 1, factor *= factor)
    if (exponent & 1) result *= factor;
  return static_cast<std::int64_t>(result);
}

// Exact in 64 bits for 32-bit operands; the caller narrows. Division by zero gives 0, truncates.
std::int64_t integer_of(Binary op, std::int64_t a, std::int64_t b) {
  const auto ua = static_cast<std::uint64_t>(a), ub = static_cast<std::uint64_t>(b);
  switch (op) {
    case Binary::kAdd: return static_cast<std::int64_t>(ua + ub);
    case Binary::kSub: return static_cast<std::int64_t>(ua - ub);
    case Binary::kMul: return static_cast<std::int64_t>(ua * ub);
    case Binary::kDiv: return b == 0 ? 0 : b == -1 ? static_cast<std::int64_t>(0 - ua) : a / b;
    case Binary::kMax: return std::max(a, b);
    case Binary::kMin: return std::min(a, b);
    case Binary::kPow: return integer_power(a, b);
    case Binary::kEqual: return a == b;
    case Binary::kLess: return a < b;
    case Binary::kGreater: return a > b;
    case Binary::kAnd: return a != 0 && b != 0;
    case Binary::kOr: return a != 0 || b != 0;
  }
  return 0;
}

double real_of(Binary op, double a, double b) {
  switch (op) {
    case Binary::kEqual: return a == b;
    case Binary::kLess: return a < b;
    case Binary::kGreater: return a > b;
    case Binary::kAnd: return a != 0 && b != 0;
    case Binary::kOr: return a != 0 || b != 0;
    default: return 0;
  }
}

const char* refuse(const NodeView& view) {
  const DType in = view.inputs[0].dtype, out = view.outputs[0].dtype;
  if (in != view.inputs[1].dtype) return "needs inputs of one type";
  if (in == DType::kF16) return "has no f16";
  const auto op = static_cast<Binary>(view.node->attrs.i("op"));
  if (in == DType::kF32 && !is_comparison(op) && !is_logic(op)) return "f32 arithmetic is not its";
  if (in != DType::kF32 && !is_comparison(op) && !is_logic(op) && in != out)
    return "needs an output of the inputs' type";
  return out == DType::kF16 ? "has no f16" : nullptr;
}

Status run(const NodeView& view, const LaunchArgs&) {
  const auto op = static_cast<Binary>(view.node->attrs.i("op"));
  const Tensor &a = view.inputs[0], &b = view.inputs[1], &y = view.outputs[0];
  const BroadcastRows rows = broadcast_rows(view.inputs, y);
  const bool real = a.dtype == DType::kF32;
  for_each_piece(rows, 0, y.num_elements(), y.num_elements(),
                 [&](const std::int64_t* at, std::int64_t first, std::int64_t n) {
                   for (std::int64_t i = 0; i < n; ++i) {
                     const std::int64_t ia = at[0] + i * rows.row_stride[0];
                     const std::int64_t ib = at[1] + i * rows.row_stride[1];
                     if (real) {
                       set_real(y, first + i, real_of(op, get_real(a, ia), get_real(b, ib)));
                     } else {
                       set_integer(y, first + i,
                                   integer_of(op, get_integer(a, ia), get_integer(b, ib)));
                     }
                   }
                 });
  return {};
}

}  // namespace

constinit const Kernel kBinaryPlain = {ir::OpKind::kBinary, "cpu/binary_plain", refuse, nullptr,
                                       run};

}  // namespace antiphon::cpu
