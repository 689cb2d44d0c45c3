// Reads manifests with toml++, whose exceptions end here.
#include "tts/pack/manifest.h"

#include <toml++/toml.h>

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <nlohmann/json.hpp>

namespace antiphon::tts {
namespace {

namespace fs = std::filesystem;

constexpr std::size_t kMaxVoices = 64;

// Keys of one section of one file, with the first error.
class Section {
 public:
  Section(const toml::table& table, const char* name) : Section(table[name].as_table(), name) {}
  // null: the file has no such section.
  Section(const toml::table* table, std::string name) : name_(std::move(name)), table_(table) {
    if (table_ == nullptr) fail("wanted a section [" + name_ + "]");
  }

  void integer(const char* key, int& out, int low, int high) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<std::int64_t>();
    if (!value || *value < low || *value > high)
      return fail(path(key) + ": wanted an integer from " + std::to_string(low) + " to " +
                  std::to_string(high));
    out = static_cast<int>(*value);
  }
  void number(const char* key, float& out, double low, double high) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto value = node->value<double>();
    if (!value || !(*value >= low && *value <= high))
      return fail(path(key) + ": wanted a number from " + std::to_string(low) + " to " +
                  std::to_string(high));
    out = static_cast<float>(*value);
  }
  void boolean(const char* key, bool& out) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<bool>();
    if (!value) return fail(path(key) + ": wanted true or false");
    out = *value;
  }
  void text(const char* key, std::string& out) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const auto value = node->value_exact<std::string>();
    if (!value) return fail(path(key) + ": wanted a string");
    out = *value;
  }
  // One to `most` different names, none of them empty.
  void names(const char* key, std::vector<std::string>& out, std::size_t most) {
    const auto* node = find(key);
    if (node == nullptr) return;
    const std::string wanted =
        path(key) + ": wanted a list of 1 to " + std::to_string(most) + " different names, got ";
    const toml::array* array = node->as_array();
    if (array == nullptr) return fail(wanted + "no list");
    if (array->empty() || array->size() > most) return fail(wanted + std::to_string(array->size()));
    std::vector<std::string> found;
    for (const toml::node& item : *array) {
      const auto name = item.value_exact<std::string>();
      if (!name) return fail(wanted + "one that is not a string");
      if (name->empty()) return fail(wanted + "an empty one");
      if (std::find(found.begin(), found.end(), *name) != found.end())
        return fail(wanted + "\"" + *name + "\" twice");
      found.push_back(*name);
    }
    out = std::move(found);
  }
  void require(std::initializer_list<const char*> keys) {
    for (const char* key : keys)
      if (find(key) == nullptr) fail(path(key) + ": is absent");
  }
  bool has(const char* key) const { return find(key) != nullptr; }
  std::string path(const char* key) const { return name_ + "." + key; }
  void fail(std::string message) {
    if (status.ok()) status = invalid_argument(std::move(message));
  }

  Status status;

 private:
  const toml::node* find(const char* key) const { return table_ ? table_->get(key) : nullptr; }
  std::string name_;
  const toml::table* table_;
};

template <typename Manifest>
Result<Manifest> read_file(const std::string& dir, const char* kind,
                           Status (*read)(const toml::table&, const fs::path&, Manifest&)) {
  const std::string path = (fs::path(dir) / "manifest.toml").string();
  std::error_code ignored;
  if (!fs::exists(path, ignored))
    return not_found(path + ": there is no such file; is '" + dir + "' a " + kind + " pack?");
  try {
    const toml::table table = toml::parse_file(path);
    Manifest manifest;
    manifest.name = table["name"].value_or(std::string(kind));
    const std::string found = table["kind"].value_or(std::string(kind));
    if (found != kind)
      return invalid_argument(path + ": kind: wanted \"" + kind + "\", got \"" + found + "\"");
    if (const std::int64_t version = table["version"].value_or(std::int64_t{1}); version != 1) {
      return invalid_argument(path + ": version: wanted 1, got " + std::to_string(version));
    }
    if (Status status = read(table, dir, manifest); !status.ok()) return status.with_context(path);
    return manifest;
  } catch (const toml::parse_error& e) {
    return invalid_argument(path + ": line " + std::to_string(e.source().begin.line) + ": " +
                            std::string(e.description()));
  } catch (const std::exception& e) {
    return invalid_argument(path + ": " + e.what());
  }
}

