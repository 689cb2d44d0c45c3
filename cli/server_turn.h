// One turn with a server, streamed in real time.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "antiphon/assistant.h"
#include "cli/audio_file.h"

namespace antiphon::cli {

struct ServerTurnOptions {
  std::string url;
  std::string context;
  std::string voice;         // of the reply; empty: the server's
  bool speak_reply = true;   // else: recognition and understanding only
  bool real_time = true;     // else: as fast as the server takes it
  bool endpointing = false;  // the server finds the end of speech; else `end` is sent
  double timeout_s = 30;     // after the last audio
  bool written = true;       // else: the words as said
  std::vector<HotWord> hotwords;
  std::function<void(const std::string& text)> on_partial;  // may be empty
  // Every message as it goes over the wire, audio as its number of bytes; may be empty.
  std::function<void(bool sent, const std::string& message)> on_message;
};

Result<ConverseResult> converse_with_server(const Recording& question,
                                            const ServerTurnOptions& options);

}  // namespace antiphon::cli
