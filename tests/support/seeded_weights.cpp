// Seeded weights of the shipping geometries.
#include "tests/support/seeded_weights.h"

#include <cmath>
#include <random>

namespace antiphon::test {
namespace {

std::int64_t count_of(const std::vector<std::int64_t>& dims) {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) n *= d;
  return n;
}

void lstm(SeededWeights& w, const std::string& prefix, const std::string& suffix, std::int64_t in,
          std::int64_t width) {
  w.matrix(prefix + "weight_ih" + suffix, {4 * width, in});
  w.matrix(prefix + "weight_hh" + suffix, {4 * width, width});
  w.vector(prefix + "bias_ih" + suffix, {4 * width});
  w.vector(prefix + "bias_hh" + suffix, {4 * width});
}

}  // namespace

void SeededWeights::matrix(const std::string& name, std::vector<std::int64_t> dims) {
  std::mt19937 random(seed_++);
  const std::int64_t n = count_of(dims), rows = dims[0];
  const float bound = std::sqrt(3.0f * static_cast<float>(rows) / static_cast<float>(n));
  Entry& entry = map_[name];
  entry.dims = dims;
  num_parameters_ += static_cast<std::size_t>(n);
  if (!int8_) {
    std::uniform_real_distribution<float> value(-bound, bound);
    for (std::int64_t i = 0; i < n; ++i) entry.f32.push_back(value(random));
    return;
  }
  std::uniform_int_distribution<int> value(-127, 127);
  entry.dtype = DType::kI8;
  for (std::int64_t i = 0; i < n; ++i) entry.i8.push_back(static_cast<std::int8_t>(value(random)));
  Entry& scale = map_[name + ".scale"];
  scale.dims = {rows};
  scale.f32.assign(static_cast<std::size_t>(rows), bound / 127.0f);
}

void SeededWeights::vector(const std::string& name, std::vector<std::int64_t> dims, float around) {
  std::mt19937 random(seed_++);
  std::uniform_real_distribution<float> value(around - 0.1f, around + 0.1f);
  Entry& entry = map_[name];
  entry.dims = dims;
  for (std::int64_t i = 0; i < count_of(dims); ++i) entry.f32.push_back(value(random));
  num_parameters_ += entry.f32.size();
}

void SeededWeights::linear(const std::string& name, std::int64_t rows, std::int64_t cols) {
  matrix(name + ".weight", {rows, cols});
  vector(name + ".bias", {rows});
}

std::vector<std::string> SeededWeights::names() const {
  std::vector<std::string> all;
  for (const auto& [name, entry] : map_) all.push_back(name);
  return all;
}

Result<TensorView> SeededWeights::tensor(std::string_view name) const {
  const auto found = map_.find(std::string(name));
  if (found == map_.end()) return not_found(path_ + ": has no " + std::string(name));
  const Entry& entry = found->second;
  TensorView view;
  view.dtype = entry.dtype;
  view.dims = entry.dims;
  view.data = entry.dtype == DType::kI8 ? static_cast<const void*>(entry.i8.data())
                                        : static_cast<const void*>(entry.f32.data());
  return view;
}

SeededWeights acoustic_weights(bool int8) {
  SeededWeights w(int8, 100);
  const std::int64_t front = 256, width = 688;
  w.matrix("conv1.weight", {front, 80, 5});
  w.vector("conv1.bias", {front});
  w.matrix("conv2.weight", {width, front, 5});
  w.vector("conv2.bias", {width});
  for (int layer = 0; layer < 4; ++layer) {
    const std::string n = std::to_string(layer) + ".";
    w.vector("norms." + n + "weight", {width}, 1);
    w.vector("norms." + n + "bias", {width});
    w.matrix("lstms." + n + "weight_ih", {4 * width, width});
    w.matrix("lstms." + n + "weight_hh", {4 * width, width});
    w.vector("lstms." + n + "bias", {4 * width});
  }
  w.matrix("ahead.weight", {width, 1, 5});
  w.vector("ahead.bias", {width});
  w.linear("out", 29, width);
  return w;
}

SeededWeights listener_weights(bool int8) {
  SeededWeights w(int8, 150);
  const std::int64_t channels = 384, inner = 1536, width = 576;
  const auto norm = [&](const std::string& name, std::int64_t n) {
    w.vector(name + ".weight", {n}, 1);
    w.vector(name + ".bias", {n});
  };
  w.matrix("conv1.weight", {channels, 80, 3});
  w.vector("conv1.bias", {channels});
  w.matrix("conv2.weight", {channels, channels, 3});
  w.vector("conv2.bias", {channels});
  for (int block = 0; block < 4; ++block) {
    const std::string b = "blocks." + std::to_string(block) + ".";
    norm(b + "norm1", channels);
    norm(b + "norm2", channels);
    for (const char* part : {"query", "value", "mix"}) w.linear(b + part, channels, channels);
    w.matrix(b + "key.weight", {channels, channels});
    w.linear(b + "up", inner, channels);
    w.linear(b + "down", channels, inner);
  }
  norm("norm", channels);
  w.linear("join", width, 2 * channels);
  for (int layer = 0; layer < 3; ++layer) {
    const std::string n = std::to_string(layer);
    norm("norms." + n, width);
    w.matrix("lstms." + n + ".weight_ih", {4 * width, width});
    w.matrix("lstms." + n + ".weight_hh", {4 * width, width});
    w.vector("lstms." + n + ".bias", {4 * width});
  }
  norm("norms.3", width);
  w.linear("out", 58, width);
  return w;
}

