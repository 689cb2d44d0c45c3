// Layers over a tree of texts by the network-definition API.
#include "asr/piece_tower.h"

namespace antiphon::asr {

std::string kept_name(const std::string& kind, int part, int layer) {
  return kind + (part == 0 ? "keys." : "values.") + std::to_string(layer);
}

Value kept_input(Network& net, const std::string& name, const char* rows, int channels) {
  const Value x = net.input(name, DType::kF32, {1, rows, channels});
  net.output("kept_" + name, x);
  return x;
}

Value PieceTower::linear(const std::string& name, Value x) {
  const Value w = net_.weight(weights_, prefix_ + name + ".weight");
  const std::string bias = prefix_ + name + ".bias";
  return net_.linear(x, w, weights_.has(bias) ? net_.weight(weights_, bias) : Value{});
}

Value PieceTower::norm(const std::string& name, Value x) {
  const Value gamma = net_.weight(weights_, prefix_ + name + ".weight");
  return net_.layer_norm(x, gamma, net_.weight(weights_, prefix_ + name + ".bias"));
}

Value PieceTower::begin(const TextInputs& texts) {
  seen_ = texts.seen;
  piece_ = net_.weight(weights_, prefix_ + "piece.weight");
  const Value place = net_.weight(weights_, prefix_ + "place");
  return net_.add(net_.embedding(texts.numbers, piece_), net_.embedding(texts.places, place));
}

// x after what was run before; the output is x alone.
Value PieceTower::with_past(const std::string& name, Value x) {
  const Value past = kept_input(net_, "past_" + name, "P", channels_);
  net_.output(name, x);
  return net_.concat({past, x}, 1);
}

Value PieceTower::to_text(int i, const std::string& kind, Value x) {
  const std::string b = block(i);
  const Value n = norm(b + "norm1", x);
  const Value q = linear(b + "query", n), k = linear(b + "key", n), v = linear(b + "value", n);
  const Value keys = with_past(kept_name(kind, 0, i), k);
  const Value values = with_past(kept_name(kind, 1, i), v);
  return net_.add(x, linear(b + "mix", net_.attention(q, keys, values, heads_, seen_)));
}

Value PieceTower::inner(int i, const char* norm_name, Value x) {
  const Value up = linear(block(i) + "up", norm(block(i) + norm_name, x));
  return net_.add(x, linear(block(i) + "down", net_.gelu(up)));
}

Value PieceTower::log_probs(Value x) {
  return net_.log_softmax(net_.linear(norm("norm", x), piece_));
}

WantedTensors tower_tensors(int pieces, int places, int layers, int channels, int inner,
                            int num_norms) {
  WantedTensors wanted = {{"piece.weight", {pieces, channels}}, {"place", {places, channels}}};
  const auto add_norm = [&](const std::string& name) {
    for (const char* kind : {".weight", ".bias"}) wanted.push_back({name + kind, {channels}});
  };
  add_norm("norm");
  for (int i = 0; i < layers; ++i) {
    const std::string b = PieceTower::block(i);
    for (int n = 1; n <= num_norms; ++n) add_norm(b + "norm" + std::to_string(n));
    for (const char* part : {"query", "key", "value", "mix"})
      wanted.push_back({b + part + ".weight", {channels, channels}});
    for (const char* part : {"query", "value", "mix"})
      wanted.push_back({b + part + ".bias", {channels}});
    wanted.push_back({b + "up.weight", {inner, channels}});
    wanted.push_back({b + "up.bias", {inner}});
    wanted.push_back({b + "down.weight", {channels, inner}});
    wanted.push_back({b + "down.bias", {channels}});
  }
  return wanted;
}

Status check_tower(const Weights& weights, const std::string& prefix, const WantedTensors& wanted,
                   int layers, const std::string& whose) {
  const auto text = [](const std::vector<std::int64_t>& dims) {
    std::string out;
    for (const std::int64_t n : dims) out += (out.empty() ? "[" : ", ") + std::to_string(n);
    return out + "]";
  };
  for (const auto& [name, dims] : wanted) {
    ANTIPHON_ASSIGN_OR_RETURN(const TensorView got, weights.tensor(prefix + name));
    if (got.dims != dims)
      return invalid_argument(weights.path() + ": " + prefix + name + " is " + text(got.dims) +
                              ", wanted " + text(dims));
  }
  const std::string more = prefix + PieceTower::block(layers) + "key.weight";
  if (weights.has(more))
    return invalid_argument(weights.path() + ": has " + more + ", but " + whose + " has " +
                            std::to_string(layers) + " layers");
  return {};
}

}  // namespace antiphon::asr
