// A part of a network that ONNX Runtime runs: one node, whose first input is the part as an ONNX
// model.
#pragma once

#include <memory>
#include <string_view>

#include "engine/ir/custom_op.h"
#include "engine/kernels/kernel.h"
#include "engine/plugin/ort_library.h"

namespace antiphon {

constexpr const char* kOrtPartName = "onnxruntime::part";

// Inputs: the model u8 [bytes], then the session's. Extents of outputs are numbers, or those of
// inputs.
class OrtPart final : public ir::CustomOp {
 public:
  // kUnsupported: ONNX Runtime does not take the model.
  static Result<std::shared_ptr<const OrtPart>> create(std::shared_ptr<const OrtLibrary> library,
                                                       std::string_view model);
  Result<std::vector<ir::ValueType>> infer(
      const ir::Node& node, std::span<const ir::ValueType* const> inputs) const override;
  const OrtSession& session() const { return *session_; }

 private:
  Result<Dim> output_extent(std::size_t output, std::size_t axis,
                            std::span<const ir::ValueType* const> inputs) const;
  std::unique_ptr<const OrtSession> session_;
};

extern const Kernel kOrtPartKernel;

}  // namespace antiphon
