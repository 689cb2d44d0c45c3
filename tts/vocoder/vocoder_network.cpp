// Builds the streamed WaveGlow: delay lines hold what each layer has yet to see.
#include "tts/vocoder/vocoder_network.h"

#include <string>

#include "tts/stream/delays.h"
#include "tts/vocoder/depth_wise.h"

namespace antiphon::tts {
namespace {

// The conditioning of one flow: projected at mel rate once, held for a frame's groups, and delayed
// so that layer L of flow F sees the frame of the group it works on.
class Conditioning {
 public:
  Conditioning(Network& net, const Weights& weights, const VocoderConfig& c,
               const std::string& flow, Value mel, int delay_groups)
      : net_(net), config_(c), flow_(flow), base_frames_(delay_groups / c.groups_per_frame()) {
    const Value late = delayed_rows(net, flow + ".mel", mel, c.mel_bins, base_frames_);
    const Value all = net.linear(late, net.weight(weights, flow + ".cond.weight"),
                                 net.weight(weights, flow + ".cond.bias"));
    parts_ = net.split(all, c.layers, 2);
  }

  // [1, groups, 2 * channels], delayed by `groups` in all.
  Value delayed(int layer, int groups) {
    if (parts_.size() != static_cast<std::size_t>(config_.layers)) return {};
    const int rest = groups - base_frames_ * config_.groups_per_frame();
    const std::string name = flow_ + ".cond" + std::to_string(layer);
    const Value frames =
        delayed_rows(net_, name + ".frames", parts_[static_cast<std::size_t>(layer)],
                     2 * config_.channels, rest / config_.groups_per_frame());
    const Value held = net_.repeat(frames, config_.groups_per_frame(), 1);
    return delayed_rows(net_, name + ".groups", held, 2 * config_.channels,
                        rest % config_.groups_per_frame());
  }

