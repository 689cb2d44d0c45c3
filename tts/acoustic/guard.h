// What keeps the attention from skipping, repeating and running away: numbers for every symbol.
#pragma once

#include <span>
#include <vector>

namespace antiphon::tts {

struct GuardConfig {
  float stall_factor = 3.0f;  // a symbol held for longer than factor x predicted + frames is left
  float stall_frames = 15.0f;
  int ahead = 4;  // symbols ahead of the last peak that the attention may see at most
  float max_skipped_frames =
      14.0f;  // symbols of more predicted frames than this together are never jumped over
  int max_frames = 1500;        // of one utterance
  float default_frames = 7.0f;  // of a symbol, where the pack predicts none
};

// One entry a symbol; see decoder_network().
struct GuardLimits {
  std::vector<float> index, expected, limit, reach;
  // The utterance is cut here: twice what a walk at all limits takes.
  int max_frames = 0;
};

// log_frames: natural logs, [symbols]; empty: none are predicted.
GuardLimits guard_limits(std::span<const float> log_frames, std::size_t symbols,
                         const GuardConfig& config);

// The Gaussian alignment along the durations, [frames, symbols], and its frame count.
struct PlannedAlignment {
  int frames = 0;
  std::vector<float> weights;
};
PlannedAlignment plan_alignment(std::span<const float> expected, float width, int max_frames);

}  // namespace antiphon::tts
