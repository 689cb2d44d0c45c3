// antiphon run: an ONNX model or a plan on inputs from .npy files, or made from a seed.
#include <algorithm>
#include <chrono>
#include <cmath>
#include <cstring>
#include <filesystem>
#include <limits>
#include <random>

#include "cli/network_options.h"
#include "cli/npy_file.h"

namespace antiphon::cli {
namespace {

struct Options {
  NetworkOptions network;
  std::vector<std::string> inputs, compare;
  std::string output_dir, against;
  std::uint64_t seed = 1;
  double tolerance = 1e-5;
  int repeat = 0;
  bool json = false;
};

using Tensors = std::map<std::string, HostTensor>;

Result<Tensors> read_pairs(const std::vector<std::string>& texts) {
  Tensors out;
  for (const std::string& text : texts) {
    ANTIPHON_ASSIGN_OR_RETURN(const auto pair, split_pair(text));
    ANTIPHON_ASSIGN_OR_RETURN(out[pair.first], read_npy(pair.second));
  }
  return out;
}

// Extents of the symbols: the inputs', else --extent's, else the least of the profile.
std::map<std::string, std::int64_t> extents_of(const std::vector<TensorSpec>& specs,
                                               const Tensors& inputs, const OnnxOptions& fixed) {
  std::map<std::string, std::int64_t> out = fixed.extents;
  for (const TensorSpec& spec : specs) {
    const auto found = inputs.find(spec.name);
    if (found == inputs.end()) continue;
    for (std::size_t i = 0; i < spec.shape.size() && i < found->second.dims.size(); ++i)
      if (!spec.shape[i].is_static()) out[spec.shape[i].symbol] = found->second.dims[i];
  }
  return out;
}

// Seeded: reals in [-1, 1), whole numbers 0 to 9, truth values.
HostTensor generated(const TensorSpec& spec, const std::map<std::string, std::int64_t>& extents,
                     std::mt19937_64& random) {
  HostTensor out;
  out.dtype = spec.dtype;
  std::size_t count = 1;
  for (const Dim& dim : spec.shape) {
    const auto found = extents.find(dim.symbol);
    out.dims.push_back(dim.is_static() ? dim.extent : found == extents.end() ? 1 : found->second);
    count *= static_cast<std::size_t>(out.dims.back());
  }
  out.bytes.resize(count * dtype_bytes(out.dtype));
  for (std::size_t i = 0; i < count; ++i) {
    const std::uint64_t bits = random() >> 11;
    const auto real = static_cast<float>(static_cast<double>(bits) * 0x1p-52 - 1);
    const std::uint64_t whole = bits % (out.dtype == DType::kBool ? 2 : 10);
    const void* from = out.dtype == DType::kF32 ? static_cast<const void*>(&real) : &whole;
    std::memcpy(out.bytes.data() + i * dtype_bytes(out.dtype), from, dtype_bytes(out.dtype));
  }
  return out;
}

Result<std::shared_ptr<const Plan>> plan_of(const Options& options, const Tensors& inputs) {
  ANTIPHON_ASSIGN_OR_RETURN(const auto plugins, options.network.plugins());
  if (!is_onnx_path(options.network.path))
    return Plan::load(options.network.path, options.network.max_isa, plugins);
  ANTIPHON_ASSIGN_OR_RETURN(const OnnxOptions import, options.network.import_options());
  ANTIPHON_ASSIGN_OR_RETURN(const OnnxNetwork network, import_onnx(options.network.path, import));
  ANTIPHON_ASSIGN_OR_RETURN(BuildOptions build_with, options.network.build_options());
  for (const auto& [symbol, extent] : extents_of(network.inputs(), inputs, import))
    build_with.profile.try_emplace(symbol, DimRange{extent, extent, extent});
  for (const TensorSpec& spec : network.inputs())
    for (const Dim& dim : spec.shape)
      if (!dim.is_static()) build_with.profile.try_emplace(dim.symbol, DimRange{1, 1, 1});
  return build(network, build_with);
}

Status set_input(Context& context, const TensorSpec& spec, const HostTensor& tensor) {
  if (tensor.dtype != spec.dtype)
    return invalid_argument("input '" + spec.name + "': wanted " +
                            std::string(dtype_name(spec.dtype)) + ", got " +
                            std::string(dtype_name(tensor.dtype)));
  ANTIPHON_ASSIGN_OR_RETURN(void* memory, context.input(spec.name, tensor.dims));
  if (!tensor.bytes.empty()) std::memcpy(memory, tensor.bytes.data(), tensor.bytes.size());
  return {};
}

double number_at(DType dtype, const void* data, std::int64_t i) {
  const auto* bytes =
      static_cast<const char*>(data) + static_cast<std::size_t>(i) * dtype_bytes(dtype);
  const auto as = [&]<typename T>(T value) {
    std::memcpy(&value, bytes, sizeof value);
    return static_cast<double>(value);
  };
  switch (dtype) {
    case DType::kF32: return as(float{});
    case DType::kI32: return as(std::int32_t{});
    case DType::kI64: return as(std::int64_t{});
    case DType::kI8: return as(std::int8_t{});
    default: return as(std::uint8_t{});
  }
}

// Largest |got - want| / max(1, |want|).
Result<double> difference(const std::string& name, const TensorView& got, const HostTensor& want) {
  if (got.dims != want.dims || got.dtype != want.dtype)
    return invalid_argument("comparing " + name + ": shape or type differs from the output's");
  double worst = 0;
  for (std::int64_t i = 0; i < got.num_elements(); ++i) {
    const double a = number_at(got.dtype, got.data, i);
    const double b = number_at(want.dtype, want.bytes.data(), i);
    if (std::isnan(a) && std::isnan(b)) continue;
    const double off = a == b ? 0 : std::abs(a - b) / std::max(1.0, std::abs(b));
    worst = std::isnan(off) ? std::numeric_limits<double>::infinity() : std::max(worst, off);
  }
  return worst;
}

std::string file_name(const std::string& output) {
  std::string out = output;
  std::replace_if(
      out.begin(), out.end(), [](char c) { return c == '/' || c == '\\'; }, '_');
  return out + ".npy";
}

// --input and --compare name tensors that the network has.
Status check_names(const char* option, const Tensors& given, const std::vector<TensorSpec>& specs) {
  for (const auto& entry : given) {
    const std::string& name = entry.first;
    std::string known;
    for (const TensorSpec& spec : specs) known += (known.empty() ? "" : ", ") + spec.name;
    const bool there = std::any_of(specs.begin(), specs.end(),
                                   [&](const TensorSpec& s) { return s.name == name; });
    if (!there)
      return invalid_argument(std::string(option) + " " + name + ": the network has " +
                              (known.empty() ? "none" : known));
  }
  return {};
}

// What --against's network makes of the same inputs.
Result<Tensors> outputs_of_other(Options options, const Tensors& inputs) {
  options.network.path = options.against;
  ANTIPHON_ASSIGN_OR_RETURN(const auto plan, plan_of(options, inputs));
  ANTIPHON_ASSIGN_OR_RETURN(const auto context, Context::create(plan, nullptr));
  for (const TensorSpec& spec : plan->inputs()) {
    const auto found = inputs.find(spec.name);
    if (found == inputs.end())
      return invalid_argument("wants input '" + spec.name + "', which the other does not have");
    ANTIPHON_RETURN_IF_ERROR(set_input(*context, spec, found->second));
  }
  ANTIPHON_RETURN_IF_ERROR(context->run());
  Tensors out;
  for (const TensorSpec& spec : plan->outputs()) {
    const TensorView& view = *context->output(spec.name);
    const auto* bytes = static_cast<const std::byte*>(view.data);
    const std::size_t size =
        static_cast<std::size_t>(view.num_elements()) * dtype_bytes(view.dtype);
    out[spec.name] = {view.dtype, view.dims, {bytes, bytes + size}};
  }
  return out;
}

// --compare's files, and the outputs of --against's network.
Result<Tensors> add_wanted(Tensors wanted, const Options& options, const Tensors& inputs,
                           const Plan& plan) {
  if (options.against.empty()) return wanted;
  auto others = outputs_of_other(options, inputs);
  if (!others.ok()) return others.status().with_context("--against " + options.against);
  for (const TensorSpec& spec : plan.outputs())
    if (!others->contains(spec.name))
      return invalid_argument("--against " + options.against + ": has no output '" + spec.name +
                              "'");
  wanted.insert(others->begin(), others->end());
  return wanted;
}

Result<nlohmann::json> run_once(const Options& options) {
  ANTIPHON_ASSIGN_OR_RETURN(Tensors inputs, read_pairs(options.inputs));
  ANTIPHON_ASSIGN_OR_RETURN(Tensors wanted, read_pairs(options.compare));
  ANTIPHON_ASSIGN_OR_RETURN(const auto plan, plan_of(options, inputs));
  ANTIPHON_RETURN_IF_ERROR(check_names("--input", inputs, plan->inputs()));
  ANTIPHON_RETURN_IF_ERROR(check_names("--compare", wanted, plan->outputs()));
  std::unique_ptr<ThreadTeam> team;
  if (options.network.threads > 1) {
    ANTIPHON_ASSIGN_OR_RETURN(team, ThreadTeam::create(options.network.threads));
  }
  ANTIPHON_ASSIGN_OR_RETURN(const auto context, Context::create(plan, team.get()));
  ANTIPHON_ASSIGN_OR_RETURN(const OnnxOptions import, options.network.import_options());
  const auto extents = extents_of(plan->inputs(), inputs, import);
  std::mt19937_64 random(options.seed);
  for (const TensorSpec& spec : plan->inputs())
    if (!inputs.contains(spec.name)) inputs[spec.name] = generated(spec, extents, random);
  ANTIPHON_ASSIGN_OR_RETURN(wanted, add_wanted(std::move(wanted), options, inputs, *plan));
  std::vector<double> times_ms;
  for (int i = 0; i <= options.repeat; ++i) {
    for (const TensorSpec& spec : plan->inputs())
      ANTIPHON_RETURN_IF_ERROR(set_input(*context, spec, inputs[spec.name]));
    const auto begin = std::chrono::steady_clock::now();
    ANTIPHON_RETURN_IF_ERROR(context->run());
    times_ms.push_back(
        std::chrono::duration<double, std::milli>(std::chrono::steady_clock::now() - begin)
            .count());
  }
  nlohmann::json report = {{"outputs", nlohmann::json::array()}};
  for (const TensorSpec& spec : plan->outputs()) {
    const TensorView& view = *context->output(spec.name);
    nlohmann::json line = {
        {"name", spec.name}, {"dtype", std::string(dtype_name(view.dtype))}, {"dims", view.dims}};
    if (!options.output_dir.empty()) {
      line["file"] = options.output_dir + "/" + file_name(spec.name);
      ANTIPHON_RETURN_IF_ERROR(write_npy(line["file"].get<std::string>(), view));
    }
    if (const auto want = wanted.find(spec.name); want != wanted.end()) {
      ANTIPHON_ASSIGN_OR_RETURN(line["difference"], difference(spec.name, view, want->second));
    }
    report["outputs"].push_back(std::move(line));
  }
  std::sort(times_ms.begin(), times_ms.end());
  report["ms"] = times_ms[times_ms.size() / 2];
  return report;
}

int run(const Options& options) {
  if (!options.output_dir.empty()) {
    std::error_code error;
    std::filesystem::create_directories(options.output_dir, error);
    if (error) return fail(not_found(options.output_dir + ": " + error.message()));
  }
  const auto report = run_once(options);
  if (!report.ok()) return fail(report.status());
  bool close = true;
  for (const auto& line : (*report)["outputs"]) {
    if (!options.json)
      std::printf("%s: %s %s%s%s\n", line["name"].get<std::string>().c_str(),
                  line["dtype"].get<std::string>().c_str(), line["dims"].dump().c_str(),
                  line.contains("file") ? " -> " : "", line.value("file", std::string()).c_str());
    if (!line.contains("difference")) continue;
    const double off = line["difference"].get<double>();
    close = close && off <= options.tolerance;
    if (!options.json) std::printf("  differs by %.3g, allowed %.3g\n", off, options.tolerance);
  }
  if (options.json)
    std::printf("%s\n", write_json(*report).c_str());
  else
    std::printf("%.3f ms\n", (*report)["ms"].get<double>());
  return close ? kExitOk : kExitFailure;
}

}  // namespace

void add_run(CLI::App& app, Chosen& chosen) {
  auto options = std::make_shared<Options>();
  CLI::App* sub = app.add_subcommand("run", "Run an ONNX model or a plan once");
  sub->add_option("network", options->network.path, "MODEL.onnx or a plan file")->required();
  sub->add_option("--input", options->inputs, "NAME=FILE.npy; others are made from the seed");
  sub->add_option("--seed", options->seed, "Of the inputs that are not given")
      ->capture_default_str();
  sub->add_option("--output-dir", options->output_dir, "Folder for the outputs as .npy files");
  sub->add_option("--compare", options->compare, "NAME=FILE.npy: what an output should be");
  sub->add_option("--against", options->against,
                  "Another plan or model, run on the same inputs, whose outputs these should be");
  sub->add_option("--tolerance", options->tolerance, "Largest |got - want| / max(1, |want|)")
      ->capture_default_str();
  sub->add_option("--threads", options->network.threads)->check(CLI::Range(1, 256));
  sub->add_option("--max-isa", options->network.max_isa,
                  "Highest SIMD path: portable, avx2, avx_vnni, avx512_vnni, amx_int8");
  sub->add_option("--repeat", options->repeat, "Runs more, for the median time")
      ->check(CLI::Range(0, 1000000));
  sub->add_flag("--json", options->json, "For programs");
  options->network.add_to(*sub);
  sub->footer("Example:\n  antiphon run model.onnx --input ids=ids.npy --output-dir out");
  sub->callback([&chosen, options] { chosen = [options] { return run(*options); }; });
}

}  // namespace antiphon::cli
