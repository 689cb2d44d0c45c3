// Events as JSON by nlohmann-json; text that is not UTF-8 is mended.
#include "antiphon/event_json.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

namespace antiphon {
namespace {

using nlohmann::json;

std::string write(const json& message) {
  return message.dump(-1, ' ', false, json::error_handler_t::replace);
}

double tenth(double ms) { return std::round(ms * 10) / 10; }
double thousandth(double value) { return std::round(value * 1000) / 1000; }

// Code points of the first `bytes` bytes: what a client counts in, which sees no UTF-8.
std::ptrdiff_t characters(std::string_view text, std::int32_t bytes) {
  const std::string_view head = text.substr(0, static_cast<std::size_t>(bytes));
  return std::ranges::count_if(head, [](char c) { return (c & 0xC0) != 0x80; });
}

json words_json(const std::vector<WordTiming>& words) {
  json out = json::array();
  for (const WordTiming& w : words)
    out.push_back({{"word", w.word},
                   {"start_ms", tenth(w.start_ms)},
                   {"end_ms", tenth(w.end_ms)},
                   {"confidence", thousandth(w.confidence)}});
  return out;
}

}  // namespace

std::string speech_json(bool begins, std::uint32_t turn, double at_ms) {
  return write(
      {{"type", begins ? "speech_start" : "speech_end"}, {"turn", turn}, {"at_ms", tenth(at_ms)}});
}

std::string partial_json(const Transcript& t) {
  return write({{"type", "partial"},
                {"turn", t.ref.turn},
                {"text", t.text},
                {"stable", characters(t.text, t.stable_bytes)}});
}

std::string final_json(const Transcript& t) {
  json alternatives = json::array();
  for (const TranscriptAlternative& a : t.alternatives)
    alternatives.push_back({{"text", a.text}, {"confidence", thousandth(a.confidence)}});
  return write({{"type", "final"},
                {"turn", t.ref.turn},
                {"text", t.text},
                {"spoken", t.spoken.empty() ? t.text : t.spoken},
                {"confidence", thousandth(t.confidence)},
                {"words", words_json(t.words)},
                {"alternatives", std::move(alternatives)}});
}

std::string understanding_json(const Understanding& u) {
  json slots = json::array();
  for (const Slot& s : u.slots)
    slots.push_back({{"name", s.name},
                     {"value", s.value},
                     {"text", s.text},
                     {"start", characters(u.text, s.start)},
                     {"end", characters(u.text, s.end)}});
  json out = {{"type", "understanding"}, {"turn", u.ref.turn},
              {"intent", u.intent},      {"confidence", thousandth(u.confidence)},
              {"in_scope", u.in_scope},  {"slots", std::move(slots)}};
  if (!u.answer.empty()) out["answer"] = u.answer;
  return write(out);
}

std::string reply_json(const Reply& reply) {
  return write({{"type", "reply"}, {"turn", reply.ref.turn}, {"text", reply.text}});
}

std::string names_json(const std::vector<std::string>& names) { return write(names); }

std::string_view reason_name(TurnEndReason reason) {
  switch (reason) {
    case TurnEndReason::kDone: return "done";
    case TurnEndReason::kCancelled: return "cancelled";
    case TurnEndReason::kInterrupted: return "interrupted";
    case TurnEndReason::kNoSpeech: return "no_speech";
    case TurnEndReason::kError: return "error";
  }
  return "error";
}

std::string turn_end_json(const TurnEnd& end) {
  const TurnLatency& l = end.latency;
  return write({{"type", "turn_end"},
                {"turn", end.ref.turn},
                {"reason", reason_name(end.reason)},
                {"reply_samples", end.reply_samples},
                {"ahead", end.ahead},
                {"latency_ms",
                 {{"asr", tenth(l.asr_ms)},
                  {"nlu", tenth(l.nlu_ms)},
                  {"tts", tenth(l.tts_ms)},
                  {"total", tenth(l.total_ms)},
                  {"endpoint", tenth(l.endpoint_ms)},
                  {"heard", tenth(l.heard_ms)}}}});
}

std::string error_json(const Status& status, bool fatal) {
  return write({{"type", "error"},
                {"code", code_name(status.code())},
                {"message", status.message()},
                {"fatal", fatal}});
}

}  // namespace antiphon