Status read_tts(const toml::table& table, const fs::path& dir, TtsManifest& m) {
  Section s(table, "tts");
  std::string symbols, alignment = "attention", voice;
  s.text("symbols", symbols);
  s.text("voice", voice);  // as manifests of one voice had it
  if (!voice.empty()) m.voices = {voice};
  s.names("voices", m.voices, kMaxVoices);
  s.integer("rate_hz", m.rate_hz, 8000, 192000);
  s.integer("hop_samples", m.hop_samples, 1, 4096);
  s.integer("mel_bins", m.mel_bins, 1, 1024);
  s.integer("sentence_pause_ms", m.sentence_pause_ms, 0, 5000);
  s.boolean("prenet_dropout", m.decoder.dropout);
  s.text("alignment", alignment);
  s.integer("attention_back", m.decoder.attention_back, 0, 100);
  s.integer("attention_ahead", m.guard.ahead, 1, 100);
  s.number("alignment_width", m.alignment_width, 0.01, 10);
  s.number("stall_factor", m.guard.stall_factor, 1, 100);
  s.number("stall_frames", m.guard.stall_frames, 1, 1000);
  s.number("stop_threshold", m.decoder.stop_threshold, 0, 1);
  s.integer("max_frames", m.guard.max_frames, 1, 100000);
  if (alignment != "attention" && alignment != "durations")
    s.fail("tts.alignment: wanted \"attention\" or \"durations\", got \"" + alignment + "\"");
  m.decoder.alignment = alignment == "durations" ? Alignment::kDurations : Alignment::kAttention;
  m.symbols = to_phonemes(symbols);
  if (m.symbols.find(U'^') == Phonemes::npos || m.symbols.find(U'$') == Phonemes::npos)
    s.fail("tts.symbols: wanted the symbols in the order of their ids, with ^ and $ among them");
  m.weights_path = (dir / "weights.safetensors").string();
  m.lexicon_path = (dir / "lexicon.tsv.zst").string();
  std::error_code ignored;
  if (fs::exists(dir / "g2p.safetensors", ignored)) m.g2p_path = (dir / "g2p.safetensors").string();
  return s.status;
}

// Into `c`, whose other fields are read.
void read_pitch(Section& s, VocoderConfig& c) {
  s.integer("pitch_channels", c.pitch_channels, 1, 4096);
  s.integer("pitch_layers", c.pitch_layers, 1, 64);
  s.integer("pitch_flows", c.pitch_flows, 0, c.flows);
  if ((c.pitch_channels > 0) != (c.pitch_layers > 0)) {
    s.fail(s.path("pitch_channels") + ", " + s.path("pitch_layers") +
           ": wanted both or neither, got " +
           (c.pitch_channels > 0 ? "pitch_channels" : "pitch_layers") + " alone");
  }
  if (s.has("pitch_flows") && !c.has_pitch())
    s.fail(s.path("pitch_flows") +
           ": wanted pitch_channels and pitch_layers beside it, got neither");
  if (c.has_pitch() && !c.is_told_in_time()) {
    s.fail(s.path("pitch_layers") + ": wanted one frame more to last at most as long as the " +
           std::to_string(c.harmonics_delay_groups()) + " groups of " +
           std::to_string(c.group_samples) +
           " samples after which harmonics are due (flows less pitch_flows, times layers), got " +
           std::to_string(c.pitch_layers));
  }
  if (c.has_pitch() && c.mel_bins < 2)
    s.fail("vocoder.mel_bins: wanted at least 2 beside a pitch network, got 1");
}

// An adapter says which weights it is for; beside others of the same shape a voice would speak
// badly without an error.
void check_base(const fs::path& adapter, const std::string& weights_sha256, Section& s) {
  const std::string made_for = safetensors_metadata(adapter.string(), "base_sha256");
  if (made_for.empty() || weights_sha256.empty() || made_for == weights_sha256) return;
  s.fail(s.path("adapter") + ": " + adapter.string() + " is for weights.safetensors of SHA-256 " +
         made_for + ", [files] has " + weights_sha256 + "; make it anew for these weights");
}

