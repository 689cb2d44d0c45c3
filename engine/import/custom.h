// Operators of plug-ins in ONNX models.
#pragma once

#include <memory>

#include "engine/import/op.h"
#include "engine/ir/custom_op.h"

namespace antiphon::onnx {

void lower_custom(Op& op, const onnx_wire::NodeProto& node,
                  const std::shared_ptr<const ir::CustomOp>& custom);

}  // namespace antiphon::onnx
