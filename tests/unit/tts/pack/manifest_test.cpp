// Manifests: what is read, and how each mistake is named.
#include "tts/pack/manifest.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>

namespace antiphon::tts {
namespace {

namespace fs = std::filesystem;

class Manifest : public testing::Test {
 protected:
  void SetUp() override {
    dir_ = testing::TempDir() + "tts_manifest_" +
           testing::UnitTest::GetInstance()->current_test_info()->name();
    fs::create_directories(dir_);
  }
  void TearDown() override { fs::remove_all(dir_); }
  void write(const std::string& text) { std::ofstream(dir_ + "/manifest.toml") << text; }
  std::string error_of_tts(const std::string& text) {
    write(text);
    const auto manifest = read_tts_manifest(dir_);
    return manifest.ok() ? "" : manifest.status().message();
  }
  std::string dir_;
};

// "0", "1", ...: so many names of a list.
std::string many_names(int count) {
  std::string list;
  for (int i = 0; i < count; ++i) list += (i ? ", \"" : "\"") + std::to_string(i) + "\"";
  return list;
}

TEST_F(Manifest, ReadsWhatExportWrites) {
  write(
      "name = \"tts-en\"\nkind = \"tts\"\nversion = 1\n[tts]\nsymbols = \" !$^ˈə\"  # ids\nvoices "
      "= [\"heart\", \"puck\"]\nrate_hz "
      "= 22050\nhop_samples = 256\nmel_bins = 80\n"
      "prenet_dropout = false\nalignment = \"durations\"\nattention_back = 1\nattention_ahead = "
      "4\nalignment_width = 0.5\nstall_factor = 3.0\n"
      "stall_frames = 15.0\nstop_threshold = 0.5\nmax_frames = 1500\n[files]\n\"x\" = { bytes = 3 "
      "}\n");
  const auto m = read_tts_manifest(dir_);
  ASSERT_TRUE(m.ok()) << m.status().to_string();
  EXPECT_EQ(m->symbols, U" !$^ˈə");
  EXPECT_EQ(m->decoder.alignment, Alignment::kDurations);
  EXPECT_EQ(m->guard.max_frames, 1500);
  EXPECT_TRUE(m->g2p_path.empty());
  EXPECT_EQ(m->voices, (std::vector<std::string>{"heart", "puck"}));
}

TEST_F(Manifest, VoicesAreAListOrOneName) {
  const std::string head = "[tts]\nsymbols = \"^$a\"\n";
  const auto voices = [&](const std::string& line) {
    write(head + line);
    const auto m = read_tts_manifest(dir_);
    EXPECT_TRUE(m.ok()) << m.status().to_string();
    return m.ok() ? m->voices : std::vector<std::string>();
  };
  using Names = std::vector<std::string>;
  EXPECT_EQ(voices(""), Names{"default"});
  EXPECT_EQ(voices("voice = \"heart\"\n"), Names{"heart"});
  EXPECT_EQ(voices("voice = \"heart\"\nvoices = [\"puck\", \"heart\"]\n"),
            (Names{"puck", "heart"}));
  EXPECT_EQ(voices("voices = [" + many_names(64) + "]\n").size(), 64u);
}

TEST_F(Manifest, VocoderKeys) {
  write(
      "kind = \"vocoder\"\n[vocoder]\nrate_hz = 22050\nflows = 6\nlayers = 10\nchannels = "
      "256\nsigma = 0.3\n");
  const auto m = read_vocoder_manifest(dir_);
  ASSERT_TRUE(m.ok()) << m.status().to_string();
  EXPECT_EQ(m->network.delay_groups(), 60);
  EXPECT_EQ(m->network.delay_frames(), 15);
  EXPECT_FLOAT_EQ(m->sigma, 0.3f);
  EXPECT_FALSE(m->network.has_pitch());
  write("kind = \"vocoder\"\n[vocoder]\ngroup_samples = 100\n");
  EXPECT_NE(read_vocoder_manifest(dir_).status().message().find("vocoder.group_samples"),
            std::string::npos);
}

TEST_F(Manifest, VocodersMayTellThePitch) {
  const std::string head =
      "kind = \"vocoder\"\n[vocoder]\nflows = 6\nlayers = 10\nchannels = 256\n";
  write(head + "pitch_channels = 64\npitch_layers = 3\n");
  const auto m = read_vocoder_manifest(dir_);
  ASSERT_TRUE(m.ok()) << m.status().to_string();
  EXPECT_TRUE(m->network.has_pitch());
  EXPECT_EQ(m->network.pitch_channels, 64);
  EXPECT_EQ(m->network.pitch_layers, 3);
  EXPECT_EQ(m->network.pitch_flows, 0);
  EXPECT_EQ(m->network.delay_groups(), 60);
  EXPECT_EQ(m->network.harmonics_delay_groups(), 60);
  EXPECT_EQ(m->network.delay_frames(), 15);
  write(head + "pitch_channels = 64\npitch_layers = 14\n");  // and a frame: the flows' 15
  EXPECT_TRUE(read_vocoder_manifest(dir_).ok());
  const std::string both =
      "vocoder.pitch_channels, vocoder.pitch_layers: wanted both or neither, got ";
  const std::pair<std::string, std::string> cases[] = {
      {"pitch_channels = 64\n", both + "pitch_channels alone"},
      {"pitch_layers = 3\n", both + "pitch_layers alone"},
      {"pitch_channels = 64\npitch_layers = 0\n",
       "vocoder.pitch_layers: wanted an integer from 1 to 64"},
      {"pitch_channels = -1\npitch_layers = 3\n",
       "vocoder.pitch_channels: wanted an integer from 1 to 4096"},
      {"pitch_channels = \"64\"\npitch_layers = 3\n", "vocoder.pitch_channels: wanted an integer"},
      {"pitch_channels = 64\npitch_layers = 15\n",
       "vocoder.pitch_layers: wanted one frame more to last at most as long as the 60 groups of 64 "
       "samples after which harmonics are due (flows less pitch_flows, times layers), got 15"},
      {"mel_bins = 1\npitch_channels = 64\npitch_layers = 3\n",
       "vocoder.mel_bins: wanted at least 2"},
  };
  for (const auto& [lines, wanted] : cases) {
    write(head + lines);
    const std::string error = read_vocoder_manifest(dir_).status().message();
    EXPECT_NE(error.find(wanted), std::string::npos) << lines << " -> " << error;
    EXPECT_NE(error.find("manifest.toml"), std::string::npos) << error;
  }
}

TEST_F(Manifest, VocodersFlowsMayHearThePitch) {
  const std::string flows =
      "kind = \"vocoder\"\n[vocoder]\nflows = 6\nlayers = 10\nchannels = 256\n";
  const std::string head = flows + "pitch_channels = 64\npitch_layers = 3\n";
  write(head + "pitch_flows = 2\n");
  const auto m = read_vocoder_manifest(dir_);
  ASSERT_TRUE(m.ok()) << m.status().to_string();
  EXPECT_EQ(m->network.pitch_flows, 2);
  EXPECT_EQ(m->network.delay_groups(), 60);
  EXPECT_EQ(m->network.harmonics_delay_groups(), 40);
  for (int flow = 0; flow < 6; ++flow) EXPECT_EQ(m->network.hears_harmonics(flow), flow >= 4);
  write(head + "pitch_flows = 4\n");  // 20 groups: five frames; the pitch takes four
  EXPECT_TRUE(read_vocoder_manifest(dir_).ok());
  const std::string due = " groups of 64 samples after which harmonics are due";
  const std::pair<std::string, std::string> cases[] = {
      {head + "pitch_flows = -1\n", "vocoder.pitch_flows: wanted an integer from 0 to 6"},
      {head + "pitch_flows = 7\n", "vocoder.pitch_flows: wanted an integer from 0 to 6"},
      {head + "pitch_flows = true\n", "vocoder.pitch_flows: wanted an integer from 0 to 6"},
      {head + "pitch_flows = 5\n",
       "vocoder.pitch_layers: wanted one frame more to last at most as long as the 10" + due},
      {head + "pitch_flows = 6\n", "the 0" + due},
      {flows + "pitch_flows = 2\n",
       "vocoder.pitch_flows: wanted pitch_channels and pitch_layers beside it, got neither"},
  };
  for (const auto& [text, wanted] : cases) {
    write(text);
    const std::string error = read_vocoder_manifest(dir_).status().message();
    EXPECT_NE(error.find(wanted), std::string::npos) << text << " -> " << error;
    EXPECT_NE(error.find("manifest.toml"), std::string::npos) << error;
  }
}

// [vocoder] with a pitch of its own, which voices do not inherit.
const std::string kVocoder =
    "kind = \"vocoder\"\n[vocoder]\nflows = 6\nlayers = 10\nchannels = 256\nsigma = 0.3\n"
    "pitch_channels = 32\npitch_layers = 2\npitch_flows = 1\n";

TEST_F(Manifest, VoicesOfAVocoderHaveAdapters) {
  for (const char* file : {"puck.safetensors", "b c"}) std::ofstream(dir_ + "/" + file) << "x";
  write(kVocoder +
        "[voices.puck]\nadapter = \"puck.safetensors\"\npitch_channels = 64\npitch_layers = 3\n"
        "pitch_flows = 2\n[voices.\"a/b é\"]\nadapter = \"b c\"\nunknown = 1\n");
  const auto m = read_vocoder_manifest(dir_);
  ASSERT_TRUE(m.ok()) << m.status().to_string();
  EXPECT_EQ(m->network.pitch_channels, 32);
  ASSERT_EQ(m->voices.size(), 2u);
  EXPECT_EQ(m->voices[0].name, "a/b é");
  EXPECT_EQ(m->voices[0].adapter_path, dir_ + "/b c");
  EXPECT_FALSE(m->voices[0].network.has_pitch());
  EXPECT_EQ(m->voices[0].network.pitch_flows, 0);
  EXPECT_EQ(m->voices[0].network.channels, 256);
  EXPECT_EQ(m->voices[1].name, "puck");
  EXPECT_EQ(m->voices[1].adapter_path, dir_ + "/puck.safetensors");
  EXPECT_EQ(m->voices[1].network.pitch_channels, 64);
  EXPECT_EQ(m->voices[1].network.pitch_layers, 3);
  EXPECT_EQ(m->voices[1].network.pitch_flows, 2);
  EXPECT_EQ(m->voices[1].network.flows, 6);
  std::string many = kVocoder;
  for (int i = 0; i < 64; ++i) many += "[voices.v" + std::to_string(i) + "]\nadapter = \"b c\"\n";
  write(many);
  EXPECT_EQ(read_vocoder_manifest(dir_)->voices.size(), 64u);
  write(kVocoder + "[voices]\n");
  EXPECT_TRUE(read_vocoder_manifest(dir_)->voices.empty());
}

TEST_F(Manifest, AnAdapterStandsBesideTheWeightsThatItIsFor) {
  const std::string header = "{\"__metadata__\":{\"base_sha256\":\"abc\"}}";
  std::ofstream(dir_ + "/file") << char(header.size()) << std::string(7, '\0') << header;
  const std::string voice = kVocoder + "[voices.puck]\nadapter = \"file\"\n",
                    weights = voice + "[files]\n\"weights.safetensors\" = ";
  for (const std::string& good : {voice, voice + "[files]\n", weights + "{ bytes = 3 }\n",
                                  weights + "3\n", weights + "{ sha256 = \"abc\" }\n"}) {
    write(good);
    EXPECT_TRUE(read_vocoder_manifest(dir_).ok()) << good;
  }
  write(weights + "{ sha256 = \"abd\" }\n");
  const std::string message = read_vocoder_manifest(dir_).status().message();
  EXPECT_NE(message.find("voices.puck.adapter: " + dir_ +
                         "/file is for weights.safetensors of SHA-256 abc, [files] has abd"),
            std::string::npos)
      << message;
}

TEST_F(Manifest, ErrorsOfVoicesNameTheKey) {
  std::ofstream(dir_ + "/file") << "x";
  std::string many;
  for (int i = 0; i < 65; ++i) many += "[voices.v" + std::to_string(i) + "]\nadapter = \"file\"\n";
  const std::string puck = "[voices.puck]\n", good = puck + "adapter = \"file\"\n",
                    plain = "voices.puck.adapter: wanted the name of a file in the pack, got ";
  const std::pair<std::string, std::string> cases[] = {
      {puck, "voices.puck.adapter: is absent"},
      {puck + "adapter = 3\n", "voices.puck.adapter: wanted a string"},
      {puck + "adapter = \"\"\n", plain + "\"\""},
      {puck + "adapter = \"../file\"\n", plain + "\"../file\""},
      {puck + "adapter = \"/etc/passwd\"\n", plain + "\"/etc/passwd\""},
      {puck + "adapter = \"file\\u0000x\"\n", plain},
      {puck + "adapter = \"..\"\n", "voices.puck.adapter: there is no file " + dir_ + "/.."},
      {puck + "adapter = \"none\"\n", "voices.puck.adapter: there is no file " + dir_ + "/none"},
      {good + "pitch_channels = 64\n",
       "voices.puck.pitch_channels, voices.puck.pitch_layers: wanted both or neither, got "
       "pitch_channels alone"},
      {good + "pitch_layers = 3\n", "got pitch_layers alone"},
      {good + "pitch_flows = 1\n", "voices.puck.pitch_flows: wanted pitch_channels and"},
      {good + "pitch_flows = 7\n", "voices.puck.pitch_flows: wanted an integer from 0 to 6"},
      {good + "pitch_channels = 0\n", "voices.puck.pitch_channels: wanted an integer from 1"},
      {good + "pitch_channels = 64\npitch_layers = 3\npitch_flows = 5\n",
       "voices.puck.pitch_layers: wanted one frame more to last at most as long as the 10 groups"},
      {"[voices.\"\"]\nadapter = \"file\"\n", "voices: wanted names, got an empty one"},
      {"[voices]\npuck = \"file\"\n", "wanted a section [voices.puck]"},
      {"[[voices]]\nadapter = \"file\"\n", "voices: wanted sections [voices.NAME]"},
      {many, "voices: wanted at most 64, got 65"},
  };
  for (const auto& [lines, wanted] : cases) {
    write(kVocoder + lines);
    const Status status = read_vocoder_manifest(dir_).status();
    EXPECT_EQ(status.code(), StatusCode::kInvalidArgument) << lines;
    EXPECT_NE(status.message().find(wanted), std::string::npos)
        << lines << " -> " << status.message();
    EXPECT_NE(status.message().find("manifest.toml"), std::string::npos) << status.message();
  }
}

TEST_F(Manifest, ErrorsNameFileAndKey) {
  const std::string good = "[tts]\nsymbols = \"^$ a\"\n";
  EXPECT_EQ(error_of_tts(good), "");
  const std::pair<std::string, std::string> cases[] = {
      {"", "[tts]"},
      {"[tts]\n", "tts.symbols"},
      {"[tts]\nsymbols = \"abc\"\n", "tts.symbols"},
      {"[tts]\nsymbols = 3\n", "tts.symbols: wanted a string"},
      {good + "rate_hz = \"fast\"\n", "tts.rate_hz: wanted an integer from 8000"},
      {good + "rate_hz = 1\n", "tts.rate_hz"},
      {good + "stop_threshold = 2\n", "tts.stop_threshold: wanted a number from 0"},
      {good + "prenet_dropout = 1\n", "tts.prenet_dropout: wanted true or false"},
      {good + "alignment = \"magic\"\n", "got \"magic\""},
      {good + "voices = \"one\"\n",
       "tts.voices: wanted a list of 1 to 64 different names, got no list"},
      {good + "voices = []\n", "different names, got 0"},
      {good + "voices = [\"one\", \"one\"]\n", "different names, got \"one\" twice"},
      {good + "voices = [\"one\", \"\"]\n", "different names, got an empty one"},
      {good + "voices = [\"one\", 2]\n", "different names, got one that is not a string"},
      {good + "voices = [" + many_names(65) + "]\n", "different names, got 65"},
      {good + "voice = 3\n", "tts.voice: wanted a string"},
      {"kind = \"asr\"\n" + good, "kind: wanted \"tts\", got \"asr\""},
      {"version = 9\n" + good, "version: wanted 1, got 9"},
      {"[tts\n", "line 1"},
      {std::string("\xff\xfe", 2), "manifest.toml"},
  };
  for (const auto& [text, wanted] : cases) {
    const std::string error = error_of_tts(text);
    EXPECT_NE(error.find(wanted), std::string::npos) << text << " -> " << error;
    EXPECT_NE(error.find("manifest.toml"), std::string::npos) << error;
  }
  EXPECT_EQ(read_tts_manifest("/nowhere").status().code(), StatusCode::kNotFound);
}

TEST_F(Manifest, EveryCutOfAManifestIsHarmless) {
  const std::string text =
      "name = \"tts-en\"\n[tts]\nsymbols = \"^$ ab\"\nrate_hz = 22050\nalignment = \"attention\"\n";
  for (std::size_t n = 0; n < text.size(); ++n) (void)error_of_tts(text.substr(0, n));
}

TEST_F(Manifest, MetadataOfWeights) {
  const std::string header = "{\"__metadata__\":{\"phonemes\":\"abə\"}}";
  std::string file(8, '\0');
  file[0] = static_cast<char>(header.size());
  std::ofstream(dir_ + "/w", std::ios::binary) << file + header;
  EXPECT_EQ(safetensors_metadata(dir_ + "/w", "phonemes"), "abə");
  EXPECT_EQ(safetensors_metadata(dir_ + "/w", "letters"), "");
  EXPECT_EQ(safetensors_metadata(dir_ + "/none", "phonemes"), "");
  for (std::size_t n = 0; n < 8 + header.size(); ++n) {
    std::ofstream(dir_ + "/w", std::ios::binary | std::ios::trunc) << (file + header).substr(0, n);
    EXPECT_EQ(safetensors_metadata(dir_ + "/w", "phonemes"), "");
  }
}

}  // namespace
}  // namespace antiphon::tts
