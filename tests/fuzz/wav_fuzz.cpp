// libFuzzer: any bytes as a recording. One that is taken has samples, all of them in [-1, 1].
#include <cmath>

#include "cli/audio_file.h"
#include "tests/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t num_bytes) {
  using namespace antiphon;
  const fuzz::InputFile file({data, num_bytes});
  const auto recording = cli::read_audio(file.path());
  fuzz::check_error(recording);
  if (!recording.ok()) return 0;
  if (recording->samples.empty()) __builtin_trap();
  for (const float sample : recording->samples)
    if (!(std::abs(sample) <= 1)) __builtin_trap();
  return 0;
}
