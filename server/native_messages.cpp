// Native protocol messages by nlohmann-json; nothing thrown leaves this file.
#include "server/native_messages.h"

#include <cmath>
#include <nlohmann/json.hpp>

namespace antiphon::server {
namespace {

using nlohmann::json;

std::string write(const json& message) {
  return message.dump(-1, ' ', false, json::error_handler_t::replace);
}

Status wrong(const char* field, const char* wanted) {
  return invalid_argument(std::string(field) + ": wanted " + wanted);
}

Status read(const json& in, const char* field, std::string& out, std::size_t max_bytes) {
  const auto found = in.find(field);
  if (found == in.end() || found->is_null()) return {};
  if (!found->is_string()) return wrong(field, "a string");
  out = found->get<std::string>();
  if (out.size() > max_bytes)
    return invalid_argument(std::string(field) + " has " + std::to_string(out.size()) +
                            " bytes, at most " + std::to_string(max_bytes) + " are taken");
  return {};
}

Status read(const json& in, const char* field, bool& out) {
  const auto found = in.find(field);
  if (found == in.end() || found->is_null()) return {};
  if (!found->is_boolean()) return wrong(field, "true or false");
  out = found->get<bool>();
  return {};
}

Status read(const json& in, const char* field, double low, double high, double& out) {
  const auto found = in.find(field);
  if (found == in.end() || found->is_null()) return {};
  const std::string wanted = "a number from " + std::to_string(low) + " to " + std::to_string(high);
  if (!found->is_number()) return wrong(field, wanted.c_str());
  out = found->get<double>();
  if (!(out >= low && out <= high)) return wrong(field, wanted.c_str());
  return {};
}

constexpr std::size_t kMaxTextBytes = 60000;
constexpr std::size_t kMaxHotwords = 200;

Status read_hotwords(const json& in, std::vector<HotWord>& out) {
  const auto found = in.find("hotwords");
  if (found == in.end() || found->is_null()) return {};
  if (!found->is_array() || found->size() > kMaxHotwords)
    return wrong("hotwords", "a list of at most 200 objects {text, boost}");
  for (const json& item : *found) {
    if (!item.is_object()) return wrong("hotwords", "objects {text, boost}");
    HotWord word;
    double boost = word.boost;
    ANTIPHON_RETURN_IF_ERROR(read(item, "text", word.text, 100).with_context("hotwords"));
    ANTIPHON_RETURN_IF_ERROR(read(item, "boost", -20, 20, boost).with_context("hotwords"));
    if (word.text.empty()) return wrong("hotwords", "a text in each");
    word.boost = static_cast<float>(boost);
    out.push_back(std::move(word));
  }
  return {};
}

Result<ClientMessage> read_start(const json& in) {
  StartMessage out;
  double rate_hz = out.rate_hz, channels = 1;
  std::string encoding = "pcm16", reply = "audio";
  ANTIPHON_RETURN_IF_ERROR(read(in, "rate_hz", 8000, 48000, rate_hz));
  if (rate_hz != std::floor(rate_hz)) return wrong("rate_hz", "a whole number");
  ANTIPHON_RETURN_IF_ERROR(read(in, "channels", 1, 1, channels));
  ANTIPHON_RETURN_IF_ERROR(read(in, "encoding", encoding, 20));
  ANTIPHON_ASSIGN_OR_RETURN(out.encoding, parse_encoding(encoding));
  ANTIPHON_RETURN_IF_ERROR(read(in, "reply", reply, 20));
  if (reply == "audio")
    out.reply = ReplyMode::kAudio;
  else if (reply == "text")
    out.reply = ReplyMode::kText;
  else if (reply == "none")
    out.reply = ReplyMode::kNone;
  else
    return wrong("reply", "audio, text or none");
  ANTIPHON_RETURN_IF_ERROR(read(in, "partials", out.partials));
  ANTIPHON_RETURN_IF_ERROR(read(in, "endpointing", out.endpointing));
  ANTIPHON_RETURN_IF_ERROR(read(in, "written", out.written));
  ANTIPHON_RETURN_IF_ERROR(read_hotwords(in, out.hotwords));
  ANTIPHON_RETURN_IF_ERROR(read(in, "context", out.context, kMaxTextBytes));
  ANTIPHON_RETURN_IF_ERROR(read(in, "voice", out.voice, 100));
  out.rate_hz = static_cast<int>(rate_hz);
  return ClientMessage(std::move(out));
}

Result<std::uint32_t> read_turn(const json& in) {
  double turn = 0;
  ANTIPHON_RETURN_IF_ERROR(read(in, "turn", 0, 4294967295.0, turn));
  return static_cast<std::uint32_t>(turn);
}

Result<std::string> read_text(const json& in) {
  std::string text;
  if (!in.contains("text")) return wrong("text", "a string");
  ANTIPHON_RETURN_IF_ERROR(read(in, "text", text, kMaxTextBytes));
  return text;
}

Result<ClientMessage> read_message(const json& in) {
  const std::string type = in["type"].get<std::string>();
  if (type == "start") return read_start(in);
  if (type == "end") return ClientMessage(EndMessage{});
  if (type == "text") {
    ANTIPHON_ASSIGN_OR_RETURN(std::string text, read_text(in));
    return ClientMessage(TextMessage{std::move(text)});
  }
  if (type == "speak") {
    ANTIPHON_ASSIGN_OR_RETURN(std::string text, read_text(in));
    return ClientMessage(SpeakMessage{std::move(text)});
  }
  if (type == "cancel") {
    ANTIPHON_ASSIGN_OR_RETURN(const std::uint32_t turn, read_turn(in));
    return ClientMessage(CancelMessage{turn});
  }
  if (type == "played") {
    PlayedMessage out;
    ANTIPHON_ASSIGN_OR_RETURN(out.turn, read_turn(in));
    ANTIPHON_RETURN_IF_ERROR(read(in, "ms", 0, 1e9, out.ms));
    return ClientMessage(out);
  }
  return ClientMessage(UnknownMessage{type.substr(0, 40)});
}

}  // namespace

Result<ClientMessage> parse_client_message(std::string_view text) {
  const json in = json::parse(text, nullptr, false);
  if (in.is_discarded()) return unsupported("message is not JSON");
  if (!in.is_object() || !in.contains("type") || !in["type"].is_string())
    return unsupported("message is not a JSON object with a string \"type\"");
  Result<ClientMessage> out = read_message(in);
  if (out.ok()) return out;
  return out.status().with_context(in["type"].get<std::string>());
}

std::string ready_json(const ReadyInfo& info) {
  return write({{"type", "ready"},
                {"session", info.session},
                {"version", 1},
                {"reply_rate_hz", info.reply_rate_hz},
                {"models", info.models},
                {"voices", info.voices},
                {"limits",
                 {{"max_message_bytes", info.max_message_bytes},
                  {"max_audio_s", info.max_audio_s},
                  {"idle_timeout_s", info.idle_timeout_s}}}});
}

}  // namespace antiphon::server
