// ONNX models as networks that build() takes.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/engine.h"
#include "engine/onnx_options.h"

namespace antiphon {

namespace ir {
struct Graph;
}

// An imported network. Immutable and cheap to copy: any thread.
class OnnxNetwork {
 public:
  explicit OnnxNetwork(std::shared_ptr<const ir::Graph> graph) : graph_(std::move(graph)) {}
  // As the model declares them, less those that were frozen.
  std::vector<TensorSpec> inputs() const;
  const ir::Graph& graph() const { return *graph_; }

 private:
  std::shared_ptr<const ir::Graph> graph_;
};

// As build() of a Network.
Result<std::shared_ptr<const Plan>> build(const OnnxNetwork& network, const BuildOptions& options);

// Operators of opset 7 to 28; docs/onnx-operators.md lists them. Inputs and outputs keep the
// model's names. Element types that the engine does not compute in are held in the next one that
// takes their values (f16, bf16 and double in f32; 16-bit whole numbers in i32; unsigned 32- and
// 64-bit ones in i64). An extent without a number is a symbol: the model's name for it with other
// characters than letters and digits as _, or INPUT_AXIS.
//
// kNotFound: no such file. kInvalidArgument: not ONNX, malformed, or a node whose inputs do not
// fit. kUnsupported: one message lists every node that cannot be imported, with what is not
// supported.
Result<OnnxNetwork> import_onnx(const std::string& path, const OnnxOptions& options = {});
// The same from memory. `name` stands for the path in messages; external data lies in `folder`.
Result<OnnxNetwork> import_onnx_bytes(std::string_view bytes, const std::string& name,
                                      const OnnxOptions& options = {},
                                      const std::string& folder = {});

// The operators that can be imported, in order.
std::vector<std::string> onnx_operators();

}  // namespace antiphon
