// Moves of known tensors: what fold_known() uses beside its arithmetic. Nothing: lower the node.
#pragma once

#include <optional>

#include "engine/import/item.h"

namespace antiphon::onnx {

class Op;

std::optional<Known> fold_gather(Op&), fold_concat(Op&), fold_slice(Op&), fold_reshape(Op&);
std::optional<Known> fold_transpose(Op&), fold_range(Op&), fold_constant_of_shape(Op&);
std::optional<Known> fold_expand(Op&), fold_tile(Op&), fold_non_zero(Op&);

}  // namespace antiphon::onnx
