// The ordered kernel table of the CPU: for each operator the best first, the plainest last.
#include "engine/kernels/cpu/backend.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/kernels.h"

namespace antiphon {
namespace {

constexpr const Kernel* kAll[] = {
    &cpu::kIdentityCopy,
    &cpu::kUnaryRows,
    &cpu::kUnaryPlain,
    &cpu::kBinaryRows,
    &cpu::kBinaryPlain,
    &cpu::kClampRows,
    &cpu::kWhereRows,
    &cpu::kPointwiseBlocks,
    &cpu::kLinearStaticU8,
    &cpu::kLinearPanelsInt8,
    &cpu::kLinearPanelsF32,
    &cpu::kLinearPanelsU8,
    &cpu::kLinearColumn,
    &cpu::kLinearOnednnConv,
    &cpu::kLinearOnednnSgemm,
    &cpu::kLinearPlain,
    &cpu::kConvDepthwise,
    &cpu::kConvStaticU8,
    &cpu::kConvPanelsInt8,
    &cpu::kConvPanelsF32,
    &cpu::kConvPanelsU8,
    &cpu::kConvColumns,
    &cpu::kConvOnednn,
    &cpu::kConvPlain,
    &cpu::kMatMulRows,
    &cpu::kEmbeddingRows,
    &cpu::kSoftmaxRows,
    &cpu::kLogSoftmaxRows,
    &cpu::kLayerNormRows,
    &cpu::kReduceRows,
    &cpu::kCastPlain,
    &cpu::kTransposeTiles,
    &cpu::kReshapeCopy,
    &cpu::kSliceCopy,
    &cpu::kConcatCopy,
    &cpu::kRepeatCopy,
    &cpu::kReverseCopy,
    &cpu::kPadCopy,
    &cpu::kZerosFill,
    &cpu::kAttentionPanels,
    &cpu::kAttentionRows,
    &cpu::kDequantizePlain,
    &cpu::kQuantizePlain,
    &cpu::kLoopProgram,
    &cpu::kLoopProgramU8,
    // What only imported networks use.
    &cpu::kReducePlain,
    &cpu::kMatMulInteger,
    &cpu::kExpandCopy,
    &cpu::kExtentsFill,
    &cpu::kRangeFill,
    &cpu::kStridedSliceCopy,
    &cpu::kConvNdStaticU8,
    &cpu::kConvNdPlain,
    &cpu::kConvLastDepthwiseU8,
    &cpu::kConvLastTappedU8,
    &cpu::kConvLastStaticU8,
    &cpu::kConvLastWinogradI16,
    &cpu::kConvLastDepthwise,
    &cpu::kConvLastPanels,
    &cpu::kConvLastWinograd4,
    &cpu::kConvLastWinograd2,
    &cpu::kConvLastOnednn,
    &cpu::kConvTransposeLastU8,
    &cpu::kConvTransposeLast,
    &cpu::kPoolLast,
    &cpu::kPlaceCopy,
    &cpu::kConvTransposePanels,
    &cpu::kConvTransposePlain,
    &cpu::kPoolPlain,
    &cpu::kResampleTaps,
    &cpu::kGridSamplePlain,
    &cpu::kGatherCopy,
    &cpu::kGatherNdCopy,
    &cpu::kGatherElementsCopy,
    &cpu::kScatterElementsPlain,
    &cpu::kScatterNdPlain,
    &cpu::kTopKPlain,
    &cpu::kCumSumPlain,
    &cpu::kTriluCopy,
    &cpu::kReverseSequenceCopy,
    &cpu::kMathPlain,
    &cpu::kMathBinaryPlain,
    &cpu::kRotaryRows,
    &cpu::kRotaryPlain,
};

}  // namespace

const Backend& cpu_backend() {
  static constexpr Backend kBackend = {"cpu", kAll};
  return kBackend;
}

}  // namespace antiphon
