// One request being spoken: utterance by utterance, chunk by chunk.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "pipeline/stages.h"
#include "tts/acoustic/acoustic_decoder.h"
#include "tts/acoustic/postnet_stream.h"
#include "tts/acoustic/time_scale.h"
#include "tts/pack/manifest.h"
#include "tts/phonemes/phonemiser.h"
#include "tts/vocoder/vocoder_stream.h"

namespace antiphon::tts {

// What all streams of a pack share; immutable.
struct VoiceData {
  TtsManifest tts;
  VocoderManifest vocoder;
  AcousticGeometry geometry;
  G2pConfig g2p;
  Lexicon lexicon;
  int first_vocoder_frames = 36;  // 21 frames of audio, 0.24 s, for the first chunk
  int vocoder_frames = 24;
  std::size_t max_symbols = 640;  // of an utterance
  std::uint64_t seed = 1;

  // Which vocoder speaks as `speaker`, one of tts.voices: 0 is the pack's own, n that of
  // vocoder.voices[n - 1].
  std::size_t vocoder_of(int speaker) const;
  const VocoderConfig& network_of(std::size_t index) const {
    return index == 0 ? vocoder.network : vocoder.voices[index - 1].network;
  }
};

// pitch is null where the vocoder has none.
struct VocoderRunners {
  NetRunner* flows = nullptr;
  NetRunner* pitch = nullptr;
};

// One thread's networks. g2p is null where the pack has none.
struct Runners {
  NetRunner* encoder = nullptr;
  NetRunner* decoder = nullptr;
  NetRunner* postnet = nullptr;
  NetRunner* g2p = nullptr;
  std::vector<VocoderRunners> vocoders;  // as VoiceData::vocoder_of() counts them
};

// Lends networks and state slots to streams.
class RunnerSource {
 public:
  virtual ~RunnerSource() = default;
  virtual Runners& take() = 0;  // waits while all are lent
  virtual void give(Runners& runners) = 0;
  virtual void reset(int slot) = 0;  // zeroes the state
  virtual void release(int slot) = 0;
};

class SpeechStream final : public SynthesisStream {
 public:
  // Shares `voice` and `source` with the synthesiser; owns `slot` until destroyed. speaker: one of
  // the pack's voices.
  SpeechStream(std::shared_ptr<const VoiceData> voice, std::shared_ptr<RunnerSource> source,
               int slot, std::string text, Speech speech, float speed, int speaker = 0);
  ~SpeechStream() override;
  Result<AudioChunk> next() override;

 private:
  Status step(Runners& runners);
  Status begin_utterance(Runners& runners);
  Status speak_block(Runners& runners);
  Status run_vocoder(Runners& runners, bool last);
  void collect_words(bool last);
  void flush_word();
  void silence(int milliseconds);
  double ms_of_frame(std::size_t frame) const;

  std::shared_ptr<const VoiceData> voice_;
  std::shared_ptr<RunnerSource> source_;
  int slot_;
  std::string text_;
  Speech speech_;
  float speed_;
  int speaker_;
  std::vector<Utterance> utterances_;
  std::size_t utterance_ = 0;
  bool speaking_ = false, finished_ = false, first_chunk_ = true, first_block_ = true;

  AcousticDecoder decoder_;
  PostnetStream postnet_;
  TimeScale time_scale_;
  VocoderStream vocoder_;
  std::size_t vocoder_index_ = 0;              // whose networks it runs
  std::vector<float> raw_mel_, mel_, frames_;  // before the post-net, after it, on the spoken time
  SpokenSymbols symbols_;
  std::size_t next_word_ = 0;
  std::optional<WordTiming> word_;  // not yet complete
  std::int32_t word_begin_ = -1, word_end_ = -1;

  std::vector<float> samples_;  // ready, not yet given
  std::vector<WordTiming> words_;
  std::int64_t given_samples_ = 0, utterance_start_ = 0;
};

}  // namespace antiphon::tts
