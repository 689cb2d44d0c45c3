// The life of a turn in one stream.
#include "asr/stream.h"

#include <algorithm>
#include <utility>

#include "asr/text/written_text.h"

namespace antiphon::asr {
namespace {

constexpr double kSamplesPerMs = 16.0;
constexpr std::size_t kPreRollSamples = 16 * 320;  // heard before the endpointer is sure
constexpr std::size_t kMaxQueueSamples = 16000 * 120;
constexpr int kStepSamples = 640;
constexpr std::int64_t kTailSteps = 4;
constexpr int kFinalSteps = 16;   // a run of the pass for finals while the turn goes on
constexpr int kPartialBeam = 32;  // of partials that another pass corrects in the end
constexpr double kPauseMs = 64;   // of silence that the network has heard: the text seldom changes

EndpointerConfig endpointer_config(const RecognizerOptions& o) {
  EndpointerConfig config;
  config.min_silence_ms = o.min_silence_ms;
  config.max_turn_ms = o.max_turn_ms;
  config.no_speech_ms = o.no_speech_ms;
  return config;
}

Status check(const RecognizerOptions& o) {
  const auto range = [](const char* name, double got, double low, double high) -> Status {
    if (got >= low && got <= high) return {};
    return invalid_argument(std::string(name) + " is " + std::to_string(got) + ", wanted " +
                            std::to_string(low) + " to " + std::to_string(high));
  };
  ANTIPHON_RETURN_IF_ERROR(range("min_silence_ms", o.min_silence_ms, 60, 10000));
  ANTIPHON_RETURN_IF_ERROR(range("max_turn_ms", o.max_turn_ms, 500, 120000));
  ANTIPHON_RETURN_IF_ERROR(range("no_speech_ms", o.no_speech_ms, 0, 600000));
  return range("num_alternatives", o.num_alternatives, 1, 32);
}

}  // namespace

Result<std::unique_ptr<Stream>> Stream::create(std::shared_ptr<SharedModels> models,
                                               const RecognizerOptions& options) {
  ANTIPHON_RETURN_IF_ERROR(check(options));
  ANTIPHON_ASSIGN_OR_RETURN(HotWords hot,
                            HotWords::create(options.hotwords, models->manifest.decoder.alphabet));
  ANTIPHON_ASSIGN_OR_RETURN(LogMel mel, LogMel::create(models->manifest.mel));
  std::unique_ptr<Stream> stream(new Stream(std::move(models), options, std::move(mel), hot));
  ANTIPHON_RETURN_IF_ERROR(stream->acquire());
  return stream;
}

Stream::Stream(std::shared_ptr<SharedModels> models, const RecognizerOptions& options, LogMel mel,
               const HotWords& hot_words)
    : models_(std::move(models)),
      options_(options),
      mel_(std::move(mel)),
      endpointer_(endpointer_config(options)) {
  listening_ = !options_.endpointing;
  AcousticModel *soon = models_->acoustic.get(), *late = models_->final_acoustic.get();
  passes_.reserve(2);
  for (AcousticModel* model : {soon, late}) {
    if (!model || (model == soon && late && !options_.partials)) continue;
    CtcDecoderConfig beam = models_->manifest.decoder;
    if (model == soon && late) beam.beam_width = std::min(beam.beam_width, kPartialBeam);
    passes_.emplace_back(model, CtcDecoder(beam, models_->lm.get(), hot_words, &models_->phrases));
  }
  if (late && options_.pauses) trial_.emplace(passes_.back());
}

Status Stream::acquire() {
  for (Pass& pass : passes_) {
    ANTIPHON_ASSIGN_OR_RETURN(pass.slot, pass.model->acquire());
  }
  ANTIPHON_ASSIGN_OR_RETURN(voice_slot_, models_->voice->acquire());
  return {};
}

Stream::~Stream() {
  for (const Pass& pass : passes_)
    if (pass.slot >= 0) pass.model->release(pass.slot);
  if (voice_slot_ >= 0) models_->voice->release(voice_slot_);
}

Status Stream::push(std::span<const float> pcm) {
  if (queue_.size() - queue_begin_ + pcm.size() > kMaxQueueSamples)
    return exhausted("recognition is " + std::to_string((queue_.size() - queue_begin_) / 16000) +
                     " s behind the audio; send it no faster than it is recognised");
  queue_.insert(queue_.end(), pcm.begin(), pcm.end());
  return {};
}

void Stream::end_turn() { end_asked_ = true; }

void Stream::cancel_turn() {
  events_.clear();
  heard_samples_ += static_cast<std::int64_t>(queue_.size() - queue_begin_);
  queue_.clear();
  queue_begin_ = 0;
  reset_turn();
}

bool Stream::ready() const {
  return end_asked_ || queue_.size() - queue_begin_ >= VoiceActivity::kChunkSamples ||
         std::any_of(passes_.begin(), passes_.end(),
                     [&](const Pass& pass) { return steps_waiting(pass) > 0; }) ||
         flush_waiting(*passes_.back().model);
}

std::optional<RecognizerEvent> Stream::pop() {
  if (events_.empty()) return std::nullopt;
  RecognizerEvent e = std::move(events_.front());
  events_.pop_front();
  return e;
}

double Stream::elapsed_ms() const { return static_cast<double>(heard_samples_) / kSamplesPerMs; }

void Stream::event(RecognizerEventKind kind, double at_ms, Transcript transcript) {
  const double decided_ms = kind == RecognizerEventKind::kSpeechEnd ? decided_ms_ : at_ms;
  events_.push_back({kind, at_ms, decided_ms, std::move(transcript)});
}

Pass* Stream::pass_of(const AcousticModel& model) {
  for (Pass& pass : passes_)
    if (pass.model == &model) return &pass;
  return nullptr;
}

int Stream::steps_waiting(const AcousticModel& model) const {
  for (const Pass& pass : passes_)
    if (pass.model == &model) return steps_waiting(pass);
  return 0;
}

// Partials have nothing more to say when the turn is over; the pass that nobody waits for until
// then runs in blocks, which cost less a step.
int Stream::steps_waiting(const Pass& pass) const {
  if (told_) return 0;
  const int waiting = pass.steps_waiting(frames_, ending_);
  if (ending_) return &pass == &passes_.back() ? waiting : 0;
  return pass.model == models_->final_acoustic.get() ? waiting / kFinalSteps * kFinalSteps
                                                     : waiting;
}

bool Stream::flush_waiting(const AcousticModel& model) const {
  const Pass& last = passes_.back();
  return last.model == &model && ending_ && !told_ && last.flush_waiting(frames_);
}

AcousticItem Stream::take(const AcousticModel& model, int steps) {
  return pass_of(model)->take(frames_, steps);
}

int Stream::take_flush(const AcousticModel& model) {
  Pass* pass = pass_of(model);
  pass->take_flush();
  return pass->slot;
}

void Stream::give(const AcousticModel& model, std::span<const float> log_probs,
                  std::span<const float> encoded, int steps) {
  pass_of(model)->give(log_probs, encoded, steps);
}

// Drops the frames that every pass has run.
void Stream::forget_frames() {
  std::size_t run = frames_.size();
  for (const Pass& pass : passes_) run = std::min(run, pass.begin);
  frames_.erase(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(run));
  for (Pass& pass : passes_) pass.begin -= run;
}

void Stream::feed_features(std::span<const float> pcm) {
  mel_.push(pcm);
  fed_samples_ += static_cast<std::int64_t>(pcm.size());
  const auto bins = static_cast<std::size_t>(models_->manifest.mel.mel_bins);
  while (mel_.num_ready() > 0) {
    frames_.resize(frames_.size() + bins);
    mel_.pop(std::span(frames_).last(bins));
  }
}

void Stream::begin_turn(double at_ms) {
  listening_ = true;
  turn_start_sample_ = heard_samples_ - static_cast<std::int64_t>(pre_roll_.size());
  event(RecognizerEventKind::kSpeechStart, at_ms);
  feed_features(pre_roll_);
  pre_roll_.clear();
}

Status Stream::hear_chunk(std::span<const float> chunk) {
  ANTIPHON_ASSIGN_OR_RETURN(const float probability, models_->voice->run(voice_slot_, chunk));
  const double offset_ms = elapsed_ms() - endpointer_.now_ms();
  heard_samples_ += static_cast<std::int64_t>(chunk.size());
  const EndpointEvent what = endpointer_.push(probability);
  if (listening_) {
    feed_features(chunk);
  } else {
    pre_roll_.insert(pre_roll_.end(), chunk.begin(), chunk.end());
    if (pre_roll_.size() > kPreRollSamples)
      pre_roll_.erase(pre_roll_.begin(),
                      pre_roll_.end() - static_cast<std::ptrdiff_t>(kPreRollSamples));
  }
  if (what == EndpointEvent::kSpeechStart) {
    if (listening_)
      event(RecognizerEventKind::kSpeechStart, offset_ms + endpointer_.begin_ms());
    else
      begin_turn(offset_ms + endpointer_.begin_ms());
  } else if (what == EndpointEvent::kSpeechEnd && options_.endpointing) {
    end_ms_ = offset_ms + endpointer_.voiced_end_ms();
    decided_ms_ = offset_ms + endpointer_.now_ms();
    finish_audio();
  } else if (what == EndpointEvent::kNoSpeech && options_.endpointing) {
    event(RecognizerEventKind::kNoSpeech, elapsed_ms());
    reset_turn();
  }
  return {};
}

Status Stream::listen() {
  forget_frames();
  constexpr std::size_t kChunk = VoiceActivity::kChunkSamples;
  while (!ending_ && queue_.size() - queue_begin_ >= kChunk) {
    const std::span<const float> chunk(queue_.data() + queue_begin_, kChunk);
    queue_begin_ += kChunk;
    ANTIPHON_RETURN_IF_ERROR(hear_chunk(chunk));
  }
  if (end_asked_ && !ending_ && queue_.size() - queue_begin_ < kChunk) {
    const std::span<const float> rest(queue_.data() + queue_begin_, queue_.size() - queue_begin_);
    if (listening_) feed_features(rest);
    heard_samples_ += static_cast<std::int64_t>(rest.size());
    queue_begin_ = queue_.size();
    forced_end_ = true;
    end_ms_ = endpointer_.in_speech()
                  ? elapsed_ms() - endpointer_.now_ms() + endpointer_.voiced_end_ms()
                  : elapsed_ms();
    if (!listening_) {  // nothing was said
      event(RecognizerEventKind::kNoSpeech, elapsed_ms());
      reset_turn();
    } else {
      finish_audio();
    }
  }
  if (queue_begin_ > kMaxQueueSamples / 8 || queue_begin_ == queue_.size()) {
    queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(queue_begin_));
    queue_begin_ = 0;
  }
  return {};
}

