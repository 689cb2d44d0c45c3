// antiphon build: the plan of an ONNX model, or of each network of a folder of packs.
#include <filesystem>
#include <fstream>
#include <set>
#include <string>

#include "antiphon/plan_json.h"
#include "cli/evaluate.h"
#include "cli/network_options.h"
#include "cli/stderr_logger.h"
#include "engine/calibrate.h"
#include "engine/report.h"

namespace antiphon::cli {
namespace {

struct Options {
  ModelOptions models;
  NetworkOptions network;
  std::string output, report, max_loss, evaluate;
  bool json = false;
  const CLI::Option* precision = nullptr;  // --precision
};

void remove_file(const std::string& path) {
  std::error_code ignored;
  std::filesystem::remove(path, ignored);
}

// What --evaluate says of a plan, which lies in a file beside the output for that long.
Result<double> accuracy(const Plan& plan, const Options& options) {
  const std::string path = options.output + ".candidate";
  ANTIPHON_RETURN_IF_ERROR(plan.save(path));
  auto number = evaluate_plan(options.evaluate, path);
  remove_file(path);
  return number;
}

// The page that --report asks for.
Status write_report(const OnnxNetwork& network, const std::shared_ptr<const Plan>& plan,
                    const std::string& title, const std::string& path) {
  ANTIPHON_ASSIGN_OR_RETURN(const std::string page,
                            plan_report_html(network, plan, {.title = title}));
  std::ofstream file(path, std::ios::binary);
  file << page;
  file.close();
  return file ? Status() : not_found("--report " + path + ": cannot be written");
}

// A plan that loses no more than --max-loss.
Result<CheckedPlan> build_checked(const OnnxNetwork& network, const BuildOptions& build_with,
                                  const Options& options) {
  if (options.max_loss.empty() != options.evaluate.empty())
    return invalid_argument("build: --max-loss and --evaluate belong together");
  if (options.max_loss.empty()) {
    CheckedPlan out;
    ANTIPHON_ASSIGN_OR_RETURN(out.plan, build(network, build_with));
    return out;
  }
  const auto bound = parse_loss_bound(options.max_loss);
  if (!bound.ok()) return bound.status().with_context("--max-loss");
  return build_within(network, build_with, *bound,
                      [&](const Plan& plan) { return accuracy(plan, options); });
}

// Every extent of the inputs that is open has a range.
Status check_profile(const OnnxNetwork& network, const BuildOptions& build_with) {
  std::set<std::string> open;
  for (const TensorSpec& spec : network.inputs())
    for (const Dim& dim : spec.shape)
      if (!dim.is_static() && !build_with.profile.contains(dim.symbol)) open.insert(dim.symbol);
  if (open.empty()) return {};
  std::string names, ranges;
  for (const std::string& symbol : open) {
    names += (names.empty() ? "" : ", ") + symbol;
    ranges += " --profile " + symbol + "=MIN:USUAL:MAX";
  }
  return invalid_argument("build: the model leaves extents open: " + names +
                          "; wanted a range of each," + ranges + ", or a number, --extent " +
                          *open.begin() + "=N");
}

int build_onnx(const NetworkOptions& network_options, const Options& options) {
  const auto import = network_options.import_options();
  if (!import.ok()) return fail(import.status());
  const auto build_with = network_options.build_options();
  if (!build_with.ok()) return fail(build_with.status());
  const auto network = import_onnx(network_options.path, *import);
  if (!network.ok()) return fail(network.status());
  if (const Status ranges = check_profile(*network, *build_with); !ranges.ok()) return fail(ranges);
  const auto made = build_checked(*network, *build_with, options);
  if (!made.ok()) return fail(made.status());
  if (const Status saved = made->plan->save(options.output); !saved.ok()) return fail(saved);
  if (!options.report.empty())
    if (const Status told = write_report(
            *network, made->plan, std::filesystem::path(network_options.path).filename().string(),
            options.report);
        !told.ok())
      return fail(told);
  if (options.json) {
    nlohmann::json json = nlohmann::json::parse(plan_json(*made->plan));
    if (!options.evaluate.empty()) json["accuracy"] = {{"f32", made->f32}, {"int8", made->int8}};
    std::printf("%s\n", write_json(json).c_str());
    return kExitOk;
  }
  print_plan(*made->plan);
  if (!options.evaluate.empty())
    std::printf("accuracy %.6g in int8, %.6g in f32\n", made->int8, made->f32);
  return kExitOk;
}

int build_model(const Options& options) {
  NetworkOptions network = options.network;
  network.threads = options.models.threads;
  network.max_isa = options.models.max_isa;
  if (network.precision.empty() && options.precision->count() > 0)
    network.precision = options.models.precision;
  if (options.output.empty())
    return fail(invalid_argument("build: wanted --output PLAN for the plan of " + network.path));
  return build_onnx(network, options);
}

int run(const Options& options) {
  if (!options.network.path.empty()) return build_model(options);
  if (!options.report.empty())
    return fail(invalid_argument("build: --report tells of one model, wanted MODEL.onnx"));
  if (options.models.plan_dir.empty())
    return fail(invalid_argument("build: wanted MODEL.onnx, or --plans FOLDER for the packs"));
  StderrLogger logger;  // says which stage is done, and how long it took
  AssistantConfig config = options.models.config();
  config.logger = &logger;
  config.tune = true;
  const auto assistant = Assistant::create(config);
  if (!assistant.ok()) return fail(assistant.status());
  std::error_code error;
  nlohmann::json plans = nlohmann::json::array();
  for (const auto& file : std::filesystem::directory_iterator(options.models.plan_dir, error))
    if (file.path().extension() == ".plan")
      plans.push_back({{"plan", file.path().string()}, {"bytes", file.file_size()}});
  if (options.json) {
    std::printf("%s\n", write_json(plans).c_str());
    return kExitOk;
  }
  for (const auto& plan : plans)
    std::printf("%s  %.2f MB\n", plan["plan"].get<std::string>().c_str(),
                plan["bytes"].get<double>() / 1e6);
  return kExitOk;
}

}  // namespace

void add_build(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub =
      app.add_subcommand("build", "Make the plan of an ONNX model, or those of the packs");
  sub->add_option("model", options->network.path, "MODEL.onnx; left out: the packs of --models");
  sub->add_option("--output", options->output, "File that gets the model's plan");
  sub->add_option("--report", options->report,
                  "HTML file that tells of the build: graphs, passes, kernels, time, memory");
  sub->add_option("--max-loss", options->max_loss,
                  "0.6%: what int8 may lose of the f32 plan's accuracy; 0.006: in its own unit");
  sub->add_option("--evaluate", options->evaluate,
                  "Command that gets a plan's path and prints its accuracy (higher is better)");
  sub->add_flag("--json", options->json, "For programs");
  options->models.add_to(*sub);
  options->network.add_to(*sub);
  options->precision = sub->get_option("--precision");
  sub->footer(
      "Example:\n  antiphon build model.onnx --profile T=1:64:256 --output model.plan\n"
      "  antiphon build model.onnx --tune --output model.plan --report report.html\n"
      "  antiphon build model.onnx --ranges model.ranges --tune --output model.plan\n"
      "  antiphon build --models models --plans ~/.cache/antiphon");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
