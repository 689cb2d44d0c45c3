// antiphon calibrate: ranges of an ONNX model's activations from samples.
#include "engine/calibrate.h"

#include <algorithm>

#include "cli/network_options.h"
#include "cli/sample_files.h"

namespace antiphon::cli {
namespace {

struct Options {
  NetworkOptions network;
  std::vector<std::string> samples, keep_f32;
  std::string method = "entropy", output;
  std::string ranges;
  double percentile = CalibrationOptions().percentile;
  std::size_t keep_worst = 0;
  bool sensitivity = false, json = false;
};

CalibrationOptions calibration_options(const Options& options) {
  CalibrationOptions out;
  out.method = options.method == "minmax"       ? RangeMethod::kMinMax
               : options.method == "percentile" ? RangeMethod::kPercentile
                                                : RangeMethod::kEntropy;
  out.percentile = options.percentile;
  out.num_threads = options.network.threads;
  out.max_isa = options.network.max_isa;
  return out;
}

void print_text(const Calibration& calibration, const std::vector<LayerError>& errors) {
  if (!errors.empty()) std::printf("change of the output with one layer in int8:\n");
  for (const LayerError& e : errors)
    std::printf("  %8.4f%%  %s%s\n", 100 * e.error, e.layer.c_str(),
                calibration.keep_f32.contains(e.layer) ? "  (stays in f32)"
                : e.tensor.empty()                     ? "  (weights)"
                                                       : "");
}

void print(const Calibration& calibration, const std::vector<LayerError>& errors,
           const Options& options) {
  if (!options.json) {
    print_text(calibration, errors);
    if (!options.output.empty())
      std::printf("%s: %zu tensors by %s over %zu sample%s\n", options.output.c_str(),
                  calibration.ranges.size(), calibration.method.c_str(), calibration.num_samples,
                  calibration.num_samples == 1 ? "" : "s");
    return;
  }
  nlohmann::json layers = nlohmann::json::array();
  for (const LayerError& e : errors)
    layers.push_back({{"layer", e.layer}, {"tensor", e.tensor}, {"error", e.error}});
  nlohmann::json ranges = nlohmann::json::object();
  for (const auto& [tensor, range] : calibration.ranges) ranges[tensor] = {range.low, range.high};
  std::printf("%s\n", write_json({{"ranges", ranges},
                                  {"layers", layers},
                                  {"keep_f32", calibration.keep_f32},
                                  {"method", calibration.method},
                                  {"samples", calibration.num_samples}})
                          .c_str());
}

Result<Calibration> find_ranges(const OnnxNetwork& network, const SampleSource& samples,
                                const Options& options, CalibrationOptions with) {
  if (!options.ranges.empty()) return Calibration::load(options.ranges);
  Progress progress("calibrating");
  with.progress = [&](double fraction) { progress.at(fraction); };
  return calibrate(network, samples, with);
}

// Every layer's error, and the worst of them into the list of those that stay.
Result<std::vector<LayerError>> rank(const OnnxNetwork& network, Calibration& calibration,
                                     const SampleSource& samples, const Options& options,
                                     CalibrationOptions with) {
  if (!options.sensitivity && options.keep_worst == 0) return std::vector<LayerError>();
  Progress progress("layer by layer");
  with.progress = [&](double fraction) { progress.at(fraction); };
  ANTIPHON_ASSIGN_OR_RETURN(auto errors, rank_layers(network, calibration, samples, with));
  for (std::size_t i = 0; i < std::min(options.keep_worst, errors.size()); ++i)
    calibration.keep_f32.insert(errors[i].layer);
  return errors;
}

int run(const Options& options) {
  if (options.output.empty() && !options.sensitivity)
    return fail(invalid_argument("calibrate: wanted --output RANGES, or --sensitivity"));
  const auto import = options.network.import_options();
  if (!import.ok()) return fail(import.status());
  const auto network = import_onnx(options.network.path, *import);
  if (!network.ok()) return fail(network.status());
  const auto samples = open_samples(options.samples, network->inputs());
  if (!samples.ok()) return fail(samples.status());
  CalibrationOptions with = calibration_options(options);
  with.plugins = import->plugins;
  auto calibration = find_ranges(*network, *samples, options, with);
  if (!calibration.ok()) return fail(calibration.status());
  calibration->keep_f32.insert(options.keep_f32.begin(), options.keep_f32.end());
  if (const Status fits = check_fits(*network, *calibration); !fits.ok()) return fail(fits);
  const auto errors = rank(*network, *calibration, *samples, options, with);
  if (!errors.ok()) return fail(errors.status());
  if (!options.output.empty())
    if (const Status saved = calibration->save(options.output); !saved.ok()) return fail(saved);
  print(*calibration, *errors, options);
  return kExitOk;
}

}  // namespace

void add_calibrate(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("calibrate", "Find the ranges that a model needs for int8");
  sub->add_option("model", options->network.path, "MODEL.onnx")->required();
  sub->add_option("--samples", options->samples,
                  "Folder of .npy or .npz files, or such files: inputs as they really are")
      ->required();
  sub->add_option("--method", options->method, "How a range is picked")
      ->check(CLI::IsMember({"entropy", "percentile", "minmax"}))
      ->capture_default_str();
  sub->add_option("--percentile", options->percentile, "Of the values that a range keeps")
      ->check(CLI::Range(1.0, 100.0))
      ->capture_default_str();
  sub->add_option("--ranges", options->ranges,
                  "Ranges that were found before: none are looked for");
  sub->add_flag("--sensitivity", options->sensitivity,
                "Put one layer at a time in int8, and list what that changes");
  sub->add_option("--keep-worst", options->keep_worst, "How many of the worst layers stay in f32");
  sub->add_option("--keep-f32", options->keep_f32, "Layers that stay in f32");
  sub->add_option("-o,--output", options->output, "File that gets the ranges");
  sub->add_option("--threads", options->network.threads, "That run the samples")
      ->check(CLI::Range(1, 256));
  sub->add_flag("--json", options->json, "For programs");
  add_max_isa_option(*sub, options->network.max_isa);
  options->network.add_import_to(*sub);
  sub->footer(
      "Example:\n  antiphon calibrate model.onnx --samples samples -o model.ranges\n"
      "  antiphon calibrate model.onnx --samples samples --ranges model.ranges --sensitivity");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
