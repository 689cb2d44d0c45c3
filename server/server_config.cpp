// The table of keys, and TOML against it.
#include "server/server_config.h"

#include <toml++/toml.h>

#include <algorithm>
#include <fstream>
#include <sstream>
#include <variant>
#include <vector>

namespace antiphon::server {
namespace {

struct Key {
  const char* section;
  const char* name;
  std::variant<int ServerConfig::*, double ServerConfig::*, std::size_t ServerConfig::*,
               bool ServerConfig::*, std::string ServerConfig::*>
      field;
  double min = 0, max = 0;
};

const Key kKeys[] = {
    {"server", "address", &ServerConfig::address},
    {"server", "port", &ServerConfig::port, 0, 65535},
    {"server", "io_threads", &ServerConfig::io_threads, 1, 64},
    {"server", "drain_timeout_s", &ServerConfig::drain_timeout_s, 0, 3600},
    {"limits", "max_sessions", &ServerConfig::max_sessions, 1, 100000},
    {"limits", "max_message_bytes", &ServerConfig::max_message_bytes, 1024, 16777216},
    {"limits", "max_audio_s", &ServerConfig::max_audio_s, 0.1, 1e6},
    {"limits", "max_waiting_audio_s", &ServerConfig::max_waiting_audio_s, 0.1, 60},
    {"limits", "max_pause_s", &ServerConfig::max_pause_s, 0.1, 3600},
    {"limits", "max_output_bytes", &ServerConfig::max_output_bytes, 65536, 1e9},
    {"limits", "room_output_bytes", &ServerConfig::room_output_bytes, 1024, 1e9},
    {"limits", "handshake_timeout_s", &ServerConfig::handshake_timeout_s, 0.05, 3600},
    {"limits", "start_timeout_s", &ServerConfig::start_timeout_s, 0.05, 3600},
    {"limits", "idle_timeout_s", &ServerConfig::idle_timeout_s, 0.05, 86400},
    {"limits", "ping_interval_s", &ServerConfig::ping_interval_s, 0.05, 3600},
    {"limits", "pong_timeout_s", &ServerConfig::pong_timeout_s, 0.05, 3600},
    {"turn", "deadline_ms", &ServerConfig::deadline_ms, 1, 60000},
    {"turn", "min_silence_ms", &ServerConfig::min_silence_ms, 60, 10000},
    {"turn", "num_alternatives", &ServerConfig::num_alternatives, 1, 32},
    {"turn", "think_ahead", &ServerConfig::think_ahead},
    {"models", "dir", &ServerConfig::models_dir},
    {"models", "assistant", &ServerConfig::assistant_path},
    {"models", "precision", &ServerConfig::precision},
    {"models", "threads", &ServerConfig::threads, 0, 256},
    {"models", "plans", &ServerConfig::plan_dir},
    {"models", "max_isa", &ServerConfig::max_isa},
};

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  for (std::size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (std::size_t i = 1; i <= a.size(); ++i) {
    std::size_t diagonal = std::exchange(row[0], i);
    for (std::size_t j = 1; j <= b.size(); ++j) {
      const std::size_t swap = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = std::exchange(row[j], std::min({row[j] + 1, row[j - 1] + 1, swap}));
    }
  }
  return row.back();
}

std::string full_name(const Key& key) { return std::string(key.section) + "." + key.name; }

std::string nearest_key(const std::string& name) {
  const Key* best = &kKeys[0];
  for (const Key& key : kKeys) {
    if (edit_distance(full_name(key), name) < edit_distance(full_name(*best), name)) best = &key;
  }
  return full_name(*best);
}

std::string shown(double value) {
  std::ostringstream out;
  out << value;
  return out.str();
}

Status set_value(const Key& key, const toml::node& node, ServerConfig& out) {
  if (const auto* text = std::get_if<std::string ServerConfig::*>(&key.field)) {
    const auto value = node.value_exact<std::string>();
    if (!value) return invalid_argument("wanted a string");
    out.** text = *value;
    return {};
  }
  if (const auto* flag = std::get_if<bool ServerConfig::*>(&key.field)) {
    const auto value = node.value_exact<bool>();
    if (!value) return invalid_argument("wanted true or false");
    out.** flag = *value;
    return {};
  }
  const bool whole = !std::holds_alternative<double ServerConfig::*>(key.field);
  const auto value = whole && !node.is_integer() ? std::optional<double>() : node.value<double>();
  if (!value || !node.is_number() || !(*value >= key.min && *value <= key.max))
    return invalid_argument(std::string("wanted a ") + (whole ? "whole " : "") + "number from " +
                            shown(key.min) + " to " + shown(key.max));
  if (const auto* i = std::get_if<int ServerConfig::*>(&key.field))
    out.** i = static_cast<int>(*value);
  else if (const auto* n = std::get_if<std::size_t ServerConfig::*>(&key.field))
    out.** n = static_cast<std::size_t>(*value);
  else
    out.*std::get<double ServerConfig::*>(key.field) = *value;
  return {};
}

Status read_key(const std::string& section, const toml::key& name, const toml::node& node,
                ServerConfig& out) {
  const std::string full = section + "." + std::string(name.str());
  const auto key = std::find_if(std::begin(kKeys), std::end(kKeys),
                                [&](const Key& k) { return full_name(k) == full; });
  const std::string place = "line " + std::to_string(node.source().begin.line) + ": " + full;
  if (key == std::end(kKeys))
    return invalid_argument(place + " is not a key; the nearest is " + nearest_key(full));
  return set_value(*key, node, out).with_context(place);
}

}  // namespace

Result<ServerConfig> parse_server_config(const std::string& text, const std::string& name,
                                         const ServerConfig& defaults) {
  ServerConfig out = defaults;
  try {
    const toml::table root = toml::parse(text);
    for (const auto& [section, node] : root) {
      const toml::table* table = node.as_table();
      const std::string line = name + ": line " + std::to_string(node.source().begin.line) + ": ";
      if (!table)
        return invalid_argument(line + std::string(section.str()) +
                                " is outside of a section; the nearest key is " +
                                nearest_key(std::string(section.str())));
      for (const auto& [key, value] : *table)
        ANTIPHON_RETURN_IF_ERROR(
            read_key(std::string(section.str()), key, value, out).with_context(name));
    }
  } catch (const toml::parse_error& error) {
    return invalid_argument(name + ": line " + std::to_string(error.source().begin.line) + ": " +
                            std::string(error.description()));
  }
  if (out.precision != "int8" && out.precision != "f32")
    return invalid_argument(name + ": models.precision is \"" + out.precision +
                            "\", wanted int8 or f32");
  return out;
}

Result<ServerConfig> read_server_config(const std::string& path, const ServerConfig& defaults) {
  std::ifstream file(path, std::ios::binary);
  if (!file) return not_found(path + ": cannot be read");
  std::ostringstream text;
  text << file.rdbuf();
  return parse_server_config(text.str(), path, defaults);
}

}  // namespace antiphon::server