 private:
  Network& net_;
  const VocoderConfig& config_;
  std::string flow_;
  int base_frames_;
  std::vector<Value> parts_;
};

// One flow on x [1, groups, group_samples] that comes `delay` groups late; the result is `layers`
// later. harmonics: as late as x, of its shape; heard if valid.
Value flow(Network& net, const Weights& weights, const VocoderConfig& c, int index, Value x,
           Value harmonics, Value mel, const Validity& valid, int delay) {
  const std::string name = "flow." + std::to_string(index);
  const auto w = [&](const std::string& tensor) {
    return net.weight(weights, name + "." + tensor);
  };
  const int half = c.group_samples / 2;
  const Value mixed = net.linear(x, w("mix"));
  const Value first = net.slice(mixed, 2, 0, half);
  Conditioning conditioning(net, weights, c, name, mel, delay + 1);
  const Value heard = harmonics.valid() ? net.concat({first, harmonics}, 2) : first;
  Value h = net.linear(heard, w("start.weight"), w("start.bias"));
  Value z;
  for (int layer = 0; layer < c.layers; ++layer) {
    const std::string n = std::to_string(layer);
    const Value around =
        rows_with_history(net, name + ".h" + n, valid.apply(h, delay + layer), c.channels, 2);
    const Value gates =
        net.add(net.linear(depth_wise(net, around, w("depth." + n)), w("gate." + n + ".weight")),
                conditioning.delayed(layer, delay + layer + 1));
    z = net.mul(net.tanh(net.slice(gates, 2, 0, c.channels)),
                net.sigmoid(net.slice(gates, 2, c.channels, 2 * c.channels)));
    h = rows_ago(net, around, 2, 1);
    if (layer + 1 < c.layers)
      h = net.add(h, net.linear(z, w("res." + n + ".weight"), w("res." + n + ".bias")));
  }
  const Value coupling = net.linear(net.concat({h, z}, 2), w("end.weight"), w("end.bias"));
  const Value scale = net.exp(net.clamp(net.slice(coupling, 2, 0, half), -6, 6));
  const Value late = delayed_rows(net, name + ".mixed", mixed, c.group_samples, c.layers);
  const Value second = net.add(net.mul(net.slice(late, 2, half, c.group_samples), scale),
                               net.slice(coupling, 2, half, c.group_samples));
  return net.concat({net.slice(late, 2, 0, half), second}, 2);
}

std::string text_of(const std::vector<std::int64_t>& dims) {
  std::string text;
  for (const std::int64_t n : dims) text += (text.empty() ? "[" : ", ") + std::to_string(n);
  return text + "]";
}

Status check_shape(const Weights& weights, const std::string& name,
                   const std::vector<std::int64_t>& dims) {
  ANTIPHON_ASSIGN_OR_RETURN(const TensorView tensor, weights.tensor(name));
  if (tensor.dims == dims) return {};
  return invalid_argument(weights.path() + ": " + name + ": wanted " + text_of(dims) + ", got " +
                          text_of(tensor.dims));
}

Status check_pitch(const Weights& weights, const VocoderConfig& c) {
  const std::int64_t P = c.pitch_channels;
  const auto want = [&](const std::string& tensor, const std::vector<std::int64_t>& dims) {
    return check_shape(weights, "pitch." + tensor, dims);
  };
  ANTIPHON_RETURN_IF_ERROR(want("start.weight", {P, c.mel_bins}));
  ANTIPHON_RETURN_IF_ERROR(want("start.bias", {P}));
  for (int l = 0; l < c.pitch_layers; ++l) {
    const std::string n = std::to_string(l);
    ANTIPHON_RETURN_IF_ERROR(want("depth." + n, {4, P}));
    ANTIPHON_RETURN_IF_ERROR(want("mix." + n + ".weight", {P, P}));
    ANTIPHON_RETURN_IF_ERROR(want("mix." + n + ".bias", {P}));
  }
  ANTIPHON_RETURN_IF_ERROR(want("end.weight", {2, P}));
  return want("end.bias", {2});
}

}  // namespace

Status check_vocoder(const Weights& weights, const VocoderConfig& c) {
  const std::int64_t C = c.channels, G = c.group_samples, half = G / 2;
  for (int f = 0; f < c.flows; ++f) {
    const auto want = [&](const std::string& tensor, const std::vector<std::int64_t>& dims) {
      return check_shape(weights, "flow." + std::to_string(f) + "." + tensor, dims);
    };
    ANTIPHON_RETURN_IF_ERROR(want("mix", {G, G}));
    ANTIPHON_RETURN_IF_ERROR(want("start.weight", {C, half + (c.hears_harmonics(f) ? G : 0)}));
    ANTIPHON_RETURN_IF_ERROR(want("cond.weight", {2 * C * c.layers, c.mel_bins}));
    ANTIPHON_RETURN_IF_ERROR(want("end.weight", {G, 2 * C}));
    for (int l = 0; l < c.layers; ++l) {
      ANTIPHON_RETURN_IF_ERROR(want("depth." + std::to_string(l), {4, C}));
      ANTIPHON_RETURN_IF_ERROR(want("gate." + std::to_string(l) + ".weight", {2 * C, C}));
    }
  }
  return c.has_pitch() ? check_pitch(weights, c) : Status();
}

Network vocoder_network(const Weights& weights, const VocoderConfig& c) {
  Network net("vocoder");
  const Value mel = net.input("mel", DType::kF32, {1, "T", c.mel_bins});
  const Value mask = net.input("mask", DType::kF32, {1, "T", 1});
  const Value noise = net.input("noise", DType::kF32, {1, "T", c.hop_samples});
  const Validity valid(net, "mask.history", net.repeat(mask, c.groups_per_frame(), 1),
                       c.delay_groups());
  Value x = net.reshape(noise, {1, -1, c.group_samples});
  Value harmonics;
  if (c.has_pitch())
    harmonics = net.reshape(net.input("harmonics", DType::kF32, {1, "T", c.hop_samples}),
                            {1, -1, c.group_samples});
  for (int f = 0; f < c.flows; ++f) {
    const bool hears = c.hears_harmonics(f);
    x = flow(net, weights, c, f, x, hears ? harmonics : Value(), mel, valid, f * c.layers);
    if (hears)
      harmonics = delayed_rows(net, "flow." + std::to_string(f) + ".harmonics", harmonics,
                               c.group_samples, c.layers);
  }
  net.output("audio", c.has_pitch() ? net.add(x, harmonics) : x);
  return net;
}

}  // namespace antiphon::tts
