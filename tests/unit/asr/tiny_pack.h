// The recogniser of spelled tones (tests/golden/asr/make_golden.py): its pack on disk, its models,
// and a voice for it.
#pragma once

#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <numbers>
#include <span>
#include <string>
#include <vector>

#include "asr/stream.h"
#include "engine/weights.h"

namespace antiphon::asr::test {

inline const std::string kGolden = ANTIPHON_SOURCE_DIR "/tests/golden/asr/";
inline const std::string kAlphabet = " 'abcdefghijklmnopqrstuvwxyz";
inline constexpr AcousticConfig kTinyNetwork = {.front = 24, .width = 32, .layers = 2};
// Of listener_f32 and listener_i8.safetensors (tests/golden/asr/make_listener_golden.py).
inline constexpr AcousticConfig kTinyListener = {.width = 24,
                                                 .layers = 2,
                                                 .lookahead = 2,
                                                 .blocks = 2,
                                                 .channels = 32,
                                                 .heads = 2,
                                                 .inner = 48,
                                                 .past = 7,
                                                 .ahead = 2,
                                                 .outputs_per_step = 2};
// Of tests/golden/asr/NAME.safetensors.
inline std::shared_ptr<const Weights> golden_weights(const std::string& name) {
  return std::move(Weights::load(kGolden + name + ".safetensors")).value();
}
inline std::vector<float> golden_tensor(const Weights& weights, const char* name) {
  const auto view = *weights.tensor(name);
  return {view.f32().begin(), view.f32().end()};
}
inline const char* tiny_weights(int outputs_per_step) {
  return outputs_per_step == 1 ? "tiny.safetensors" : "tiny_two.safetensors";
}

inline std::string read_file(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

inline void write_file(const std::string& path, const std::string& bytes) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << bytes;
}

inline const std::string kTinyManifest =
    "[pack]\nname = \"tiny\"\n[network]\nmel_bins = 80\nfront = 24\nwidth = 32\nlayers = 2\n"
    "lookahead = 4\nalphabet = \" 'abcdefghijklmnopqrstuvwxyz\"\n[decoder]\nbeam_width = 24\n"
    "prune = 12.0\nlm_weight = 0.6\nunknown_word = -3.0\nword_bonus = 1.0\n[files]\n"
    "weights = \"weights.safetensors\"\nlm = \"lm.anlm\"\n";

// Writes the pack into `dir`.
inline void write_tiny_pack(const std::string& dir, const std::string& manifest = kTinyManifest) {
  std::filesystem::create_directories(dir);
  write_file(dir + "/weights.safetensors", read_file(kGolden + "tiny.safetensors"));
  write_file(dir + "/lm.anlm", read_file(kGolden + "tiny.anlm"));
  write_file(dir + "/manifest.toml", manifest);
}

// 80 ms of a letter's own tone, 40 ms of silence.
inline std::vector<float> say(const std::string& text, float gain = 1.0f) {
  const auto mel = [](double hz) { return 2595.0 * std::log10(1.0 + hz / 700.0); };
  std::vector<float> pcm;
  for (const char c : text) {
    const double at = static_cast<double>(kAlphabet.find(c)) / (kAlphabet.size() - 1.0);
    const double m = mel(300.0) + (mel(6500.0) - mel(300.0)) * at;
    const double hz = 700.0 * (std::pow(10.0, m / 2595.0) - 1.0);
    for (int i = 0; i < 1280; ++i) {
      const double edge = std::min(1.0, std::min(i, 1279 - i) / 80.0);
      pcm.push_back(
          gain * static_cast<float>(0.3 * edge * std::sin(2 * std::numbers::pi * hz * i / 16000)));
    }
    pcm.resize(pcm.size() + 640);
  }
  return pcm;
}

inline std::vector<float> silence(double ms) {
  return std::vector<float>(static_cast<std::size_t>(ms * 16));
}

inline std::vector<float> joined(std::initializer_list<std::vector<float>> parts) {
  std::vector<float> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  return all;
}

// Voice where it is loud: what Silero makes of tones is its own business.
class LoudnessVoice final : public VoiceActivity {
 public:
  explicit LoudnessVoice(int max_streams) : used_(static_cast<std::size_t>(max_streams)) {}
  Result<int> acquire() override {
    for (std::size_t i = 0; i < used_.size(); ++i)
      if (!used_[i]) {
        used_[i] = true;
        return static_cast<int>(i);
      }
    return exhausted("no voice slot is free");
  }
  void release(int slot) override { used_[static_cast<std::size_t>(slot)] = false; }
  void reset(int) override {}
  int num_used() const override {
    return static_cast<int>(std::count(used_.begin(), used_.end(), true));
  }
  Result<float> run(int, std::span<const float> chunk) override {
    float power = 0;
    for (const float x : chunk) power += x * x;
    return power > 0.05f ? 0.9f : 0.05f;
  }

