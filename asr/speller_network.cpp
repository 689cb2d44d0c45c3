// The attention decoder by the network-definition API.
#include "asr/speller_network.h"

#include <utility>

namespace antiphon::asr {
namespace {

const std::string kPrefix = "speller.";

class Builder {
 public:
  Builder(Network& net, const Weights& weights, const SpellerConfig& config)
      : net_(net), weights_(weights), config_(config) {}

  void memory() {
    const Value heard = net_.input("heard", DType::kF32, {1, "T", config_.channels});
    for (int i = 0; i < config_.layers; ++i) {
      net_.output(named("heard_keys", i), linear(block(i) + "heard_key", heard));
      net_.output(named("heard_values", i), linear(block(i) + "heard_value", heard));
    }
  }

  void texts() {
    const Value numbers = net_.input("numbers", DType::kI32, {1, "S"});
    const Value places = net_.input("places", DType::kI32, {1, "S"});
    seen_ = net_.input("seen", DType::kF32, {1, "S", "K"});
    heard_ = net_.input("heard", DType::kF32, {1, "T"});
    const Value piece = net_.weight(weights_, kPrefix + "piece.weight");
    const Value place = net_.weight(weights_, kPrefix + "place");
    Value x = net_.add(net_.embedding(numbers, piece), net_.embedding(places, place));
    for (int i = 0; i < config_.layers; ++i) x = layer(i, x);
    net_.output("log_probs", net_.log_softmax(net_.linear(norm(kPrefix + "norm", x), piece)));
  }

 private:
  static std::string named(const char* what, int i) {
    return std::string(what) + "." + std::to_string(i);
  }
  static std::string block(int i) { return kPrefix + "blocks." + std::to_string(i) + "."; }

  Value linear(const std::string& name, Value x) {
    const Value w = net_.weight(weights_, name + ".weight");
    const std::string bias = name + ".bias";
    return net_.linear(x, w, weights_.has(bias) ? net_.weight(weights_, bias) : Value{});
  }
  Value norm(const std::string& name, Value x) {
    const Value gamma = net_.weight(weights_, name + ".weight");
    return net_.layer_norm(x, gamma, net_.weight(weights_, name + ".bias"));
  }
  // x after what was run before; the output is x alone.
  Value with_past(const char* past_name, const char* name, int i, Value x) {
    const Value past = net_.input(named(past_name, i), DType::kF32, {1, "P", config_.channels});
    net_.output(named(name, i), x);
    return net_.concat({past, x}, 1);
  }
  Value layer(int i, Value x) {
    const std::string b = block(i);
    Value n = norm(b + "norm1", x);
    const Value q = linear(b + "query", n), k = linear(b + "key", n), v = linear(b + "value", n);
    const Value keys = with_past("past_keys", "keys", i, k);
    const Value values = with_past("past_values", "values", i, v);
    x = net_.add(x, linear(b + "mix", net_.attention(q, keys, values, config_.heads, seen_)));
    const Value ask = linear(b + "ask", norm(b + "norm2", x));
    const Value heard_keys =
        net_.input(named("heard_keys", i), DType::kF32, {1, "T", config_.channels});
    const Value heard_values =
        net_.input(named("heard_values", i), DType::kF32, {1, "T", config_.channels});
    const Value answer = net_.attention(ask, heard_keys, heard_values, config_.heads, heard_);
    x = net_.add(x, linear(b + "answer", answer));
    const Value up = linear(b + "up", norm(b + "norm3", x));
    return net_.add(x, linear(b + "down", net_.gelu(up)));
  }

  Network& net_;
  const Weights& weights_;
  const SpellerConfig& config_;
  Value seen_, heard_;
};

using Dims = std::vector<std::int64_t>;

Status check_tensor(const Weights& weights, const std::string& name, const Dims& dims) {
  ANTIPHON_ASSIGN_OR_RETURN(const TensorView view, weights.tensor(name));
  const Dims got(view.dims.begin(), view.dims.end());
  if (got == dims) return {};
  const auto text = [](const Dims& d) {
    std::string out;
    for (const std::int64_t n : d) out += (out.empty() ? "[" : ", ") + std::to_string(n);
    return out + "]";
  };
  return invalid_argument(weights.path() + ": " + name + " is " + text(got) + ", wanted " +
                          text(dims));
}

}  // namespace

Network speller_memory_network(const Weights& weights, const SpellerConfig& config) {
  Network net("speller_memory");
  Builder(net, weights, config).memory();
  return net;
}

Network speller_network(const Weights& weights, const SpellerConfig& config) {
  Network net("speller");
  Builder(net, weights, config).texts();
  return net;
}

Status check_speller_weights(const Weights& weights, const SpellerConfig& config) {
  const std::int64_t channels = config.channels, inner = config.inner;
  std::vector<std::pair<std::string, Dims>> wanted = {
      {"piece.weight", {config.pieces, channels}}, {"place", {SpellerConfig::kPlaces, channels}}};
  for (const char* part : {"norm.weight", "norm.bias"}) wanted.push_back({part, {channels}});
  for (int i = 0; i < config.layers; ++i) {
    const std::string b = "blocks." + std::to_string(i) + ".";
    for (const char* part : {"norm1", "norm2", "norm3"})
      for (const char* kind : {".weight", ".bias"}) wanted.push_back({b + part + kind, {channels}});
    for (const char* part :
         {"query", "key", "value", "mix", "ask", "heard_key", "heard_value", "answer"})
      wanted.push_back({b + part + ".weight", {channels, channels}});
    for (const char* part : {"query", "value", "mix", "ask", "heard_value", "answer"})
      wanted.push_back({b + part + ".bias", {channels}});
    wanted.push_back({b + "up.weight", {inner, channels}});
    wanted.push_back({b + "up.bias", {inner}});
    wanted.push_back({b + "down.weight", {channels, inner}});
    wanted.push_back({b + "down.bias", {channels}});
  }
  for (const auto& [name, dims] : wanted)
    ANTIPHON_RETURN_IF_ERROR(check_tensor(weights, kPrefix + name, dims));
  if (const std::string more = kPrefix + "blocks." + std::to_string(config.layers) + ".key.weight";
      weights.has(more))
    return invalid_argument(weights.path() + ": has " + more + ", but the speller has " +
                            std::to_string(config.layers) + " layers");
  return {};
}

}  // namespace antiphon::asr
