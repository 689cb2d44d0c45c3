// The manifest of a recognition pack: geometry, decoder settings, files.
#pragma once

#include <string>

#include "asr/acoustic_model.h"
#include "asr/ctc_decoder.h"
#include "asr/log_mel.h"
#include "engine/base/status.h"

namespace antiphon::asr {

struct PackManifest {
  std::string name;
  LogMelConfig mel;
  AcousticConfig acoustic;
  CtcDecoderConfig decoder;
  std::string weights_path, lm_path;  // lm_path empty: none
};

// Reads DIR/manifest.toml. kNotFound, kInvalidArgument: names file, line and key.
Result<PackManifest> read_pack(const std::string& dir);

}  // namespace antiphon::asr
