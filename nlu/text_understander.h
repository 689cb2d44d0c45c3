// The understanding stage over any encoder: trained intents, the user's own, dialogue and
// questions.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "engine/base/status.h"
#include "nlu/intent_examples.h"
#include "nlu/labels.h"
#include "nlu/tag_chain.h"
#include "nlu/text_encoder.h"
#include "nlu/trained_intents.h"
#include "nlu/wordpiece.h"
#include "pipeline/assistant_spec.h"
#include "pipeline/stages.h"

namespace antiphon::nlu {

inline constexpr std::size_t kMostTextBytes = 20000;

struct UnderstanderParts {
  WordPiece tokenizer;
  std::unique_ptr<TextEncoder> encoder;
  Labels labels;
  std::vector<float> next_tags;     // TagChain's scores, or empty
  std::vector<std::string> served;  // domains of the trained intents
  AssistantSpec assistant;
  ExampleThresholds thresholds;
};

// Lane only: one call at a time, the encoder's memory is shared by all of them.
class TextUnderstander final : public Understander {
 public:
  // Embeds the assistant's phrases. kInvalidArgument: labels do not fit the encoder's heads; a
  // served domain that the labels do not have; a phrase that is not UTF-8.
  static Result<std::unique_ptr<TextUnderstander>> create(UnderstanderParts parts);

  Result<Understanding> understand(const UnderstandRequest& request) override;

 private:
  explicit TextUnderstander(UnderstanderParts parts)
      : parts_(std::move(parts)),
        chain_(parts_.labels, parts_.next_tags),
        examples_(&parts_.assistant) {}
  static Status check_parts(const UnderstanderParts& parts);
  Status embed_examples();
  Result<Encoded> encode(std::span<const Piece> pieces);
  Result<std::vector<IntentScore>> rank_examples(std::string_view text,
                                                 std::span<const float> sentence);

  UnderstanderParts parts_;
  TagChain chain_;
  IntentExamples examples_;
  std::vector<std::int32_t> ids_, types_;
};

}  // namespace antiphon::nlu
