// Bytes of a tensor whose range is found as it runs.
#pragma once

#include <cstddef>

#include "engine/ir/input_quantizer.h"
#include "engine/kernels/kernel.h"

namespace antiphon {

// Workspace of dynamic_quantizer().
std::size_t dynamic_quantizer_bytes(int members);

// The numbers that DynamicQuantizeLinear of ONNX gives x, which is f32: 255 levels from min(x, 0)
// to max(x, 0), scale 1 for nothing but zeros. The team divides x; every division gives the same.
ir::InputQuantizer dynamic_quantizer(Isa isa, const Tensor& x, Team& team, std::byte* workspace);

}  // namespace antiphon
