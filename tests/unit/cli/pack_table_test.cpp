// What `antiphon models` reads from manifests.
#include "cli/pack_table.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

namespace antiphon::cli {
namespace {

namespace fs = std::filesystem;
using testing::HasSubstr;

struct PackTable : testing::Test {
  PackTable() : folder(testing::TempDir() + std::to_string(getpid()) + "_packs") {
    fs::create_directories(folder / "asr-xx");
    fs::create_directories(folder / "assistants");  // no manifest: not a pack
  }
  ~PackTable() override { fs::remove_all(folder); }
  void write(const std::string& manifest) {
    std::ofstream(folder / "asr-xx" / "manifest.toml") << manifest;
    std::ofstream(folder / "asr-xx" / "weights.bin") << "12345";
  }
  fs::path folder;
};

TEST_F(PackTable, ReadsLicenceSizeAndAccuracy) {
  write(
      "kind = 'asr'\nversion = 2\nlicence = 'MIT'\n[files]\nweights = 'weights.bin'\n'weights.bin' "
      "= { bytes = 5 }\n"
      "[accuracy]\nwer = { f32 = 9.5, int8 = 9.75 }\nplain = 3\n");
  const auto packs = read_packs(folder.string());
  ASSERT_TRUE(packs.ok()) << packs.status().message();
  ASSERT_EQ(packs->size(), 1u);
  const PackInfo& pack = packs->front();
  EXPECT_EQ(pack.name, "asr-xx");
  EXPECT_EQ(pack.version, "2");
  EXPECT_EQ(pack.licence, "MIT");
  EXPECT_EQ(pack.num_files, 2);
  EXPECT_EQ(pack.bytes, 5 + fs::file_size(folder / "asr-xx" / "manifest.toml"));
  ASSERT_EQ(pack.accuracy.size(), 2u);
  const auto& wer = pack.accuracy[0].name == "wer" ? pack.accuracy[0] : pack.accuracy[1];
  EXPECT_EQ(wer.precision.at("int8"), 9.75);
  EXPECT_TRUE(pack.faults.empty());
}

TEST_F(PackTable, VoicesInTheirOrder) {
  write("kind = 'tts'\n[tts]\nvoices = ['puck', 'heart']\n");
  const auto packs = read_packs(folder.string());
  ASSERT_TRUE(packs.ok()) << packs.status().message();
  EXPECT_EQ(packs->front().voices, (std::vector<std::string>{"puck", "heart"}));
  write("kind = 'asr'\n");
  EXPECT_TRUE(read_packs(folder.string())->front().voices.empty());
}

TEST_F(PackTable, FindsMissingAndShortFiles) {
  write("[files]\n'weights.bin' = { bytes = 6 }\n'words.txt' = { sha256 = 'x' }\n");
  const auto packs = read_packs(folder.string());
  ASSERT_TRUE(packs.ok());
  EXPECT_THAT(packs->front().faults,
              testing::UnorderedElementsAre(HasSubstr("has 5 bytes, its manifest says 6"),
                                            HasSubstr("words.txt is missing")));
}

TEST_F(PackTable, RefusesWhatIsNotToml) {
  write("kind = \n");
  const auto packs = read_packs(folder.string());
  ASSERT_FALSE(packs.ok());
  EXPECT_THAT(packs.status().message(), HasSubstr("asr-xx/manifest.toml: line 1"));
  EXPECT_EQ(read_packs("/nowhere").status().code(), StatusCode::kNotFound);
}

}  // namespace
}  // namespace antiphon::cli
