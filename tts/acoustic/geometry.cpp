// Reads the geometry of Tacotron 2 from its weights and checks that the tensors fit together.
#include <string>

#include "tts/acoustic/networks.h"

namespace antiphon::tts {
namespace {

std::string dims_text(const std::vector<std::int64_t>& dims) {
  std::string text = "[";
  for (std::size_t i = 0; i < dims.size(); ++i) text += (i ? ", " : "") + std::to_string(dims[i]);
  return text + "]";
}

class Reader {
 public:
  explicit Reader(const Weights& weights) : weights_(weights) {}

  // The dims of a tensor of this rank; zeros and an error otherwise.
  std::vector<std::int64_t> dims(const std::string& name, std::size_t rank) {
    const auto tensor = weights_.tensor(name);
    if (tensor.ok() && tensor->dims.size() == rank) return tensor->dims;
    if (status.ok()) {
      status = tensor.ok() ? invalid_argument(weights_.path() + ": " + name + ": wanted " +
                                              std::to_string(rank) + " dimensions, got " +
                                              dims_text(tensor->dims))
                           : tensor.status();
    }
    return std::vector<std::int64_t>(rank, 0);
  }

  void want(const std::string& name, std::vector<std::int64_t> wanted) {
    const auto got = dims(name, wanted.size());
    if (status.ok() && got != wanted) {
      status = invalid_argument(weights_.path() + ": " + name + ": wanted " + dims_text(wanted) +
                                ", got " + dims_text(got));
    }
  }

  int count(const std::string& prefix, const std::string& suffix) const {
    int n = 0;
    while (weights_.has(prefix + std::to_string(n) + suffix)) ++n;
    return n;
  }

  Status status;

 private:
  const Weights& weights_;
};

void read_sizes(Reader& r, const Weights& weights, AcousticGeometry& g) {
  const auto to_int = [](std::int64_t n) { return static_cast<int>(n); };
  const auto embedding = r.dims("embedding.weight", 2);
  g.symbols = to_int(embedding[0]);
  g.embedding = to_int(embedding[1]);
  g.encoder_convs = r.count("encoder.convolutions.", ".0.conv.weight");
  g.encoder_kernel = to_int(r.dims("encoder.convolutions.0.0.conv.weight", 3)[2]);
  g.encoder = 2 * to_int(r.dims("encoder.lstm.weight_hh_l0", 2)[1]);
  g.prenet = to_int(r.dims("decoder.prenet.layers.0.linear_layer.weight", 2)[0]);
  g.rnn = to_int(r.dims("decoder.attention_rnn.weight_hh", 2)[1]);
  g.attention = to_int(r.dims("decoder.attention_layer.query_layer.linear_layer.weight", 2)[0]);
  g.location_kernel =
      to_int(r.dims("decoder.attention_layer.location_layer.location_conv.conv.weight", 3)[2]);
  g.mel_bins = to_int(r.dims("decoder.prenet.layers.0.linear_layer.weight", 2)[1]);
  g.post_convs = r.count("postnet.convolutions.", ".0.conv.weight");
  g.post_kernel = to_int(r.dims("postnet.convolutions.0.0.conv.weight", 3)[2]);
  g.has_durations = weights.has("duration.conv.weight");
  if (weights.has("speaker.embedding.weight") || weights.has("speaker.encoding.weight"))
    g.speakers = to_int(r.dims("speaker.embedding.weight", 2)[0]);
  if (r.status.ok() && g.speakers == 0 && weights.has("speaker.embedding.weight"))
    r.status = invalid_argument(
        weights.path() + ": speaker.embedding.weight: wanted a row for each voice, got none");
}

void check_sizes(Reader& r, const AcousticGeometry& g) {
  const std::int64_t E = g.encoder, P = g.prenet, R = g.rnn, A = g.attention, M = g.mel_bins;
  r.want("decoder.prenet.layers.0.linear_layer.weight", {P, M});
  r.want("decoder.prenet.layers.1.linear_layer.weight", {P, P});
  r.want("decoder.attention_rnn.weight_ih", {4 * R, P + E});
  r.want("decoder.attention_rnn.weight_hh", {4 * R, R});
  r.want("decoder.decoder_rnn.weight_ih", {4 * R, R + E});
  r.want("decoder.decoder_rnn.weight_hh", {4 * R, R});
  r.want("decoder.attention_layer.query_layer.linear_layer.weight", {A, R});
  r.want("decoder.attention_layer.memory_layer.linear_layer.weight", {A, E});
  r.want("decoder.attention_layer.v.linear_layer.weight", {1, A});
  r.want("decoder.linear_projection.linear_layer.weight", {M, R + E});
  r.want("decoder.gate_layer.linear_layer.weight", {1, R + E});
  r.want("encoder.lstm.weight_ih_l0", {2 * E, g.embedding});
  if (g.speakers == 0) return;
  r.want("speaker.embedding.weight", {g.speakers, g.embedding});
  r.want("speaker.encoding.weight", {g.speakers, E});
}

}  // namespace

Result<AcousticGeometry> read_geometry(const Weights& weights) {
  AcousticGeometry g;
  Reader reader(weights);
  read_sizes(reader, weights, g);
  if (reader.status.ok()) check_sizes(reader, g);
  if (!reader.status.ok()) return reader.status;
  const bool odd =
      g.encoder_kernel % 2 == 1 && g.location_kernel % 2 == 1 && g.post_kernel % 2 == 1;
  if (!odd || g.symbols < 2 || g.mel_bins < 1)
    return invalid_argument(weights.path() +
                            ": wanted odd kernels, at least one symbol and one mel bin");
  return g;
}

}  // namespace antiphon::tts
