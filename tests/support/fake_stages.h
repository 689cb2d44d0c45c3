// Stages without models: a non-zero sample is speech, text and replies are made of the words given.
#pragma once

#include <atomic>
#include <cmath>
#include <deque>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/stages.h"
#include "pipeline/voices.h"

namespace antiphon::test {

// Hears `recognizer.text` in every turn that has a sample other than zero; the partial comes at
// once. Counts its open streams.
class FakeRecognizer final : public Recognizer {
 public:
  class Stream final : public RecognizerStream {
   public:
    Stream(FakeRecognizer& owner, RecognizerOptions options)
        : owner_(owner), options_(std::move(options)) {
      ++owner_.num_open;
    }
    ~Stream() override { --owner_.num_open; }

    Status push(std::span<const float> pcm) override {
      if (owner_.refuse_audio) return exhausted("too far behind");
      queue_.insert(queue_.end(), pcm.begin(), pcm.end());
      return {};
    }
    void end_turn() override { end_asked_ = true; }
    void cancel_turn() override {
      heard_ += static_cast<std::int64_t>(queue_.size());
      queue_.clear();
      reset();
    }
    bool ready() const override { return end_asked_ || !queue_.empty(); }
    std::optional<RecognizerEvent> pop() override {
      if (events_.empty()) return std::nullopt;
      RecognizerEvent event = std::move(events_.front());
      events_.pop_front();
      return event;
    }

    void advance() {
      std::size_t used = 0;
      while (used < queue_.size()) {
        if (hear(queue_[used++])) break;
      }
      queue_.erase(queue_.begin(), queue_.begin() + static_cast<std::ptrdiff_t>(used));
      if (end_asked_ && queue_.empty()) finish();
    }

   private:
    double now_ms() const { return static_cast<double>(heard_) / 16.0; }
    bool hear(float sample) {
      ++heard_;
      if (sample != 0) {
        if (!speaking_) {
          speaking_ = true;
          events_.push_back({RecognizerEventKind::kSpeechStart, now_ms(), now_ms(), {}});
          Transcript partial;
          partial.text = owner_.text;
          if (options_.partials)
            events_.push_back(
                {RecognizerEventKind::kPartial, now_ms(), now_ms(), std::move(partial)});
        }
        voiced_end_ms_ = now_ms();
        return false;
      }
      if (speaking_ && options_.pauses) pause();
      if (!speaking_ || !options_.endpointing) return false;
      if (now_ms() - voiced_end_ms_ < options_.min_silence_ms) return false;
      events_.push_back({RecognizerEventKind::kSpeechEnd, voiced_end_ms_, now_ms(), {}});
      finish();
      return true;
    }
    void pause() {
      if (owner_.pause_ms <= 0 || now_ms() - voiced_end_ms_ != owner_.pause_ms) return;
      Transcript so_far;
      so_far.spoken = owner_.paused_text.empty() ? owner_.text : owner_.paused_text;
      events_.push_back({RecognizerEventKind::kPause, now_ms(), now_ms(), std::move(so_far)});
    }
    void finish() {
      if (speaking_) {
        Transcript final;
        final.text = options_.written && !owner_.written.empty() ? owner_.written : owner_.text;
        final.spoken = owner_.text;
        final.is_final = true;
        final.confidence = 0.9f;
        final.words.push_back({owner_.text, 0, voiced_end_ms_, 0.9f});
        events_.push_back(
            {RecognizerEventKind::kFinal, voiced_end_ms_, now_ms(), std::move(final)});
      } else {
        events_.push_back({RecognizerEventKind::kNoSpeech, now_ms(), now_ms(), {}});
      }
      reset();
    }
    void reset() { speaking_ = end_asked_ = false; }

    FakeRecognizer& owner_;
    RecognizerOptions options_;
    std::vector<float> queue_;
    std::deque<RecognizerEvent> events_;
    std::int64_t heard_ = 0;
    double voiced_end_ms_ = 0;
    bool speaking_ = false, end_asked_ = false;
  };

