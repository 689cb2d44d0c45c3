// Loads the packs and builds the plans.
#include "tts/synthesizer.h"

#include <algorithm>
#include <filesystem>

#include "pipeline/voices.h"
#include "tts/stream/lanes.h"
#include "tts/text/normalise.h"
#include "tts/text/ssml.h"
#include "tts/vocoder/pitch_network.h"

namespace antiphon::tts {
namespace {

class SynthesizerImpl final : public Synthesizer {
 public:
  SynthesizerImpl(std::shared_ptr<const VoiceData> voice, std::shared_ptr<Lanes> lanes)
      : voice_(std::move(voice)), lanes_(std::move(lanes)) {}

  int rate_hz() const override { return voice_->tts.rate_hz; }
  std::vector<std::string> voices() const override { return voice_->tts.voices; }

  Result<std::unique_ptr<SynthesisStream>> open(std::string_view text,
                                                const SynthesisOptions& options) override {
    int speaker = 0;
    if (!options.voice.empty()) {
      ANTIPHON_ASSIGN_OR_RETURN(speaker, find_voice(voice_->tts.voices, options.voice));
    }
    if (!(options.speed >= 0.5f && options.speed <= 2.0f))
      return invalid_argument("speed: wanted 0.5 to 2, got " + std::to_string(options.speed));
    ANTIPHON_ASSIGN_OR_RETURN(
        Speech speech, options.ssml ? parse_ssml(text, voice_->tts.voices) : normalise(text));
    ANTIPHON_ASSIGN_OR_RETURN(const int slot, lanes_->acquire());
    return std::unique_ptr<SynthesisStream>(new SpeechStream(
        voice_, lanes_, slot, std::string(text), std::move(speech), options.speed, speaker));
  }

