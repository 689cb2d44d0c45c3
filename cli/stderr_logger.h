// The program's log: lines on standard error by spdlog.
#pragma once

#include "engine/base/log.h"

namespace antiphon::cli {

class StderrLogger final : public Logger {
 public:
  void log(LogLevel level, std::string_view part, std::string_view message) override;
};

}  // namespace antiphon::cli
