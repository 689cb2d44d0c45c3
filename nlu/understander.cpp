// Opens a pack and puts the encoder into the understanding stage.
#include "nlu/understander.h"

#include <algorithm>
#include <utility>

#include "engine/weights.h"
#include "nlu/encoder.h"
#include "nlu/pack.h"
#include "nlu/tag_chain.h"
#include "nlu/text_understander.h"

namespace antiphon::nlu {
namespace {

// Rows of a head, 0 where the pack has none.
Result<int> head_rows(const Weights& weights, const char* name) {
  if (!weights.has(name)) return 0;
  ANTIPHON_ASSIGN_OR_RETURN(const TensorView tensor, weights.tensor(name));
  if (tensor.dims.empty()) return invalid_argument(weights.path() + ": " + name + " is a scalar");
  return static_cast<int>(tensor.dims[0]);
}

Result<EncoderConfig> encoder_config(const PackManifest& manifest, const Weights& weights,
                                     std::size_t num_pieces) {
  EncoderConfig config;
  config.layers = manifest.layers;
  config.heads = manifest.heads;
  config.epsilon = static_cast<float>(manifest.norm_epsilon);
  config.shape.width = manifest.width;
  config.shape.max_tokens = std::min(manifest.positions, manifest.labels.question.window_pieces);
  ANTIPHON_ASSIGN_OR_RETURN(const int rows,
                            head_rows(weights, "bert.embeddings.word_embeddings.weight"));
  if (static_cast<std::size_t>(rows) != num_pieces)
    return invalid_argument(manifest.vocab_path + ": has " + std::to_string(num_pieces) +
                            " pieces, the embedding table has " + std::to_string(rows) + " rows");
  if (!manifest.has_labels) return config;
  ANTIPHON_ASSIGN_OR_RETURN(config.shape.intents, head_rows(weights, "intent.out.weight"));
  ANTIPHON_ASSIGN_OR_RETURN(config.shape.tags, head_rows(weights, "slots.weight"));
  config.shape.answers = weights.has("qa.weight");
  return config;
}

}  // namespace

Result<std::unique_ptr<Understander>> create_understander(const UnderstanderConfig& config) {
  ANTIPHON_ASSIGN_OR_RETURN(const PackManifest manifest, read_pack(config.pack_dir));
  ANTIPHON_ASSIGN_OR_RETURN(const auto weights, Weights::load(manifest.weights_path));
  ANTIPHON_ASSIGN_OR_RETURN(WordPiece tokenizer, WordPiece::load(manifest.vocab_path));
  EncoderOptions options;
  ANTIPHON_ASSIGN_OR_RETURN(options.config,
                            encoder_config(manifest, *weights, tokenizer.num_pieces()));
  options.precision = config.precision;
  options.max_isa = config.max_isa;
  options.plans = config.plans;
  options.team = config.team;
  options.logger = config.logger;
  ANTIPHON_ASSIGN_OR_RETURN(std::unique_ptr<TextEncoder> encoder,
                            Encoder::create(*weights, options));
  ANTIPHON_ASSIGN_OR_RETURN(std::vector<float> scores, read_next_tags(*weights));
  std::vector<std::string> served = config.domains;
  if (served.empty() && !manifest.labels.default_domain.empty())
    served.push_back(manifest.labels.default_domain);
  auto made = TextUnderstander::create({std::move(tokenizer), std::move(encoder), manifest.labels,
                                        std::move(scores), std::move(served), config.assistant,
                                        manifest.thresholds});
  if (!made.ok()) return made.status().with_context(config.pack_dir);
  return std::unique_ptr<Understander>(std::move(made).value());
}

}  // namespace antiphon::nlu
