// The encoder of an understanding pack, with all its heads, as the programs of bench run it.
#pragma once

#include <memory>
#include <string>

#include "nlu/encoder.h"
#include "nlu/pack.h"

namespace antiphon::bench {

struct PackEncoder {
  nlu::PackManifest manifest;
  std::unique_ptr<nlu::Encoder> encoder;
};

// kNotFound, kInvalidArgument: a file or a key of the pack, named.
Result<PackEncoder> open_encoder(const std::string& pack_dir, Precision precision);

}  // namespace antiphon::bench
