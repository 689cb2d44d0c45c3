// Every kernel of the CPU back end, one file each; table.cpp gives their order.
#pragma once

#include "engine/kernels/kernel.h"

namespace antiphon::cpu {

extern const Kernel kIdentityCopy;
extern const Kernel kUnaryRows, kUnaryPlain;
extern const Kernel kBinaryRows, kBinaryPlain;
extern const Kernel kClampRows;
extern const Kernel kWhereRows;
extern const Kernel kPointwiseBlocks;
extern const Kernel kLinearPanelsInt8, kLinearPanelsF32, kLinearPanelsI24, kLinearPanelsU8,
    kLinearStaticU8, kLinearColumn, kLinearOnednnConv, kLinearOnednnSgemm, kLinearPlain;
extern const Kernel kConvDepthwise, kConvPanelsInt8, kConvPanelsF32, kConvPanelsU8, kConvStaticU8,
    kConvColumns, kConvOnednn, kConvPlain;
extern const Kernel kMatMulRows;
extern const Kernel kEmbeddingRows;
extern const Kernel kSoftmaxRows, kLogSoftmaxRows;
extern const Kernel kLayerNormRows;
extern const Kernel kReduceRows;
extern const Kernel kCastPlain;
extern const Kernel kTransposeTiles;
extern const Kernel kReshapeCopy;
extern const Kernel kSliceCopy, kConcatCopy, kRepeatCopy, kReverseCopy, kPadCopy;
extern const Kernel kZerosFill;
extern const Kernel kAttentionPanels, kAttentionRows;
extern const Kernel kDequantizePlain, kQuantizePlain;
extern const Kernel kLoopProgram, kLoopProgramI24, kLoopProgramU8;

}  // namespace antiphon::cpu
