// The assistant: its lanes, its one-shot calls, and where sessions begin.
#include "antiphon/assistant.h"

#include <algorithm>
#include <future>
#include <utility>

#include "antiphon/resampler.h"
#include "pipeline/voices.h"

namespace antiphon {
namespace {

constexpr std::size_t kLaneTasks = 4096;
constexpr std::int64_t kOfflineSlackNs = 500'000'000;  // one-shot work yields to live turns
constexpr std::size_t kPieceSamples = 16000;
constexpr int kAsrRateHz = 16000;

}  // namespace

std::unique_ptr<Assistant> Assistant::with_stages(AssistantStages stages) {
  return std::unique_ptr<Assistant>(new Assistant(std::move(stages)));
}

// The models share one team of threads, which runs one plan at a time: so they share one lane, and
// deadlines order their work. A dialogue may wait for a server elsewhere: it has its own.
Assistant::Assistant(AssistantStages stages)
    : stages_(std::move(stages)),
      device_lane_(std::make_unique<ThreadLane>("device", kLaneTasks)),
      dialog_lane_(std::make_unique<ThreadLane>("dialog", kLaneTasks)),
      callback_lane_(std::make_unique<ThreadLane>("callback", kLaneTasks)),
      batcher_(std::make_unique<RecognizerBatcher>(*stages_.recognizer, *device_lane_)) {}

Assistant::~Assistant() {
  wait_idle();
  callback_lane_.reset();
  dialog_lane_.reset();
  device_lane_.reset();
}

void Assistant::wait_idle() {
  // A task may post to the lane before it in this list, but not after the session is closed.
  device_lane_->wait_idle();
  dialog_lane_->wait_idle();
  callback_lane_->wait_idle();
  device_lane_->wait_idle();
}

Result<std::shared_ptr<Session>> Assistant::open_session(const SessionConfig& config,
                                                         std::shared_ptr<Executor> executor,
                                                         SessionSink& sink) {
  SessionConfig numbered = config;
  numbered.session = next_session_.fetch_add(1);
  std::string& voice = numbered.synthesis.voice;
  if (voice.empty()) voice = stages_.voice;
  if (!voice.empty()) ANTIPHON_RETURN_IF_ERROR(find_voice(voices(), voice).status());
  const SessionStages stages{.recognizer = stages_.recognizer.get(),
                             .batcher = batcher_.get(),
                             .understander = stages_.understander.get(),
                             .dialog = stages_.dialog.get(),
                             .synthesizer = stages_.synthesizer.get(),
                             .nlu_lane = device_lane_.get(),
                             .dialog_lane = dialog_lane_.get(),
                             .tts_lane = device_lane_.get(),
                             .clock = &clock_};
  return Session::create(numbered, stages, std::move(executor), sink);
}

namespace {

// Tasks in order on the callback lane: with one deadline for all, it keeps the order of arrival.
class LaneExecutor final : public Executor {
 public:
  explicit LaneExecutor(Lane& lane) : lane_(lane) {}
  void post(std::function<void()> task) override {
    // Full or stopping: the task is dropped, and with it the session's hold on itself.
    (void)lane_.post({0, std::move(task)});
  }

 private:
  Lane& lane_;
};

class LaneConversation final : public Conversation {
 public:
  LaneConversation(std::shared_ptr<Session> session, std::shared_ptr<Executor> executor)
      : session_(std::move(session)), executor_(std::move(executor)) {}
  // Not from within a callback: it waits until the session is closed on the callback thread.
  ~LaneConversation() override {
    auto closed = std::make_shared<std::promise<void>>();
    auto done = closed->get_future();
    executor_->post([session = session_, closed] {
      session->close();
      closed->set_value();
    });
    closed.reset();
    done.wait();  // also ends when the task was dropped: the promise is broken then
  }
  void push_audio(std::vector<float> pcm) override {
    executor_->post([s = session_, pcm = std::move(pcm)] { s->push_audio(pcm); });
  }
  void end() override {
    executor_->post([s = session_] { s->end(); });
  }
  void text(std::string text) override {
    executor_->post([s = session_, text = std::move(text)] { s->text(text); });
  }
  void speak(std::string text) override {
    executor_->post([s = session_, text = std::move(text)] { s->speak(text); });
  }
  void cancel() override {
    executor_->post([s = session_] { s->cancel(0); });
  }
  void resume_reply() override {
    executor_->post([s = session_] { s->resume_reply(); });
  }

 private:
  std::shared_ptr<Session> session_;
  std::shared_ptr<Executor> executor_;
};

// Gathers one turn.
class OneTurn final : public SessionSink {
 public:
  void on_speech_start(TurnRef, double) override {}
  void on_speech_end(TurnRef, double) override {}
  void on_partial(const Transcript&) override {}
  void on_final(const Transcript& transcript, FinalOrigin) override {
    result.transcript = transcript;
  }
  void on_understanding(const Understanding& understanding) override {
    result.understanding = understanding;
  }
  void on_reply(const Reply& reply) override { result.reply = reply; }
  bool on_audio(const AudioChunk& chunk) override {
    result.answer.samples.insert(result.answer.samples.end(), chunk.samples.begin(),
                                 chunk.samples.end());
    result.answer.words.insert(result.answer.words.end(), chunk.words.begin(), chunk.words.end());
    return true;
  }
  void on_error(TurnRef, const Status& status) override { error = status; }
  void on_turn_end(const TurnEnd& end) override {
    if (std::exchange(ended, true)) return;
    result.reason = end.reason;
    result.latency = end.latency;
    done.set_value();
  }

