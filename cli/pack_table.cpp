// manifest.toml by toml++, whose exceptions end here.
#include "cli/pack_table.h"

#include <toml++/toml.h>

#include <algorithm>
#include <filesystem>

namespace antiphon::cli {
namespace {

namespace fs = std::filesystem;

void read_accuracy(const toml::table& table, const std::string& prefix, PackInfo& out) {
  for (const auto& [key, node] : table) {
    PackFigure figure{prefix + std::string(key.str()), {}};
    if (const auto number = node.value<double>()) {
      figure.precision[""] = *number;
    } else if (const toml::table* inner = node.as_table()) {
      for (const auto& [precision, value] : *inner)
        if (const auto number_at = value.value<double>())
          figure.precision[std::string(precision.str())] = *number_at;
      if (figure.precision.empty()) read_accuracy(*inner, figure.name + "/", out);
    }
    if (!figure.precision.empty()) out.accuracy.push_back(std::move(figure));
  }
}

void check_files(const toml::table& manifest, const fs::path& folder, PackInfo& out) {
  const toml::table* files = manifest["files"].as_table();
  if (!files) return;
  for (const auto& [key, node] : *files) {
    // weights = "weights.safetensors" says which file that is; a table is about the file itself.
    const std::string name = node.value<std::string>().value_or(std::string(key.str()));
    std::error_code error;
    const std::uintmax_t have = fs::file_size(folder / name, error);
    if (error) {
      out.faults.push_back((folder / name).string() + " is missing");
      continue;
    }
    const toml::table* facts = node.as_table();
    const auto bytes = facts ? (*facts)["bytes"].value<std::int64_t>() : std::nullopt;
    if (bytes && static_cast<std::uintmax_t>(*bytes) != have)
      out.faults.push_back((folder / name).string() + " has " + std::to_string(have) +
                           " bytes, its manifest says " + std::to_string(*bytes));
  }
}

Result<PackInfo> read_pack(const fs::path& folder) {
  const std::string path = (folder / "manifest.toml").string();
  PackInfo out;
  out.name = folder.filename().string();
  try {
    const toml::table manifest = toml::parse_file(path);
    const auto text = [&](const char* key) { return manifest[key].value_or(std::string()); };
    out.kind = text("kind");
    out.licence = text("licence");
    out.source = text("source");
    out.version = manifest["version"].is_integer()
                      ? std::to_string(manifest["version"].value_or(std::int64_t{0}))
                      : text("version");
    if (const toml::table* accuracy = manifest["accuracy"].as_table())
      read_accuracy(*accuracy, "", out);
    if (const toml::array* voices = manifest["tts"]["voices"].as_array())
      for (const toml::node& voice : *voices) out.voices.push_back(voice.value_or(std::string()));
    check_files(manifest, folder, out);
  } catch (const toml::parse_error& error) {
    return invalid_argument(path + ": line " + std::to_string(error.source().begin.line) + ": " +
                            std::string(error.description()));
  }
  std::error_code error;
  for (const auto& file : fs::recursive_directory_iterator(folder, error)) {
    if (!file.is_regular_file(error)) continue;
    out.bytes += file.file_size(error);
    ++out.num_files;
  }
  return out;
}

}  // namespace

Result<std::vector<PackInfo>> read_packs(const std::string& models_dir) {
  std::error_code error;
  std::vector<PackInfo> out;
  for (const fs::directory_entry& entry : fs::directory_iterator(models_dir, error)) {
    std::error_code ignored;
    if (!fs::exists(entry.path() / "manifest.toml", ignored)) continue;
    ANTIPHON_ASSIGN_OR_RETURN(PackInfo pack, read_pack(entry.path()));
    out.push_back(std::move(pack));
  }
  if (error)
    return not_found(models_dir + ": " + error.message() +
                     "; give the folder of the packs with --models");
  std::sort(out.begin(), out.end(),
            [](const PackInfo& a, const PackInfo& b) { return a.name < b.name; });
  return out;
}

}  // namespace antiphon::cli
