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
inline SplitEpilogue split_epilogue(const NodeView& view, std::int64_t residual_stride) {
  SplitEpilogue e{{}, epilogue_of(view)};
  const auto is_relu = [&](const char* name) {
    return view.node->attrs.i(name, -1) == static_cast<std::int64_t>(Unary::kRelu);
  };
  e.finish.bias = std::exchange(e.rest.bias, nullptr);
  if (e.rest.act && !is_relu("act")) return e;
  e.finish.relu = std::exchange(e.rest.act, nullptr) != nullptr;
  e.finish.residual = std::exchange(e.rest.residual, nullptr);
  e.finish.residual_stride = residual_stride;
  if (e.rest.act2 && is_relu("act2")) e.finish.relu_last = std::exchange(e.rest.act2, nullptr);
  return e;
}

}  // namespace antiphon