Status read_voice(const toml::table& table, const fs::path& dir, const VocoderConfig& network,
                  const std::string& weights_sha256, VocoderVoice& voice) {
  Section s(&table, "voices." + voice.name);
  s.require({"adapter"});
  std::string file;
  s.text("adapter", file);
  const fs::path path = dir / file;
  std::error_code ignored;
  if (file.empty() || file.find_first_of(std::string_view("/\0", 2)) != std::string::npos)
    s.fail(s.path("adapter") + ": wanted the name of a file in the pack, got \"" + file + "\"");
  else if (!fs::is_regular_file(path, ignored))
    s.fail(s.path("adapter") + ": there is no file " + path.string());
  else
    check_base(path, weights_sha256, s);
  voice.adapter_path = path.string();
  voice.network = network;
  voice.network.pitch_channels = voice.network.pitch_layers = voice.network.pitch_flows = 0;
  read_pitch(s, voice.network);
  return s.status;
}

// The sections [voices.NAME], if any, of a manifest whose `network` is read.
Status read_voices(const toml::table& table, const fs::path& dir, VocoderManifest& m) {
  if (!table.contains("voices")) return {};
  const toml::table* voices = table["voices"].as_table();
  if (voices == nullptr) return invalid_argument("voices: wanted sections [voices.NAME]");
  if (voices->size() > kMaxVoices)
    return invalid_argument("voices: wanted at most " + std::to_string(kMaxVoices) + ", got " +
                            std::to_string(voices->size()));
  const std::string weights_sha256 =
      table["files"]["weights.safetensors"]["sha256"].value_or(std::string());
  for (const auto& [key, node] : *voices) {
    VocoderVoice& voice = m.voices.emplace_back();
    voice.name = std::string(key.str());
    if (voice.name.empty()) return invalid_argument("voices: wanted names, got an empty one");
    if (!node.is_table()) return invalid_argument("wanted a section [voices." + voice.name + "]");
    ANTIPHON_RETURN_IF_ERROR(read_voice(*node.as_table(), dir, m.network, weights_sha256, voice));
  }
  return {};
}

Status read_vocoder(const toml::table& table, const fs::path& dir, VocoderManifest& m) {
  Section s(table, "vocoder");
  s.integer("rate_hz", m.rate_hz, 8000, 192000);
  s.integer("hop_samples", m.network.hop_samples, 1, 4096);
  s.integer("mel_bins", m.network.mel_bins, 1, 1024);
  s.integer("group_samples", m.network.group_samples, 2, 1024);
  s.integer("flows", m.network.flows, 1, 64);
  s.integer("layers", m.network.layers, 1, 64);
  s.integer("channels", m.network.channels, 1, 4096);
  s.number("sigma", m.sigma, 0, 2);
  read_pitch(s, m.network);
  if (m.network.hop_samples % m.network.group_samples != 0 || m.network.group_samples % 2 != 0) {
    s.fail("vocoder.group_samples: wanted an even divisor of hop_samples " +
           std::to_string(m.network.hop_samples) + ", got " +
           std::to_string(m.network.group_samples));
  }
  s.require({"flows", "layers", "channels"});
  m.weights_path = (dir / "weights.safetensors").string();
  ANTIPHON_RETURN_IF_ERROR(s.status);
  return read_voices(table, dir, m);
}

}  // namespace

Result<TtsManifest> read_tts_manifest(const std::string& dir) {
  return read_file<TtsManifest>(dir, "tts", read_tts);
}
Result<VocoderManifest> read_vocoder_manifest(const std::string& dir) {
  return read_file<VocoderManifest>(dir, "vocoder", read_vocoder);
}

std::string safetensors_metadata(const std::string& path, const std::string& key) {
  std::ifstream file(path, std::ios::binary);
  std::uint64_t bytes = 0;
  char head[8];
  if (!file.read(head, 8)) return {};
  std::memcpy(&bytes, head, 8);
  if (bytes > (16u << 20)) return {};
  std::string header(static_cast<std::size_t>(bytes), ' ');
  if (!file.read(header.data(), static_cast<std::streamsize>(bytes))) return {};
  const auto json = nlohmann::json::parse(header, nullptr, /*allow_exceptions=*/false);
  if (!json.is_object() || !json.contains("__metadata__") || !json["__metadata__"].is_object())
    return {};
  const auto& metadata = json["__metadata__"];
  const auto found = metadata.find(key);
  return found != metadata.end() && found->is_string() ? found->get<std::string>() : std::string();
}

}  // namespace antiphon::tts
