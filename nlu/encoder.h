// A BERT encoder (Devlin et al., arXiv 1810.04805) with its heads over the engine.
#pragma once

#include <memory>
#include <span>
#include <string>

#include "engine/engine.h"
#include "engine/weights.h"
#include "nlu/text_encoder.h"

namespace antiphon::nlu {

struct EncoderConfig {
  int layers = 6, heads = 12;
  float epsilon = 1e-12f;
  EncoderShape shape;
};

struct EncoderOptions {
  EncoderConfig config;
  Precision precision = Precision::kInt8;
  std::string max_isa;
  PlanFolder plans;
  ThreadTeam* team = nullptr;
  Logger* logger = nullptr;
};

// Heads that the weights have are in the network; names of tensors as training/nlu/model.py.
Network encoder_network(const Weights& weights, const EncoderConfig& config);

// Owns plan and context. Not thread-safe.
class Encoder final : public TextEncoder {
 public:
  // kInvalidArgument: a tensor is missing or has the wrong shape, named.
  static Result<std::unique_ptr<Encoder>> create(const Weights& weights,
                                                 const EncoderOptions& options);

  const EncoderShape& shape() const override { return options_.config.shape; }
  Result<Encoded> run(std::span<const std::int32_t> ids,
                      std::span<const std::int32_t> types) override;
  const Plan& plan() const { return *plan_; }

 private:
  Encoder() = default;
  EncoderOptions options_;
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<Context> context_;
};

}  // namespace antiphon::nlu
