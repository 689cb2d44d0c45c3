// The rarer functions of one number, and whole-number operations on two, element by element.
#include <cmath>

#include "engine/ir/op_enums.h"
#include "engine/ir/small_float.h"
#include "engine/kernels/cpu/broadcast.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/scalar_access.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {

using ir::Math;
using ir::MathBinary;

namespace {

Math math_of(const NodeView& view) { return static_cast<Math>(view.node->attrs.i("op")); }

float real_of(Math op, float x) {
  switch (op) {
    case Math::kCeil: return std::ceil(x);
    case Math::kRound: return std::nearbyint(x);
    case Math::kSign: return std::isnan(x) ? x : x > 0 ? 1.0f : x < 0 ? -1.0f : 0.0f;
    case Math::kTan: return std::tan(x);
    case Math::kAsin: return std::asin(x);
    case Math::kAcos: return std::acos(x);
    case Math::kAtan: return std::atan(x);
    case Math::kSinh: return std::sinh(x);
    case Math::kCosh: return std::cosh(x);
    case Math::kAsinh: return std::asinh(x);
    case Math::kAcosh: return std::acosh(x);
    case Math::kAtanh: return std::atanh(x);
    case Math::kIsNan:
    case Math::kRoundFloat:
    case Math::kBitNot: break;
  }
  return x;
}

const char* refuse_math(const NodeView& view) {
  return view.inputs[0].dtype == DType::kF16 ? "has no f16" : nullptr;
}

Status run_math(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &y = view.outputs[0];
  const Math op = math_of(view);
  const auto format = static_cast<ir::SmallFloat>(view.node->attrs.i("format"));
  const bool saturate = view.node->attrs.i("saturate") != 0;
  split(*args.team, y.num_elements(), 2048, [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i) {
      if (op == Math::kIsNan) {
        static_cast<std::uint8_t*>(y.data)[i] = std::isnan(x.f32()[i]);
      } else if (op == Math::kRoundFloat) {
        y.f32()[i] =
            static_cast<float>(ir::round_to(format, static_cast<double>(x.f32()[i]), saturate));
      } else if (x.dtype == DType::kF32) {
        y.f32()[i] = real_of(op, x.f32()[i]);
      } else {
        const std::int64_t value = get_integer(x, i);
        set_integer(y, i, op == Math::kBitNot ? ~value : (value > 0) - (value < 0));
      }
    }
  });
  return {};
}

MathBinary binary_of(const NodeView& view) {
  return static_cast<MathBinary>(view.node->attrs.i("op"));
}

const char* refuse_binary(const NodeView& view) {
  const DType dtype = view.inputs[0].dtype;
  if (dtype != view.inputs[1].dtype || dtype == DType::kF16) return "needs inputs of one type";
  return nullptr;
}

// A remainder of a division by zero is 0; shifts by the width or more give 0.
std::int64_t whole_of(MathBinary op, std::int64_t a, std::int64_t b, DType dtype) {
  const std::int64_t bits = 8 * static_cast<std::int64_t>(dtype_bytes(dtype));
  // The element as it lies in memory, without the sign that get_integer() extended.
  const std::uint64_t raw =
      static_cast<std::uint64_t>(a) & (bits == 64 ? ~0ull : (1ull << bits) - 1);
  switch (op) {
    case MathBinary::kMod:
    case MathBinary::kFmod: {
      if (b == 0 || b == -1) return 0;
      const std::int64_t rest = a % b;
      const bool other_sign = rest != 0 && (rest < 0) != (b < 0);
      return op == MathBinary::kMod && other_sign ? rest + b : rest;
    }
    case MathBinary::kBitAnd: return a & b;
    case MathBinary::kBitOr: return a | b;
    case MathBinary::kBitXor: return a ^ b;
    case MathBinary::kShiftLeft:
      return b < 0 || b >= bits ? 0 : static_cast<std::int64_t>(raw << b);
    case MathBinary::kShiftRight:
      return b < 0 || b >= bits ? 0 : static_cast<std::int64_t>(raw >> b);
  }
  return 0;
}

float remainder_of(MathBinary op, float a, float b) {
  const float rest = std::fmod(a, b);
  return op == MathBinary::kMod && rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

Status run_binary(const NodeView& view, const LaunchArgs&) {
  const MathBinary op = binary_of(view);
  const Tensor &a = view.inputs[0], &b = view.inputs[1], &y = view.outputs[0];
  const BroadcastRows rows = broadcast_rows(view.inputs, y);
  for_each_piece(rows, 0, y.num_elements(), y.num_elements(),
                 [&](const std::int64_t* at, std::int64_t first, std::int64_t n) {
                   for (std::int64_t i = 0; i < n; ++i) {
                     const std::int64_t ia = at[0] + i * rows.row_stride[0];
                     const std::int64_t ib = at[1] + i * rows.row_stride[1];
                     if (a.dtype == DType::kF32)
                       y.f32()[first + i] = remainder_of(op, a.f32()[ia], b.f32()[ib]);
                     else
                       set_integer(y, first + i,
                                   whole_of(op, get_integer(a, ia), get_integer(b, ib), a.dtype));
                   }
                 });
  return {};
}

}  // namespace

constinit const Kernel kMathPlain = {ir::kOpMath, "cpu/math_plain", refuse_math, nullptr, run_math};
constinit const Kernel kMathBinaryPlain = {ir::kOpMathBinary, "cpu/math_binary_plain",
                                           refuse_binary, nullptr, run_binary};

}  // namespace antiphon::cpu
