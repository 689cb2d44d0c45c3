// spdlog's default logger, sent to standard error.
#include "cli/stderr_logger.h"

#include <spdlog/sinks/stdout_color_sinks.h>
#include <spdlog/spdlog.h>

namespace antiphon::cli {

void StderrLogger::log(LogLevel level, std::string_view part, std::string_view message) {
  static const auto logger = spdlog::stderr_color_mt("antiphon");
  constexpr spdlog::level::level_enum kLevels[] = {spdlog::level::debug, spdlog::level::info,
                                                   spdlog::level::warn, spdlog::level::err};
  logger->log(kLevels[static_cast<int>(level)], "{}: {}", std::string(part), std::string(message));
}

}  // namespace antiphon::cli
