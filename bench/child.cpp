// fork, exec, a pipe, and wait4.
#include "bench/child.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <cstring>
#include <fstream>
#include <sstream>
#include <utility>

namespace antiphon::bench {

Result<Child> Child::start(const std::vector<std::string>& command) {
  std::array<int, 2> out{};
  std::array<int, 2> failed{};  // closes by itself when exec succeeds
  if (pipe2(out.data(), O_CLOEXEC) != 0 || pipe2(failed.data(), O_CLOEXEC) != 0)
    return internal_error(std::string("pipe: ") + std::strerror(errno));
  std::vector<char*> arguments;
  for (const std::string& word : command) arguments.push_back(const_cast<char*>(word.c_str()));
  arguments.push_back(nullptr);
  const pid_t pid = fork();
  if (pid == 0) {
    dup2(out[1], STDOUT_FILENO);
    execvp(arguments[0], arguments.data());
    const int error = errno;
    (void)!write(failed[1], &error, sizeof(error));
    _exit(127);
  }
  close(out[1]);
  close(failed[1]);
  int error = pid < 0 ? errno : 0;
  if (pid > 0 && read(failed[0], &error, sizeof(error)) > 0) waitpid(pid, nullptr, 0);
  close(failed[0]);
  if (error != 0) {
    close(out[0]);
    return not_found(command[0] + ": " + std::strerror(error));
  }
  return Child(pid, out[0]);
}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      out_(std::exchange(other.out_, -1)),
      waiting_(std::move(other.waiting_)) {}

Child::~Child() {
  if (pid_ > 0) wait(SIGTERM);
  if (out_ >= 0) close(out_);
}

std::optional<std::string> Child::read_line() {
  while (true) {
    if (const std::size_t end = waiting_.find('\n'); end != std::string::npos) {
      std::string line = waiting_.substr(0, end);
      waiting_.erase(0, end + 1);
      return line;
    }
    std::array<char, 4096> bytes;
    const ssize_t got = read(out_, bytes.data(), bytes.size());
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return std::nullopt;
    waiting_.append(bytes.data(), static_cast<std::size_t>(got));
  }
}

double Child::cpu_s() const {
  std::ifstream in("/proc/" + std::to_string(pid_) + "/stat");
  std::string text((std::istreambuf_iterator<char>(in)), std::istreambuf_iterator<char>());
  const std::size_t name_end = text.rfind(')');
  if (name_end == std::string::npos) return 0;
  std::istringstream fields(text.substr(name_end + 1));
  std::string skipped;
  for (int i = 0; i < 11; ++i) fields >> skipped;  // state up to cmajflt
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

ChildUsage Child::wait(int signal) {
  if (signal != 0) kill(pid_, signal);
  int status = 0;
  rusage used{};
  while (wait4(pid_, &status, 0, &used) < 0 && errno == EINTR) continue;
  pid_ = -1;
  const auto seconds = [](const timeval& t) {
    return static_cast<double>(t.tv_sec) + 1e-6 * static_cast<double>(t.tv_usec);
  };
  return {.cpu_s = seconds(used.ru_utime) + seconds(used.ru_stime),
          .peak_rss_mb = static_cast<double>(used.ru_maxrss) / 1000,
          .exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status)};
}

Result<std::vector<nlohmann::json>> run_peer(const std::vector<std::string>& command) {
  ANTIPHON_ASSIGN_OR_RETURN(Child child, Child::start(command));
  std::vector<nlohmann::json> out;
  while (const auto line = child.read_line()) {
    nlohmann::json value = nlohmann::json::parse(*line, nullptr, /*allow_exceptions=*/false);
    if (value.is_object()) out.push_back(std::move(value));
  }
  const ChildUsage usage = child.wait(0);
  if (usage.exit_code != 0)
    return internal_error(command[0] + " " + (command.size() > 1 ? command[1] : "") +
                          ": ended with " + std::to_string(usage.exit_code));
  return out;
}

}  // namespace antiphon::bench
