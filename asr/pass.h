// One way through a turn: a network with its look-ahead, its state and its beam.
#pragma once

#include <cstddef>
#include <span>
#include <utility>
#include <vector>

#include "asr/acoustic_model.h"
#include "asr/ctc_decoder.h"

namespace antiphon::asr {

// `frames` is always what the stream holds: [frames, mel_bins]. The stream owns the slot.
struct Pass {
  Pass(AcousticModel* network, CtcDecoder beam) : model(network), decoder(std::move(beam)) {
    restart();
  }

  // Steps of 40 ms that can be run: of frames, and once the audio has ended of the flush behind
  // unless the model flushes at once.
  int steps_waiting(std::span<const float> frames, bool ended) const;
  // More steps than wait mean nothing; valid as long as `frames`.
  AcousticItem take(std::span<const float> frames, int steps);
  // log_probs: of all steps, [steps * outputs_per_step, classes]; encoded: the encoder's frames of
  // them, [steps * 2, channels], empty if the model tells none.
  void give(std::span<const float> log_probs, std::span<const float> encoded, int steps);
  void end() { flush_left = model->config().lookahead; }
  // Ended and run: what is left is the model's flush of this slot. take_flush() before it, then
  // give() of `lookahead` steps.
  bool flush_waiting(std::span<const float> frames) const;
  void take_flush();
  // Runs and gives all that waits up to the turn's end, which end() has told.
  Status run_to_end(std::span<const float> frames);
  // A new turn; the slot's state is the caller's to reset.
  void restart();

  AcousticModel* model;
  int slot = -1;
  CtcDecoder decoder;
  // The encoder's frames of the turn so far, [frames, channels], two a step; empty if the model
  // tells none.
  std::vector<float> heard;
  std::size_t begin = 0;  // first value of the frames that was not run yet
  int flush_left = 0;     // flushed steps still to run
  int surplus = 0;        // steps at the end of the last take() that mean nothing
  int skip = 0;           // steps whose outputs are still to drop
  bool changed = false;   // new outputs since the stream looked
};

// The largest power of two of `waiting` steps, so that few shapes are bound. At a turn's end the
// next larger one if that is nearly as many: a run costs as much as three steps, beside its own.
int run_length(int waiting, int most, bool ended);

}  // namespace antiphon::asr
