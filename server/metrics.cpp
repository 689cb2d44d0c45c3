// Counters, gauges and turn histograms by prometheus-cpp.
#include "server/metrics.h"

#include <prometheus/counter.h>
#include <prometheus/gauge.h>
#include <prometheus/histogram.h>
#include <prometheus/registry.h>
#include <prometheus/text_serializer.h>

#include <array>

#include "server/native_messages.h"

namespace antiphon::server {
namespace {

const prometheus::Histogram::BucketBoundaries kSeconds = {
    0.005, 0.01, 0.02, 0.03, 0.05, 0.075, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 2, 5};

}  // namespace

struct Metrics::State {
  prometheus::Registry registry;
  prometheus::Family<prometheus::Histogram>& latency =
      prometheus::BuildHistogram()
          .Name("antiphon_turn_seconds")
          .Help("Latency of a turn by stage; total is from end of speech decided to first audio")
          .Register(registry);
  std::array<prometheus::Histogram*, 6> stages{};
  prometheus::Family<prometheus::Counter>& turns = prometheus::BuildCounter()
                                                       .Name("antiphon_turns_total")
                                                       .Help("Turns by how they ended")
                                                       .Register(registry);
  prometheus::Counter& late = prometheus::BuildCounter()
                                  .Name("antiphon_turns_late_total")
                                  .Help("Turns whose first audio came after their deadline")
                                  .Register(registry)
                                  .Add({});
  prometheus::Counter& ahead =
      prometheus::BuildCounter()
          .Name("antiphon_turns_ahead_total")
          .Help("Turns whose answer was begun in the pause that ended them")
          .Register(registry)
          .Add({});
  prometheus::Counter& in_vain =
      prometheus::BuildCounter()
          .Name("antiphon_turns_ahead_in_vain_total")
          .Help(
              "Answers begun in a pause of a turn and given up, as more or something else was said")
          .Register(registry)
          .Add({});
  prometheus::Family<prometheus::Counter>& errors = prometheus::BuildCounter()
                                                        .Name("antiphon_errors_total")
                                                        .Help("Errors of turns by code")
                                                        .Register(registry);
  prometheus::Family<prometheus::Counter>& rejected =
      prometheus::BuildCounter()
          .Name("antiphon_rejected_total")
          .Help("Connections closed by the server, by close code")
          .Register(registry);
  prometheus::Family<prometheus::Counter>& http = prometheus::BuildCounter()
                                                      .Name("antiphon_http_requests_total")
                                                      .Help("HTTP requests by status")
                                                      .Register(registry);
  prometheus::Gauge& connections = prometheus::BuildGauge()
                                       .Name("antiphon_connections")
                                       .Help("Open connections")
                                       .Register(registry)
                                       .Add({});
  prometheus::Gauge& sessions = prometheus::BuildGauge()
                                    .Name("antiphon_sessions")
                                    .Help("Conversations that hold recognition state slots")
                                    .Register(registry)
                                    .Add({});
};

Metrics::Metrics() : state_(std::make_unique<State>()) {
  const char* names[] = {"asr", "nlu", "tts", "total", "endpoint", "heard"};
  for (std::size_t i = 0; i < 6; ++i)
    state_->stages[i] = &state_->latency.Add({{"stage", names[i]}}, kSeconds);
  for (const auto reason :
       {TurnEndReason::kDone, TurnEndReason::kCancelled, TurnEndReason::kInterrupted,
        TurnEndReason::kNoSpeech, TurnEndReason::kError})
    state_->turns.Add({{"reason", std::string(reason_name(reason))}});
}
Metrics::~Metrics() = default;

void Metrics::observe(const TurnEnd& end) {
  state_->turns.Add({{"reason", std::string(reason_name(end.reason))}}).Increment();
  state_->in_vain.Increment(end.num_in_vain);
  if (end.reason != TurnEndReason::kDone) return;
  if (end.late) state_->late.Increment();
  if (end.ahead) state_->ahead.Increment();
  const TurnLatency& l = end.latency;
  const double ms[] = {l.asr_ms, l.nlu_ms, l.tts_ms, l.total_ms, l.endpoint_ms, l.heard_ms};
  for (std::size_t i = 0; i < 6; ++i) {
    const bool used = i == 3 || ms[i] > 0;
    if (used) state_->stages[i]->Observe(ms[i] * 1e-3);
  }
}

void Metrics::count_error(StatusCode code) {
  state_->errors.Add({{"code", std::string(code_name(code))}}).Increment();
}
void Metrics::count_rejected(int close_code) {
  state_->rejected.Add({{"code", std::to_string(close_code)}}).Increment();
}
void Metrics::count_http(int status) {
  state_->http.Add({{"status", std::to_string(status)}}).Increment();
}
void Metrics::add_connections(int change) { state_->connections.Increment(change); }
void Metrics::add_sessions(int change) { state_->sessions.Increment(change); }

std::string Metrics::text() const {
  return prometheus::TextSerializer().Serialize(state_->registry.Collect());
}

}  // namespace antiphon::server