// Zeros up to whole steps and to the end of the last window, as in training; then the flush. Audio
// that is cut where the user says it ends may end in a letter: it gets the pause that the network
// has always heard behind one.
void Stream::finish_audio() {
  const std::int64_t missing = (kStepSamples - fed_samples_ % kStepSamples) % kStepSamples +
                               (forced_end_ ? kTailSteps * kStepSamples : 0);
  const auto want = static_cast<std::size_t>((fed_samples_ + missing) / 160);
  std::vector<float> zeros(static_cast<std::size_t>(missing) + 400, 0.0f);
  const auto fed = static_cast<std::size_t>(fed_samples_);
  feed_features(zeros);
  // Frames beyond the padded audio come only from the extra zeros: cut them.
  const std::size_t made = (fed + zeros.size() + 200 - 456) / 160 + 1;
  if (made > want)
    frames_.resize(frames_.size() -
                   (made - want) * static_cast<std::size_t>(models_->manifest.mel.mel_bins));
  ending_ = true;
  told_ = !forced_end_ && trial_voice_ms_ == endpointer_.voiced_end_ms();
  for (Pass& pass : passes_) pass.end();
}

void Stream::settle() {
  Pass &first = passes_.front(), &last = passes_.back();
  if (ending_ && steps_waiting(last) == 0 && !flush_waiting(*last.model)) {
    emit_final();
    return;
  }
  if (first.changed && options_.partials) emit_partial();
  if ((first.changed || trial_) && options_.pauses) emit_pause();
  first.changed = last.changed = false;
}

