// Layers over a tree of texts, of which the attention decoder and the language network beside it
// are made; what their weights must be.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "engine/network.h"
#include "engine/weights.h"

namespace antiphon::asr {

// Names of the keys (part 0) and values (1) of a layer; kind: whose and what of.
std::string kept_name(const std::string& kind, int part, int layer);

// An input that is an output too, so that what a run is given stays for the next (Context::input).
Value kept_input(Network& net, const std::string& name, const char* rows, int channels);

// S pieces: numbers and places i32 [1, S]; seen [1, S, P + S], added to scores.
struct TextInputs {
  Value numbers, places, seen;
};

// Adds to a network; borrows it and the weights. Names of tensors begin with `prefix`.
class PieceTower {
 public:
  PieceTower(Network& net, const Weights& weights, std::string prefix, int channels, int heads)
      : net_(net),
        weights_(weights),
        prefix_(std::move(prefix)),
        channels_(channels),
        heads_(heads) {}

  static std::string block(int i) { return "blocks." + std::to_string(i) + "."; }
  Value linear(const std::string& name, Value x);  // with a bias if there is one
  Value norm(const std::string& name, Value x);

  // Pieces at their places, [1, S, channels].
  Value begin(const TextInputs& texts);
  // x and attention of layer i to the text so far: kept inputs past_KEYS and past_VALUES [1, P,
  // channels], outputs KEYS and VALUES [1, S, channels], which are kept_name()s of `kind`.
  Value to_text(int i, const std::string& kind, Value x);
  // x and two layers of the block i behind `norm_name`.
  Value inner(int i, const char* norm_name, Value x);
  // After begin(): log-probabilities [1, S, pieces] of what follows.
  Value log_probs(Value x);

 private:
  Value with_past(const std::string& name, Value x);

  Network& net_;
  const Weights& weights_;
  std::string prefix_;
  int channels_, heads_;
  Value piece_, seen_;
};

using WantedTensors = std::vector<std::pair<std::string, std::vector<std::int64_t>>>;

// The tensors of a tower that each tower has, names without prefix. num_norms: of a block.
WantedTensors tower_tensors(int pieces, int places, int layers, int channels, int inner,
                            int num_norms);

// Each is there and has its shape, and there is no further layer; errors name file and tensor.
// whose: the network, for messages.
Status check_tower(const Weights& weights, const std::string& prefix, const WantedTensors& wanted,
                   int layers, const std::string& whose);

}  // namespace antiphon::asr
