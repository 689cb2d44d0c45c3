// Everything the server can be told, with its defaults; read from TOML.
#pragma once

#include <cstddef>
#include <string>

#include "engine/base/status.h"

namespace antiphon::server {

struct ServerConfig {
  // [server]
  std::string address = "127.0.0.1";
  int port = 8080;  // 0: any free one
  int io_threads = 1;
  double drain_timeout_s = 10;
  // [limits]
  int max_sessions = 32;  // of connections that speak WebSocket
  std::size_t max_message_bytes = 65536;
  double max_audio_s = 3600;                 // of one session
  double max_waiting_audio_s = 10;           // not recognised yet: reading pauses
  double max_pause_s = 30;                   // of reading, then the connection is closed
  std::size_t max_output_bytes = 4u << 20;   // waiting to be written: the connection is closed
  std::size_t room_output_bytes = 1u << 18;  // a reply waits while so much is waiting
  double handshake_timeout_s = 5;            // for the request
  double start_timeout_s = 10;               // for "start"
  double idle_timeout_s = 300;               // without a message of the client
  double ping_interval_s = 20;
  double pong_timeout_s = 20;
  // [turn]
  double deadline_ms = 300;
  double min_silence_ms = 480;
  int num_alternatives = 1;
  bool think_ahead = true;  // an answer is begun in the pause that may end a turn
  // [models]
  std::string models_dir = "models";
  std::string assistant_path;
  std::string precision = "int8";  // or "f32"
  int threads = 0;
  std::string plan_dir;  // keeps built plans between starts
  std::string max_isa;   // caps the SIMD path
};

// kNotFound: the file cannot be read. kInvalidArgument: names file, line and key; an unknown key
// with the known one nearest to it.
// What the file leaves out stays as `defaults` has it.
Result<ServerConfig> read_server_config(const std::string& path, const ServerConfig& defaults = {});
Result<ServerConfig> parse_server_config(const std::string& toml, const std::string& name,
                                         const ServerConfig& defaults = {});

}  // namespace antiphon::server
