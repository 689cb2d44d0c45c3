// antiphon models: what packs there are, and their size.
#include <filesystem>

#include "cli/command.h"

namespace antiphon::cli {
namespace {

namespace fs = std::filesystem;

int run(const std::string& folder, bool json) {
  std::error_code error;
  nlohmann::json out = nlohmann::json::array();
  for (const fs::directory_entry& pack : fs::directory_iterator(folder, error)) {
    if (!pack.is_directory() || !fs::exists(pack.path() / "manifest.toml")) continue;
    std::uintmax_t bytes = 0;
    int files = 0;
    for (const auto& file : fs::recursive_directory_iterator(pack.path(), error)) {
      if (!file.is_regular_file()) continue;
      bytes += file.file_size();
      ++files;
    }
    out.push_back({{"pack", pack.path().filename().string()}, {"files", files}, {"bytes", bytes}});
  }
  if (error)
    return fail(not_found(folder + ": " + error.message() + "; give the folder with --models"));
  if (json) {
    std::printf("%s\n", write_json(out).c_str());
    return kExitOk;
  }
  for (const auto& pack : out)
    std::printf("%-14s %3d files %8.2f MB\n", pack["pack"].get<std::string>().c_str(),
                pack["files"].get<int>(), pack["bytes"].get<double>() / 1e6);
  if (out.empty()) std::printf("no packs in %s\n", folder.c_str());
  return kExitOk;
}

}  // namespace

void add_models(CLI::App& app, Chosen& chosen) {
  auto folder = std::make_shared<std::string>("models");
  auto json = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("models", "What packs there are");
  sub->add_option("--models", *folder, "Folder of the model packs")->capture_default_str();
  sub->add_flag("--json", *json, "For programs");
  sub->footer("Example:\n  antiphon models --models /srv/antiphon/models");
  sub->callback([&chosen, folder, json] { chosen = [=] { return run(*folder, *json); }; });
}

}  // namespace antiphon::cli
