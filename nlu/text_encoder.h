// What understanding needs of a network: logits of the heads and a vector of the sentence.
#pragma once

#include <cstdint>
#include <span>

#include "engine/base/status.h"

namespace antiphon::nlu {

struct EncoderShape {
  int width = 384;
  int max_tokens = 320;  // of one run, special pieces included
  int intents = 0;       // classes of the intent head; 0: there is no such head
  int tags = 0;          // classes of the slot head
  bool answers = false;  // start and end of an answer
};

// Valid until the next run.
struct Encoded {
  std::span<const float> sentence;  // [width], mean over the tokens
  std::span<const float> intent;    // [intents] logits
  std::span<const float> tags;      // [tokens, tags] logits
  std::span<const float> answer;    // [tokens, 2] logits of start and end
};

// Not thread-safe.
class TextEncoder {
 public:
  virtual ~TextEncoder() = default;
  virtual const EncoderShape& shape() const = 0;
  // ids with their special pieces, 1 to max_tokens; types: 0 first sequence, 1 second (same
  // length).
  virtual Result<Encoded> run(std::span<const std::int32_t> ids,
                              std::span<const std::int32_t> types) = 0;
};

}  // namespace antiphon::nlu
