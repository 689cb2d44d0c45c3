// Dynamic quantisation as tools write it, node by node, seen as the layers that it stands for.
#pragma once

#include "engine/import/onnx.pb.h"

namespace antiphon::onnx {

// Of DynamicQuantizeLinear(x), MatMulInteger, Cast and Mul by both scales one DynamicQuantizeMatMul
// of x remains, of ConvInteger a DynamicConv (op_table.h), a QAttention reads x; several layers may
// read one DynamicQuantizeLinear. So it is where the weights are constant and nothing else reads
// what lies between; all else stays as it is. Nodes that nothing needs any more are left.
void join_dynamic_quantization(onnx_wire::ModelProto& model);

}  // namespace antiphon::onnx
