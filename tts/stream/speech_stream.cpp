// The chain from words to samples, pulled chunk by chunk.
#include "tts/stream/speech_stream.h"

#include <algorithm>

namespace antiphon::tts {
namespace {

// Gives the networks back whatever happens.
class Lease {
 public:
  explicit Lease(RunnerSource& source) : source_(source), runners_(source.take()) {}
  ~Lease() { source_.give(runners_); }
  Lease(const Lease&) = delete;
  Lease& operator=(const Lease&) = delete;
  Runners& operator*() { return runners_; }

 private:
  RunnerSource& source_;
  Runners& runners_;
};

}  // namespace

std::size_t VoiceData::vocoder_of(int speaker) const {
  const std::string& name = tts.voices[static_cast<std::size_t>(speaker)];
  const auto found = std::find_if(vocoder.voices.begin(), vocoder.voices.end(),
                                  [&](const VocoderVoice& voice) { return voice.name == name; });
  return found == vocoder.voices.end()
             ? 0
             : static_cast<std::size_t>(found - vocoder.voices.begin()) + 1;
}

SpeechStream::SpeechStream(std::shared_ptr<const VoiceData> voice,
                           std::shared_ptr<RunnerSource> source, int slot, std::string text,
                           Speech speech, float speed, int speaker)
    : voice_(std::move(voice)),
      source_(std::move(source)),
      slot_(slot),
      text_(std::move(text)),
      speech_(std::move(speech)),
      speed_(speed),
      speaker_(speaker),
      utterances_(cut_utterances(speech_)),
      decoder_(voice_->geometry, voice_->tts.decoder, voice_->tts.guard,
               voice_->tts.alignment_width),
      postnet_(voice_->geometry, voice_->tts.decoder.block_frames),
      time_scale_(static_cast<std::size_t>(voice_->geometry.mel_bins)),
      vocoder_(voice_->vocoder.network, voice_->vocoder.sigma, voice_->vocoder.rate_hz) {
  if (!utterances_.empty()) silence(speech_.lead_pause_ms);
}

SpeechStream::~SpeechStream() { source_->release(slot_); }

void SpeechStream::silence(int milliseconds) {
  samples_.resize(
      samples_.size() + static_cast<std::size_t>(static_cast<std::int64_t>(milliseconds) *
                                                 voice_->tts.rate_hz / 1000),
      0.0f);
}

double SpeechStream::ms_of_frame(std::size_t frame) const {
  const double samples =
      static_cast<double>(utterance_start_) +
      time_scale_.output_frame(static_cast<double>(frame)) * voice_->tts.hop_samples;
  return samples * 1000.0 / voice_->tts.rate_hz;
}

Status SpeechStream::begin_utterance(Runners& runners) {
  const Utterance& u = utterances_[utterance_];
  G2p g2p(*(runners.g2p ? runners.g2p : runners.encoder), voice_->g2p);
  const Phonemiser phonemiser(voice_->lexicon, runners.g2p ? &g2p : nullptr);
  ANTIPHON_ASSIGN_OR_RETURN(symbols_, phonemiser.phonemise(speech_, u, voice_->tts.symbols));
  if (symbols_.words.empty()) {  // nothing in it can be said
    silence(u.pause_after_ms);
    ++utterance_;
    return {};
  }
  if (symbols_.symbols.size() > voice_->max_symbols) symbols_.symbols.resize(voice_->max_symbols);
  std::vector<std::int32_t> ids;
  for (const char32_t c : symbols_.symbols)
    ids.push_back(static_cast<std::int32_t>(voice_->tts.symbols.find(c)) + 1);
  const std::uint64_t seed = voice_->seed + 1000003 * utterance_;
  const int speaker = u.voice < 0 ? speaker_ : u.voice;
  ANTIPHON_RETURN_IF_ERROR(decoder_.begin(*runners.encoder, ids, seed, speaker));
  source_->reset(slot_);
  postnet_.begin();
  time_scale_.begin(std::clamp(speed_ * u.rate, 0.25f, 4.0f));
  vocoder_index_ = voice_->vocoder_of(speaker);
  vocoder_.begin(seed, voice_->network_of(vocoder_index_));
  raw_mel_.clear(), mel_.clear(), frames_.clear();
  next_word_ = 0;
  utterance_start_ = given_samples_ + static_cast<std::int64_t>(samples_.size());
  speaking_ = first_block_ = true;
  return {};
}

Status SpeechStream::run_vocoder(Runners& runners, bool last) {
  const auto bins = static_cast<std::size_t>(voice_->geometry.mel_bins);
  std::size_t at = 0;
  const VocoderRunners& nets = runners.vocoders[vocoder_index_];
  const auto run = [&](std::size_t inside, int frames) {
    const Status status = vocoder_.run(
        nets.pitch, *nets.flows, slot_,
        std::span<const float>(frames_).subspan(at * bins, inside * bins), frames, samples_);
    at += inside;
    return status;
  };
  const std::size_t count = frames_.size() / bins;
  while (true) {
    const int block = first_block_ ? voice_->first_vocoder_frames : voice_->vocoder_frames;
    if (count - at < static_cast<std::size_t>(block)) break;
    ANTIPHON_RETURN_IF_ERROR(run(static_cast<std::size_t>(block), block));
    first_block_ = false;
  }
  if (last) {
    if (at < count)
      ANTIPHON_RETURN_IF_ERROR(
          run(count - at, first_block_ ? voice_->first_vocoder_frames : voice_->vocoder_frames));
    while (vocoder_.samples_inside() > 0) ANTIPHON_RETURN_IF_ERROR(run(0, voice_->vocoder_frames));
  }
  frames_.erase(frames_.begin(), frames_.begin() + static_cast<std::ptrdiff_t>(at * bins));
  return {};
}

void SpeechStream::flush_word() {
  if (word_) words_.push_back(std::move(*word_));
  word_.reset();
  word_begin_ = word_end_ = -1;
}

// A word's times are known when the walk has passed it. Words made of the same bytes are one.
void SpeechStream::collect_words(bool last) {
  const auto positions = decoder_.positions();
  const auto frame_at = [&](std::size_t symbol) {
    return static_cast<std::size_t>(
        std::lower_bound(positions.begin(), positions.end(), static_cast<std::int32_t>(symbol)) -
        positions.begin());
  };
  for (; next_word_ < symbols_.words.size(); ++next_word_) {
    const WordSpan& span = symbols_.words[next_word_];
    const std::size_t end = frame_at(span.end);
    if (end == positions.size() && !last) return;
    const SpokenWord& spoken = speech_.words[span.word];
    if (spoken.begin != word_begin_ || spoken.end != word_end_) {
      flush_word();
      word_ = WordTiming{text_.substr(static_cast<std::size_t>(spoken.begin),
                                      static_cast<std::size_t>(spoken.end - spoken.begin)),
                         ms_of_frame(frame_at(span.begin)), 0, 1.0f};
      word_begin_ = spoken.begin, word_end_ = spoken.end;
    }
    word_->end_ms = ms_of_frame(end);
  }
  if (last) flush_word();
}

Status SpeechStream::speak_block(Runners& runners) {
  ANTIPHON_RETURN_IF_ERROR(decoder_.block(*runners.decoder, raw_mel_));
  const bool last = decoder_.done();
  ANTIPHON_RETURN_IF_ERROR(postnet_.push(*runners.postnet, slot_, raw_mel_, last, mel_));
  time_scale_.push(mel_, last, frames_);
  ANTIPHON_RETURN_IF_ERROR(run_vocoder(runners, last));
  collect_words(last);
  if (!last) return {};
  const bool more = utterance_ + 1 < utterances_.size();
  silence(utterances_[utterance_].pause_after_ms + (more ? voice_->tts.sentence_pause_ms : 0));
  speaking_ = false;
  ++utterance_;
  return {};
}

Status SpeechStream::step(Runners& runners) {
  return speaking_ ? speak_block(runners) : begin_utterance(runners);
}

Result<AudioChunk> SpeechStream::next() {
  if (finished_) return invalid_argument("synthesis: the stream has ended");
  const int ahead = voice_->vocoder.network.delay_frames();
  const int frames =
      first_chunk_ ? voice_->first_vocoder_frames - ahead : 2 * voice_->vocoder_frames;
  const auto wanted = static_cast<std::size_t>(std::max(1, frames * voice_->tts.hop_samples));
  if (samples_.size() < wanted && utterance_ < utterances_.size()) {
    Lease runners(*source_);
    while (samples_.size() < wanted && utterance_ < utterances_.size()) {
      if (Status status = step(*runners); !status.ok()) {
        finished_ = true;
        return status;
      }
    }
  }
  AudioChunk chunk;
  chunk.start_sample = given_samples_;
  chunk.samples = std::move(samples_);
  samples_.clear();
  for (float& x : chunk.samples)
    x = x >= -1.0f ? std::min(x, 1.0f) : x < -1.0f ? -1.0f : 0.0f;  // not a number: silence
  given_samples_ += static_cast<std::int64_t>(chunk.samples.size());
  chunk.words = std::move(words_);
  words_.clear();
  first_chunk_ = false;
  chunk.is_last = finished_ = utterance_ >= utterances_.size();
  return chunk;
}

}  // namespace antiphon::tts
