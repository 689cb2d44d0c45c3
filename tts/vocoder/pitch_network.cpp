// Builds the streamed pitch network: residual layers of depth-wise taps, each a frame later.
#include "tts/vocoder/pitch_network.h"

#include <string>

#include "tts/stream/delays.h"
#include "tts/vocoder/depth_wise.h"

namespace antiphon::tts {

Network pitch_network(const Weights& weights, const VocoderConfig& c) {
  Network net("pitch");
  const auto w = [&](const std::string& tensor) { return net.weight(weights, "pitch." + tensor); };
  const Value mel = net.input("mel", DType::kF32, {1, "T", c.mel_bins});
  const Value mask = net.input("mask", DType::kF32, {1, "T", 1});
  const Validity valid(net, "mask.history", mask, c.pitch_layers);
  Value h = net.linear(mel, w("start.weight"), w("start.bias"));
  for (int layer = 0; layer < c.pitch_layers; ++layer) {
    const std::string n = std::to_string(layer);
    const Value around =
        rows_with_history(net, "h" + n, valid.apply(h, layer), c.pitch_channels, 2);
    const Value mixed = net.linear(depth_wise(net, around, w("depth." + n)),
                                   w("mix." + n + ".weight"), w("mix." + n + ".bias"));
    h = net.add(rows_ago(net, around, 2, 1), net.relu(mixed));
  }
  net.output("pitch", net.linear(h, w("end.weight"), w("end.bias")));
  return net;
}

}  // namespace antiphon::tts
