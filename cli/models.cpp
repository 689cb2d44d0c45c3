// antiphon models: the packs of a folder, with licence, size and accuracy at each precision.
#include <set>

#include "cli/command.h"
#include "cli/pack_table.h"

namespace antiphon::cli {
namespace {

nlohmann::json object_of(const PackInfo& pack) {
  nlohmann::json accuracy = nlohmann::json::object();
  for (const PackFigure& figure : pack.accuracy) {
    const auto& by = figure.precision;
    if (by.size() == 1 && by.contains(""))
      accuracy[figure.name] = by.at("");
    else
      accuracy[figure.name] = by;
  }
  nlohmann::json out = {
      {"pack", pack.name},       {"kind", pack.kind},     {"version", pack.version},
      {"licence", pack.licence}, {"source", pack.source}, {"files", pack.num_files},
      {"bytes", pack.bytes},     {"accuracy", accuracy},  {"faults", pack.faults}};
  if (!pack.voices.empty()) out["voices"] = pack.voices;
  return out;
}

void print_accuracy(const PackInfo& pack) {
  std::set<std::string> precisions;
  for (const PackFigure& figure : pack.accuracy)
    for (const auto& [precision, value] : figure.precision) precisions.insert(precision);
  std::printf("\n%-36s", pack.name.c_str());
  for (const std::string& precision : precisions)
    std::printf(" %8s", precision.empty() ? "as is" : precision.c_str());
  std::printf("\n");
  for (const PackFigure& figure : pack.accuracy) {
    std::printf("  %-34s", figure.name.c_str());
    for (const std::string& precision : precisions) {
      const auto value = figure.precision.find(precision);
      if (value == figure.precision.end())
        std::printf(" %8s", "-");
      else
        std::printf(" %8.2f", value->second);
    }
    std::printf("\n");
  }
}

void print_voices(const PackInfo& pack) {
  std::printf("\n%s speaks as", pack.name.c_str());
  for (const std::string& voice : pack.voices)
    std::printf("%s %s", &voice == &pack.voices.front() ? "" : ",", voice.c_str());
  std::printf("\n");
}

int run(const std::string& folder, bool json) {
  const auto packs = read_packs(folder);
  if (!packs.ok()) return fail(packs.status());
  if (json) {
    nlohmann::json out = nlohmann::json::array();
    for (const PackInfo& pack : *packs) out.push_back(object_of(pack));
    std::printf("%s\n", write_json(out).c_str());
    return kExitOk;
  }
  if (packs->empty()) return fail(not_found(folder + ": holds no pack; give another --models"));
  std::printf("%-12s %-8s %-12s %10s  %s\n", "pack", "version", "licence", "size", "files");
  double total_mb = 0;
  for (const PackInfo& pack : *packs) {
    std::printf("%-12s %-8s %-12s %7.2f MB  %d\n", pack.name.c_str(), pack.version.c_str(),
                pack.licence.c_str(), static_cast<double>(pack.bytes) / 1e6, pack.num_files);
    total_mb += static_cast<double>(pack.bytes) / 1e6;
  }
  std::printf("%-34s %7.2f MB\n", "together", total_mb);
  for (const PackInfo& pack : *packs)
    if (!pack.voices.empty()) print_voices(pack);
  for (const PackInfo& pack : *packs)
    if (!pack.accuracy.empty()) print_accuracy(pack);
  for (const PackInfo& pack : *packs)
    for (const std::string& fault : pack.faults)
      std::fprintf(stderr, "antiphon: %s\n", fault.c_str());
  return kExitOk;
}

}  // namespace

void add_models(CLI::App& app, Chosen& chosen) {
  auto folder = std::make_shared<std::string>(default_models_dir());
  auto json = std::make_shared<bool>(false);
  CLI::App* sub = app.add_subcommand("models", "The packs: licence, size, accuracy");
  add_models_option(*sub, *folder);
  sub->add_flag("--json", *json, "For programs");
  sub->footer("Example:\n  antiphon models --models /srv/antiphon/models");
  sub->callback([&chosen, folder, json] { chosen = [=] { return run(*folder, *json); }; });
}

}  // namespace antiphon::cli
