// Encoder and post-net of Tacotron 2 as networks.
#include <string>

#include "tts/acoustic/networks.h"
#include "tts/stream/delays.h"

namespace antiphon::tts {

Network encoder_network(const Weights& weights, const AcousticGeometry& g) {
  Network net("encoder");
  const Value ids = net.input("ids", DType::kI32, {1, "N"});
  Value speaker;
  if (g.speakers > 0) speaker = net.input("speaker", DType::kI32, {1, 1});
  const auto with_speaker = [&](Value rows, const char* table) {
    if (g.speakers == 0) return rows;
    return net.add(rows, net.embedding(speaker, net.weight(weights, table)));
  };
  Value x = net.embedding(ids, net.weight(weights, "embedding.weight"));
  x = net.transpose(with_speaker(x, "speaker.embedding.weight"), {0, 2, 1});
  const int pad = g.encoder_kernel / 2;
  for (int i = 0; i < g.encoder_convs; ++i) {
    const std::string name = "encoder.convolutions." + std::to_string(i) + ".0.conv.";
    x = net.relu(net.conv1d(x, net.weight(weights, name + "weight"),
                            net.weight(weights, name + "bias"),
                            {.pad_left = pad, .pad_right = pad}));
  }
  x = net.transpose(x, {0, 2, 1});
  const auto direction = [&](const std::string& suffix, bool reverse) {
    const auto w = [&](const char* part) {
      return net.weight(weights, std::string("encoder.lstm.") + part + suffix);
    };
    const Value zero = net.zeros({1, g.encoder / 2});
    return net
        .lstm(x, zero, zero, w("weight_ih_l0"), w("weight_hh_l0"), w("bias_ih_l0"), w("bias_hh_l0"),
              reverse)
        .y;
  };
  const Value forward = direction("", false);
  const Value backward = direction("_reverse", true);
  const Value encoded = with_speaker(net.concat({forward, backward}, 2), "speaker.encoding.weight");
  net.output("encoder", encoded);
  net.output(
      "key",
      net.linear(encoded,
                 net.weight(weights, "decoder.attention_layer.memory_layer.linear_layer.weight")));
  if (g.has_durations) {
    const Value around =
        net.conv1d(net.transpose(encoded, {0, 2, 1}), net.weight(weights, "duration.conv.weight"),
                   net.weight(weights, "duration.conv.bias"), {.pad_left = 1, .pad_right = 1});
    const Value hidden = net.transpose(net.relu(around), {0, 2, 1});
    net.output("log_frames", net.linear(hidden, net.weight(weights, "duration.out.weight"),
                                        net.weight(weights, "duration.out.bias")));
  }
  return net;
}

Network postnet_network(const Weights& weights, const AcousticGeometry& g) {
  Network net("postnet");
  const Value mel = net.input("mel", DType::kF32, {1, "T", g.mel_bins});
  const Value mask = net.input("mask", DType::kF32, {1, "T", 1});
  const int ahead = g.post_kernel / 2;
  const Validity valid(net, "mask.history", mask, g.post_delay_frames());
  Value x = mel;
  for (int i = 0; i < g.post_convs; ++i) {
    const std::string name = "postnet.convolutions." + std::to_string(i) + ".0.conv.";
    const Value inside = net.transpose(valid.apply(x, i * ahead), {0, 2, 1});
    const Value history = net.delay_line("post" + std::to_string(i), inside, 2 * ahead);
    const Value y = net.conv1d(history, net.weight(weights, name + "weight"),
                               net.weight(weights, name + "bias"));
    x = net.transpose(i + 1 < g.post_convs ? net.tanh(y) : y, {0, 2, 1});
  }
  net.output("out",
             net.add(delayed_rows(net, "mel.history", mel, g.mel_bins, g.post_delay_frames()), x));
  return net;
}

}  // namespace antiphon::tts
