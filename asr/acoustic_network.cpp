// The acoustic networks by the network-definition API.
#include "asr/acoustic_network.h"

#include <cmath>
#include <limits>

namespace antiphon::asr {
namespace {

constexpr std::int64_t kToEnd = std::numeric_limits<std::int64_t>::max();

// One weight a statement: the order of the graph's values must not depend on the compiler.
Value linear(Network& net, const Weights& weights, const std::string& name, Value x) {
  const Value w = net.weight(weights, name + ".weight");
  const std::string bias = name + ".bias";
  return net.linear(x, w, weights.has(bias) ? net.weight(weights, bias) : Value{});
}

Value norm(Network& net, const Weights& weights, const std::string& name, Value x) {
  const Value gamma = net.weight(weights, name + ".weight");
  return net.layer_norm(x, gamma, net.weight(weights, name + ".bias"));
}

// [B, C, T] -> [B, out, T / stride], GELU; `past` frames of the last run stand before x.
Value causal_conv(Network& net, const Weights& weights, const std::string& name, Value x,
                  int stride, int past) {
  const Value history = net.delay_line(name + ".history", x, past);
  const Value kernel = net.weight(weights, name + ".weight");
  const Value bias = net.weight(weights, name + ".bias");
  return net.gelu(net.conv1d(history, kernel, bias, {.stride = stride}));
}

Value recurrent_layer(Network& net, const Weights& weights, int layer, int width, Value x) {
  const std::string n = std::to_string(layer);
  const Value h = net.state("h" + n, {"B", width});
  const Value c = net.state("c" + n, {"B", width});
  const Value normed = norm(net, weights, "norms." + n, x);
  const std::string lstm = "lstms." + n + ".";
  const Value from_x = net.weight(weights, lstm + "weight_ih");
  const Value from_h = net.weight(weights, lstm + "weight_hh");
  const Value bias = net.weight(weights, lstm + "bias");
  const auto out = net.lstm(normed, h, c, from_x, from_h, bias, Value{});
  net.update(h, out.h);
  net.update(c, out.c);
  return net.add(x, out.y);
}

// Last layer, [B, N, width] -> [B, N x outputs, classes]: rows in the order of their time.
void output_rows(Network& net, const Weights& weights, const AcousticConfig& config, Value x) {
  Value y = linear(net, weights, "out", x);
  if (config.outputs_per_step > 1) y = net.reshape(y, {0, -1, config.classes});
  net.output("log_probs", net.log_softmax(y));
}

void recurrent_network(Network& net, const Weights& weights, const AcousticConfig& config) {
  const Value mel = net.input("mel", DType::kF32, {"B", config.mel_bins, "T"});
  const Value valid = net.input("valid", DType::kF32, {"B", 1, "N"});  // 0: a flushed step
  Value x = causal_conv(net, weights, "conv1", mel, 2, 3);
  x = causal_conv(net, weights, "conv2", x, 2, 3);
  x = net.transpose(x, {0, 2, 1});
  for (int layer = 0; layer < config.layers; ++layer)
    x = recurrent_layer(net, weights, layer, config.width, x);
  x = net.mul(net.transpose(x, {0, 2, 1}), valid);
  const Value history = net.delay_line("ahead.history", x, config.lookahead);
  const Value kernel = net.weight(weights, "ahead.weight");
  const Value ahead =
      net.conv1d(history, kernel, net.weight(weights, "ahead.bias"), {.groups = config.width});
  const Value delayed = net.slice(history, 2, 0, -config.lookahead);
  output_rows(net, weights, config, net.transpose(net.gelu(net.add(delayed, ahead)), {0, 2, 1}));
}

// x [B, F, C] after the last `history` steps of the runs before: [B, history + F, C].
Value with_history(Network& net, const std::string& name, Value x, int history, int channels) {
  const Value past = net.state(name, {"B", history, channels});
  const Value all = net.concat({past, x}, 1);
  net.update(past, net.slice(all, 1, -history, kToEnd));
  return all;
}

// The same of a stream that ends with x, or before it.
Value with_last_history(Network& net, const std::string& name, Value x, int history, int channels) {
  const Value past = net.state(name, {"B", history, channels});
  net.update(past, past);
  return x.valid() ? net.concat({past, x}, 1) : past;
}

// What a block attends with, from frames and their norms.
Value attended(Network& net, const Weights& weights, const AcousticConfig& config,
               const std::string& block, Value own, Value q, Value keys, Value values,
               Value window) {
  const Value mixed = net.attention(q, keys, values, config.heads, window);
  const Value x = net.add(own, linear(net, weights, block + "mix", mixed));
  const Value up = linear(net, weights, block + "up", norm(net, weights, block + "norm2", x));
  return net.add(x, linear(net, weights, block + "down", net.gelu(up)));
}

// [B, F, C] -> [B, F, C], config.ahead frames late.
Value attention_block(Network& net, const Weights& weights, const AcousticConfig& config, int index,
                      Value window, Value x) {
  const std::string b = "blocks." + std::to_string(index) + ".";
  const int channels = config.channels, reach = config.past + config.ahead;
  const Value all = with_history(net, b + "x", x, config.ahead, channels);
  const Value own = net.slice(all, 1, 0, -config.ahead);
  const Value normed = norm(net, weights, b + "norm1", all);
  const Value late = net.slice(normed, 1, 0, -config.ahead);
  const Value fresh = net.slice(normed, 1, config.ahead, kToEnd);
  const Value q = linear(net, weights, b + "query", late);
  const Value k = linear(net, weights, b + "key", fresh);
  const Value v = linear(net, weights, b + "value", fresh);
  const Value keys = with_history(net, b + "keys", k, reach, channels);
  const Value values = with_history(net, b + "values", v, reach, channels);
  return attended(net, weights, config, b, own, q, keys, values, window);
}

// [B, F, C], or nothing for the first block -> [B, config.ahead + F, C], all that is left to tell.
Value last_of_block(Network& net, const Weights& weights, const AcousticConfig& config, int index,
                    Value window, Value x) {
  const std::string b = "blocks." + std::to_string(index) + ".";
  const int channels = config.channels, reach = config.past + config.ahead;
  const Value own = with_last_history(net, b + "x", x, config.ahead, channels);
  const Value normed = norm(net, weights, b + "norm1", own);
  const Value q = linear(net, weights, b + "query", normed);
  Value k, v;
  if (x.valid()) {
    const Value fresh = net.slice(normed, 1, config.ahead, kToEnd);
    k = linear(net, weights, b + "key", fresh);
    v = linear(net, weights, b + "value", fresh);
  }
  const Value keys = with_last_history(net, b + "keys", k, reach, channels);
  const Value values = with_last_history(net, b + "values", v, reach, channels);
  return attended(net, weights, config, b, own, q, keys, values, window);
}

// Sines, then cosines, of wavelengths from 2 pi to 20,000 pi frames in equal ratios.
std::vector<float> places(int channels) {
  const int half = channels / 2;
  std::vector<float> table(static_cast<std::size_t>(kPlaces * channels));
  for (std::int64_t t = 0; t < kPlaces; ++t)
    for (int i = 0; i < half; ++i) {
      const double rate = std::exp(-std::log(10000.0) / (half - 1) * i);
      float* row = table.data() + t * channels;
      row[i] = static_cast<float>(std::sin(static_cast<double>(t) * rate));
      row[half + i] = static_cast<float>(std::cos(static_cast<double>(t) * rate));
    }
  return table;
}

Value window_input(Network& net, int block, Dim queries, Dim keys) {
  return net.input("window." + std::to_string(block), DType::kF32,
                   {"B", std::move(queries), std::move(keys)});
}

// [B, F, channels], as late as all blocks are; zeros before the stream's first frame.
Value encoder(Network& net, const Weights& weights, const AcousticConfig& config) {
  const Value mel = net.input("mel", DType::kF32, {"B", config.mel_bins, "T"});
  const Value place = net.input("place", DType::kI32, {"B", "F"});
  const Value begun = net.input("begun", DType::kF32, {"B", "F", 1});
  Value x = causal_conv(net, weights, "conv1", mel, 1, 2);
  x = causal_conv(net, weights, "conv2", x, 2, 1);
  const std::vector<float> table = places(config.channels);
  TensorView view;
  view.dtype = DType::kF32;
  view.dims = {kPlaces, config.channels};
  view.data = table.data();
  x = net.add(net.transpose(x, {0, 2, 1}), net.embedding(place, net.constant("places", view)));
  for (int k = 0; k < config.blocks; ++k) {
    x = attention_block(net, weights, config, k, window_input(net, k, "F", "K"), x);
  }
  return net.mul(norm(net, weights, "norm", x), begun);
}

// [B, blocks * ahead, channels]: what encoder() would tell next of streams that have ended.
Value end_of_encoder(Network& net, const Weights& weights, const AcousticConfig& config) {
  const Value begun = net.input("begun", DType::kF32, {"B", config.blocks * config.ahead, 1});
  Value x;
  for (int k = 0; k < config.blocks; ++k) {
    const int queries = (k + 1) * config.ahead;
    x = last_of_block(net, weights, config, k, window_input(net, k, queries, config.past + queries),
                      x);
  }
  return net.mul(norm(net, weights, "norm", x), begun);
}

// What follows from the encoder's frames.
void tell(Network& net, const Weights& weights, const AcousticConfig& config, Value heard,
          bool frames) {
  const Value steps =
      net.reshape(heard, {0, -1, AcousticConfig::kBlockFramesPerStep * config.channels});
  Value x = linear(net, weights, "join", steps);
  for (int layer = 0; layer < config.layers; ++layer)
    x = recurrent_layer(net, weights, layer, config.width, x);
  output_rows(net, weights, config,
              norm(net, weights, "norms." + std::to_string(config.layers), x));
  if (frames) net.output("heard", heard);
}

}  // namespace

Network acoustic_network(const Weights& weights, const AcousticConfig& config, bool frames) {
  Network net("acoustic");
  if (config.blocks > 0)
    tell(net, weights, config, encoder(net, weights, config), frames);
  else
    recurrent_network(net, weights, config);
  return net;
}

Network flush_network(const Weights& weights, const AcousticConfig& config, bool frames) {
  Network net("acoustic_flush");
  tell(net, weights, config, end_of_encoder(net, weights, config), frames);
  return net;
}

}  // namespace antiphon::asr