// The pass that gives the final is late: a copy of it hears the end now, and the stream goes on as
// if nothing had been asked.
Status Stream::hear_end_of_trial() {
  const Pass& last = passes_.back();
  AcousticModel& model = *last.model;
  *trial_ = last;
  trial_->slot = model.spare();
  trial_->end();
  model.copy(last.slot, trial_->slot);
  return trial_->run_to_end(frames_);
}

std::vector<DecodedText> Stream::texts_of(Pass& pass) {
  if (models_->hybrid)
    return models_->hybrid->decode(pass.decoder, pass.heard, options_.num_alternatives);
  return pass.decoder.finish(options_.num_alternatives);
}

// What the final will say if nothing more comes. It costs nothing where the beam has it, and is
// asked once a silence where it costs a run; a run that fails here will fail at the final, aloud.
void Stream::emit_pause() {
  const double ahead_ms = models_->manifest.acoustic.lookahead * AcousticConfig::kStepMs;
  if (endpointer_.silence_ms() < kPauseMs + ahead_ms) {
    pause_text_.clear();
    return;
  }
  if (trial_voice_ms_ == endpointer_.voiced_end_ms()) return;
  std::string text;
  if (trial_) {
    if (!hear_end_of_trial().ok()) return;
    trial_texts_ = texts_of(*trial_);
    trial_voice_ms_ = endpointer_.voiced_end_ms();
    if (!trial_texts_.empty()) text = trial_texts_.front().text;
  } else {
    text = passes_.back().decoder.best_ended();
  }
  if (text.empty() || text == pause_text_) return;
  pause_text_ = text;
  Transcript t;
  t.spoken = std::move(text);
  event(RecognizerEventKind::kPause, elapsed_ms(), std::move(t));
}