SeededWeights bert_weights(bool int8) {
  SeededWeights w(int8, 200);
  const std::int64_t width = 384;
  const auto norm = [&](const std::string& name) {
    w.vector(name + ".weight", {width}, 1);
    w.vector(name + ".bias", {width});
  };
  const std::string e = "bert.embeddings.";
  w.matrix(e + "word_embeddings.weight", {13500, width});
  w.matrix(e + "position_embeddings.weight", {512, width});
  w.vector(e + "token_type_embeddings.weight", {2, width});
  norm(e + "LayerNorm");
  for (int layer = 0; layer < 6; ++layer) {
    const std::string l = "bert.encoder.layer." + std::to_string(layer) + ".";
    for (const char* part : {"query", "key", "value"})
      w.linear(l + "attention.self." + part, width, width);
    w.linear(l + "attention.output.dense", width, width);
    norm(l + "attention.output.LayerNorm");
    w.linear(l + "intermediate.dense", 4 * width, width);
    w.linear(l + "output.dense", width, 4 * width);
    norm(l + "output.LayerNorm");
  }
  w.linear("intent.dense", width, 2 * width);
  w.linear("intent.out", 80, width);
  w.linear("slots", 90, width);
  w.linear("qa", 2, width);
  return w;
}

SeededWeights tacotron_weights(bool int8) {
  SeededWeights w(int8, 300);
  const std::int64_t mel = 80, encoder = 256, rnn = 512, pre = 128, attention = 128;
  w.vector("embedding.weight", {70, encoder});
  for (int i = 0; i < 3; ++i) {
    const std::string name = "encoder.convolutions." + std::to_string(i) + ".0.conv.";
    w.matrix(name + "weight", {encoder, encoder, 5});
    w.vector(name + "bias", {encoder});
  }
  lstm(w, "encoder.lstm.", "_l0", encoder, encoder / 2);
  lstm(w, "encoder.lstm.", "_l0_reverse", encoder, encoder / 2);
  w.matrix("duration.conv.weight", {128, encoder, 3});
  w.vector("duration.conv.bias", {128});
  w.linear("duration.out", 1, 128);
  const std::string d = "decoder.";
  w.matrix(d + "prenet.layers.0.linear_layer.weight", {pre, mel});
  w.matrix(d + "prenet.layers.1.linear_layer.weight", {pre, pre});
  lstm(w, d + "attention_rnn.", "", pre + encoder, rnn);
  lstm(w, d + "decoder_rnn.", "", rnn + encoder, rnn);
  w.matrix(d + "attention_layer.query_layer.linear_layer.weight", {attention, rnn});
  w.matrix(d + "attention_layer.memory_layer.linear_layer.weight", {attention, encoder});
  w.matrix(d + "attention_layer.v.linear_layer.weight", {1, attention});
  w.matrix(d + "attention_layer.location_layer.location_conv.conv.weight", {32, 2, 31});
  w.matrix(d + "attention_layer.location_layer.location_dense.linear_layer.weight",
           {attention, 32});
  w.linear(d + "linear_projection.linear_layer", mel, rnn + encoder);
  w.linear(d + "gate_layer.linear_layer", 1, rnn + encoder);
  for (int i = 0; i < 5; ++i) {
    const std::string name = "postnet.convolutions." + std::to_string(i) + ".0.conv.";
    w.matrix(name + "weight", {i == 4 ? mel : 256, i == 0 ? mel : 256, 5});
    w.vector(name + "bias", {i == 4 ? mel : 256});
  }
  return w;
}

SeededWeights waveglow_weights(bool int8, int hearing) {
  SeededWeights w(int8, 400);
  const std::int64_t group = 64, channels = 256, layers = 10;
  const int flows = 6;
  for (int f = 0; f < flows; ++f) {
    const std::string flow = "flow." + std::to_string(f) + ".";
    w.vector(flow + "mix", {group, group});
    w.linear(flow + "start", channels, group / 2 + (f < flows - hearing ? 0 : group));
    w.linear(flow + "cond", 2 * channels * layers, 80);
    for (std::int64_t l = 0; l < layers; ++l) {
      const std::string n = std::to_string(l);
      w.vector(flow + "depth." + n, {4, channels});
      w.matrix(flow + "gate." + n + ".weight", {2 * channels, channels});
      if (l + 1 < layers) w.linear(flow + "res." + n, channels, channels);
    }
    w.vector(flow + "end.weight", {group, 2 * channels});
    w.vector(flow + "end.bias", {group});
  }
  return w;
}

SeededWeights pitch_weights() {
  SeededWeights w(false, 500);
  const std::int64_t channels = 64, layers = 3;
  w.linear("pitch.start", channels, 80);
  for (std::int64_t l = 0; l < layers; ++l) {
    const std::string n = std::to_string(l);
    w.vector("pitch.depth." + n, {4, channels}, 0.3f);
    w.linear("pitch.mix." + n, channels, channels);
  }
  w.linear("pitch.end", 2, channels);
  return w;
}

}  // namespace antiphon::test
