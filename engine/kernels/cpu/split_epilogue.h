// What a packed product does of an epilogue while its result is in registers, and what is left.
#pragma once

#include <utility>

#include "engine/kernels/cpu/epilogue.h"
#include "engine/kernels/cpu/gemv_f32.h"

namespace antiphon {

struct SplitEpilogue {
  GemmFinish finish;
  Epilogue rest;
};
// A first activation that ends at 6 is left to the rest, or done in registers by GemmFinish::most.
enum class Relu6 : std::uint8_t { kInRest, kInRegisters };
inline SplitEpilogue split_epilogue(const NodeView& view, std::int64_t residual_stride,
                                    Relu6 relu6 = Relu6::kInRest) {
  SplitEpilogue e{{}, epilogue_of(view)};
  const auto is = [&](const char* name, Unary unary) {
    return view.node->attrs.i(name, -1) == static_cast<std::int64_t>(unary);
  };
  e.finish.bias = std::exchange(e.rest.bias, nullptr);
  const bool ends = relu6 == Relu6::kInRegisters && is("act", Unary::kRelu6);
  if (e.rest.act && !ends && !is("act", Unary::kRelu)) return e;
  if (ends) e.finish.most = 6;
  e.finish.relu = std::exchange(e.rest.act, nullptr) != nullptr;
  e.finish.residual = std::exchange(e.rest.residual, nullptr);
  e.finish.residual_stride = residual_stride;
  if (e.rest.act2 && is("act2", Unary::kRelu))
    e.finish.relu_last = std::exchange(e.rest.act2, nullptr);
  return e;
}

}  // namespace antiphon
