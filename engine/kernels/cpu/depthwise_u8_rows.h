// Rows of one group of channels, one function an ISA. Private to depthwise_u8*.cpp.
#pragma once

#include "engine/kernels/cpu/depthwise_u8.h"
#include "engine/kernels/cpu/gemm_u8_tiles.h"

namespace antiphon {

#if defined(__x86_64__)
// Of 32 lanes, and of 64. The scale of bytes that are made has an inverse. plain: no value is NaN
// or leaves 30 bits in steps of the bytes, which have 255 levels, behind a relu from 0.
void depthwise_row_avx2(std::int64_t taps, const DepthwiseGroup& g, const DepthwiseLines& row);
void depthwise_row_vnni(std::int64_t taps, const DepthwiseGroup& g, const DepthwiseLines& row,
                        bool plain);
#endif

}  // namespace antiphon
