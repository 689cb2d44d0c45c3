// Bytes of a tensor whose range is found as it runs, and weights that bytes do not hold.
#pragma once

#include <cstddef>

#include "engine/ir/input_quantizer.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/kernel.h"

namespace antiphon {

// Workspace of dynamic_quantizer().
std::size_t dynamic_quantizer_bytes(int members);

// The numbers that DynamicQuantizeLinear of ONNX gives x, which is f32: 255 levels from min(x, 0)
// to max(x, 0), scale 1 for nothing but zeros. The team divides x; every division gives the same.
ir::InputQuantizer dynamic_quantizer(Isa isa, const Tensor& x, Team& team, std::byte* workspace);

// What weights are more than their bytes, for products with one row's numbers: `shift` times the
// sum of a row of x less its zero point, for each row.
void shifted_sums(const TappedRows<std::uint8_t>& x, std::int64_t tap_cols, std::int64_t num_rows,
                  std::int32_t zero, std::int32_t shift, std::int32_t* sums);

}  // namespace antiphon
