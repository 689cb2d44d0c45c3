// What follows a linear layer or a convolution: y = act2(act(y + bias) + residual).
#pragma once

#include "engine/ir/enum_names.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon {

struct Epilogue {
  const VectorMath* math = nullptr;
  VectorMath::UnaryRow act = nullptr, act2 = nullptr;  // null: none
  const float* bias = nullptr;                         // null: none
  const float* residual = nullptr;                     // null: none; laid out as the output

  bool is_empty() const { return !act && !act2 && !bias && !residual; }
  const float* residual_at(std::int64_t i) const { return residual ? residual + i : nullptr; }

  // y, residual_row: n outputs of one row, columns [first, first + n) of the bias.
  void row(float* y, const float* residual_row, std::int64_t first, std::int64_t n) const {
    const auto add = math->binary[static_cast<std::size_t>(Binary::kAdd)];
    if (bias) add(y, bias + first, y, n);
    finish(y, residual_row, n);
  }
  // The same for `count` rows of n outputs, y_stride apart; those of the residual residual_stride.
  void rows(float* y, std::int64_t y_stride, const float* residual_row,
            std::int64_t residual_stride, std::int64_t count, std::int64_t first,
            std::int64_t n) const {
    if (is_empty()) return;
    if (!bias && y_stride == n && residual_stride == n) return finish(y, residual_row, count * n);
    for (std::int64_t i = 0; i < count; ++i)
      row(y + i * y_stride, residual_row ? residual_row + i * residual_stride : nullptr, first, n);
  }
  // The same for a row that shares one bias: channel `channel` of a convolution.
  void channel_row(float* y, const float* residual_row, std::int64_t channel,
                   std::int64_t n) const {
    const auto add = math->binary_right[static_cast<std::size_t>(Binary::kAdd)];
    if (bias) add(y, bias + channel, y, n);
    finish(y, residual_row, n);
  }
  void finish(float* y, const float* residual_row, std::int64_t n) const {
    if (act) act(y, y, n);
    if (residual) math->binary[static_cast<std::size_t>(Binary::kAdd)](y, residual_row, y, n);
    if (act2) act2(y, y, n);
  }
};

// Bias is input 3, residual input 4.
inline Epilogue epilogue_of(const NodeView& view) {
  Epilogue e;
  e.math = &vector_math(view.isa);
  const auto activation = [&](const char* name) -> VectorMath::UnaryRow {
    const std::int64_t op = view.node->attrs.i(name, -1);
    return op < 0 ? nullptr : e.math->unary[static_cast<std::size_t>(op)];
  };
  e.act = activation("act");
  e.act2 = activation("act2");
  if (has_input(view, 3)) e.bias = view.inputs[3].f32();
  if (has_input(view, 4)) e.residual = view.inputs[4].f32();
  return e;
}

inline const char* refuse_epilogue(const NodeView& view) {
  for (const char* name : {"act", "act2"})
    if (view.node->attrs.i(name, -1) >= ir::kNumUnary) return "unknown activation";
  return nullptr;
}

// f32 x and y, weights f32 or i8 with scales. takes_bytes: x is taken for the bytes that the node
// says; else only where it may be taken for what it is.
inline const char* refuse_weights(const NodeView& view, bool takes_bytes) {
  if (!takes_bytes && view.node->attrs.i("x_exact") != 0) return "does not round its input";
  if (view.inputs[0].dtype != DType::kF32 || view.outputs[0].dtype != DType::kF32)
    return "needs f32";
  const DType w = view.inputs[1].dtype;
  if (w != DType::kF32 && w != DType::kI8) return "needs f32 or i8 weights";
  if (w == DType::kI8 && !has_input(view, 2)) return "needs scales for i8 weights";
  return refuse_epilogue(view);
}
inline const char* refuse_weights(const NodeView& view) { return refuse_weights(view, false); }

}  // namespace antiphon
