// Encoder, decoder and post-net against PyTorch, in blocks, on a tiny geometry.
#include <gtest/gtest.h>

#include <algorithm>
#include <fstream>

#include "tests/unit/tts/reference_runner.h"
#include "tts/acoustic/acoustic_decoder.h"
#include "tts/acoustic/postnet_stream.h"

namespace antiphon::tts {
namespace {

// PyTorch worked in f32 over 40 recurrent steps; the interpreter works in double.
constexpr double kBound = 2e-4;

class Acoustic : public testing::Test {
 protected:
  void SetUp() override {
    weights_ = golden_weights("tiny_tacotron.safetensors");
    ASSERT_TRUE(weights_);
    auto geometry = read_geometry(*weights_);
    ASSERT_TRUE(geometry.ok()) << geometry.status().to_string();
    geometry_ = *geometry;
    guard_.max_skipped_frames = 1e9f;  // as in training: the window alone
    const auto ids = weights_->tensor("golden.ids");
    ids_.assign(static_cast<const std::int32_t*>(ids->data),
                static_cast<const std::int32_t*>(ids->data) + ids->num_elements());
  }

  // The first `frames` frames before the post-net.
  std::vector<float> decode(DecoderConfig config, std::size_t frames) {
    ReferenceRunner encoder(encoder_network(*weights_, geometry_)),
        decoder(decoder_network(*weights_, geometry_, config));
    AcousticDecoder acoustic(geometry_, config, guard_, 0.5f);
    EXPECT_TRUE(acoustic.begin(encoder, ids_, 1).ok());
    std::vector<float> mel;
    while (mel.size() < frames * 80 && !acoustic.done()) {
      const Status status = acoustic.block(decoder, mel);
      EXPECT_TRUE(status.ok()) << status.to_string();
      if (!status.ok()) break;
    }
    mel.resize(std::min(mel.size(), frames * 80));
    return mel;
  }

