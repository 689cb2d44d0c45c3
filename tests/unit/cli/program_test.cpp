// The program itself: exit codes, help and errors.
#include <gtest/gtest.h>
#include <sys/wait.h>

#include <array>
#include <cstdio>
#include <string>

namespace {

struct Ran {
  int exit_code = -1;
  std::string output;  // both streams
};

Ran run(const std::string& arguments) {
  Ran out;
  const std::string command =
      std::string(ANTIPHON_BINARY_DIR) + "/bin/antiphon " + arguments + " 2>&1";
  FILE* pipe = popen(command.c_str(), "r");
  std::array<char, 4096> buffer;
  std::size_t got = 0;
  while ((got = fread(buffer.data(), 1, buffer.size(), pipe)) > 0)
    out.output.append(buffer.data(), got);
  out.exit_code = WEXITSTATUS(pclose(pipe));
  return out;
}

TEST(Program, EveryHelpHasAnExample) {
  for (const char* command : {"transcribe", "understand", "synthesize", "converse", "serve",
                              "models", "doctor", "bench", "build", "inspect"}) {
    const Ran ran = run(std::string(command) + " --help");
    EXPECT_EQ(ran.exit_code, 0) << command;
    EXPECT_NE(ran.output.find("Example:\n  antiphon " + std::string(command)), std::string::npos)
        << ran.output;
  }
}

TEST(Program, BadUseIs2) {
  for (const char* arguments :
       {"", "dance", "transcribe", "transcribe a.wav --format doc", "synthesize -o a.wav",
        "synthesize hello", "serve --port 70000", "converse", "bench --turns 0"})
    EXPECT_EQ(run(arguments).exit_code, 2) << arguments;
}

TEST(Program, FailureIs1AndNamesTheThing) {
  const Ran ran = run("converse question.wav --models /nowhere");
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_NE(ran.output.find("question.wav"), std::string::npos) << ran.output;
  EXPECT_EQ(run("models --models /nowhere").exit_code, 1);
  EXPECT_EQ(run("serve --config /nowhere.toml").exit_code, 1);
}

TEST(Program, Version) { EXPECT_EQ(run("--version").output, "0.1.0\n"); }

}  // namespace