void Stream::emit_partial() {
  int stable = 0;
  const std::string text = passes_.front().decoder.best(&stable);
  if (text.empty() || text == last_partial_) return;
  last_partial_ = text;
  Transcript t;
  t.spoken = text;
  if (options_.written) {
    std::size_t stable_bytes = 0;
    t.text = written_partial(text, static_cast<std::size_t>(stable), &stable_bytes);
    t.stable_bytes = static_cast<std::int32_t>(stable_bytes);
  } else {
    t.text = text;
    t.stable_bytes = stable;
  }
  event(RecognizerEventKind::kPartial, elapsed_ms(), std::move(t));
}

std::string Stream::text_of(const std::string& spoken) const {
  return options_.written ? written_text(spoken) : spoken;
}

void Stream::emit_final() {
  const bool by_endpoint = !forced_end_;
  if (by_endpoint) event(RecognizerEventKind::kSpeechEnd, end_ms_);
  const std::vector<DecodedText> texts = told_ ? trial_texts_ : texts_of(passes_.back());
  if (texts.empty() || texts.front().text.empty()) {
    event(RecognizerEventKind::kNoSpeech, end_ms_);
    reset_turn();
    return;
  }
  Transcript t;
  t.is_final = true;
  t.spoken = texts.front().text;
  t.text = text_of(t.spoken);
  t.stable_bytes = static_cast<std::int32_t>(t.text.size());
  const double start_ms = static_cast<double>(turn_start_sample_) / kSamplesPerMs;
  const double delay_ms = models_->manifest.decoder.delay_ms;
  const double row_ms = models_->manifest.acoustic.row_ms();
  float sum = 0;
  for (const DecodedWord& word : texts.front().words) {
    // A letter is heard in its row; words start some 40 ms before their first letter peaks.
    const auto time_ms = [&](double ms) { return start_ms + std::max(0.0, ms - delay_ms); };
    t.words.push_back({word.text, time_ms(word.first_step * row_ms - AcousticConfig::kStepMs),
                       time_ms((word.last_step + 1) * row_ms), word.confidence});
    sum += word.confidence;
  }
  t.confidence = t.words.empty() ? 0 : sum / static_cast<float>(t.words.size());
  for (const DecodedText& text : texts) t.alternatives.push_back({text_of(text.text), text.share});
  event(RecognizerEventKind::kFinal, end_ms_, std::move(t));
  reset_turn();
}

void Stream::reset_turn() {
  for (Pass& pass : passes_) {
    pass.model->reset(pass.slot);
    pass.restart();
  }
  models_->voice->reset(voice_slot_);
  mel_.reset();
  endpointer_.reset();
  frames_.clear();
  pre_roll_.clear();
  fed_samples_ = 0;
  turn_start_sample_ = heard_samples_;
  listening_ = !options_.endpointing;
  end_asked_ = ending_ = forced_end_ = told_ = false;
  trial_voice_ms_ = -1;
  last_partial_.clear();
  pause_text_.clear();
}

}  // namespace antiphon::asr
