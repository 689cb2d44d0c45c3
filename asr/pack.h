// The manifest of a recognition pack: geometry, decoder settings, files.
#pragma once

#include <string>

#include "asr/acoustic_model.h"
#include "asr/ctc_decoder.h"
#include "asr/hybrid_decoder.h"
#include "asr/log_mel.h"
#include "asr/piece_language.h"
#include "engine/base/status.h"

namespace antiphon::asr {

struct PackManifest {
  std::string name;
  LogMelConfig mel;
  AcousticConfig acoustic;
  // Frames that a block hears back and ahead for finals; 0: as far as for partials.
  int final_past = 0, final_ahead = 0;
  CtcDecoderConfig decoder;
  int speller_layers = 0;  // of the attention decoder that finals are spelled by; 0: there is none
  HybridConfig hybrid;
  PieceLanguageConfig language;  // beside the attention decoder
  std::string weights_path;
  std::string lm_path, pieces_path, language_path;  // empty: none

  // The same network as finals hear by it.
  AcousticConfig final_acoustic() const;
};

// Reads DIR/manifest.toml. kNotFound, kInvalidArgument: names file, line and key.
Result<PackManifest> read_pack(const std::string& dir);

}  // namespace antiphon::asr
