// A pack's manifest and weights -> its encoder.
#include "bench/pack_encoder.h"

#include "engine/weights.h"

namespace antiphon::bench {

Result<PackEncoder> open_encoder(const std::string& pack_dir, Precision precision) {
  PackEncoder out;
  ANTIPHON_ASSIGN_OR_RETURN(out.manifest, nlu::read_pack(pack_dir));
  const nlu::PackManifest& m = out.manifest;
  ANTIPHON_ASSIGN_OR_RETURN(const auto weights, Weights::load(m.weights_path));
  nlu::EncoderOptions options;
  options.config.layers = m.layers;
  options.config.heads = m.heads;
  options.config.epsilon = static_cast<float>(m.norm_epsilon);
  options.config.shape = {.width = m.width,
                          .max_tokens = m.positions,
                          .intents = static_cast<int>(m.labels.intents.size()),
                          .tags = static_cast<int>(m.labels.tags.size()),
                          .answers = true};
  options.precision = precision;
  ANTIPHON_ASSIGN_OR_RETURN(out.encoder, nlu::Encoder::create(*weights, options));
  return out;
}

}  // namespace antiphon::bench
