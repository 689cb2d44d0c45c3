// Sample formats of the wire to and from mono f32.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace antiphon::server {

enum class Encoding { kPcm16, kFloat32, kMulaw, kAlaw };

// kInvalidArgument: not one of pcm16, float32, mulaw, alaw.
Result<Encoding> parse_encoding(std::string_view name);
std::size_t sample_bytes(Encoding encoding);

// Little-endian. kInvalidArgument: not whole samples, or a float that is not finite. Floats beyond
// [-1, 1] are clipped.
Result<std::vector<float>> decode_audio(Encoding encoding, std::string_view bytes);
std::string encode_pcm16(std::span<const float> pcm);

}  // namespace antiphon::server
