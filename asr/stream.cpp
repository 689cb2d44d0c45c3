// The life of a turn in one stream.
#include "asr/stream.h"

#include <algorithm>

#include "asr/text/written_text.h"

namespace antiphon::asr {
namespace {

constexpr double kSamplesPerMs = 16.0;
constexpr std::size_t kPreRollSamples = 16 * 320;  // heard before the endpointer is sure
constexpr std::size_t kMaxQueueSamples = 16000 * 120;
constexpr int kStepSamples = 640;
constexpr std::int64_t kTailSteps = 4;
constexpr double kPauseMs = 64;  // of silence that the network has heard: the text seldom changes

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
  std::unique_ptr<Stream> stream(
      new Stream(std::move(models), options, std::move(mel), std::move(hot)));
  ANTIPHON_ASSIGN_OR_RETURN(stream->acoustic_slot_, stream->models_->acoustic->acquire());
  ANTIPHON_ASSIGN_OR_RETURN(stream->voice_slot_, stream->models_->voice->acquire());
  return stream;
}

Stream::Stream(std::shared_ptr<SharedModels> models, const RecognizerOptions& options, LogMel mel,
               HotWords hot_words)
    : models_(std::move(models)),
      options_(options),
      mel_(std::move(mel)),
      decoder_(models_->manifest.decoder, models_->lm.get(), std::move(hot_words),
               &models_->phrases),
      endpointer_(endpointer_config(options)) {
  listening_ = !options_.endpointing;
  skip_ = models_->manifest.acoustic.lookahead;
}

Stream::~Stream() {
  if (acoustic_slot_ >= 0) models_->acoustic->release(acoustic_slot_);
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
  return end_asked_ || steps_waiting() > 0 ||
         queue_.size() - queue_begin_ >= VoiceActivity::kChunkSamples;
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

int Stream::frames_waiting() const {
  return static_cast<int>((frames_.size() - frames_begin_) /
                          static_cast<std::size_t>(models_->manifest.mel.mel_bins));
}

int Stream::steps_waiting() const {
  return frames_waiting() / AcousticConfig::kFramesPerStep + (ending_ ? flush_left_ : 0);
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
  if (frames_begin_ > 0) {
    frames_.erase(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(frames_begin_));
    frames_begin_ = 0;
  }
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
  flush_left_ = models_->manifest.acoustic.lookahead;
}

AcousticItem Stream::take(int steps) {
  const int heard = std::min(steps, frames_waiting() / AcousticConfig::kFramesPerStep);
  const int flushed = std::min(steps - heard, flush_left_);
  flush_left_ -= flushed;
  surplus_ = steps - heard - flushed;
  const auto count = static_cast<std::size_t>(heard * AcousticConfig::kFramesPerStep *
                                              models_->manifest.mel.mel_bins);
  const std::span<const float> frames(frames_.data() + frames_begin_, count);
  frames_begin_ += count;
  return {acoustic_slot_, frames};
}

void Stream::give(std::span<const float> log_probs, int steps) {
  const int dropped = std::min(skip_, steps - surplus_), used = steps - surplus_ - dropped;
  skip_ -= dropped;
  const AcousticConfig& net = models_->manifest.acoustic;
  const std::size_t floats = net.step_floats();
  decoder_.advance(log_probs.subspan(static_cast<std::size_t>(dropped) * floats,
                                     static_cast<std::size_t>(used) * floats),
                   used * net.outputs_per_step);
  changed_ = changed_ || used > 0;
}

void Stream::settle() {
  if (ending_ && steps_waiting() == 0) {
    emit_final();
    return;
  }
  if (changed_ && options_.partials) emit_partial();
  if (changed_ && options_.pauses) emit_pause();
  changed_ = false;
}

// What the final will say if nothing more comes.
void Stream::emit_pause() {
  const double ahead_ms = models_->manifest.acoustic.lookahead * AcousticConfig::kStepMs;
  if (endpointer_.silence_ms() < kPauseMs + ahead_ms) {
    pause_text_.clear();
    return;
  }
  std::string text = decoder_.best_ended();
  if (text.empty() || text == pause_text_) return;
  pause_text_ = text;
  Transcript t;
  t.spoken = std::move(text);
  event(RecognizerEventKind::kPause, elapsed_ms(), std::move(t));
}

void Stream::emit_partial() {
  int stable = 0;
  const std::string text = decoder_.best(&stable);
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
  std::vector<DecodedText> texts = decoder_.finish(options_.num_alternatives);
  if (decoder_.empty() || texts.empty() || texts.front().text.empty()) {
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
  models_->acoustic->reset(acoustic_slot_);
  models_->voice->reset(voice_slot_);
  mel_.reset();
  decoder_.reset();
  endpointer_.reset();
  frames_.clear();
  frames_begin_ = 0;
  pre_roll_.clear();
  fed_samples_ = 0;
  turn_start_sample_ = heard_samples_;
  listening_ = !options_.endpointing;
  end_asked_ = ending_ = forced_end_ = changed_ = false;
  flush_left_ = surplus_ = 0;
  skip_ = models_->manifest.acoustic.lookahead;
  last_partial_.clear();
  pause_text_.clear();
}

}  // namespace antiphon::asr