  ConverseResult result;
  Status error;
  bool ended = false;
  std::promise<void> done;
};

}  // namespace

Result<std::unique_ptr<Conversation>> Assistant::converse(const SessionConfig& config,
                                                          SessionSink& sink) {
  auto executor = std::make_shared<LaneExecutor>(*callback_lane_);
  ANTIPHON_ASSIGN_OR_RETURN(std::shared_ptr<Session> session, open_session(config, executor, sink));
  return std::unique_ptr<Conversation>(
      std::make_unique<LaneConversation>(std::move(session), std::move(executor)));
}

Status Assistant::run_on_lane(Lane& lane, std::function<void()> work) {
  auto ran = std::make_shared<std::promise<void>>();
  auto done = ran->get_future();
  const std::int64_t due_ns = clock_.now_ns() + kOfflineSlackNs;
  ANTIPHON_RETURN_IF_ERROR(lane.post({due_ns, [ran, work = std::move(work)] {
                                        work();
                                        ran->set_value();
                                      }}));
  done.wait();
  return {};
}

Result<std::vector<Transcript>> Assistant::transcribe(
    std::span<const float> pcm, int rate_hz, const RecognizerOptions& options,
    const std::function<void(double done_s)>& progress) {
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<float> audio, resample(pcm, rate_hz, kAsrRateHz));
  ANTIPHON_ASSIGN_OR_RETURN(auto stream, stages_.recognizer->open(options));
  std::vector<Transcript> out;
  const auto advance = [&]() -> Status {
    while (stream->ready()) {
      auto ran = std::make_shared<std::promise<Status>>();
      auto done = ran->get_future();
      ANTIPHON_RETURN_IF_ERROR(batcher_->submit(stream.get(), clock_.now_ns() + kOfflineSlackNs,
                                                [ran](const Status& s) { ran->set_value(s); }));
      ANTIPHON_RETURN_IF_ERROR(done.get());
      while (auto event = stream->pop())
        if (event->kind == RecognizerEventKind::kFinal) out.push_back(std::move(event->transcript));
    }
    return {};
  };
  for (std::size_t at = 0; at < audio.size(); at += kPieceSamples) {
    const std::size_t count = std::min(kPieceSamples, audio.size() - at);
    ANTIPHON_RETURN_IF_ERROR(stream->push(std::span(audio).subspan(at, count)));
    ANTIPHON_RETURN_IF_ERROR(advance());
    if (progress) progress(static_cast<double>(at + count) / kAsrRateHz);
  }
  stream->end_turn();
  ANTIPHON_RETURN_IF_ERROR(advance());
  return out;
}

Result<Understanding> Assistant::understand(std::string_view text, std::string_view context) {
  Result<Understanding> out = internal_error("the lane stopped");
  ANTIPHON_RETURN_IF_ERROR(run_on_lane(*device_lane_, [&] {
    out = stages_.understander->understand({.text = text, .context = context});
  }));
  return out;
}

Result<SpokenAudio> Assistant::synthesize(std::string_view text, const SynthesisOptions& options) {
  SpokenAudio out;
  out.rate_hz = stages_.synthesizer->rate_hz();
  std::unique_ptr<SynthesisStream> stream;
  Status status;
  bool last = false;
  while (!last) {  // one chunk a task: live turns come between
    ANTIPHON_RETURN_IF_ERROR(run_on_lane(*device_lane_, [&] {
      if (!stream) {
        auto opened = stages_.synthesizer->open(text, options);
        if (!opened.ok())
          status = opened.status();
        else
          stream = std::move(opened).value();
      }
      if (!status.ok()) return;
      Result<AudioChunk> chunk = stream->next();
      if (!chunk.ok()) {
        status = chunk.status();
        return;
      }
      out.samples.insert(out.samples.end(), chunk->samples.begin(), chunk->samples.end());
      out.words.insert(out.words.end(), chunk->words.begin(), chunk->words.end());
      last = chunk->is_last;
    }));
    ANTIPHON_RETURN_IF_ERROR(status);
  }
  return out;
}

Result<ConverseResult> Assistant::ask(std::span<const float> pcm, int rate_hz,
                                      const ConverseOptions& options) {
  ANTIPHON_ASSIGN_OR_RETURN(std::vector<float> audio, resample(pcm, rate_hz, kAsrRateHz));
  SessionConfig config;
  config.recognizer.endpointing = false;
  config.recognizer.partials = false;
  config.recognizer.hotwords = options.hotwords;
  config.synthesis = options.synthesis;
  config.context = options.context;
  OneTurn turn;
  auto done = turn.done.get_future();
  {
    ANTIPHON_ASSIGN_OR_RETURN(std::unique_ptr<Conversation> conversation, converse(config, turn));
    conversation->push_audio(std::move(audio));
    conversation->end();
    const auto wait =
        std::chrono::microseconds(static_cast<std::int64_t>(options.timeout_ms * 1e3));
    if (done.wait_for(wait) != std::future_status::ready)
      return timed_out("the turn did not end in " + std::to_string(options.timeout_ms) + " ms");
  }
  ANTIPHON_RETURN_IF_ERROR(turn.error);
  turn.result.answer.rate_hz = reply_rate_hz();
  return std::move(turn.result);
}

}  // namespace antiphon