 private:
  std::shared_ptr<const VoiceData> voice_;
  std::shared_ptr<Lanes> lanes_;
};

Result<std::shared_ptr<const Plan>> plan_of(const Network& net, const SynthesizerConfig& config,
                                            const std::string& name,
                                            std::map<std::string, DimRange> profile) {
  BuildOptions options;
  options.precision = config.precision;
  options.profile = std::move(profile);
  options.max_isa = config.max_isa;
  options.num_threads = config.team ? config.team->num_threads() : 1;
  options.logger = config.logger;
  return load_or_build(net, options, config.plans, "tts_" + name);
}

// Of the plans' names, which are files': "_VOICE", whose bytes other than letters, digits, - and _
// become %XX.
std::string plan_suffix(const std::string& voice) {
  constexpr std::string_view kKept =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
  constexpr char kDigits[] = "0123456789ABCDEF";
  std::string out = "_";
  for (const char c : voice) {
    const auto byte = static_cast<unsigned char>(c);
    if (kKept.find(c) != std::string_view::npos)
      out += c;
    else
      out += {'%', kDigits[byte >> 4], kDigits[byte & 15]};
  }
  return out;
}

std::string manifest_of(const std::string& dir) {
  return (std::filesystem::path(dir) / "manifest.toml").string();
}

// Adapters are of voices that there are.
Status check_adapters(const SynthesizerConfig& config, const VoiceData& voice) {
  for (const VocoderVoice& v : voice.vocoder.voices) {
    const auto found = find_voice(voice.tts.voices, v.name);
    if (!found.ok())
      return invalid_argument(manifest_of(config.vocoder_dir) + ": voices." + v.name +
                              ": of the voices in " + manifest_of(config.tts_dir) + ": " +
                              found.status().message());
  }
  return {};
}

Status load_voice(const SynthesizerConfig& config, VoiceData& voice) {
  ANTIPHON_ASSIGN_OR_RETURN(voice.tts, read_tts_manifest(config.tts_dir));
  ANTIPHON_ASSIGN_OR_RETURN(voice.vocoder, read_vocoder_manifest(config.vocoder_dir));
  const auto& v = voice.vocoder;
  if (v.rate_hz != voice.tts.rate_hz || v.network.hop_samples != voice.tts.hop_samples ||
      v.network.mel_bins != voice.tts.mel_bins) {
    return invalid_argument(config.vocoder_dir +
                            ": rate_hz, hop_samples, mel_bins: wanted those of " + config.tts_dir);
  }
  ANTIPHON_RETURN_IF_ERROR(check_adapters(config, voice));
  ANTIPHON_ASSIGN_OR_RETURN(voice.lexicon, Lexicon::load(voice.tts.lexicon_path));
  return {};
}

// Every speaker in the weights has a name, every name a speaker.
Status check_voices(const std::string& dir, const VoiceData& voice) {
  const int speakers = voice.geometry.speakers;
  const std::size_t wanted = static_cast<std::size_t>(std::max(speakers, 1));
  if (voice.tts.voices.size() == wanted) return {};
  const std::string because =
      speakers > 0 ? "one for each row of speaker.embedding.weight in " + voice.tts.weights_path
                   : voice.tts.weights_path + " has no speaker.embedding.weight";
  return invalid_argument(manifest_of(dir) + ": tts.voices: wanted " + std::to_string(wanted) +
                          (wanted == 1 ? " name (" : " names (") + because + "), got " +
                          std::to_string(voice.tts.voices.size()));
}

Result<VocoderPlans> vocoder_plans(const SynthesizerConfig& config, const VoiceData& voice,
                                   const Weights& weights, const VocoderConfig& net,
                                   const std::string& suffix) {
  ANTIPHON_RETURN_IF_ERROR(check_vocoder(weights, net));
  const std::int64_t block = voice.vocoder_frames;
  const std::int64_t most = std::max<std::int64_t>(voice.first_vocoder_frames, block);
  const std::map<std::string, DimRange> profile = {{"T", {1, block, most}}};
  VocoderPlans plans;
  ANTIPHON_ASSIGN_OR_RETURN(
      plans.flows, plan_of(vocoder_network(weights, net), config, "vocoder" + suffix, profile));
  if (!net.has_pitch()) return plans;
  ANTIPHON_ASSIGN_OR_RETURN(
      plans.pitch, plan_of(pitch_network(weights, net), config, "pitch" + suffix, profile));
  return plans;
}

// The pack's own, then those of voices with adapters.
Result<std::vector<VocoderPlans>> all_vocoder_plans(const SynthesizerConfig& config,
                                                    const VoiceData& voice) {
  std::vector<VocoderPlans> all;
  const VocoderManifest& manifest = voice.vocoder;
  ANTIPHON_ASSIGN_OR_RETURN(const auto weights, Weights::load(manifest.weights_path));
  ANTIPHON_ASSIGN_OR_RETURN(auto own, vocoder_plans(config, voice, *weights, manifest.network, ""));
  all.push_back(std::move(own));
  for (const VocoderVoice& v : manifest.voices) {
    ANTIPHON_ASSIGN_OR_RETURN(auto adapter, Weights::load(v.adapter_path));
    ANTIPHON_ASSIGN_OR_RETURN(const auto adapted, Weights::adapted(weights, std::move(adapter)));
    ANTIPHON_ASSIGN_OR_RETURN(
        auto plans, vocoder_plans(config, voice, *adapted, v.network, plan_suffix(v.name)));
    all.push_back(std::move(plans));
  }
  return all;
}

Result<Plans> build_plans(const SynthesizerConfig& config, VoiceData& voice) {
  Plans plans;
  ANTIPHON_ASSIGN_OR_RETURN(const auto weights, Weights::load(voice.tts.weights_path));
  ANTIPHON_ASSIGN_OR_RETURN(voice.geometry, read_geometry(*weights));
  if (voice.geometry.symbols != static_cast<int>(voice.tts.symbols.size()) + 1 ||
      voice.geometry.mel_bins != voice.tts.mel_bins) {
    return invalid_argument(voice.tts.weights_path + ": embedding.weight: wanted " +
                            std::to_string(voice.tts.symbols.size() + 1) +
                            " rows for the manifest's symbols, got " +
                            std::to_string(voice.geometry.symbols) + "; or mel_bins differ");
  }
  ANTIPHON_RETURN_IF_ERROR(check_voices(config.tts_dir, voice));
  if (voice.tts.decoder.alignment == Alignment::kDurations && !voice.geometry.has_durations) {
    return invalid_argument(voice.tts.weights_path +
                            ": tts.alignment is \"durations\": wanted duration.conv.weight");
  }
  ANTIPHON_ASSIGN_OR_RETURN(plans.vocoders, all_vocoder_plans(config, voice));
  const DimRange symbols = {1, 96, static_cast<std::int64_t>(voice.max_symbols)};
  const std::int64_t block = voice.tts.decoder.block_frames;
  ANTIPHON_ASSIGN_OR_RETURN(plans.encoder, plan_of(encoder_network(*weights, voice.geometry),
                                                   config, "encoder", {{"N", symbols}}));
  ANTIPHON_ASSIGN_OR_RETURN(
      plans.decoder, plan_of(decoder_network(*weights, voice.geometry, voice.tts.decoder), config,
                             "decoder", {{"N", symbols}}));
  ANTIPHON_ASSIGN_OR_RETURN(plans.postnet,
                            plan_of(postnet_network(*weights, voice.geometry), config, "postnet",
                                    {{"T", {block, block, block}}}));
  if (voice.tts.g2p_path.empty()) return plans;
  ANTIPHON_ASSIGN_OR_RETURN(const auto g2p, Weights::load(voice.tts.g2p_path));
  voice.g2p.phonemes = to_phonemes(safetensors_metadata(voice.tts.g2p_path, "phonemes"));
  if (const std::string letters = safetensors_metadata(voice.tts.g2p_path, "letters");
      !letters.empty())
    voice.g2p.letters = letters;
  ANTIPHON_RETURN_IF_ERROR(check_g2p(*g2p, voice.g2p));
  const std::int64_t repeat = voice.g2p.repeat;
  const DimRange letters = {repeat, 8 * repeat,
                            static_cast<std::int64_t>(voice.g2p.max_letters) * repeat};
  ANTIPHON_ASSIGN_OR_RETURN(plans.g2p,
                            plan_of(g2p_network(*g2p, voice.g2p), config, "g2p", {{"T", letters}}));
  return plans;
}

}  // namespace

Result<std::unique_ptr<Synthesizer>> create_synthesizer(const SynthesizerConfig& config) {
  if (config.max_streams < 1 || config.num_lanes < 1)
    return invalid_argument("synthesizer: max_streams and num_lanes: wanted at least 1");
  auto voice = std::make_shared<VoiceData>();
  ANTIPHON_RETURN_IF_ERROR(load_voice(config, *voice));
  ANTIPHON_ASSIGN_OR_RETURN(const Plans plans, build_plans(config, *voice));
  ANTIPHON_ASSIGN_OR_RETURN(
      auto lanes, Lanes::create(plans, config.max_streams, config.num_lanes, config.team));
  return std::unique_ptr<Synthesizer>(new SynthesizerImpl(std::move(voice), std::move(lanes)));
}

}  // namespace antiphon::tts
