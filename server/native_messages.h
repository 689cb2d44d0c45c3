// The JSON of the native protocol: client messages read, server messages written. No state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "antiphon/event_json.h"
#include "engine/base/status.h"
#include "pipeline/messages.h"
#include "pipeline/session.h"
#include "server/audio_codec.h"

namespace antiphon::server {

struct StartMessage {
  int rate_hz = 16000;
  Encoding encoding = Encoding::kPcm16;
  ReplyMode reply = ReplyMode::kAudio;
  bool partials = true, endpointing = true, written = true;
  std::vector<HotWord> hotwords;
  std::string context, voice;
};
struct EndMessage {};
struct TextMessage {
  std::string text;
};
struct SpeakMessage {
  std::string text;
};
struct CancelMessage {
  std::uint32_t turn = 0;  // 0: the present one
};
struct PlayedMessage {
  std::uint32_t turn = 0;
  double ms = 0;
};
struct UnknownMessage {
  std::string type;
};
using ClientMessage = std::variant<StartMessage, EndMessage, TextMessage, SpeakMessage,
                                   CancelMessage, PlayedMessage, UnknownMessage>;

// kUnsupported: not JSON, or not an object with a string `type`. kInvalidArgument: a field has the
// wrong type or value; the message names it.
Result<ClientMessage> parse_client_message(std::string_view json);

struct ReadyInfo {
  std::uint64_t session = 0;
  int reply_rate_hz = 0;
  std::vector<std::string> models, voices;
  std::size_t max_message_bytes = 0;
  double max_audio_s = 0, idle_timeout_s = 0;
};
std::string ready_json(const ReadyInfo& info);

}  // namespace antiphon::server
