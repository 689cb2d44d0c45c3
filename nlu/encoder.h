// A BERT encoder (Devlin et al., arXiv 1810.04805) with its heads over the engine: one sequence a
// run.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/weights.h"

namespace antiphon::nlu {

struct EncoderConfig {
  int layers = 6, width = 384, heads = 12;
  int max_tokens = 256;  // a run; positions the pack has
  float epsilon = 1e-12f;
  int intents = 0, tags = 0;  // classes of the heads; 0: the pack has no such head
  bool answers = false;       // start and end of an answer
};

struct EncoderOptions {
  EncoderConfig config;
  Precision precision = Precision::kInt8;
  std::string max_isa;
  ThreadTeam* team = nullptr;
  Logger* logger = nullptr;
};

// Valid until the next run.
struct Encoded {
  std::span<const float> sentence;  // [width], mean over the tokens
  std::span<const float> intent;    // [intents] logits
  std::span<const float> tags;      // [tokens, tags] logits
  std::span<const float> answer;    // [tokens, 2] logits of start and end
};

Network encoder_network(const Weights& weights, const EncoderConfig& config);

// Owns plan and context. Not thread-safe.
class Encoder {
 public:
  static Result<std::unique_ptr<Encoder>> create(const Weights& weights,
                                                 const EncoderOptions& options);

  // ids with their special pieces; types: 0 first sequence, 1 second (same length).
  Result<Encoded> run(std::span<const std::int32_t> ids, std::span<const std::int32_t> types);
  const EncoderConfig& config() const { return options_.config; }
  const Plan& plan() const { return *plan_; }

 private:
  Encoder() = default;
  EncoderOptions options_;
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<Context> context_;
};

}  // namespace antiphon::nlu
