// The acoustic networks for builders of plans, and what their weights must be.
#pragma once

#include "asr/acoustic_model.h"

namespace antiphon::asr {

// Inputs of a run of N steps on B streams: mel [B, mel_bins, T = 4 N]; and
//  - without blocks: valid [B, 1, N], 0 where a step is flushed;
//  - with blocks, F = 2 N frames: place i32 [B, F], rows of the table of positions; window.K
//    [B, F, past + ahead + F], added to the scores of block K, kOutside where a key is not heard;
//    begun [B, F, 1], 0 for what the encoder tells before the stream's first frame.
// Outputs: log_probs [B, N * outputs_per_step, classes]; with `frames`, which needs blocks, also
// heard [B, F, channels], what the encoder tells of each frame.
Network acoustic_network(const Weights& weights, const AcousticConfig& config, bool frames = false);

// The end of streams of a network with blocks in one run, over the states that acoustic_network()
// left: each block tells what it and those before it still hold, block K of 0 to blocks - 1 the
// Q = (K + 1) * ahead last frames of its stream. As runs of `lookahead` steps without frames would
// tell it, but those compute four blocks of all of these frames. The states of blocks stay as they
// were.
// Inputs: window.K [B, Q, past + Q], begun [B, F = blocks * ahead, 1], as above. Outputs: log_probs
// [B, lookahead * outputs_per_step, classes], heard [B, F, channels].
Network flush_network(const Weights& weights, const AcousticConfig& config, bool frames = false);

inline constexpr float kOutside = -1e4f;
inline constexpr std::int64_t kPlaces = 1500;  // a stream goes round in them

// The geometry is possible, and every tensor has its shape; errors name the key or the tensor.
Status check_acoustic_weights(const Weights& weights, const AcousticConfig& config);

}  // namespace antiphon::asr
