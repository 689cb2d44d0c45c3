// Reads manifest.toml of a recognition pack with toml++, whose exceptions end here.
#include "asr/pack.h"

#include <toml++/toml.h>

#include <filesystem>

namespace antiphon::asr {
namespace {

// A value of `table` if it is there; a wrong type is an error that names the key.
template <typename T>
Status read(const toml::table& table, const char* section, const char* key, T& out) {
  const auto node = table[section][key];
  if (!node) return {};
  if constexpr (std::is_floating_point_v<T>) {
    const auto value = node.value<double>();
    if (!value) return invalid_argument(std::string(section) + "." + key + ": wanted a number");
    out = static_cast<T>(*value);
  } else {
    const auto value =
        node.value_exact<std::conditional_t<std::is_integral_v<T>, std::int64_t, T>>();
    if (!value)
      return invalid_argument(std::string(section) + "." + key + ": wanted " +
                              (std::is_integral_v<T> ? "an integer" : "a string"));
    out = static_cast<T>(*value);
  }
  return {};
}

Status read_all(const toml::table& t, const std::string& dir, PackManifest& m) {
  std::string weights = "weights.safetensors", lm;
  ANTIPHON_RETURN_IF_ERROR(read(t, "pack", "name", m.name));
  ANTIPHON_RETURN_IF_ERROR(read(t, "network", "mel_bins", m.acoustic.mel_bins));
  ANTIPHON_RETURN_IF_ERROR(read(t, "network", "front", m.acoustic.front));
  ANTIPHON_RETURN_IF_ERROR(read(t, "network", "width", m.acoustic.width));
  ANTIPHON_RETURN_IF_ERROR(read(t, "network", "layers", m.acoustic.layers));
  ANTIPHON_RETURN_IF_ERROR(read(t, "network", "lookahead", m.acoustic.lookahead));
  ANTIPHON_RETURN_IF_ERROR(read(t, "network", "alphabet", m.decoder.alphabet));
  ANTIPHON_RETURN_IF_ERROR(read(t, "decoder", "beam_width", m.decoder.beam_width));
  ANTIPHON_RETURN_IF_ERROR(read(t, "decoder", "prune", m.decoder.prune));
  ANTIPHON_RETURN_IF_ERROR(read(t, "decoder", "lm_weight", m.decoder.lm_weight));
  ANTIPHON_RETURN_IF_ERROR(read(t, "decoder", "unknown_word", m.decoder.unknown_word));
  ANTIPHON_RETURN_IF_ERROR(read(t, "decoder", "word_bonus", m.decoder.word_bonus));
  ANTIPHON_RETURN_IF_ERROR(read(t, "files", "weights", weights));
  ANTIPHON_RETURN_IF_ERROR(read(t, "files", "lm", lm));
  const auto bounded = [](const char* key, int value, int low, int high) -> Status {
    if (value >= low && value <= high) return {};
    return invalid_argument(std::string(key) + ": is " + std::to_string(value) + ", wanted " +
                            std::to_string(low) + " to " + std::to_string(high));
  };
  ANTIPHON_RETURN_IF_ERROR(bounded("network.mel_bins", m.acoustic.mel_bins, 1, 512));
  ANTIPHON_RETURN_IF_ERROR(bounded("network.front", m.acoustic.front, 1, 4096));
  ANTIPHON_RETURN_IF_ERROR(bounded("network.width", m.acoustic.width, 1, 8192));
  ANTIPHON_RETURN_IF_ERROR(bounded("network.layers", m.acoustic.layers, 1, 32));
  ANTIPHON_RETURN_IF_ERROR(bounded("network.lookahead", m.acoustic.lookahead, 1, 64));
  ANTIPHON_RETURN_IF_ERROR(bounded("decoder.beam_width", m.decoder.beam_width, 1, 4096));
  if (m.decoder.alphabet.empty() || m.decoder.alphabet.find(' ') == std::string::npos)
    return invalid_argument(
        "network.alphabet: wanted the letters in the order of the classes, with a space");
  m.acoustic.classes = static_cast<int>(m.decoder.alphabet.size()) + 1;
  m.mel.mel_bins = m.acoustic.mel_bins;
  m.weights_path = (std::filesystem::path(dir) / weights).string();
  if (!lm.empty()) m.lm_path = (std::filesystem::path(dir) / lm).string();
  return {};
}

}  // namespace

Result<PackManifest> read_pack(const std::string& dir) {
  const std::string path = (std::filesystem::path(dir) / "manifest.toml").string();
  if (!std::filesystem::exists(path))
    return not_found(path + ": there is no such file; is '" + dir + "' a recognition pack?");
  try {
    const toml::table table = toml::parse_file(path);
    PackManifest manifest;
    if (Status s = read_all(table, dir, manifest); !s.ok()) return s.with_context(path);
    return manifest;
  } catch (const toml::parse_error& e) {
    return invalid_argument(path + ": line " + std::to_string(e.source().begin.line) + ": " +
                            std::string(e.description()));
  } catch (const std::exception& e) {
    return invalid_argument(path + ": " + e.what());
  }
}

}  // namespace antiphon::asr
