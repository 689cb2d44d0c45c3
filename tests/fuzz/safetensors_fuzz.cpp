// libFuzzer: any bytes as a safetensors file. Every tensor of one that is taken can be read whole.
#include <numeric>

#include "engine/weights.h"
#include "tests/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t num_bytes) {
  using namespace antiphon;
  const std::string_view bytes(reinterpret_cast<const char*>(data), num_bytes);
  const auto weights = Weights::parse(bytes, "fuzzed");
  fuzz::check_error(weights);
  if (!weights.ok()) return 0;
  for (const std::string& name : (*weights)->names()) {
    const auto tensor = (*weights)->tensor(name);
    if (!tensor.ok()) __builtin_trap();
    std::size_t count = dtype_bytes(tensor->dtype);
    for (const std::int64_t extent : tensor->dims) count *= static_cast<std::size_t>(extent);
    const auto* at = static_cast<const volatile unsigned char*>(tensor->data);
    for (std::size_t i = 0; i < count; ++i) static_cast<void>(at[i]);
  }
  fuzz::check_error((*weights)->tensor("no such tensor"));
  return 0;
}
