// libFuzzer: any bytes as an ONNX model. The importer answers with a network or an error.
#include <cstddef>
#include <cstdint>
#include <string_view>

#include "engine/onnx.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t num_bytes) {
  const std::string_view bytes(reinterpret_cast<const char*>(data), num_bytes);
  const auto network = antiphon::import_onnx_bytes(bytes, "fuzzed");
  if (!network.ok() && network.status().message().empty()) __builtin_trap();
  return 0;
}
