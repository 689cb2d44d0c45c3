// Options of imported networks; building their plans.
#include "cli/network_options.h"

#include <charconv>

#include "cli/npy_file.h"
#include "engine/calibrate.h"
#include "engine/timing_files.h"

namespace antiphon::cli {
namespace {

bool read_number(std::string_view text, std::int64_t& out) {
  const auto read = std::from_chars(text.data(), text.data() + text.size(), out);
  return read.ec == std::errc() && read.ptr == text.data() + text.size() && out >= 0;
}

// "4", "1:8" or "1:4:8": min, usual, max.
Result<DimRange> read_range(const std::string& option, const std::string& text) {
  std::vector<std::int64_t> numbers;
  std::string_view rest = text;
  for (bool more = true; more;) {
    const std::size_t colon = rest.find(':');
    std::int64_t number = 0;
    if (!read_number(rest.substr(0, colon), number) || numbers.size() == 3)
      return invalid_argument(option + ": '" + text + "', wanted N, MIN:MAX or MIN:USUAL:MAX");
    numbers.push_back(number);
    more = colon != std::string_view::npos;
    if (more) rest.remove_prefix(colon + 1);
  }
  return DimRange{numbers.front(), numbers[numbers.size() / 2], numbers.back()};
}

}  // namespace

void NetworkOptions::add_import_to(CLI::App& app) {
  app.add_option("--freeze", freeze, "NAME=FILE.npy: an input that becomes a constant");
  app.add_option("--extent", extents, "SYMBOL=N: fixes an extent that the model leaves open");
  app.add_option("--plugin", plugin_files, "Shared object with more operators and kernels");
  app.add_option("--fallback", fallback,
                 "onnxruntime, or onnxruntime=FILE: what runs nodes that cannot be imported");
}

void NetworkOptions::add_to(CLI::App& app) {
  add_import_to(app);
  app.add_option("--profile", profile, "SYMBOL=MIN:USUAL:MAX: the range that an extent may have");
  // Where --precision is there for the packs, build() hands it on.
  const bool taken = app.get_option_no_throw("--precision") != nullptr;
  app.add_option(taken ? "--network-precision" : "--precision,--network-precision", precision,
                 "Of an ONNX model; f32, but int8 with --ranges")
      ->check(CLI::IsMember({"int8", "f32"}));
  app.add_option("--ranges", ranges, "File of `antiphon calibrate`: layers run in int8");
  app.add_flag("--tune", tune, "Time the kernels and keep the fastest");
  app.add_option("--timing-cache", timing_caches,
                 "File of the times that --tune takes, read and extended; more files are merged "
                 "into the first");
  app.add_option("--dump", dump_dir, "Folder that gets the graph after every pass");
}

bool is_onnx_path(const std::string& path) {
  return path.size() > 5 && path.substr(path.size() - 5) == ".onnx";
}

Result<std::pair<std::string, std::string>> split_pair(const std::string& text) {
  const std::size_t equals = text.find('=');
  if (equals == std::string::npos || equals == 0)
    return invalid_argument("'" + text + "': wanted NAME=VALUE");
  return std::pair(text.substr(0, equals), text.substr(equals + 1));
}

Result<std::shared_ptr<const PluginSet>> NetworkOptions::plugins() const {
  if (loaded || (plugin_files.empty() && fallback.empty())) return loaded;
  if (fallback.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(loaded, PluginSet::load(plugin_files));
    return loaded;
  }
  constexpr std::string_view kRuntime = "onnxruntime";
  const std::string_view rest =
      std::string_view(fallback).substr(fallback.starts_with(kRuntime) ? kRuntime.size() : 0);
  if (rest.size() == fallback.size() || (!rest.empty() && rest[0] != '='))
    return invalid_argument("--fallback " + fallback + ": wanted onnxruntime or onnxruntime=FILE");
  const std::string file(rest.empty() ? rest : rest.substr(1));
  ANTIPHON_ASSIGN_OR_RETURN(loaded, PluginSet::load_with_onnxruntime(plugin_files, file));
  return loaded;
}

Result<OnnxOptions> NetworkOptions::import_options() const {
  OnnxOptions out;
  ANTIPHON_ASSIGN_OR_RETURN(out.plugins, plugins());
  for (const std::string& text : freeze) {
    ANTIPHON_ASSIGN_OR_RETURN(const auto pair, split_pair(text));
    ANTIPHON_ASSIGN_OR_RETURN(out.frozen[pair.first], read_npy(pair.second));
  }
  for (const std::string& text : extents) {
    ANTIPHON_ASSIGN_OR_RETURN(const auto pair, split_pair(text));
    if (!read_number(pair.second, out.extents[pair.first]))
      return invalid_argument("--extent " + text + ": wanted a whole number");
  }
  return out;
}

Result<BuildOptions> NetworkOptions::build_options() const {
  BuildOptions out;
  ANTIPHON_ASSIGN_OR_RETURN(out.plugins, plugins());
  const bool int8 = precision.empty() ? !ranges.empty() : precision == "int8";
  out.precision = int8 ? Precision::kInt8 : Precision::kF32;
  if (!ranges.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(Calibration calibration, Calibration::load(ranges));
    out.calibration = std::make_shared<const Calibration>(std::move(calibration));
  }
  out.max_isa = max_isa;
  out.num_threads = threads > 0 ? threads : 1;
  out.tune = tune;
  out.dump_dir = dump_dir;
  if (!timing_caches.empty()) {
    if (!tune) return invalid_argument("--timing-cache: is for --tune, which is not given");
    ANTIPHON_RETURN_IF_ERROR(merge_timing_caches(timing_caches));
    out.timing_cache = timing_caches.front();
  }
  for (const std::string& text : profile) {
    ANTIPHON_ASSIGN_OR_RETURN(const auto pair, split_pair(text));
    ANTIPHON_ASSIGN_OR_RETURN(out.profile[pair.first], read_range("--profile", pair.second));
  }
  return out;
}

namespace {

std::string spec_text(const TensorSpec& spec) {
  std::string out = spec.name + ": " + std::string(dtype_name(spec.dtype)) + " [";
  for (std::size_t i = 0; i < spec.shape.size(); ++i) {
    const Dim& dim = spec.shape[i];
    out += (i ? ", " : "") + (dim.is_static()      ? std::to_string(dim.extent)
                              : dim.symbol.empty() ? std::string("?")
                                                   : dim.symbol);
  }
  return out + "]";
}

}  // namespace

void print_plan(const Plan& plan) {
  const PlanReport& report = plan.report();
  std::printf("%s for %s: %d nodes, %d before fusion\n", plan.name().c_str(), report.isa.c_str(),
              report.nodes_after, report.nodes_before);
  std::printf("constants %.2f MB, arena %.2f MB, state %.1f kB a stream\n",
              static_cast<double>(report.constant_bytes) / 1e6,
              static_cast<double>(report.arena_bytes) / 1e6,
              static_cast<double>(report.state_bytes) / 1e3);
  for (const TensorSpec& spec : plan.inputs()) std::printf("  in  %s\n", spec_text(spec).c_str());
  for (const TensorSpec& spec : plan.outputs()) std::printf("  out %s\n", spec_text(spec).c_str());
}

}  // namespace antiphon::cli
