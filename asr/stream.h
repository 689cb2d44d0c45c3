// One session's recognition: audio queue, endpointing, features, beam, and the events they give.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "asr/acoustic_model.h"
#include "asr/ctc_decoder.h"
#include "asr/endpointer.h"
#include "asr/log_mel.h"
#include "asr/pack.h"
#include "asr/voice_activity.h"
#include "pipeline/stages.h"

namespace antiphon::asr {

// What all streams share. Owned by the recogniser; outlives its streams through shared_ptr.
struct SharedModels {
  PackManifest manifest;
  std::unique_ptr<AcousticModel> acoustic;
  std::unique_ptr<VoiceActivity> voice;
  std::unique_ptr<LanguageModel> lm;  // may be null
  PhraseModel phrases;                // may be empty
};

// The recogniser of models made elsewhere (create_recognizer() makes them from packs).
std::unique_ptr<Recognizer> make_recognizer(std::shared_ptr<SharedModels> models);

// The recogniser calls, on its lane: listen() (audio to frames), then take_frames() and give() for
// every batched run, then settle(). Not thread-safe.
class Stream final : public RecognizerStream {
 public:
  static Result<std::unique_ptr<Stream>> create(std::shared_ptr<SharedModels> models,
                                                const RecognizerOptions& options);
  ~Stream() override;

  Status push(std::span<const float> pcm) override;
  void end_turn() override;
  void cancel_turn() override;
  bool ready() const override;
  std::optional<RecognizerEvent> pop() override;

  // Moves queued audio through voice activity and features, up to the end of this turn.
  Status listen();
  // Steps of 40 ms that can be run now: of frames, and of the flush behind the last one.
  int steps_waiting() const;
  // The turn's audio is at its end: take() may ask for more steps than wait, which mean nothing.
  bool ending() const { return ending_; }
  AcousticItem take(int steps);  // valid until the next listen()
  // log_probs: of all steps, [steps * outputs_per_step, classes].
  void give(std::span<const float> log_probs, int steps);
  // Emits a partial or the final after the runs of one advance().
  void settle();

 private:
  Stream(std::shared_ptr<SharedModels> models, const RecognizerOptions& options, LogMel mel,
         HotWords hot_words);
  int frames_waiting() const;
  Status hear_chunk(std::span<const float> chunk);
  void feed_features(std::span<const float> pcm);
  void finish_audio();
  void begin_turn(double at_ms);
  void emit_partial();
  void emit_pause();
  std::string text_of(const std::string& spoken) const;
  void emit_final();
  void reset_turn();
  void event(RecognizerEventKind kind, double at_ms, Transcript transcript = {});
  double elapsed_ms() const;

  std::shared_ptr<SharedModels> models_;
  RecognizerOptions options_;
  int acoustic_slot_ = -1, voice_slot_ = -1;
  LogMel mel_;
  CtcDecoder decoder_;
  Endpointer endpointer_;
  std::vector<float> queue_;  // audio not heard yet
  std::size_t queue_begin_ = 0;
  std::vector<float> pre_roll_;  // the last audio before speech
  std::vector<float> frames_;    // [frames, mel_bins] not run yet
  std::size_t frames_begin_ = 0;
  std::int64_t heard_samples_ = 0;      // since the stream was opened
  std::int64_t turn_start_sample_ = 0;  // of the first sample given to the features
  std::int64_t fed_samples_ = 0;        // to the features in this turn
  bool listening_ = false;              // features run: speech has begun, or endpointing is off
  bool end_asked_ = false;              // end_turn() was called
  bool ending_ = false;                 // no more audio in this turn
  bool forced_end_ = false;             // ended by the caller, not by the endpointer
  int flush_left_ = 0;                  // flushed steps still to run
  int surplus_ = 0;                     // steps at the end of the last take() that mean nothing
  int skip_ = 0;                        // steps whose outputs are still to drop
  bool changed_ = false;                // new outputs since the last partial
  std::string last_partial_;            // spoken
  std::string pause_text_;              // of the last kPause in this silence
  double end_ms_ = 0, decided_ms_ = 0;
  std::deque<RecognizerEvent> events_;
};

}  // namespace antiphon::asr