  std::shared_ptr<const Weights> weights_;
  AcousticGeometry geometry_;
  GuardConfig guard_;
  std::vector<std::int32_t> ids_;
};

TEST_F(Acoustic, ReadsTheGeometry) {
  EXPECT_EQ(geometry_.encoder, 16);
  EXPECT_EQ(geometry_.rnn, 24);
  EXPECT_EQ(geometry_.prenet, 8);
  EXPECT_EQ(geometry_.post_delay_frames(), 10);
  EXPECT_TRUE(geometry_.has_durations);
}

TEST_F(Acoustic, EncoderEqualsPyTorch) {
  ReferenceRunner encoder(encoder_network(*weights_, geometry_));
  const std::int64_t dims[] = {1, static_cast<std::int64_t>(ids_.size())};
  std::copy(ids_.begin(), ids_.end(), static_cast<std::int32_t*>(*encoder.input("ids", dims)));
  ASSERT_TRUE(encoder.run(-1).ok());
  for (const char* name : {"encoder", "key", "log_frames"}) {
    const auto got = *encoder.output(name);
    expect_near({got.begin(), got.end()}, golden(*weights_, name), 1e-5, name);
  }
}

TEST_F(Acoustic, DecoderEqualsPyTorchWhateverTheBlock) {
  for (const int block : {1, 7, 24, 40}) {
    DecoderConfig config;
    config.block_frames = block;
    expect_near(decode(config, 40), golden(*weights_, "mel_before"), kBound, "mel");
  }
}

TEST_F(Acoustic, DecoderByDurationsEqualsPyTorch) {
  DecoderConfig config;
  config.alignment = Alignment::kDurations;
  expect_near(decode(config, 40), golden(*weights_, "mel_durations"), kBound, "mel");
}

TEST_F(Acoustic, DropoutMasksEqualPyTorch) {
  DecoderConfig config;
  config.dropout = true;
  config.block_frames = 40;
  ReferenceRunner encoder(encoder_network(*weights_, geometry_)),
      decoder(decoder_network(*weights_, geometry_, config));
  AcousticDecoder acoustic(geometry_, config, guard_, 0.5f);
  ASSERT_TRUE(acoustic.begin(encoder, ids_, 1).ok());
  // The masks of the golden file stand in for the seeded ones.
  class WithMasks final : public NetRunner {
   public:
    WithMasks(NetRunner& net, std::vector<float> masks) : net_(net), masks_(std::move(masks)) {}
    Result<void*> input(std::string_view name, std::span<const std::int64_t> dims) override {
      at_ = name == "masks" ? nullptr : at_;
      if (name == "masks") dims_.assign(dims.begin(), dims.end());
      return name == "masks" ? Result<void*>(static_cast<void*>(ignored_.data()))
                             : net_.input(name, dims);
    }
    Status run(int slot) override {
      std::copy(masks_.begin(), masks_.end(), static_cast<float*>(*net_.input("masks", dims_)));
      return net_.run(slot);
    }
    Result<std::span<const float>> output(std::string_view name) override {
      return net_.output(name);
    }

   private:
    NetRunner& net_;
    std::vector<float> masks_, ignored_ = std::vector<float>(4096);
    std::vector<std::int64_t> dims_;
    void* at_ = nullptr;
  } with_masks(decoder, golden(*weights_, "masks"));
  std::vector<float> mel;
  ASSERT_TRUE(acoustic.block(with_masks, mel).ok());
  expect_near(mel, golden(*weights_, "mel_dropped"), kBound, "mel");
}

TEST_F(Acoustic, SeededMasksRepeat) {
  DecoderConfig config;
  config.dropout = true;
  EXPECT_EQ(decode(config, 30), decode(config, 30));
}

TEST_F(Acoustic, PostnetInBlocksEqualsTheWholeUtterance) {
  const std::vector<float> before = golden(*weights_, "mel_before"),
                           after = golden(*weights_, "mel_after");
  for (const int block : {1, 3, 8, 24, 64}) {
    ReferenceRunner net(postnet_network(*weights_, geometry_));
    PostnetStream stream(geometry_, block);
    std::vector<float> out, pending;
    stream.begin();
    for (std::size_t at = 0; at < before.size(); at += 80 * 5) {  // fed five frames at a time
      pending.insert(
          pending.end(), before.begin() + static_cast<std::ptrdiff_t>(at),
          before.begin() + static_cast<std::ptrdiff_t>(std::min(at + 400, before.size())));
      ASSERT_TRUE(stream.push(net, 0, pending, at + 400 >= before.size(), out).ok());
    }
    expect_near(out, after, 1e-4, "mel");
  }
}

TEST_F(Acoustic, PostnetOfTheShortestUtterances) {
  for (const int frames : {1, 2, 9, 10, 11}) {
    ReferenceRunner net(postnet_network(*weights_, geometry_)),
        whole(postnet_network(*weights_, geometry_));
    std::vector<float> mel(static_cast<std::size_t>(frames) * 80, 0.5f), out, copy = mel, expected;
    PostnetStream stream(geometry_, 4), one(geometry_, 32);
    stream.begin(), one.begin();
    ASSERT_TRUE(stream.push(net, 0, mel, true, out).ok());
    ASSERT_TRUE(one.push(whole, 0, copy, true, expected).ok());
    EXPECT_EQ(out.size(), static_cast<std::size_t>(frames) * 80);
    expect_near(out, expected, 1e-5, "mel");
  }
}

// Every voice of a network of three, and what no voice is.
TEST(Voices, EqualPyTorch) {
  const auto weights = golden_weights("tiny_voices.safetensors");
  ASSERT_TRUE(weights);
  const auto geometry = read_geometry(*weights);
  ASSERT_TRUE(geometry.ok()) << geometry.status().to_string();
  EXPECT_EQ(geometry->speakers, 3);
  const auto given = weights->tensor("golden.ids");
  const auto* first = static_cast<const std::int32_t*>(given->data);
  const std::vector<std::int32_t> ids(first, first + given->num_elements());
  GuardConfig guard;
  guard.max_skipped_frames = 1e9f;
  ReferenceRunner encoder(encoder_network(*weights, *geometry)),
      decoder(decoder_network(*weights, *geometry, {}));
  AcousticDecoder acoustic(*geometry, {}, guard, 0.5f);
  for (int voice = 0; voice < 3; ++voice) {
    const std::string of = std::to_string(voice) + ".";
    ASSERT_TRUE(acoustic.begin(encoder, ids, 1, voice).ok());
    for (const std::string name : {"encoder", "key", "log_frames"}) {
      const auto got = *encoder.output(name);
      expect_near({got.begin(), got.end()}, golden(*weights, of + name), 1e-5, name.c_str());
    }
    std::vector<float> mel;
    const std::vector<float> want = golden(*weights, of + "mel_before");
    while (mel.size() < want.size() && !acoustic.done())
      ASSERT_TRUE(acoustic.block(decoder, mel).ok());
    mel.resize(want.size());
    expect_near(mel, want, kBound, "mel");
  }
  for (const int voice : {-1, 3})
    EXPECT_NE(acoustic.begin(encoder, ids, 1, voice).message().find("speaker: wanted 0 to 2"),
              std::string::npos);
}

TEST(Geometry, ErrorsNameTheTensor) {
  const auto weights = golden_weights("tiny_vocoder.safetensors");
  ASSERT_TRUE(weights);
  const auto geometry = read_geometry(*weights);
  ASSERT_FALSE(geometry.ok());
  EXPECT_NE(geometry.status().message().find("embedding.weight"), std::string::npos)
      << geometry.status().message();
}

// The network of three voices with a piece of its header written anew, in as many bytes.
std::string error_with(const std::string& piece, std::string instead) {
  std::ifstream file(ANTIPHON_SOURCE_DIR "/tests/golden/tts/tiny_voices.safetensors",
                     std::ios::binary);
  std::string bytes{std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
  const std::size_t at = bytes.find(piece);
  EXPECT_NE(at, std::string::npos) << piece;
  if (at == std::string::npos) return {};
  instead.resize(piece.size(), ' ');
  bytes.replace(at, piece.size(), instead);
  const auto weights = Weights::parse(bytes, "tiny");
  EXPECT_TRUE(weights.ok()) << weights.status().to_string();
  return weights.ok() ? read_geometry(**weights).status().message() : "";
}

TEST(Geometry, BothTablesOfTheSpeakersFitTheOthers) {
  const std::string embedding = R"("speaker.embedding.weight":{"dtype":"F32","shape":)",
                    encoding = R"("speaker.encoding.weight":{"dtype":"F32","shape":)";
  EXPECT_EQ(error_with(embedding, embedding), "");
  const std::string cases[][3] = {
      {encoding, R"("speaker.encodings.none":{"dtype":"F32","shape":)", "speaker.encoding.weight"},
      {embedding, R"("speaker.embeddings.none":{"dtype":"F32","shape":)",
       "speaker.embedding.weight"},
      {embedding + "[3,16]", embedding + "[6,8] ",
       "speaker.embedding.weight: wanted [6, 16], got [6, 8]"},
      {embedding + "[3,16]", embedding + "[48]  ", "speaker.embedding.weight: wanted 2 dimensions"},
      {encoding + "[3,16]", encoding + "[4,12]",
       "speaker.encoding.weight: wanted [3, 16], got [4, 12]"},
      {embedding + "[3,16],\"data_offsets\":[200308,200500]",
       embedding + "[0,16],\"data_offsets\":[200308,200308]",
       "speaker.embedding.weight: wanted a row for each voice, got none"},
  };
  for (const auto& [piece, instead, part] : cases)
    EXPECT_NE(error_with(piece, instead).find(part), std::string::npos)
        << part << ", got: " << error_with(piece, instead);
}

}  // namespace
}  // namespace antiphon::tts
