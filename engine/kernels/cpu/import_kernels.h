// The kernels of operators that only imported networks use, one file each or a few; table.cpp gives
// their order.
#pragma once

#include "engine/kernels/kernel.h"

namespace antiphon::cpu {

extern const Kernel kReducePlain, kMatMulInteger;
extern const Kernel kExpandCopy, kExtentsFill, kRangeFill, kStridedSliceCopy;
extern const Kernel kConvLastDepthwise, kConvLastPanels, kConvLastWinograd4, kConvLastWinograd2,
    kConvLastWinogradI16, kConvLastOnednn, kConvLastStaticU8, kConvLastTappedU8,
    kConvLastDepthwiseU8;
extern const Kernel kConvTransposeLast, kConvTransposeLastU8, kPoolLast, kPlaceCopy;
extern const Kernel kConvNdStaticU8, kConvNdPlain, kPoolPlain;
extern const Kernel kConvTransposePanels, kConvTransposePlain;
extern const Kernel kResampleTaps, kGridSamplePlain;
extern const Kernel kGatherCopy, kGatherNdCopy, kGatherElementsCopy;
extern const Kernel kScatterElementsPlain, kScatterNdPlain;
extern const Kernel kTopKPlain, kCumSumPlain, kTriluCopy, kReverseSequenceCopy;
extern const Kernel kMathPlain, kMathBinaryPlain;
extern const Kernel kRotaryRows, kRotaryPlain;

}  // namespace antiphon::cpu
