// Reads manifest.toml of a recognition pack with toml++, whose exceptions end here.
#include "asr/pack.h"

#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <span>
#include <string_view>
#include <variant>

namespace antiphon::asr {
namespace {

namespace fs = std::filesystem;

// A key of a section: where its value goes, and what it may be.
struct Key {
  const char* name;
  std::variant<int*, float*, std::string*> to;
  double low = 0, high = 0;
  bool required = false;
};

std::string shown(double value) {
  std::string text = std::to_string(value);
  text.erase(text.find_last_not_of('0') + 1);
  if (text.back() == '.') text.pop_back();
  return text;
}

Status read_key(const toml::node& node, const std::string& where, const Key& key) {
  if (auto* const* text = std::get_if<std::string*>(&key.to)) {
    const auto value = node.value_exact<std::string>();
    if (!value) return invalid_argument(where + ": wanted a string");
    **text = *value;
    return {};
  }
  const bool whole = std::holds_alternative<int*>(key.to);
  const auto value = node.value<double>();
  const std::string wanted = std::string(whole ? "an integer" : "a number") + " from " +
                             shown(key.low) + " to " + shown(key.high);
  if (!value || (whole && !node.is_integer()))
    return invalid_argument(where + ": wanted " + wanted);
  if (!(*value >= key.low && *value <= key.high))
    return invalid_argument(where + ": is " + shown(*value) + ", wanted " + wanted);
  if (whole)
    *std::get<int*>(key.to) = static_cast<int>(*value);
  else
    *std::get<float*>(key.to) = static_cast<float>(*value);
  return {};
}

// Every key of the section is known, and the required ones are there.
Status read_section(const toml::table& t, const char* section, std::span<const Key> keys) {
  const auto node = t[section];
  if (node && !node.is_table())
    return invalid_argument(std::string(section) + ": wanted a section");
  static const toml::table kEmpty;
  const toml::table& table = node ? *node.as_table() : kEmpty;
  for (const auto& [name, value] : table) {
    const std::string_view said = name.str();
    const auto known =
        std::find_if(keys.begin(), keys.end(), [&](const Key& k) { return said == k.name; });
    if (known != keys.end()) continue;
    std::string list;
    for (const Key& k : keys) list += (list.empty() ? "" : ", ") + std::string(k.name);
    return invalid_argument(std::string(section) + ": unknown key '" + std::string(name.str()) +
                            "'; known: " + list);
  }
  for (const Key& key : keys) {
    const std::string where = std::string(section) + "." + key.name;
    const toml::node* value = table.get(key.name);
    if (!value && key.required) return invalid_argument(where + ": is missing");
    if (value) ANTIPHON_RETURN_IF_ERROR(read_key(*value, where, key));
  }
  return {};
}

Status check_alphabet(const std::string& alphabet) {
  if (alphabet.size() > 255) return invalid_argument("network.alphabet: over 255 letters");
  if (alphabet.find(' ') == std::string::npos)
    return invalid_argument(
        "network.alphabet: wanted the letters in the order of the classes, with a space");
  for (std::size_t i = 0; i < alphabet.size(); ++i)
    if (alphabet.find(alphabet[i], i + 1) != std::string::npos)
      return invalid_argument("network.alphabet: '" + alphabet.substr(i, 1) + "' is there twice");
  return {};
}

// [files]: weights, lm, pieces and language name files; "NAME" = {bytes, sha256} says what a file
// must be.
Status read_files(const toml::table& t, const std::string& dir, PackManifest& m) {
  std::string weights = "weights.safetensors", lm, pieces, language;
  const std::map<std::string_view, std::string*> named = {
      {"weights", &weights}, {"lm", &lm}, {"pieces", &pieces}, {"language", &language}};
  if (const toml::table* files = t["files"].as_table()) {
    for (const auto& [name, value] : *files) {
      const std::string where = "files." + std::string(name.str());
      if (const auto to = named.find(name.str()); to != named.end()) {
        ANTIPHON_RETURN_IF_ERROR(read_key(value, where, {nullptr, to->second}));
        continue;
      }
      const toml::table* entry = value.as_table();
      if (!entry)
        return invalid_argument(where +
                                ": unknown key; known: weights, lm, pieces, language, and names " +
                                "of files with {bytes, sha256}");
      const auto bytes = (*entry)["bytes"].value<std::int64_t>();
      const std::string path = (fs::path(dir) / std::string(name.str())).string();
      std::error_code error;
      const auto size = fs::file_size(path, error);
      if (error) return not_found(where + ": there is no file " + path);
      if (bytes && *bytes != static_cast<std::int64_t>(size))
        return invalid_argument(where + ".bytes: is " + std::to_string(*bytes) + ", the file has " +
                                std::to_string(size) + "; is the pack whole?");
    }
  }
  m.weights_path = (fs::path(dir) / weights).string();
  const auto path_of = [&](const std::string& name) {
    return name.empty() ? "" : (fs::path(dir) / name).string();
  };
  m.lm_path = path_of(lm);
  m.pieces_path = path_of(pieces);
  m.language_path = path_of(language);
  return {};
}

// Which keys the two kinds of networks need, and have no use for.
Status check_kind(const toml::table& t, int final_ahead, AcousticConfig& c) {
  const auto has = [&](const char* key) { return static_cast<bool>(t["network"][key]); };
  if (c.blocks == 0) {
    for (const char* key : {"front", "lookahead"})
      if (!has(key)) return invalid_argument(std::string("network.") + key + ": is missing");
    for (const char* key :
         {"channels", "heads", "inner", "past", "ahead", "final_past", "final_ahead"})
      if (has(key))
        return invalid_argument(std::string("network.") + key +
                                ": is of networks with blocks; network.blocks is missing");
    return {};
  }
  if (has("front")) return invalid_argument("network.front: a network with blocks has none");
  for (const auto& [key, ahead] : {std::pair{"ahead", c.ahead}, {"final_ahead", final_ahead}})
    if (c.blocks * ahead % 2 != 0)
      return invalid_argument(std::string("network.") + key + ": " + std::to_string(c.blocks) +
                              " blocks x " + std::to_string(ahead) +
                              " frames of 20 ms are no whole steps of 40");
  if (has("final_past") && !has("final_ahead"))
    return invalid_argument("network.final_past: needs network.final_ahead, which is missing");
  const int lookahead = c.blocks * c.ahead / 2;
  if (has("lookahead") && c.lookahead != lookahead)
    return invalid_argument("network.lookahead: is " + std::to_string(c.lookahead) +
                            ", but blocks and ahead make " + std::to_string(lookahead));
  c.lookahead = lookahead;
  return {};
}

// The attention decoder and what it needs.
Status read_speller(const toml::table& t, PackManifest& m) {
  const Key speller[] = {{"layers", &m.speller_layers, 1, 32, true},
                         {"beam", &m.hybrid.beam, 1, 64},
                         {"texts", &m.hybrid.texts, 1, 256},
                         {"ctc_weight", &m.hybrid.ctc_weight, 0, 100},
                         {"language_weight", &m.hybrid.language_weight, 0, 100}};
  if (!t["speller"]) {
    if (!m.pieces_path.empty())
      return invalid_argument("files.pieces: is of an attention decoder; [speller] is missing");
    return {};
  }
  ANTIPHON_RETURN_IF_ERROR(read_section(t, "speller", speller));
  if (m.pieces_path.empty())
    return invalid_argument("speller: needs files.pieces, which is missing");
  if (m.final_ahead == 0)
    return invalid_argument("speller: needs network.final_ahead, which is missing");
  return {};
}

// The language network beside it, whose weights are a file of their own.
Status read_language(const toml::table& t, PackManifest& m) {
  PieceLanguageConfig& c = m.language;
  const Key language[] = {{"layers", &c.layers, 1, 32, true},
                          {"channels", &c.channels, 4, 4096, true},
                          {"heads", &c.heads, 1, 64, true},
                          {"inner", &c.inner, 1, 16384, true},
                          {"weight", &c.weight, 0, 100, true}};
  if (!t["language_network"]) {
    if (!m.language_path.empty())
      return invalid_argument(
          "files.language: is of a language network; [language_network] is missing");
    return {};
  }
  ANTIPHON_RETURN_IF_ERROR(read_section(t, "language_network", language));
  if (m.language_path.empty())
    return invalid_argument("language_network: needs files.language, which is missing");
  if (m.speller_layers == 0)
    return invalid_argument("language_network: needs [speller], which is missing");
  if (c.channels % c.heads != 0)
    return invalid_argument("language_network.channels: is " + std::to_string(c.channels) +
                            ", wanted a multiple of language_network.heads, " +
                            std::to_string(c.heads));
  return {};
}

Status read_all(const toml::table& t, const std::string& dir, PackManifest& m) {
  if (const auto kind = t["kind"].value<std::string>(); kind && *kind != "asr")
    return invalid_argument("kind: is '" + *kind + "', wanted 'asr'");
  const Key pack[] = {{"name", &m.name}};
  const Key network[] = {
      {"mel_bins", &m.acoustic.mel_bins, 1, 512, true},
      {"front", &m.acoustic.front, 1, 4096},
      {"width", &m.acoustic.width, 1, 8192, true},
      {"layers", &m.acoustic.layers, 1, 32, true},
      {"lookahead", &m.acoustic.lookahead, 1, 64},
      {"outputs_per_step", &m.acoustic.outputs_per_step, 1, AcousticConfig::kMostOutputs},
      {"blocks", &m.acoustic.blocks, 0, 32},
      {"channels", &m.acoustic.channels, 4, 4096},
      {"heads", &m.acoustic.heads, 1, 64},
      {"inner", &m.acoustic.inner, 1, 16384},
      {"past", &m.acoustic.past, 0, 1000},
      {"ahead", &m.acoustic.ahead, 1, 64},
      {"final_past", &m.final_past, 1, 1000},
      {"final_ahead", &m.final_ahead, 1, 64},
      {"alphabet", &m.decoder.alphabet}};
  const Key decoder[] = {{"beam_width", &m.decoder.beam_width, 1, 4096},
                         {"prune", &m.decoder.prune, 1, 100},
                         {"lm_weight", &m.decoder.lm_weight, 0, 10},
                         {"unknown_word", &m.decoder.unknown_word, -100, 10},
                         {"unknown_letter", &m.decoder.unknown_letter, -10, 1},
                         {"word_bonus", &m.decoder.word_bonus, -20, 20},
                         {"phrase_share", &m.decoder.phrase_share, 0, 0.99},
                         {"phrase_gain", &m.decoder.phrase_gain, 0, 10},
                         {"hot_gain", &m.decoder.hot_gain, 0, 10},
                         {"commit_steps", &m.decoder.commit_steps, 1, 10000},
                         {"delay_ms", &m.decoder.delay_ms, -500, 500}};
  ANTIPHON_RETURN_IF_ERROR(read_section(t, "pack", pack));
  ANTIPHON_RETURN_IF_ERROR(read_section(t, "network", network));
  ANTIPHON_RETURN_IF_ERROR(check_kind(t, m.final_ahead, m.acoustic));
  const auto weight = [](const char* name, float* to) { return Key{name, to, -100, 100}; };
  ConfidenceWeights& sure = m.decoder.confidence;
  const Key confidence[] = {weight("bias", &sure.bias),         weight("mean", &sure.mean),
                            weight("least", &sure.least),       weight("sentence", &sure.sentence),
                            weight("language", &sure.language), weight("unknown", &sure.unknown),
                            weight("letters", &sure.letters)};
  ANTIPHON_RETURN_IF_ERROR(read_section(t, "decoder", decoder));
  ANTIPHON_RETURN_IF_ERROR(read_section(t, "confidence", confidence));
  ANTIPHON_RETURN_IF_ERROR(check_alphabet(m.decoder.alphabet));
  ANTIPHON_RETURN_IF_ERROR(read_files(t, dir, m));
  ANTIPHON_RETURN_IF_ERROR(read_speller(t, m));
  ANTIPHON_RETURN_IF_ERROR(read_language(t, m));
  m.acoustic.classes = static_cast<int>(m.decoder.alphabet.size()) + 1;
  m.mel.mel_bins = m.acoustic.mel_bins;
  m.decoder.commit_steps *= m.acoustic.outputs_per_step;  // the decoder's step is a row
  return {};
}

}  // namespace

AcousticConfig PackManifest::final_acoustic() const {
  AcousticConfig config = acoustic;
  if (final_ahead > 0) {
    config.ahead = final_ahead;
    if (final_past > 0) config.past = final_past;
    config.lookahead = config.blocks * final_ahead / 2;
  }
  return config;
}

Result<PackManifest> read_pack(const std::string& dir) {
  const std::string path = (fs::path(dir) / "manifest.toml").string();
  std::error_code error;
  if (!fs::exists(path, error))
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
