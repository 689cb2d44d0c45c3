// What the manifests of a models folder say about its packs.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace antiphon::cli {

struct PackFigure {
  std::string name;                         // "test/snips/intent"
  std::map<std::string, double> precision;  // "f32", "int8"; "" where the manifest tells none
};

struct PackInfo {
  std::string name, kind, version, licence, source;
  int num_files = 0;
  std::uint64_t bytes = 0;           // of all files
  std::vector<PackFigure> accuracy;  // in the order of the manifest
  std::vector<std::string> voices;   // of synthesis, the first is the default
  // Files that the manifest names and that are missing or of another size; empty: all is well.
  std::vector<std::string> faults;
};

// Every folder with a manifest.toml, by name. kNotFound: no such folder. kInvalidArgument: a
// manifest that is not TOML; the message names file and line.
Result<std::vector<PackInfo>> read_packs(const std::string& models_dir);

}  // namespace antiphon::cli
