// The acoustic network over the engine: log-mel frames of many streams in, CTC log-probabilities
// out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/weights.h"

namespace antiphon::asr {

// Geometry of training/asr/model.py: two causal strided convolutions, LSTM layers with layer norm
// and residuals, a depth-wise look-ahead convolution. With blocks > 0 that of
// training/asr/listener.py: two convolutions, blocks of attention over a window that moves with
// the stream (Whisper's encoder, arXiv 2212.04356), LSTM layers; no `front` then.
struct AcousticConfig {
  int mel_bins = 80;
  int front = 256;  // channels after the first convolution
  int width = 688;
  int layers = 4;
  int lookahead = 4;  // steps of future that a step needs; of blocks: blocks * ahead / 2
  int classes = 29;
  int blocks = 0;  // of attention
  int channels = 384, heads = 6, inner = 1536;
  int past = 61, ahead = 3;  // frames of 20 ms around the own one that a block hears
  int outputs_per_step = 1;  // rows of log-probabilities that a step gives, each of its share
  static constexpr int kFramesPerStep = 4;
  static constexpr int kBlockFramesPerStep = 2;
  static constexpr int kMostOutputs = 4;  // outputs_per_step: one a frame
  static constexpr double kStepMs = 40;

  double row_ms() const { return kStepMs / outputs_per_step; }
  // Values of a step: [outputs_per_step, classes].
  std::size_t step_floats() const { return static_cast<std::size_t>(outputs_per_step * classes); }
};

struct AcousticModelOptions {
  AcousticConfig config;
  Precision precision = Precision::kInt8;
  int max_streams = 64;  // state slots
  int max_batch = 8;     // streams a run
  int max_steps = 16;    // steps a run
  std::string max_isa;
  PlanFolder plans;
  ThreadTeam* team = nullptr;
  Logger* logger = nullptr;
  std::string plan_name = "acoustic";  // of its file in `plans`
  bool spare = false;                  // one slot more, for spare()
  bool frames = false;                 // runs also tell the encoder's frames, heard()
  bool flush = true;                   // of a network with blocks: flush()
};

// One stream's part of a run. Every item of a run has the same number of steps.
struct AcousticItem {
  int slot = -1;
  // [<= steps * 4, mel_bins], whole steps. Fewer: the stream has ended and the rest is flushed.
  std::span<const float> frames;
};

// Owns plans, state and contexts. run(), flush() and reset() on one thread at a time; acquire() and
// release() on any.
//
// The look-ahead delays the output: the first `lookahead` steps after a reset mean nothing, and
// after the last frame `lookahead` flushed steps bring out the rest: by run() or, at once, by
// flush().
class AcousticModel {
 public:
  // kInvalidArgument: weights or options that do not fit each other; frames without blocks.
  static Result<std::unique_ptr<AcousticModel>> create(const Weights& weights,
                                                       const AcousticModelOptions& options);

  Result<int> acquire();
  void release(int slot) { pool_->release(slot); }
  void reset(int slot);
  // A slot of the model's own that copy() may fill, for runs that leave the stream as it is; -1:
  // not asked for.
  int spare() const { return spare_; }
  void copy(int from, int to);
  int num_used() const { return pool_->num_used() - (spare_ >= 0 ? 1 : 0); }
  int max_batch() const { return options_.max_batch; }
  int max_steps() const { return options_.max_steps; }
  const AcousticConfig& config() const { return options_.config; }
  const Plan& plan() const { return *plan_; }

  // Log-probabilities [items, steps * outputs_per_step, classes], valid until the next call.
  Result<std::span<const float>> run(std::span<const AcousticItem> items, int steps);
  // Whether flush() is there: the network has blocks, and the options ask for it.
  bool flushes() const { return flush_ != nullptr; }
  // What `lookahead` more steps without frames would tell, for less: log-probabilities [slots,
  // lookahead * outputs_per_step, classes], valid until the next call. Then a slot can only be
  // reset(), released or copied to. kInvalidArgument: this has been done to one; it must not.
  Result<std::span<const float>> flush(std::span<const int> slots);
  // The encoder's frames of the last run or flush, [items, steps * 2, channels], valid until the
  // next one; empty: nothing was run, or not asked for. As late as the log-probabilities.
  std::span<const float> heard() const;

 private:
  // How far a stream with blocks is.
  struct Progress {
    std::int64_t frames = 0;  // of 20 ms that its slot was given
    std::int64_t end = -1;    // of those, how many were heard; -1: not ended
    bool flushed = false;     // its state is of no use any more
  };
  // Of the windows of a run: frames that ask, and those they may hear.
  struct Extents {
    std::int64_t queries, keys;
  };

  AcousticModel() = default;
  Status create_flush(const Weights& weights);
  Status check_not_flushed() const;
  Status write_valid(std::span<const AcousticItem> items, std::int64_t steps);
  Status write_stream(std::span<const AcousticItem> items, std::int64_t frames);
  Status write_places(std::span<const AcousticItem> items, std::int64_t frames);
  Status write_begun(Context& context, std::int64_t frames);
  Status write_window(Context& context, int block, const Extents& extents);

  int spare_ = -1;
  std::vector<Progress> progress_;         // by slot
  std::vector<std::string> window_names_;  // by block
  AcousticModelOptions options_;
  std::shared_ptr<const Plan> plan_;
  std::unique_ptr<StatePool> pool_;
  std::unique_ptr<Context> context_;
  std::unique_ptr<Context> flush_;  // over the same states; null: without it
  const Context* last_ = nullptr;   // that was run
  std::vector<int> slots_;          // of the run
};

}  // namespace antiphon::asr
