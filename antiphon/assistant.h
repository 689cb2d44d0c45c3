// The assistant for C++ programs: one-shot calls and streaming sessions over the four stages.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "engine/base/clock.h"
#include "engine/base/log.h"
#include "engine/base/status.h"
#include "pipeline/session.h"
#include "pipeline/stages.h"

namespace antiphon {

struct AssistantConfig {
  std::string models_dir = "models";  // holds the packs: asr-en, nlu-en, tts-en, vocoder-en, vad
  std::string assistant_path;         // assistant.toml; empty: the trained intents alone
  // Stages that are left out need no pack, load nothing, and answer kUnsupported.
  bool recognize = true, understand = true, synthesize = true;
  bool f32 = false;          // weights as f32 instead of int8
  int threads = 0;           // of the team; 0: one a core, at most 2
  int max_sessions = 64;     // state slots of recognition and synthesis
  std::string plan_dir;      // built plans are kept here; empty: built at every start
  bool tune = false;         // plans that are built are tuned, which takes some seconds
  std::string max_isa;       // caps the SIMD path; empty: what the CPU has
  Logger* logger = nullptr;  // may be null; must outlive the assistant

  int team_size() const;  // what `threads` comes to on this machine
};

// The concrete stages of one assistant, and what they need to live (`support` goes last).
struct AssistantStages {
  std::shared_ptr<void> support;
  std::unique_ptr<Recognizer> recognizer;
  std::unique_ptr<Understander> understander;
  std::unique_ptr<Dialog> dialog;
  std::unique_ptr<Synthesizer> synthesizer;
  std::vector<std::string> models;  // "asr-en 0.1.0", for `ready` and logs
  std::string voice;                // of sessions that ask for none; empty: the synthesizer's first
};

struct SpokenAudio {
  int rate_hz = 0;
  std::vector<float> samples;  // mono, [-1, 1]
  std::vector<WordTiming> words;
};

struct ConverseOptions {
  std::string context;
  std::vector<HotWord> hotwords;
  SynthesisOptions synthesis;
  double timeout_ms = 60000;
};

struct ConverseResult {
  Transcript transcript;
  Understanding understanding;
  Reply reply;
  SpokenAudio answer;
  TurnEndReason reason = TurnEndReason::kDone;
  TurnLatency latency;
};

// A streaming conversation; its calls may come from any thread. Closes when destroyed: no event
// comes after that. Callbacks run one at a time on the assistant's own thread and must not block.
class Conversation {
 public:
  virtual ~Conversation() = default;
  virtual void push_audio(std::vector<float> pcm) = 0;  // mono 16 kHz
  virtual void end() = 0;
  virtual void text(std::string text) = 0;
  virtual void speak(std::string text) = 0;
  virtual void cancel() = 0;
  virtual void resume_reply() = 0;
};

// Owns models, lanes and threads. Every call may come from any thread; the one-shot ones block.
class Assistant {
 public:
  // kNotFound, kInvalidArgument: a pack, a file or a key, named (antiphon/wiring.cpp).
  static Result<std::unique_ptr<Assistant>> create(const AssistantConfig& config);
  // Any stages; none may be null.
  static std::unique_ptr<Assistant> with_stages(AssistantStages stages);
  ~Assistant();

  // A session on the caller's strand; the caller stops using it before the assistant goes.
  // kInvalidArgument: there is no such voice; names those that there are.
  Result<std::shared_ptr<Session>> open_session(const SessionConfig& config,
                                                std::shared_ptr<Executor> executor,
                                                SessionSink& sink);
  // A session on the assistant's own callback thread. `sink` outlives the conversation.
  Result<std::unique_ptr<Conversation>> converse(const SessionConfig& config, SessionSink& sink);

  // Whole recordings, mono, at any rate. One transcript an utterance, word times from the start of
  // the recording; none: nothing was said. progress(seconds done) may be empty; it is called on the
  // caller's thread.
  Result<std::vector<Transcript>> transcribe(
      std::span<const float> pcm, int rate_hz, const RecognizerOptions& options = {},
      const std::function<void(double done_s)>& progress = {});
  Result<Understanding> understand(std::string_view text, std::string_view context = {});
  Result<SpokenAudio> synthesize(std::string_view text, const SynthesisOptions& options = {});
  // One turn: a spoken question in, a spoken answer out. kTimeout after options.timeout_ms.
  Result<ConverseResult> ask(std::span<const float> pcm, int rate_hz,
                             const ConverseOptions& options = {});

  int reply_rate_hz() const { return stages_.synthesizer->rate_hz(); }
  std::vector<std::string> voices() const { return stages_.synthesizer->voices(); }
  const std::vector<std::string>& models() const { return stages_.models; }
  // Blocks until no lane has work.
  void wait_idle();

 private:
  explicit Assistant(AssistantStages stages);
  Status run_on_lane(Lane& lane, std::function<void()> work);

  SteadyClock clock_;
  AssistantStages stages_;
  std::unique_ptr<ThreadLane> device_lane_;
  std::unique_ptr<ThreadLane> dialog_lane_;
  std::unique_ptr<ThreadLane> callback_lane_;
  std::unique_ptr<RecognizerBatcher> batcher_;
  std::atomic<std::uint64_t> next_session_{1};
};

}  // namespace antiphon
