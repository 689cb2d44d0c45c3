// A session on a fake clock, with lanes and a strand that move only when told to.
#pragma once

#include <deque>
#include <memory>
#include <string>
#include <vector>

#include "engine/base/clock.h"
#include "pipeline/session.h"
#include "tests/support/fake_stages.h"

namespace antiphon::test {

class ManualExecutor final : public Executor {
 public:
  void post(std::function<void()> task) override { tasks.push_back(std::move(task)); }
  bool run_one() {
    if (tasks.empty()) return false;
    const auto task = std::move(tasks.front());
    tasks.pop_front();
    task();
    return true;
  }
  std::deque<std::function<void()>> tasks;
};

// Each task costs `task_ms` on the clock.
class ManualLane final : public Lane {
 public:
  explicit ManualLane(FakeClock& clock) : clock_(clock) {}
  Status post(LaneTask task) override {
    if (full) return exhausted("lane is full");
    tasks.push_back(std::move(task));
    return {};
  }
  bool run_one() {
    if (tasks.empty()) return false;
    auto best = tasks.begin();
    for (auto it = tasks.begin(); it != tasks.end(); ++it)
      if (it->deadline_ns < best->deadline_ns) best = it;
    const LaneTask task = std::move(*best);
    tasks.erase(best);
    clock_.advance_ms(task_ms);
    task.run();
    return true;
  }
  std::deque<LaneTask> tasks;
  double task_ms = 10;
  bool full = false;

 private:
  FakeClock& clock_;
};

// Writes every event as a line: "final 1 heard two large lattes".
class EventLog final : public SessionSink {
 public:
  void on_speech_start(TurnRef ref, double) override { add("speech_start", ref, ""); }
  void on_speech_end(TurnRef ref, double) override { add("speech_end", ref, ""); }
  void on_partial(const Transcript& t) override { add("partial", t.ref, t.text); }
  void on_final(const Transcript& t, FinalOrigin origin) override {
    static constexpr const char* kNames[] = {"heard ", "typed ", "none"};
    add("final", t.ref, kNames[static_cast<int>(origin)] + t.text);
  }
  void on_understanding(const Understanding& u) override { add("understanding", u.ref, u.intent); }
  void on_reply(const Reply& r) override { add("reply", r.ref, r.text); }
  bool on_audio(const AudioChunk& chunk) override {
    add("audio", chunk.ref, std::to_string(chunk.samples.size()));
    return room;
  }
  void on_error(TurnRef ref, const Status& status) override {
    add("error", ref, std::string(code_name(status.code())));
    last_error = status;
  }
  void on_turn_end(const TurnEnd& end) override {
    static constexpr const char* kNames[] = {"done", "cancelled", "interrupted", "no_speech",
                                             "error"};
    add("turn_end", end.ref, kNames[static_cast<int>(end.reason)]);
    ends.push_back(end);
  }

  std::vector<std::string> lines;
  std::vector<TurnEnd> ends;
  Status last_error;
  bool room = true;

 private:
  void add(const char* what, TurnRef ref, const std::string& rest) {
    std::string line = std::string(what) + " " + std::to_string(ref.turn);
    if (!rest.empty()) line += " " + rest;
    lines.push_back(line);
  }
};

struct SessionRig {
  explicit SessionRig(SessionConfig config = {}) {
    SessionStages stages{.recognizer = &recognizer,
                         .batcher = &batcher,
                         .understander = &understander,
                         .dialog = &dialog,
                         .synthesizer = &synthesizer,
                         .nlu_lane = &nlu_lane,
                         .dialog_lane = &nlu_lane,
                         .tts_lane = &tts_lane,
                         .clock = &clock};
    auto opened = Session::create(config, stages, executor, log);
    if (opened.ok()) session = std::move(opened).value();
  }

  // Everything that can run does.
  void settle() {
    while (executor->run_one() || asr_lane.run_one() || nlu_lane.run_one() || tts_lane.run_one())
      continue;
  }
  // Audio of `ms` milliseconds in chunks of 100 ms, in real time.
  void hear(double ms, float sample) {
    for (double at_ms = 0; at_ms < ms; at_ms += 100) {
      clock.advance_ms(100);
      session->push_audio(std::vector<float>(1600, sample));
      settle();
    }
  }
  // The lines since the last call.
  std::vector<std::string> take() { return std::exchange(log.lines, {}); }

  FakeClock clock;
  FakeRecognizer recognizer;
  FakeUnderstander understander;
  FakeDialog dialog;
  FakeSynthesizer synthesizer;
  ManualLane asr_lane{clock}, nlu_lane{clock}, tts_lane{clock};
  RecognizerBatcher batcher{recognizer, asr_lane};
  std::shared_ptr<ManualExecutor> executor = std::make_shared<ManualExecutor>();
  EventLog log;
  std::shared_ptr<Session> session;
};

}  // namespace antiphon::test
