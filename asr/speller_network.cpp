// The attention decoder by the network-definition API.
#include "asr/speller_network.h"

namespace antiphon::asr {
namespace {

const std::string kPrefix = "speller.";

PieceTower tower_of(Network& net, const Weights& weights, const SpellerConfig& config) {
  return {net, weights, kPrefix, config.channels, config.heads};
}

// log-probabilities of what comes after each piece, by what was heard.
Value spelled(Network& net, const Weights& weights, const SpellerConfig& config,
              const TextInputs& texts) {
  PieceTower tower = tower_of(net, weights, config);
  const Value heard = net.input("heard", DType::kF32, {1, "T"});
  Value x = tower.begin(texts);
  for (int i = 0; i < config.layers; ++i) {
    const std::string b = PieceTower::block(i);
    x = tower.to_text(i, "", x);
    const Value ask = tower.linear(b + "ask", tower.norm(b + "norm2", x));
    Value memory[2];
    for (const int part : {0, 1})
      memory[part] = kept_input(net, kept_name("heard_", part, i), "T", config.channels);
    const Value answer = net.attention(ask, memory[0], memory[1], config.heads, heard);
    x = tower.inner(i, "norm3", net.add(x, tower.linear(b + "answer", answer)));
  }
  return tower.log_probs(x);
}

}  // namespace

Network speller_memory_network(const Weights& weights, const SpellerConfig& config) {
  Network net("speller_memory");
  PieceTower tower = tower_of(net, weights, config);
  const Value heard = net.input("heard", DType::kF32, {1, "T", config.channels});
  for (int i = 0; i < config.layers; ++i) {
    const std::string b = PieceTower::block(i);
    net.output(kept_name("heard_", 0, i), tower.linear(b + "heard_key", heard));
    net.output(kept_name("heard_", 1, i), tower.linear(b + "heard_value", heard));
  }
  return net;
}

Network speller_network(const Weights& weights, const SpellerConfig& config,
                        const Weights* language) {
  Network net("speller");
  const TextInputs texts = {.numbers = net.input("numbers", DType::kI32, {1, "S"}),
                            .places = net.input("places", DType::kI32, {1, "S"}),
                            .seen = net.input("seen", DType::kF32, {1, "S", "K"})};
  Value log_probs = spelled(net, weights, config, texts);
  if (language)
    log_probs = net.add(log_probs, net.mul(piece_language(net, *language, config.language, texts),
                                           net.scalar(config.language.weight)));
  net.output("log_probs", log_probs);
  return net;
}

Status check_speller_weights(const Weights& weights, const SpellerConfig& config) {
  const std::int64_t channels = config.channels;
  WantedTensors wanted = tower_tensors(config.pieces, SpellerConfig::kPlaces, config.layers,
                                       config.channels, config.inner, 3);
  for (int i = 0; i < config.layers; ++i) {
    const std::string b = PieceTower::block(i);
    for (const char* part : {"ask", "heard_key", "heard_value", "answer"})
      wanted.push_back({b + part + ".weight", {channels, channels}});
    for (const char* part : {"ask", "heard_value", "answer"})
      wanted.push_back({b + part + ".bias", {channels}});
  }
  return check_tower(weights, kPrefix, wanted, config.layers, "the speller");
}

}  // namespace antiphon::asr
