// Silero's 16 kHz network by the network-definition API; the formulas are in
// training/vad/fold_silero.py.
#include "asr/voice_activity.h"

#include <algorithm>
#include <filesystem>

namespace antiphon::asr {
namespace {

constexpr int kContextSamples = 64;  // of the chunk before
constexpr int kReflectSamples = 64;  // mirrored behind the chunk
constexpr int kBins = 129;
constexpr int kWidth = 128;
constexpr int kStrides[] = {1, 2, 2, 1};

// audio [B, 1, 64 + 512 + 64] -> probability [B, 1].
Network voice_network(const Weights& weights) {
  Network net("voice_activity");
  const Value audio =
      net.input("audio", DType::kF32,
                {"B", 1, kContextSamples + VoiceActivity::kChunkSamples + kReflectSamples});
  const Value spectrum = net.conv1d(audio, net.weight(weights, "stft.basis"), {}, {.stride = 128});
  const Value re = net.slice(spectrum, 1, 0, kBins), im = net.slice(spectrum, 1, kBins, 2 * kBins);
  Value x = net.unary(Unary::kSqrt, net.add(net.mul(re, re), net.mul(im, im)));
  for (int i = 0; i < 4; ++i) {
    const std::string name = "encoder." + std::to_string(i);
    x = net.relu(net.conv1d(x, net.weight(weights, name + ".weight"),
                            net.weight(weights, name + ".bias"),
                            {.stride = kStrides[i], .pad_left = 1, .pad_right = 1}));
  }
  const Value h = net.state("h", {"B", kWidth}), c = net.state("c", {"B", kWidth});
  const auto lstm =
      net.lstm(net.transpose(x, {0, 2, 1}), h, c, net.weight(weights, "lstm.weight_ih"),
               net.weight(weights, "lstm.weight_hh"), net.weight(weights, "lstm.bias_ih"),
               net.weight(weights, "lstm.bias_hh"));
  net.update(h, lstm.h);
  net.update(c, lstm.c);
  const Value logit = net.linear(net.relu(lstm.h), net.weight(weights, "head.weight"),
                                 net.weight(weights, "head.bias"));
  net.output("probability", net.sigmoid(logit));
  return net;
}

class Silero final : public VoiceActivity {
 public:
  Status init(const VoiceActivityConfig& config) {
    const std::string path =
        (std::filesystem::path(config.pack_dir) / "weights.safetensors").string();
    ANTIPHON_ASSIGN_OR_RETURN(const std::shared_ptr<const Weights> weights, Weights::load(path));
    BuildOptions options;
    options.precision = Precision::kF32;
    options.profile["B"] = {1, 1, 1};
    options.max_isa = config.max_isa;
    options.logger = config.logger;
    auto plan = load_or_build(voice_network(*weights), options, config.plans, "voice_activity");
    if (!plan.ok()) return plan.status().with_context(path);
    ANTIPHON_ASSIGN_OR_RETURN(pool_, StatePool::create(*plan, config.max_streams));
    ANTIPHON_ASSIGN_OR_RETURN(context_, Context::create(*plan, nullptr));
    context_samples_.assign(static_cast<std::size_t>(config.max_streams) * kContextSamples, 0.0f);
    return {};
  }

  Result<int> acquire() override {
    ANTIPHON_ASSIGN_OR_RETURN(const int slot, pool_->acquire());
    std::ranges::fill(last_samples(slot), 0.0f);
    return slot;
  }
  void release(int slot) override { pool_->release(slot); }
  void reset(int slot) override {
    pool_->reset(slot);
    std::ranges::fill(last_samples(slot), 0.0f);
  }
  int num_used() const override { return pool_->num_used(); }

  Result<float> run(int slot, std::span<const float> chunk) override {
    ANTIPHON_CHECK(chunk.size() == kChunkSamples);
    static constexpr std::int64_t kDims[] = {1, 1,
                                             kContextSamples + kChunkSamples + kReflectSamples};
    ANTIPHON_ASSIGN_OR_RETURN(void* at, context_->input("audio", kDims));
    float* out = static_cast<float*>(at);
    const std::span<float> context = last_samples(slot);
    out = std::ranges::copy(context, out).out;
    out = std::ranges::copy(chunk, out).out;
    for (std::size_t i = 0; i < kReflectSamples; ++i) *out++ = chunk[kChunkSamples - 2 - i];
    std::ranges::copy(chunk.last(kContextSamples), context.begin());
    const int slots[] = {slot};
    ANTIPHON_RETURN_IF_ERROR(context_->run(pool_.get(), slots));
    return context_->output("probability")->f32()[0];
  }

 private:
  std::span<float> last_samples(int slot) {
    return std::span(context_samples_)
        .subspan(static_cast<std::size_t>(slot) * kContextSamples, kContextSamples);
  }

  std::unique_ptr<StatePool> pool_;
  std::unique_ptr<Context> context_;
  std::vector<float> context_samples_;  // [slots, kContextSamples]
};

}  // namespace

Result<std::unique_ptr<VoiceActivity>> VoiceActivity::create(const VoiceActivityConfig& config) {
  auto voice = std::make_unique<Silero>();
  ANTIPHON_RETURN_IF_ERROR(voice->init(config));
  return std::unique_ptr<VoiceActivity>(std::move(voice));
}

}  // namespace antiphon::asr
