// Symbols to mel frames, a block at a time, for one utterance.
#pragma once

#include <array>
#include <cstdint>
#include <span>
#include <vector>

#include "tts/acoustic/decoder_state.h"
#include "tts/acoustic/guard.h"
#include "tts/acoustic/networks.h"
#include "tts/stream/net_runner.h"

namespace antiphon::tts {

// Not thread-safe: one per stream; the runners are those of the thread that calls.
class AcousticDecoder {
 public:
  AcousticDecoder(const AcousticGeometry& geometry, const DecoderConfig& decoder,
                  const GuardConfig& guard, float alignment_width)
      : geometry_(geometry),
        config_(decoder),
        guard_config_(guard),
        alignment_width_(alignment_width) {}

  // Encodes a new utterance. ids: 1 to symbols - 1, at least one. speaker: 0 to speakers - 1; 0
  // where the geometry has none.
  Status begin(NetRunner& encoder, std::span<const std::int32_t> ids, std::uint64_t seed,
               int speaker = 0);

  // Makes the next block: appends frames [n, mel_bins] before the post-net to `mel`.
  Status block(NetRunner& decoder, std::vector<float>& mel);

  bool done() const { return done_; }
  // The symbol at the attention's peak, for every frame so far; never falls.
  std::span<const std::int32_t> positions() const { return positions_; }
  // How often the walk had to be pushed on (for reports).
  int num_forced() const { return num_forced_; }
  const GuardLimits& limits() const { return limits_; }

 private:
  Status set_inputs(NetRunner& decoder);
  Status read_outputs(NetRunner& decoder, std::vector<float>& mel);
  void watch(std::size_t frames_before);
  void fill_masks();

  AcousticGeometry geometry_;
  DecoderConfig config_;
  GuardConfig guard_config_;
  float alignment_width_;
  std::size_t symbols_ = 0;
  std::vector<float> encoder_, key_, masks_, planned_block_;
  std::array<std::vector<float>, kNumCarried> carried_;
  GuardLimits limits_;
  PlannedAlignment plan_;
  std::vector<std::int32_t> positions_;
  std::uint64_t random_ = 0;
  int stuck_frames_ = 0;  // since the walk last came further than before
  int num_forced_ = 0;
  bool done_ = true;
};

}  // namespace antiphon::tts
