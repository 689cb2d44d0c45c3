// The logger that libraries are given: they never print.
#pragma once

#include <string_view>

namespace antiphon {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

// Implementations are thread-safe. `part` names the layer: "asr", "engine".
class Logger {
 public:
  virtual ~Logger() = default;
  virtual void log(LogLevel level, std::string_view part, std::string_view message) = 0;
};

// Drops everything. Stateless, so one instance may be shared by all.
class NullLogger final : public Logger {
 public:
  void log(LogLevel, std::string_view, std::string_view) override {}
};

}  // namespace antiphon
