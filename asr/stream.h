// One session's recognition: audio queue, endpointing, features, beam, and the events they give.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "asr/acoustic_model.h"
#include "asr/endpointer.h"
#include "asr/hybrid_decoder.h"
#include "asr/log_mel.h"
#include "asr/pack.h"
#include "asr/pass.h"
#include "asr/voice_activity.h"
#include "pipeline/stages.h"

namespace antiphon::asr {

// What all streams share. Owned by the recogniser; outlives its streams through shared_ptr.
struct SharedModels {
  PackManifest manifest;
  std::unique_ptr<AcousticModel> acoustic;
  // Looks further ahead; null: finals are acoustic's.
  std::unique_ptr<AcousticModel> final_acoustic;
  std::unique_ptr<HybridDecoder> hybrid;  // of finals; null: they are CTC's alone
  std::unique_ptr<VoiceActivity> voice;
  std::unique_ptr<LanguageModel> lm;  // may be null
  PhraseModel phrases;                // may be empty
};

// The recogniser of models made elsewhere (create_recognizer() makes them from packs).
std::unique_ptr<Recognizer> make_recognizer(std::shared_ptr<SharedModels> models);

// A pack whose finals look further ahead goes through a turn twice: partials come from the pass
// that is soon there, the final from the other one, whose steps run in blocks; a stream that wants
// no partials has the second pass alone.
//
// The recogniser calls, on its lane: listen() (audio to frames), then take() and give() for every
// batched run of either network, take_flush() and give() for every flush, then settle(). Not
// thread-safe.
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
  // Steps of 40 ms that `model` should run now: of frames, and of the flush behind the last one
  // unless it flushes at once.
  int steps_waiting(const AcousticModel& model) const;
  // The turn's audio is at its end: take() may ask for more steps than wait, which mean nothing.
  bool ending() const { return ending_; }
  AcousticItem take(const AcousticModel& model, int steps);  // valid until the next listen()
  // All of the turn was run: what is left is the model's flush of a slot, which take_flush() tells;
  // then give() of `lookahead` steps.
  bool flush_waiting(const AcousticModel& model) const;
  int take_flush(const AcousticModel& model);
  // log_probs: of all steps, [steps * outputs_per_step, classes]; encoded: the encoder's frames of
  // them, [steps * 2, channels], empty if the model tells none.
  void give(const AcousticModel& model, std::span<const float> log_probs,
            std::span<const float> encoded, int steps);
  // Emits a partial or the final after the runs of one advance().
  void settle();

 private:
  Stream(std::shared_ptr<SharedModels> models, const RecognizerOptions& options, LogMel mel,
         const HotWords& hot_words);
  Status acquire();
  Pass* pass_of(const AcousticModel& model);
  int steps_waiting(const Pass& pass) const;
  void forget_frames();
  Status hear_chunk(std::span<const float> chunk);
  void feed_features(std::span<const float> pcm);
  void finish_audio();
  void begin_turn(double at_ms);
  void emit_partial();
  void emit_pause();
  Status hear_end_of_trial();
  std::vector<DecodedText> texts_of(Pass& pass);
  std::string text_of(const std::string& spoken) const;
  void emit_final();
  void reset_turn();
  void event(RecognizerEventKind kind, double at_ms, Transcript transcript = {});
  double elapsed_ms() const;

  std::shared_ptr<SharedModels> models_;
  RecognizerOptions options_;
  int voice_slot_ = -1;
  LogMel mel_;
  std::vector<Pass> passes_;              // the last one gives the finals
  std::optional<Pass> trial_;             // a copy of it, ended in a pause
  std::vector<DecodedText> trial_texts_;  // what it heard
  Endpointer endpointer_;
  std::vector<float> queue_;  // audio not heard yet
  std::size_t queue_begin_ = 0;
  std::vector<float> pre_roll_;         // the last audio before speech
  std::vector<float> frames_;           // [frames, mel_bins] that some pass has not run yet
  std::int64_t heard_samples_ = 0;      // since the stream was opened
  std::int64_t turn_start_sample_ = 0;  // of the first sample given to the features
  std::int64_t fed_samples_ = 0;        // to the features in this turn
  bool listening_ = false;              // features run: speech has begun, or endpointing is off
  bool end_asked_ = false;              // end_turn() was called
  bool ending_ = false;                 // no more audio in this turn
  bool forced_end_ = false;             // ended by the caller, not by the endpointer
  std::string last_partial_;            // spoken
  std::string pause_text_;              // of the last kPause in this silence
  bool told_ = false;  // the turn ended in the silence that trial_ heard: its texts are the final's
  double trial_voice_ms_ = -1;  // end of the voice before that silence; -1: none was heard
  double end_ms_ = 0, decided_ms_ = 0;
  std::deque<RecognizerEvent> events_;
};

}  // namespace antiphon::asr
