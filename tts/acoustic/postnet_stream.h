// The post-net over a stream of frames.
#pragma once

#include <vector>

#include "tts/acoustic/networks.h"
#include "tts/stream/net_runner.h"

namespace antiphon::tts {

// Gives every frame of the utterance once, post_delay_frames() behind what it was fed.
// The state slot must be zeroed by the owner before an utterance begins.
class PostnetStream {
 public:
  PostnetStream(const AcousticGeometry& geometry, int block_frames)
      : geometry_(geometry), block_frames_(block_frames) {}

  void begin();
  // mel: [n, mel_bins], taken from the front in whole blocks (all of it when `last`); what is ready
  // is appended to `out`. Runs in blocks of block_frames, padded after the end.
  Status push(NetRunner& postnet, int slot, std::vector<float>& mel, bool last,
              std::vector<float>& out);

 private:
  Status run_block(NetRunner& postnet, int slot, std::span<const float> mel,
                   std::vector<float>& out);

  AcousticGeometry geometry_;
  int block_frames_;
  std::int64_t fed_ = 0, given_ = 0, skip_ = 0;
  std::vector<float> padded_, mask_;
};

}  // namespace antiphon::tts
