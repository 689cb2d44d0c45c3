// Runs a program and keeps what it says.
#pragma once

#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

namespace antiphon::test {

struct Ran {
  int exit_code = -1;
  std::string output;  // both streams
};

inline Ran run_command(const std::string& command) {
  Ran out;
  FILE* pipe = popen((command + " 2>&1").c_str(), "r");
  std::array<char, 4096> buffer;
  std::size_t got = 0;
  while ((got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0)
    out.output.append(buffer.data(), got);
  out.exit_code = WEXITSTATUS(pclose(pipe));
  return out;
}

// antiphon with these arguments.
inline Ran run_program(const std::string& arguments) {
  return run_command(std::string(ANTIPHON_BINARY_DIR) + "/bin/antiphon " + arguments);
}

}  // namespace antiphon::test
