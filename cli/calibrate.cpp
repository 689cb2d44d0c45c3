// antiphon calibrate: ranges of an ONNX model's activations from samples.
#include "engine/calibrate.h"

#include "cli/network_options.h"
#include "cli/sample_files.h"

namespace antiphon::cli {
namespace {

struct Options {
  NetworkOptions network;
  std::vector<std::string> samples, keep_f32;
  std::string method = "entropy", output;
  double percentile = CalibrationOptions().percentile;
  bool json = false;
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

void print(const Calibration& calibration, const std::string& path, bool json) {
  if (!json) {
    std::printf("%s: %zu tensors by %s over %zu samples\n", path.c_str(), calibration.ranges.size(),
                calibration.method.c_str(), calibration.num_samples);
    return;
  }
  nlohmann::json ranges = nlohmann::json::object();
  for (const auto& [tensor, range] : calibration.ranges) ranges[tensor] = {range.low, range.high};
  std::printf("%s\n", write_json({{"ranges", ranges},
                                  {"method", calibration.method},
                                  {"samples", calibration.num_samples}})
                          .c_str());
}

int run(const Options& options) {
  const auto import = options.network.import_options();
  if (!import.ok()) return fail(import.status());
  const auto network = import_onnx(options.network.path, *import);
  if (!network.ok()) return fail(network.status());
  const auto samples = open_samples(options.samples, network->inputs());
  if (!samples.ok()) return fail(samples.status());
  CalibrationOptions with = calibration_options(options);
  with.plugins = import->plugins;
  auto calibration = [&] {
    Progress progress("calibrating");
    with.progress = [&](double fraction) { progress.at(fraction); };
    return calibrate(*network, *samples, with);
  }();
  if (!calibration.ok()) return fail(calibration.status());
  calibration->keep_f32.insert(options.keep_f32.begin(), options.keep_f32.end());
  if (const Status fits = check_fits(*network, *calibration); !fits.ok()) return fail(fits);
  if (const Status saved = calibration->save(options.output); !saved.ok()) return fail(saved);
  print(*calibration, options.output, options.json);
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
  sub->add_option("--keep-f32", options->keep_f32, "Layers that stay in f32");
  sub->add_option("-o,--output", options->output, "File that gets the ranges")->required();
  sub->add_option("--threads", options->network.threads, "That run the samples")
      ->check(CLI::Range(1, 256));
  sub->add_flag("--json", options->json, "For programs");
  add_max_isa_option(*sub, options->network.max_isa);
  options->network.add_import_to(*sub);
  sub->footer("Example:\n  antiphon calibrate model.onnx --samples samples -o model.ranges");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
