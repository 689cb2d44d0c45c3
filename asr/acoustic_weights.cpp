// What the weights of an acoustic network must be.
#include <string>
#include <utility>
#include <vector>

#include "asr/acoustic_network.h"

namespace antiphon::asr {
namespace {

using Dims = std::vector<std::int64_t>;
using Wanted = std::vector<std::pair<std::string, Dims>>;

std::string shape_text(const Dims& dims) {
  std::string out;
  for (const std::int64_t d : dims) out += (out.empty() ? "[" : ", ") + std::to_string(d);
  return out + "]";
}

// The last layer tells how many outputs a step the network was trained with.
Status check_outputs(const Weights& weights, const AcousticConfig& c) {
  ANTIPHON_ASSIGN_OR_RETURN(const TensorView out, weights.tensor("out.weight"));
  if (out.dims.size() != 2 || out.dims[1] != c.width || out.dims[0] % c.classes != 0) return {};
  const std::int64_t trained = out.dims[0] / c.classes;
  if (trained == c.outputs_per_step) return {};
  return invalid_argument(weights.path() + ": out.weight is " + shape_text(out.dims) + ", " +
                          std::to_string(trained) + " x " + std::to_string(c.classes) +
                          " classes a step, but network.outputs_per_step is " +
                          std::to_string(c.outputs_per_step));
}

void add_linear(Wanted& wanted, const std::string& name, const Dims& dims) {
  wanted.push_back({name + ".weight", dims});
  wanted.push_back({name + ".bias", {dims[0]}});
}

void add_norm(Wanted& wanted, const std::string& name, std::int64_t width) {
  for (const char* part : {".weight", ".bias"}) wanted.push_back({name + part, {width}});
}

void add_layers(Wanted& wanted, const AcousticConfig& c) {
  const std::int64_t width = c.width;
  for (int i = 0; i < c.layers; ++i) {
    const std::string n = std::to_string(i);
    add_norm(wanted, "norms." + n, width);
    for (const char* part : {"weight_ih", "weight_hh"})
      wanted.push_back({"lstms." + n + "." + part, {4 * width, width}});
    wanted.push_back({"lstms." + n + ".bias", {4 * width}});
  }
  add_linear(wanted, "out", {c.outputs_per_step * c.classes, width});
}

Wanted recurrent_shapes(const AcousticConfig& c) {
  const std::int64_t front = c.front, width = c.width;
  Wanted wanted;
  add_linear(wanted, "conv1", {front, c.mel_bins, 5});
  add_linear(wanted, "conv2", {width, front, 5});
  add_linear(wanted, "ahead", {width, 1, c.lookahead + 1});
  add_layers(wanted, c);
  return wanted;
}

Wanted listener_shapes(const AcousticConfig& c) {
  const std::int64_t channels = c.channels;
  Wanted wanted;
  add_linear(wanted, "conv1", {channels, c.mel_bins, 3});
  add_linear(wanted, "conv2", {channels, channels, 3});
  for (int i = 0; i < c.blocks; ++i) {
    const std::string b = "blocks." + std::to_string(i) + ".";
    for (const char* part : {"norm1", "norm2"}) add_norm(wanted, b + part, channels);
    for (const char* part : {"query", "value", "mix"})
      add_linear(wanted, b + part, {channels, channels});
    wanted.push_back({b + "key.weight", {channels, channels}});
    add_linear(wanted, b + "up", {c.inner, channels});
    add_linear(wanted, b + "down", {channels, c.inner});
  }
  add_norm(wanted, "norm", channels);
  add_linear(wanted, "join", {c.width, 2 * channels});
  add_norm(wanted, "norms." + std::to_string(c.layers), c.width);
  add_layers(wanted, c);
  return wanted;
}

// What the network has no more of.
Status check_surplus(const Weights& weights, const AcousticConfig& c) {
  const std::string layer = "lstms." + std::to_string(c.layers) + ".bias",
                    block = "blocks." + std::to_string(c.blocks) + ".key.weight";
  if (weights.has(layer))
    return invalid_argument(weights.path() + ": has " + layer + ", but network.layers is " +
                            std::to_string(c.layers));
  if (weights.has(block))
    return invalid_argument(weights.path() + ": has " + block + ", but network.blocks is " +
                            std::to_string(c.blocks));
  return {};
}

Status check_geometry(const AcousticConfig& c) {
  if (c.outputs_per_step < 1 || c.outputs_per_step > AcousticConfig::kMostOutputs)
    return invalid_argument("acoustic model: outputs_per_step is " +
                            std::to_string(c.outputs_per_step) + ", wanted 1 to " +
                            std::to_string(AcousticConfig::kMostOutputs));
  if (c.blocks == 0) return {};
  if (c.blocks * c.ahead % 2 != 0 || c.lookahead != c.blocks * c.ahead / 2)
    return invalid_argument("network.blocks x network.ahead is " +
                            std::to_string(c.blocks * c.ahead) +
                            " frames of 20 ms, wanted twice network.lookahead, which is " +
                            std::to_string(c.lookahead) + " steps of 40 ms");
  if (c.channels % 2 != 0 || c.channels < 4 || c.channels % c.heads != 0)
    return invalid_argument("network.channels is " + std::to_string(c.channels) +
                            ", wanted an even multiple of network.heads, " +
                            std::to_string(c.heads));
  return {};
}

}  // namespace

Status check_acoustic_weights(const Weights& weights, const AcousticConfig& config) {
  ANTIPHON_RETURN_IF_ERROR(check_geometry(config));
  ANTIPHON_RETURN_IF_ERROR(check_outputs(weights, config));
  for (const auto& [name, dims] :
       config.blocks > 0 ? listener_shapes(config) : recurrent_shapes(config)) {
    ANTIPHON_ASSIGN_OR_RETURN(const TensorView got, weights.tensor(name));
    if (got.dims != dims)
      return invalid_argument(weights.path() + ": " + name + " is " + shape_text(got.dims) +
                              ", wanted " + shape_text(dims) + " by the manifest's [network]");
  }
  return check_surplus(weights, config);
}

}  // namespace antiphon::asr
