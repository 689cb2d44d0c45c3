// The language network by the network-definition API, and what its weights must be.
#include "asr/piece_language.h"

namespace antiphon::asr {

namespace {
const std::string kPrefix = "language.";
}  // namespace

Value piece_language(Network& net, const Weights& weights, const PieceLanguageConfig& config,
                     const TextInputs& texts) {
  PieceTower tower(net, weights, kPrefix, config.channels, config.heads);
  Value x = tower.begin(texts);
  for (int i = 0; i < config.layers; ++i)
    x = tower.inner(i, "norm2", tower.to_text(i, kLanguageKind, x));
  return tower.log_probs(x);
}

Status check_piece_language(const Weights& weights, const PieceLanguageConfig& config, int pieces,
                            int places) {
  if (config.heads < 1 || config.channels % config.heads != 0)
    return invalid_argument("language network: " + std::to_string(config.channels) +
                            " channels, wanted a multiple of its heads, " +
                            std::to_string(config.heads));
  return check_tower(weights, kPrefix,
                     tower_tensors(pieces, places, config.layers, config.channels, config.inner, 2),
                     config.layers, "the language network");
}

}  // namespace antiphon::asr
