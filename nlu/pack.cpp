// Reads manifest.toml of an understanding pack with toml++, whose exceptions end here.
#include "nlu/pack.h"

#include <toml++/toml.h>

#include <filesystem>
#include <type_traits>

namespace antiphon::nlu {
namespace {

// A number of [section] from `low` to `high`, if it is there.
template <typename T>
Status read_number(const toml::table& table, const char* section, const char* key, double low,
                   double high, T& out) {
  const auto node = table[section][key];
  if (!node) return {};
  const std::string where = std::string(section) + "." + key;
  if (std::is_integral_v<T> && !node.is_integer())
    return invalid_argument(where + ": wanted an integer");
  const auto value = node.value<double>();
  if (!value || *value < low || *value > high)
    return invalid_argument(where + ": wanted a number from " + std::to_string(low) + " to " +
                            std::to_string(high));
  out = static_cast<T>(*value);
  return {};
}

Status read_manifest(const toml::table& t, PackManifest& m) {
  const auto kind = t["kind"].value<std::string>();
  if (kind != "nlu") return invalid_argument("kind: is '" + kind.value_or("") + "', wanted 'nlu'");
  m.name = t["name"].value_or(std::string("nlu"));
  ANTIPHON_RETURN_IF_ERROR(read_number(t, "geometry", "width", 1, 8192, m.width));
  ANTIPHON_RETURN_IF_ERROR(read_number(t, "geometry", "heads", 1, 128, m.heads));
  ANTIPHON_RETURN_IF_ERROR(read_number(t, "geometry", "layers", 1, 64, m.layers));
  ANTIPHON_RETURN_IF_ERROR(read_number(t, "geometry", "positions", 8, 8192, m.positions));
  ANTIPHON_RETURN_IF_ERROR(read_number(t, "geometry", "pieces", 5, 1000000, m.pieces));
  ANTIPHON_RETURN_IF_ERROR(read_number(t, "geometry", "norm_epsilon", 0, 1, m.norm_epsilon));
  if (m.width % m.heads != 0) return invalid_argument("geometry.heads: does not divide width");
  ANTIPHON_RETURN_IF_ERROR(read_number(t, "assistant", "accept", -1, 1, m.thresholds.accept));
  ANTIPHON_RETURN_IF_ERROR(read_number(t, "assistant", "sure", -1, 1, m.thresholds.sure));
  return read_number(t, "assistant", "margin", 0, 1, m.thresholds.margin);
}

}  // namespace

Result<PackManifest> read_pack(const std::string& dir) {
  namespace fs = std::filesystem;
  const std::string path = (fs::path(dir) / "manifest.toml").string();
  std::error_code error;
  if (!fs::exists(path, error))
    return not_found(path + ": there is no such file; is '" + dir + "' an understanding pack?");
  PackManifest manifest;
  try {
    const toml::table table = toml::parse_file(path);
    if (Status s = read_manifest(table, manifest); !s.ok()) return s.with_context(path);
  } catch (const toml::parse_error& e) {
    return invalid_argument(path + ": line " + std::to_string(e.source().begin.line) + ": " +
                            std::string(e.description()));
  } catch (const std::exception& e) {
    return invalid_argument(path + ": " + e.what());
  }
  manifest.weights_path = (fs::path(dir) / "weights.safetensors").string();
  manifest.vocab_path = (fs::path(dir) / "vocab.txt").string();
  const std::string labels = (fs::path(dir) / "labels.json").string();
  manifest.has_labels = fs::exists(labels, error);
  if (manifest.has_labels) {
    ANTIPHON_ASSIGN_OR_RETURN(manifest.labels, read_labels(labels));
  }
  return manifest;
}

}  // namespace antiphon::nlu
