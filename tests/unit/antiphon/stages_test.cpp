// An assistant of one stage, on the understanding pack that ships.
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

#include "antiphon/assistant.h"

namespace antiphon {
namespace {

const std::string kModels = ANTIPHON_SOURCE_DIR "/models";

TEST(AssistantStages, UnderstandingAloneNeedsItsPackAlone) {
  const auto assistant =
      Assistant::create({.models_dir = kModels, .recognize = false, .synthesize = false});
  ASSERT_TRUE(assistant.ok()) << assistant.status().message();
  EXPECT_EQ((*assistant)->models(), std::vector<std::string>{"nlu-en"});
  const auto got = (*assistant)->understand("turn on the lights in the kitchen");
  ASSERT_TRUE(got.ok()) << got.status().message();
  EXPECT_EQ(got->intent, "iot_hue_lighton");

  const auto heard = (*assistant)->transcribe(std::vector<float>(16000), 16000);
  EXPECT_EQ(heard.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(heard.status().message().find("recognize"), std::string::npos);
  const auto said = (*assistant)->synthesize("hello");
  EXPECT_EQ(said.status().code(), StatusCode::kUnsupported);
  EXPECT_NE(said.status().message().find("synthesize"), std::string::npos);
  const auto asked = (*assistant)->ask(std::vector<float>(16000), 16000);
  EXPECT_EQ(asked.status().code(), StatusCode::kUnsupported);
}

TEST(AssistantStages, MissingPacksAreNamed) {
  const auto none = Assistant::create({.models_dir = kModels + "/assistants"});
  ASSERT_FALSE(none.ok());
  EXPECT_EQ(none.status().code(), StatusCode::kNotFound);
  EXPECT_NE(none.status().message().find("asr-en/manifest.toml"), std::string::npos);
  const auto folder = Assistant::create({.models_dir = "no such folder"});
  EXPECT_EQ(folder.status().code(), StatusCode::kNotFound);
}

TEST(AssistantStages, MakesTheFolderOfPlans) {
  const std::filesystem::path folder = testing::TempDir() + "antiphon_stages/plans";
  AssistantConfig config{.models_dir = kModels, .recognize = false, .synthesize = false};
  config.plan_dir = folder.string();
  ASSERT_TRUE(Assistant::create(config).ok());
  EXPECT_TRUE(std::filesystem::is_directory(folder));
  std::filesystem::remove_all(folder.parent_path());
  config.plan_dir = "/proc/nowhere/plans";
  const auto refused = Assistant::create(config);
  EXPECT_EQ(refused.status().code(), StatusCode::kNotFound);
  EXPECT_NE(refused.status().message().find("/proc/nowhere/plans"), std::string::npos);
}

// assistant.toml says who answers; a voice that the pack lacks is told when the assistant is made.
TEST(AssistantStages, TheVoiceOfTheAssistantIsOneOfThePack) {
  const std::string path = testing::TempDir() + "antiphon_stages_voice.toml";
  AssistantConfig config{.models_dir = kModels, .recognize = false, .understand = false};
  config.assistant_path = path;
  const auto made_with = [&](const std::string& voice) {
    std::ofstream(path) << "name = 'a'\nvoice = '" << voice
                        << "'\n[[intent]]\nname = 'i'\nphrases = ['hello']\nreply = 'Hello.'\n";
    return Assistant::create(config).status();
  };
  const auto plain =
      Assistant::create({.models_dir = kModels, .recognize = false, .understand = false});
  ASSERT_TRUE(plain.ok()) << plain.status().message();
  EXPECT_TRUE(made_with((*plain)->voices().back()).ok());
  const Status refused = made_with("nobody");
  EXPECT_EQ(refused.code(), StatusCode::kInvalidArgument);
  EXPECT_NE(refused.message().find(path + ": voice: wanted \""), std::string::npos)
      << refused.message();
  std::filesystem::remove(path);
}

}  // namespace
}  // namespace antiphon
