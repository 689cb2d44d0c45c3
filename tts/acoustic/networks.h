// The networks of Tacotron 2: encoder with durations, decoder in blocks of frames, streamed
// post-net.
#pragma once

#include "engine/network.h"
#include "engine/weights.h"

namespace antiphon::tts {

// Read from the weights, whose names are those of NVIDIA's published Tacotron 2 with BatchNorm
// folded into the convolutions; `duration.*` and `speaker.*` are optional.
struct AcousticGeometry {
  int symbols = 0;  // rows of the embedding, the padding symbol 0 included
  int embedding = 256;
  int encoder_convs = 3;
  int encoder_kernel = 5;
  int encoder = 256;  // both directions together
  int prenet = 128;
  int rnn = 512;  // of both decoder LSTMs
  int attention = 128;
  int location_kernel = 31;
  int mel_bins = 80;
  int post_convs = 5;
  int post_kernel = 5;
  bool has_durations = true;
  int speakers = 0;  // rows of `speaker.*`; 0: one voice, without them

  int post_delay_frames() const { return post_convs * (post_kernel / 2); }
};

// kInvalidArgument: a tensor is absent or its shape does not fit the others; names both.
Result<AcousticGeometry> read_geometry(const Weights& weights);

enum class Alignment : std::uint8_t { kAttention, kDurations };

struct DecoderConfig {
  Alignment alignment = Alignment::kAttention;
  bool dropout = false;  // masks come in with each block
  int block_frames = 24;
  int attention_back = 1;  // symbols behind the last peak that the attention may see
  float stop_threshold = 0.5f;
  bool emit_alignment = false;  // for tests
};

// "ids" [1, N] i32 -> "encoder" [1, N, E], "key" [1, N, A], and with durations "log_frames" [1, N,
// 1]. With speakers also "speaker" [1, 1] i32: its rows are added to the embedding of every symbol
// and to every row of "encoder".
Network encoder_network(const Weights& weights, const AcousticGeometry& geometry);

// One block of frames. What is carried from block to block comes in and goes out under the names of
// kCarried; per-symbol numbers of the guard (guard.h) come in as "index", "limit", "expected",
// "reach" [1, N]. With dropout: "masks" [1, block, 2 * prenet]. By durations: "planned" [1, block,
// N] instead of the guard's. Out: "mel" [1, block, M] before the post-net, "position" [1, block, 1]
// the attention's peak, "stop" [1, block, 1] probability, and by attention "ended" [1, block, 1]: 1
// at the last frame.
Network decoder_network(const Weights& weights, const AcousticGeometry& geometry,
                        const DecoderConfig& config);

// Frames in, frames out post_delay_frames() later: "mel" [1, T, M], "mask" [1, T, 1] (1 inside the
// utterance) -> "out" [1, T, M].
Network postnet_network(const Weights& weights, const AcousticGeometry& geometry);

}  // namespace antiphon::tts
