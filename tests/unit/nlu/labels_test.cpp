// labels.json and manifest.toml of a pack: what is read, and the mistakes in them.
#include "nlu/labels.h"

#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "nlu/pack.h"

namespace antiphon::nlu {
namespace {

constexpr const char* kGood =
    R"({"intents": ["a/x", "a/y", "oos"], "slots": ["O", "B-a/s", "I-a/s"],
  "out_of_scope": "oos", "default_domain": "a",
  "domains": {"a": {"intents": [0, 1, 2], "slots": [0, 1, 2], "min_confidence": 0.4}},
  "question": {"min_score": -1.5, "max_answer_pieces": 12, "window_pieces": 100,
               "stride_pieces": 50, "max_question_pieces": 20}})";

TEST(Labels, ReadsEveryKey) {
  const auto labels = parse_labels(kGood, "labels.json");
  ASSERT_TRUE(labels.ok()) << labels.status().message();
  EXPECT_EQ(labels->intents.size(), 3u);
  EXPECT_EQ(labels->tags[1], "B-a/s");
  EXPECT_EQ(labels->default_domain, "a");
  EXPECT_FLOAT_EQ(labels->domains.at("a").min_confidence, 0.4f);
  EXPECT_FLOAT_EQ(labels->question.min_score, -1.5f);
  EXPECT_EQ(labels->question.window_pieces, 100);
}

TEST(Labels, NamesMistakes) {
  const auto says = [](const std::string& json, const std::string& wanted) {
    const auto labels = parse_labels(json, "l.json");
    ASSERT_FALSE(labels.ok()) << json;
    EXPECT_EQ(labels.status().code(), StatusCode::kInvalidArgument);
    EXPECT_EQ(labels.status().message().find("l.json: "), 0u);
    EXPECT_NE(labels.status().message().find(wanted), std::string::npos)
        << labels.status().message();
  };
  says("", "parse");
  says("[]", "object");
  says(R"({"intents": 1})", "intents");
  says(R"({"intents": [1]})", "strings");
  says(R"({"domains": []})", "domains");
  says(R"({"domains": {"a": 1}})", "domains.a.intents");
  says(R"({"domains": {"a": {"intents": [0], "slots": []}}})", "below 0");
  says(R"({"intents": ["x"], "domains": {"a": {"intents": [-1], "slots": []}}})", "-1");
  says(R"({"domains": {"a": {"intents": [], "slots": [], "min_confidence": 2}}})",
       "min_confidence");
  says(R"({"default_domain": "b"})", "'b'");
  says(R"({"out_of_scope": 4})", "string");
  says(R"({"question": {"window_pieces": 1}})", "window_pieces");
  says(R"({"question": {"window_pieces": 40}})", "no room");
  const std::string good = kGood;
  for (std::size_t cut = 0; cut < good.size(); ++cut)
    EXPECT_FALSE(parse_labels(good.substr(0, cut), "l").ok());
}

class PackFolder : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "nlu_pack_" + std::to_string(getpid());
    std::filesystem::create_directories(dir_);
  }
  void TearDown() override { std::filesystem::remove_all(dir_); }
  void write(const char* name, const std::string& text) {
    std::ofstream(std::filesystem::path(dir_) / name) << text;
  }
  std::string dir_;
};

TEST_F(PackFolder, ReadsTheManifest) {
  write("manifest.toml",
        "kind = \"nlu\"\nname = \"n\"\n[geometry]\nlayers = 2\nheads = 4\nwidth = 32\n"
        "positions = 64\nnorm_epsilon = 1e-6\n[assistant]\naccept = 0.4\n");
  auto pack = read_pack(dir_);
  ASSERT_TRUE(pack.ok()) << pack.status().message();
  EXPECT_EQ(pack->layers, 2);
  EXPECT_FLOAT_EQ(pack->thresholds.accept, 0.4f);
  EXPECT_FALSE(pack->has_labels);
  write("labels.json", kGood);
  pack = read_pack(dir_);
  ASSERT_TRUE(pack.ok());
  EXPECT_TRUE(pack->has_labels);
  write("labels.json", "{");
  EXPECT_EQ(read_pack(dir_).status().code(), StatusCode::kInvalidArgument);
}

TEST_F(PackFolder, NamesMistakes) {
  EXPECT_EQ(read_pack(dir_).status().code(), StatusCode::kNotFound);
  const auto says = [&](const std::string& toml, const std::string& wanted) {
    write("manifest.toml", toml);
    const auto pack = read_pack(dir_);
    ASSERT_FALSE(pack.ok()) << toml;
    EXPECT_NE(pack.status().message().find(wanted), std::string::npos) << pack.status().message();
    EXPECT_NE(pack.status().message().find(dir_), std::string::npos);
  };
  says("", "kind");
  says("kind = \"asr\"", "wanted 'nlu'");
  says("kind = \"nlu\"\n[geometry]\nlayers = \"six\"", "geometry.layers");
  says("kind = \"nlu\"\n[geometry]\nlayers = 0", "geometry.layers");
  says("kind = \"nlu\"\n[geometry]\nwidth = 10\nheads = 3", "geometry.heads");
  says("kind = \"nlu\"\n[assistant]\nsure = 7", "assistant.sure");
  says("kind = ", "line 1");
}

}  // namespace
}  // namespace antiphon::nlu
