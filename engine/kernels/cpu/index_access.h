// Ids of look-ups: i32 or i64, negative ones count from the end, each checked.
#pragma once

#include <string>

#include "engine/kernels/cpu/scalar_access.h"

namespace antiphon {

// The id at `i` as 0..extent-1, or -1 where it is outside.
inline std::int64_t index_at(const Tensor& ids, std::int64_t i, std::int64_t extent) {
  const std::int64_t id = get_integer(ids, i);
  const std::int64_t at = id < 0 ? id + extent : id;
  return at >= 0 && at < extent ? at : -1;
}

inline Status bad_index(const NodeView& view, const Tensor& ids, std::int64_t i,
                        std::int64_t extent) {
  return invalid_argument(std::string(ir::op_name(view.node->op)) + " " + view.node->name +
                          ": id " + std::to_string(get_integer(ids, i)) + " at position " +
                          std::to_string(i) + ", the axis has " + std::to_string(extent));
}

inline const char* refuse_ids(const NodeView& view) {
  const DType ids = view.inputs[1].dtype;
  if (ids != DType::kI32 && ids != DType::kI64) return "needs i32 or i64 ids";
  return view.inputs[0].dtype == view.outputs[0].dtype ? nullptr : "needs equal types";
}

}  // namespace antiphon
