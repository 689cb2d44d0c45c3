// Events of a session as the JSON of the native protocol.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "pipeline/session_events.h"

namespace antiphon {

std::string speech_json(bool begins, std::uint32_t turn, double at_ms);
std::string partial_json(const Transcript& transcript);
std::string final_json(const Transcript& transcript);
std::string understanding_json(const Understanding& understanding);
std::string reply_json(const Reply& reply);
std::string turn_end_json(const TurnEnd& end);
std::string error_json(const Status& status, bool fatal);
std::string names_json(const std::vector<std::string>& names);
std::string_view reason_name(TurnEndReason reason);

}  // namespace antiphon
