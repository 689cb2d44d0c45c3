// Geometries and inputs of the shipping networks.
#include "tests/support/shipping_networks.h"

#include <cstring>
#include <random>

#include "asr/acoustic_network.h"
#include "nlu/encoder.h"
#include "tests/support/seeded_weights.h"
#include "tts/acoustic/networks.h"
#include "tts/vocoder/pitch_network.h"

namespace antiphon::test {
namespace {

constexpr double kFrameMs = 256.0 / 22.05;

asr::AcousticConfig listener_config() {
  asr::AcousticConfig config;
  config.width = 576;
  config.layers = 3;
  config.outputs_per_step = 2;
  config.blocks = 4;
  config.lookahead = config.blocks * config.ahead / 2;
  return config;
}

Network acoustic(bool int8) { return asr::acoustic_network(acoustic_weights(int8), {}); }
Network listener(bool int8) {
  return asr::acoustic_network(listener_weights(int8), listener_config());
}
Network bert(bool int8) {
  nlu::EncoderConfig config;
  config.shape = {.width = 384, .max_tokens = 320, .intents = 80, .tags = 90, .answers = true};
  return nlu::encoder_network(bert_weights(int8), config);
}
Network phoneme_encoder(bool int8) {
  tts::AcousticGeometry g;
  g.symbols = 70;
  return tts::encoder_network(tacotron_weights(int8), g);
}
Network decoder(bool int8) {
  tts::AcousticGeometry g;
  g.symbols = 70;
  // The threshold keeps the stop token of random weights from ending a block early.
  return tts::decoder_network(tacotron_weights(int8), g, {.stop_threshold = 2.0f});
}
Network postnet(bool int8) { return tts::postnet_network(tacotron_weights(int8), {}); }
Network vocoder(bool int8) { return tts::vocoder_network(waveglow_weights(int8), {}); }
tts::VocoderConfig pitched_config() {
  tts::VocoderConfig config;
  config.pitch_channels = 64, config.pitch_layers = 3, config.pitch_flows = 2;
  return config;
}
Network pitched_vocoder(bool int8) {
  const tts::VocoderConfig config = pitched_config();
  return tts::vocoder_network(waveglow_weights(int8, config.pitch_flows), config);
}
Network pitch(bool) { return tts::pitch_network(pitch_weights(), pitched_config()); }

// A number of input `name` at element i.
float input_value(const std::string& name, std::int64_t i, float random) {
  if (name == "valid" || name == "mask" || name == "begun") return 1;
  if (name.starts_with("window.")) return 0;
  if (name == "index") return static_cast<float>(i);
  if (name == "limit" || name == "expected") return 8;
  if (name == "reach") return 4;
  for (const char* zero : {"at", "held", "forced", "previous", "cumulative"})
    if (name == zero) return 0;
  return random;
}

}  // namespace

NetworkCase acoustic_case(int batch, int steps) {
  return {"asr acoustic 4x688, " + std::to_string(steps) + " steps x" + std::to_string(batch),
          acoustic,
          {{"B", {1, batch, 8}}, {"N", {1, steps, 16}}, {"T", {4, 4 * steps, 64}}},
          {{"B", batch}, {"N", steps}, {"T", 4 * steps}},
          40.0 * steps * batch};
}
NetworkCase listener_case(int batch, int steps) {
  const asr::AcousticConfig c = listener_config();
  const std::int64_t reach = c.past + c.ahead;
  return {
      "asr listener 4x384 + 3x576, " + std::to_string(steps) + " steps x" + std::to_string(batch),
      listener,
      {{"B", {1, batch, 8}},
       {"T", {4, 4 * steps, 64}},
       {"F", {2, 2 * steps, 32}},
       {"K", {reach + 2, reach + 2 * steps, reach + 32}}},
      {{"B", batch}, {"T", 4 * steps}, {"F", 2 * steps}, {"K", reach + 2 * steps}},
      40.0 * steps * batch};
}
NetworkCase bert_case(int tokens) {
  return {"nlu bert 6x384, " + std::to_string(tokens) + " tokens",
          bert,
          {{"T", {1, tokens, 320}}},
          {{"T", tokens}}};
}
NetworkCase decoder_case(int symbols) {
  return {"tts tacotron decoder, 24 frames",
          decoder,
          {{"N", {1, symbols, 640}}},
          {{"N", symbols}},
          24 * kFrameMs,
          24};
}
NetworkCase vocoder_case(int frames) {
  return {"tts waveglow, " + std::to_string(frames) + " frames",
          vocoder,
          {{"T", {1, frames, 36}}},
          {{"T", frames}},
          frames * kFrameMs};
}
NetworkCase pitched_vocoder_case(int frames) {
  return {"tts waveglow with harmonics, " + std::to_string(frames) + " frames",
          pitched_vocoder,
          {{"T", {1, frames, 36}}},
          {{"T", frames}},
          frames * kFrameMs};
}
NetworkCase pitch_case(int frames) {
  return {"tts pitch 3x64, " + std::to_string(frames) + " frames",
          pitch,
          {{"T", {1, frames, 39}}},
          {{"T", frames}},
          frames * kFrameMs};
}

std::vector<NetworkCase> shipping_cases() {
  return {acoustic_case(1, 1),
          acoustic_case(1, 2),
          acoustic_case(1, 16),
          acoustic_case(4, 2),
          listener_case(1, 1),
          listener_case(1, 2),
          listener_case(1, 16),
          listener_case(4, 2),
          bert_case(12),
          bert_case(128),
          {"tts encoder, 64 symbols", phoneme_encoder, {{"N", {1, 64, 640}}}, {{"N", 64}}},
          decoder_case(64),
          {"tts postnet, 24 frames", postnet, {{"T", {24, 24, 24}}}, {{"T", 24}}, 24 * kFrameMs},
          vocoder_case(24)};
}

std::vector<NetworkRunner::Input> NetworkRunner::make_inputs(const Plan& plan,
                                                             const NetworkCase& c) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 0.5f);
  std::vector<Input> inputs;
  for (const TensorSpec& spec : plan.inputs()) {
    Input in{spec.name, {}, {}};
    std::int64_t n = 1;
    for (const Dim& d : spec.shape) {
      in.dims.push_back(d.is_static() ? d.extent : c.extents.at(d.symbol));
      n *= in.dims.back();
    }
    in.bytes.resize(static_cast<std::size_t>(n) * dtype_bytes(spec.dtype));
    for (std::int64_t i = 0; i < n; ++i) {
      const float value = input_value(spec.name, i, normal(random));
      const auto id = static_cast<std::int32_t>(spec.name == "types" ? 0 : 1 + i % 60);
      void* at = in.bytes.data() + static_cast<std::size_t>(i) * dtype_bytes(spec.dtype);
      if (spec.dtype == DType::kI32) std::memcpy(at, &id, sizeof id);
      if (spec.dtype == DType::kF32) std::memcpy(at, &value, sizeof value);
    }
    inputs.push_back(std::move(in));
  }
  return inputs;
}

Result<std::unique_ptr<NetworkRunner>> NetworkRunner::create(std::shared_ptr<const Plan> plan,
                                                             const NetworkCase& c,
                                                             ThreadTeam* team) {
  auto runner = std::make_unique<NetworkRunner>();
  runner->inputs_ = make_inputs(*plan, c);
  if (plan->report().state_bytes > 0) {
    const int streams = c.extents.contains("B") ? static_cast<int>(c.extents.at("B")) : 1;
    ANTIPHON_ASSIGN_OR_RETURN(runner->pool_, StatePool::create(plan, streams));
    for (int i = 0; i < streams; ++i) {
      ANTIPHON_ASSIGN_OR_RETURN(const int slot, runner->pool_->acquire());
      runner->slots_.push_back(slot);
    }
  }
  ANTIPHON_ASSIGN_OR_RETURN(runner->context_, Context::create(std::move(plan), team));
  return runner;
}

Status NetworkRunner::run() {
  for (const Input& in : inputs_) {
    ANTIPHON_ASSIGN_OR_RETURN(void* at, context_->input(in.name, in.dims));
    std::memcpy(at, in.bytes.data(), in.bytes.size());
  }
  return context_->run(pool_.get(), slots_);
}

}  // namespace antiphon::test
