// A program that runs beside the benchmark: the server, or a peer's script.
#pragma once

#include <sys/types.h>

#include <nlohmann/json.hpp>
#include <optional>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace antiphon::bench {

struct ChildUsage {
  double cpu_s = 0;  // user and system
  double peak_rss_mb = 0;
  int exit_code = 0;
};

// Owns the process: SIGTERM and a wait when destroyed. Standard error goes where ours goes.
class Child {
 public:
  // kNotFound: there is no such program.
  static Result<Child> start(const std::vector<std::string>& command);
  Child(Child&& other) noexcept;
  Child& operator=(Child&&) = delete;
  ~Child();

  // The next line of its standard output without the end of line; nothing: it has closed it.
  std::optional<std::string> read_line();
  // CPU seconds so far.
  double cpu_s() const;
  // Asks it to end with `signal` (0: it ends by itself) and waits for it.
  ChildUsage wait(int signal);

 private:
  Child(pid_t pid, int out) : pid_(pid), out_(out) {}
  pid_t pid_ = -1;
  int out_ = -1;
  std::string waiting_;
};

// Runs a peer to its end and gives the JSON objects that it printed, one a line.
// kInternal: it failed.
Result<std::vector<nlohmann::json>> run_peer(const std::vector<std::string>& command);

}  // namespace antiphon::bench