  Result<std::unique_ptr<RecognizerStream>> open(const RecognizerOptions& options) override {
    if (num_open >= max_streams) return exhausted("all state slots are in use");
    return std::unique_ptr<RecognizerStream>(std::make_unique<Stream>(*this, options));
  }
  Status advance(std::span<RecognizerStream* const> streams) override {
    ++num_advances;
    widest_batch = std::max(widest_batch.load(), static_cast<int>(streams.size()));
    if (fail) return internal_error("the acoustic model broke");
    for (RecognizerStream* stream : streams) static_cast<Stream*>(stream)->advance();
    return {};
  }

  std::string text = "two large lattes";
  std::string written;      // how `text` is written; empty: the same
  double pause_ms = 0;      // of silence, after which kPause comes; 0: never
  std::string paused_text;  // what it says; empty: `text`
  int max_streams = 64;
  std::atomic<bool> fail{false}, refuse_audio{false};
  std::atomic<int> num_open{0}, num_advances{0}, widest_batch{0};
};

// The intent is the first word; the text "unknown" is out of scope.
class FakeUnderstander final : public Understander {
 public:
  Result<Understanding> understand(const UnderstandRequest& request) override {
    ++num_calls;
    if (fail) return internal_error("the encoder broke");
    Understanding out;
    out.text = request.text;
    out.in_scope = request.text != "unknown";
    if (out.in_scope) out.intent = std::string(request.text.substr(0, request.text.find(' ')));
    out.confidence = 0.8f;
    out.slots.push_back({"word", out.intent, out.intent, 0, static_cast<int>(out.intent.size())});
    if (!request.context.empty()) out.answer = std::string(request.context);
    return out;
  }
  std::atomic<bool> fail{false};
  std::atomic<int> num_calls{0};
};

// Answers "You said …" and counts the turns in the dialogue's state.
class FakeDialog final : public Dialog {
 public:
  Result<Reply> respond(const Understanding& understanding, DialogState& state) override {
    if (fail) return timed_out("the dialogue server did not answer in 2 s");
    ++num_calls;
    misses_before = state.misses;
    ++state.misses;
    Reply reply;
    reply.text = understanding.text == "quiet" ? "" : "You said " + understanding.text + ".";
    return reply;
  }
  bool answers_only() const override { return answers_only_; }
  std::atomic<bool> fail{false};
  std::atomic<int> num_calls{0}, misses_before{0};
  bool answers_only_ = true;
};

// `num_chunks` chunks of 100 ms of a sine, whose peak tells the voice: 0.25, 0.5.
class FakeSynthesizer final : public Synthesizer {
 public:
  class Stream final : public SynthesisStream {
   public:
    Stream(FakeSynthesizer& owner, int voice)
        : owner_(owner), peak_(0.25f * static_cast<float>(voice + 1)) {
      ++owner_.num_open;
    }
    ~Stream() override { --owner_.num_open; }
    Result<AudioChunk> next() override {
      if (owner_.fail_at_chunk == made_) return internal_error("the vocoder broke");
      if (owner_.on_chunk) owner_.on_chunk(made_);
      AudioChunk chunk;
      chunk.start_sample = made_ * 2205;
      chunk.samples.resize(2205);
      for (std::size_t i = 0; i < chunk.samples.size(); ++i)
        chunk.samples[i] = peak_ * std::sin(0.05f * static_cast<float>(i));
      chunk.is_last = ++made_ >= owner_.num_chunks;
      return chunk;
    }

   private:
    FakeSynthesizer& owner_;
    float peak_;
    int made_ = 0;
  };

  int rate_hz() const override { return 22050; }
  std::vector<std::string> voices() const override { return {"fake", "loud"}; }
  Result<std::unique_ptr<SynthesisStream>> open(std::string_view text,
                                                const SynthesisOptions& options) override {
    int voice = 0;
    if (!options.voice.empty()) {
      ANTIPHON_ASSIGN_OR_RETURN(voice, find_voice(voices(), options.voice));
    }
    if (text.size() > 20000) return invalid_argument("text has over 20,000 bytes");
    if (num_open >= max_streams) return exhausted("all state slots are in use");
    ++num_opened;
    return std::unique_ptr<SynthesisStream>(std::make_unique<Stream>(*this, voice));
  }

  std::atomic<int> num_chunks{3}, fail_at_chunk{-1};
  std::atomic<int> num_open{0}, num_opened{0}, max_streams{64};
  std::function<void(int)> on_chunk;  // runs on the lane, before the chunk is made
};

}  // namespace antiphon::test
