// The program itself: exit codes, help and errors.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "cli/audio_file.h"
#include "tests/support/command.h"
#include "tests/support/server_rig.h"

namespace antiphon {
namespace {

using testing::HasSubstr;

using test::Ran;
using test::run_command;

Ran run(const std::string& arguments) { return test::run_program(arguments); }

std::string path_of(const char* name) {
  return testing::TempDir() + std::to_string(getpid()) + "_" + name;
}

TEST(Program, EveryHelpHasAnExample) {
  for (const char* command :
       {"transcribe", "understand", "synthesize", "converse", "serve", "models", "doctor", "bench",
        "build", "inspect", "calibrate", "completion"}) {
    const Ran ran = run(std::string(command) + " --help");
    EXPECT_EQ(ran.exit_code, 0) << command;
    EXPECT_NE(ran.output.find("Example:\n  antiphon " + std::string(command)), std::string::npos)
        << ran.output;
  }
}

TEST(Program, BadUseIs2) {
  for (const char* arguments :
       {"", "dance", "transcribe", "transcribe a.wav --format doc", "synthesize -o a.wav",
        "synthesize hello", "serve --port 70000", "converse", "bench --turns 0",
        "transcribe a.wav --hotword :3", "transcribe a.wav --hotword a:b", "models --color"})
    EXPECT_EQ(run(arguments).exit_code, 2) << arguments;
}

TEST(Program, FailureIs1AndNamesTheThing) {
  const Ran ran = run("converse question.wav --models /nowhere");
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_NE(ran.output.find("question.wav"), std::string::npos) << ran.output;
  EXPECT_EQ(run("models --models /nowhere").exit_code, 1);
  EXPECT_EQ(run("serve --config /nowhere.toml").exit_code, 1);
}

TEST(Program, DoctorSaysWhatToDo) {
  const Ran ran = run("doctor --models /nowhere --port 0");
  EXPECT_EQ(ran.exit_code, 1);
  EXPECT_THAT(ran.output, HasSubstr("FAIL packs          /nowhere"));
  EXPECT_THAT(ran.output, HasSubstr("-> clone the repository"));
  EXPECT_THAT(ran.output, HasSubstr("ok   port"));  // one failure does not hide the rest
  for (const auto& check : nlohmann::json::parse(run("doctor --models /nowhere --json").output))
    EXPECT_EQ(check["ok"].get<bool>(), !check.contains("do")) << check;
}

TEST(Program, DoctorFindsAPortThatIsTaken) {
  test::ServerRig rig;
  const Ran ran = run("doctor --models /nowhere --port " + std::to_string(rig.port()));
  EXPECT_THAT(ran.output, HasSubstr("FAIL port"));
  EXPECT_THAT(ran.output, HasSubstr("Address already in use"));
}

TEST(Program, ConverseShowsTheTurn) {
  test::ServerRig rig;
  const std::string wav = path_of("question.wav"), answer = path_of("answer.wav");
  ASSERT_TRUE(cli::write_wav(wav, std::vector<float>(4000, 0.5f), 16000).ok());
  const std::string call = "converse " + wav + " -o " + answer +
                           " --server ws://127.0.0.1:" + std::to_string(rig.port()) +
                           "/v1/converse ";
  const Ran text = run(call);
  EXPECT_EQ(text.exit_code, 0) << text.output;
  EXPECT_THAT(text.output, HasSubstr("transcript  two large lattes\n"));
  EXPECT_THAT(text.output, HasSubstr("reply       You said two large lattes.\n"));
  EXPECT_THAT(text.output, HasSubstr(answer + " (0.30 s)"));
  EXPECT_EQ(cli::read_audio(answer)->samples.size(), 3u * 2205);
  const auto json = nlohmann::json::parse(run(call + "--json").output);
  EXPECT_EQ(json["understanding"]["intent"], "two");
  EXPECT_GT(json["latency_ms"]["total"].get<double>(), 0);
  const Ran trace = run(call + "--json --trace --hotword latte:6");
  EXPECT_THAT(trace.output, HasSubstr("-> {\"endpointing\":false"));
  EXPECT_THAT(trace.output, HasSubstr("{\"boost\":6.0,\"text\":\"latte\"}"));
  EXPECT_THAT(trace.output, HasSubstr("-> (3200 bytes of audio"));
  EXPECT_THAT(trace.output, HasSubstr("\"latency_ms\":{\"asr\""));
}

TEST(Program, TranscribeTalksToAServer) {
  test::ServerRig rig;
  const std::string wav = path_of("speech.wav");
  ASSERT_TRUE(cli::write_wav(wav, std::vector<float>(4000, 0.5f), 16000).ok());
  const std::string call = "transcribe " + wav +
                           " --server ws://127.0.0.1:" + std::to_string(rig.port()) +
                           "/v1/converse ";
  EXPECT_EQ(run(call).output, "two large lattes\n");
  EXPECT_THAT(run(call + "--format srt").output, HasSubstr("1\n00:00:00,000 --> "));
  EXPECT_EQ(run("transcribe - <" + wav + call.substr(11 + wav.size())).output,
            "two large lattes\n");
  const Ran missing = run("transcribe /nowhere.wav " + call.substr(12 + wav.size()));
  EXPECT_EQ(missing.exit_code, 1);
  EXPECT_THAT(missing.output, HasSubstr("/nowhere.wav"));
}

// Some other folder named models does not hide those beside the program.
TEST(Program, FindsItsPacksFromAnywhere) {
  const std::string folder = path_of("elsewhere");
  std::filesystem::create_directories(folder + "/models/photographs");
  const Ran ran = run_command("cd " + folder + " && " ANTIPHON_BINARY_DIR "/bin/antiphon models");
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("nlu-en"));
  std::filesystem::create_directories(folder + "/models/mine");
  std::ofstream(folder + "/models/mine/manifest.toml") << "licence = 'MIT'\n";
  EXPECT_THAT(
      run_command("cd " + folder + " && " ANTIPHON_BINARY_DIR "/bin/antiphon models").output,
      HasSubstr("mine"));
  std::filesystem::remove_all(folder);
}

TEST(Program, CompletionIsBash) {
  const Ran ran = run("completion");
  EXPECT_EQ(ran.exit_code, 0);
  const std::string script = path_of("completion.bash");
  std::ofstream(script) << ran.output
                        << "COMP_WORDS=(antiphon conv); COMP_CWORD=1; _antiphon\n"
                           "echo ${COMPREPLY[@]}\n"
                           "COMP_WORDS=(antiphon serve --po); COMP_CWORD=2; _antiphon\n"
                           "echo ${COMPREPLY[@]}\n";
  EXPECT_EQ(run_command("bash " + script).output, "converse\n--port\n");
}

TEST(Program, Version) { EXPECT_EQ(run("--version").output, "0.1.0\n"); }

}  // namespace
}  // namespace antiphon
