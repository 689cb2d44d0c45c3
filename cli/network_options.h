// The options of sub-commands that take an ONNX model or a plan of one.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "cli/command.h"
#include "engine/engine.h"
#include "engine/onnx.h"

namespace antiphon::cli {

struct NetworkOptions {
  std::string path;
  std::vector<std::string> freeze, extents, profile, plugin_files, timing_caches;
  std::string precision, ranges, max_isa, dump_dir,
      fallback;  // precision: empty where it is not given
  int threads = 1;
  bool tune = false;
  mutable std::shared_ptr<const PluginSet> loaded;

  void add_to(CLI::App& app);         // all but the path
  void add_import_to(CLI::App& app);  // what the importer needs
  // What the options say; kInvalidArgument names the option. Timing caches are merged.
  Result<OnnxOptions> import_options() const;
  Result<BuildOptions> build_options() const;
  // Loads --plugin's files and --fallback's, once; null without any.
  Result<std::shared_ptr<const PluginSet>> plugins() const;
};

// True for files that are ONNX by their name.
bool is_onnx_path(const std::string& path);
// "NAME=VALUE" in two. kInvalidArgument: there is no '='.
Result<std::pair<std::string, std::string>> split_pair(const std::string& text);

// The lines about a plan that build and inspect share.
void print_plan(const Plan& plan);

void add_run(CLI::App& app, Chosen& chosen);
void add_calibrate(CLI::App& app, Chosen& chosen);

}  // namespace antiphon::cli
