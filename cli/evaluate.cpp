// Running the evaluation command.
#include "cli/evaluate.h"

#include <sys/wait.h>

#include <array>
#include <charconv>
#include <cstdio>

namespace antiphon::cli {
namespace {

constexpr std::size_t kMostOutput = 4096;

// As one word of a shell.
std::string quoted(const std::string& text) {
  std::string out = "'";
  for (const char c : text) out += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return out + "'";
}

std::string trimmed(const std::string& text) {
  const std::size_t first = text.find_first_not_of(" \t\r\n");
  if (first == std::string::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r\n") - first + 1);
}

}  // namespace

Result<double> evaluate_plan(const std::string& command, const std::string& plan_path) {
  std::FILE* pipe = popen((command + " " + quoted(plan_path)).c_str(), "r");
  if (!pipe) return internal_error("'" + command + "' cannot be started");
  std::string output;
  std::array<char, 512> buffer;
  for (std::size_t got = 0; (got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0;)
    if (output.size() < kMostOutput) output.append(buffer.data(), got);
  const int status = pclose(pipe);
  if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
    return invalid_argument("'" + command + "' failed" +
                            (WIFEXITED(status)
                                 ? " with exit code " + std::to_string(WEXITSTATUS(status))
                                 : std::string()));
  const std::string text = trimmed(output);
  double value = 0;
  const auto read = std::from_chars(text.data(), text.data() + text.size(), value);
  if (text.empty() || read.ec != std::errc() || read.ptr != text.data() + text.size())
    return invalid_argument("'" + command + "' printed '" + text.substr(0, 80) +
                            "', wanted one number");
  return value;
}

}  // namespace antiphon::cli
