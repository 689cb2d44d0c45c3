// libFuzzer: any bytes as an ONNX model. The importer answers with a graph that holds, or an error;
// every pass leaves a graph that holds.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/import/import.h"
#include "engine/ir/schema.h"
#include "engine/passes/pipeline.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t num_bytes) {
  using namespace antiphon;
  const std::string_view bytes(reinterpret_cast<const char*>(data), num_bytes);
  auto graph = onnx::import_bytes(bytes, "fuzzed", "", {});
  if (!graph.ok()) {
    if (graph.status().message().empty()) __builtin_trap();
    return 0;
  }
  if (!ir::verify(*graph).ok()) __builtin_trap();
  if (!passes::run_passes(*graph, {}).ok()) __builtin_trap();
  return 0;
}