 private:
  std::vector<bool> used_;
};

struct TinyOptions {
  bool lm = true;
  AssistantSpec assistant = {};
  int max_streams = 4;
  int max_batch = 3;
  int outputs_per_step = 1;  // or 2
};

// Models with the loudness for a voice detector.
inline std::shared_ptr<SharedModels> tiny_models(const TinyOptions& options = {}) {
  auto models = std::make_shared<SharedModels>();
  models->manifest.acoustic = kTinyNetwork;
  models->manifest.acoustic.outputs_per_step = options.outputs_per_step;
  models->manifest.decoder.prune = 12;
  models->manifest.decoder.word_bonus = 1;
  AcousticModelOptions acoustic;
  acoustic.config = models->manifest.acoustic;
  acoustic.precision = Precision::kF32;
  acoustic.max_streams = options.max_streams;
  acoustic.max_batch = options.max_batch;
  const auto weights = Weights::load(kGolden + tiny_weights(options.outputs_per_step));
  auto made = AcousticModel::create(**weights, acoustic);
  if (!made.ok()) return nullptr;
  models->acoustic = std::move(made).value();
  models->voice = std::make_unique<LoudnessVoice>(options.max_streams);
  if (options.lm) models->lm = std::move(LanguageModel::load(kGolden + "tiny.anlm")).value();
  models->phrases = PhraseModel::create(options.assistant, kAlphabet);
  return models;
}

// All events of a stream that waits.
inline std::vector<RecognizerEvent> events_of(RecognizerStream& stream) {
  std::vector<RecognizerEvent> events;
  while (auto e = stream.pop()) events.push_back(std::move(*e));
  return events;
}

// Until all that was queued is heard: an advance() ends with a turn.
inline Status advance(Recognizer& recognizer, RecognizerStream& stream) {
  RecognizerStream* streams[] = {&stream};
  do {
    const Status status = recognizer.advance(streams);
    if (!status.ok()) return status;
  } while (stream.ready());
  return {};
}

// Pushes in pieces of `piece` samples, advancing after each.
inline std::vector<RecognizerEvent> hear(Recognizer& recognizer, RecognizerStream& stream,
                                         std::span<const float> pcm, std::size_t piece = 1600) {
  std::vector<RecognizerEvent> events;
  for (std::size_t at = 0; at < pcm.size(); at += piece) {
    if (!stream.push(pcm.subspan(at, std::min(piece, pcm.size() - at))).ok()) return events;
    if (!advance(recognizer, stream).ok()) return events;
    for (auto& e : events_of(stream)) events.push_back(std::move(e));
  }
  return events;
}

inline std::vector<RecognizerEvent> finish(Recognizer& recognizer, RecognizerStream& stream) {
  stream.end_turn();
  if (!advance(recognizer, stream).ok()) return {};
  return events_of(stream);
}

}  // namespace antiphon::asr::test
