// The C ABI over the engine: no exception and no C++ object crosses it.
#include "antiphon/engine_c_api.h"

#include <cstddef>

#include "antiphon/c_calls.h"
#include "antiphon/plan_json.h"
#include "engine/calibrate.h"
#include "engine/engine.h"
#include "engine/onnx.h"
#include "engine/report.h"

struct antiphon_network {
  antiphon::OnnxNetwork network;
  std::shared_ptr<const antiphon::PluginSet> plugins;
};
struct antiphon_plan {
  std::shared_ptr<const antiphon::Plan> plan;
};
struct antiphon_context {
  std::unique_ptr<antiphon::ThreadTeam> team;
  std::unique_ptr<antiphon::Context> context;  // goes first
};

namespace {

using namespace antiphon;
using c::give;
using c::guarded;
using c::read_options;
using c::text_of;

constexpr int kMaxRank = 8;
constexpr std::int64_t kMaxElements = std::int64_t{1} << 34;

static_assert(static_cast<int>(DType::kF32) == ANTIPHON_F32 &&
              static_cast<int>(DType::kF16) == ANTIPHON_F16 &&
              static_cast<int>(DType::kI8) == ANTIPHON_I8 &&
              static_cast<int>(DType::kU8) == ANTIPHON_U8 &&
              static_cast<int>(DType::kI32) == ANTIPHON_I32 &&
              static_cast<int>(DType::kI64) == ANTIPHON_I64 &&
              static_cast<int>(DType::kBool) == ANTIPHON_BOOL);

Status wanted(const void* pointer, const char* what) {
  return pointer ? Status() : invalid_argument(std::string(what) + " is null");
}

Result<HostTensor> read_tensor(const antiphon_tensor& tensor) {
  if (tensor.dtype < ANTIPHON_F32 || tensor.dtype > ANTIPHON_BOOL)
    return invalid_argument("dtype is " + std::to_string(tensor.dtype) +
                            ", wanted ANTIPHON_F32 to ANTIPHON_BOOL");
  if (tensor.rank < 0 || tensor.rank > kMaxRank)
    return invalid_argument("rank is " + std::to_string(tensor.rank) + ", wanted 0 to " +
                            std::to_string(kMaxRank));
  if (tensor.rank > 0) ANTIPHON_RETURN_IF_ERROR(wanted(tensor.dims, "dims"));
  HostTensor out;
  out.dtype = static_cast<DType>(tensor.dtype);
  std::int64_t count = 1;
  for (int i = 0; i < tensor.rank; ++i) {
    if (tensor.dims[i] < 0 || __builtin_mul_overflow(count, tensor.dims[i], &count) ||
        count > kMaxElements)
      return invalid_argument("dims[" + std::to_string(i) + "] is " +
                              std::to_string(tensor.dims[i]) + ", which no tensor has");
    out.dims.push_back(tensor.dims[i]);
  }
  out.bytes.resize(static_cast<std::size_t>(count) * dtype_bytes(out.dtype));
  if (out.bytes.empty()) return out;
  ANTIPHON_RETURN_IF_ERROR(wanted(tensor.data, "data"));
  std::memcpy(out.bytes.data(), tensor.data, out.bytes.size());
  return out;
}

// Of import and of load options; null where there are none.
template <typename Options>
Result<std::shared_ptr<const PluginSet>> read_plugins(const Options& options) {
  if (options.num_plugins == 0 && !options.onnxruntime) return std::shared_ptr<const PluginSet>();
  if (options.num_plugins > 0) ANTIPHON_RETURN_IF_ERROR(wanted(options.plugins, "plugins"));
  std::vector<std::string> paths;
  for (std::size_t i = 0; i < options.num_plugins; ++i)
    paths.push_back(text_of(options.plugins[i]));
  return options.onnxruntime ? PluginSet::load_with_onnxruntime(paths, options.onnxruntime)
                             : PluginSet::load(paths);
}

Result<OnnxOptions> read_import_options(const antiphon_import_options* given) {
  ANTIPHON_ASSIGN_OR_RETURN(
      const antiphon_import_options options,
      read_options(given, sizeof(antiphon_import_options), "antiphon_import_options"));
  OnnxOptions out;
  if (options.num_frozen > 0) ANTIPHON_RETURN_IF_ERROR(wanted(options.frozen, "frozen"));
  for (std::size_t i = 0; i < options.num_frozen; ++i) {
    const std::string name = text_of(options.frozen[i].name);
    auto tensor = read_tensor(options.frozen[i]);
    if (!tensor.ok()) return tensor.status().with_context("frozen '" + name + "'");
    out.frozen[name] = std::move(tensor).value();
  }
  if (options.num_extents > 0) ANTIPHON_RETURN_IF_ERROR(wanted(options.extents, "extents"));
  for (std::size_t i = 0; i < options.num_extents; ++i)
    out.extents[text_of(options.extents[i].symbol)] = options.extents[i].extent;
  ANTIPHON_ASSIGN_OR_RETURN(out.plugins, read_plugins(options));
  return out;
}

Result<BuildOptions> read_build_options(const antiphon_network& network,
                                        const antiphon_build_options* given) {
  ANTIPHON_ASSIGN_OR_RETURN(
      const antiphon_build_options options,
      read_options(given, sizeof(antiphon_build_options), "antiphon_build_options"));
  BuildOptions out;
  out.plugins = network.plugins;
  out.precision = options.int8 != 0 || options.ranges ? Precision::kInt8 : Precision::kF32;
  if (options.num_ranges > 0) ANTIPHON_RETURN_IF_ERROR(wanted(options.profile, "profile"));
  for (std::size_t i = 0; i < options.num_ranges; ++i) {
    const antiphon_range& range = options.profile[i];
    out.profile[text_of(range.symbol)] = {range.min, range.usual, range.max};
  }
  if (options.ranges) {
    ANTIPHON_ASSIGN_OR_RETURN(Calibration calibration, Calibration::load(options.ranges));
    out.calibration = std::make_shared<const Calibration>(std::move(calibration));
  }
  out.tune = options.tune != 0;
  out.num_threads = options.threads > 0 ? options.threads : 1;
  out.timing_cache = text_of(options.timing_cache);
  out.max_isa = text_of(options.max_isa);
  return out;
}

// What a caller's reader gives, as the engine asks for samples.
SampleSource sample_source(const antiphon_network& network, std::size_t num_samples,
                           antiphon_read_sample read, void* user) {
  return {num_samples, [&network, read, user](std::size_t index) -> Result<Sample> {
            Sample sample;
            sample.name = "sample " + std::to_string(index);
            for (const TensorSpec& spec : network.network.inputs()) {
              const std::string where = sample.name + ", input '" + spec.name + "'";
              antiphon_tensor tensor{};
              if (const int32_t code = read(user, index, spec.name.c_str(), &tensor); code != 0)
                return invalid_argument(where + ": the reader returned " + std::to_string(code));
              auto copied = read_tensor(tensor);
              if (!copied.ok()) return copied.status().with_context(where);
              sample.inputs[spec.name] = std::move(copied).value();
            }
            return sample;
          }};
}

Result<CalibrationOptions> read_calibration_options(const antiphon_calibration_options* given) {
  ANTIPHON_ASSIGN_OR_RETURN(
      const antiphon_calibration_options options,
      read_options(given, sizeof(antiphon_calibration_options), "antiphon_calibration_options"));
  constexpr RangeMethod kMethods[] = {RangeMethod::kEntropy, RangeMethod::kPercentile,
                                      RangeMethod::kMinMax};
  if (options.method < ANTIPHON_ENTROPY || options.method > ANTIPHON_MINMAX)
    return invalid_argument("method is " + std::to_string(options.method) +
                            ", wanted ANTIPHON_ENTROPY, _PERCENTILE or _MINMAX");
  CalibrationOptions out;
  out.method = kMethods[options.method];
  if (options.percentile != 0) out.percentile = options.percentile;
  out.num_threads = options.threads > 0 ? options.threads : 1;
  out.max_isa = text_of(options.max_isa);
  return out;
}

// A handle of what a call makes; null where it fails.
template <typename Handle, typename Make>
Handle* made(const Make& make) {
  Handle* out = nullptr;
  guarded([&]() -> Status {
    ANTIPHON_ASSIGN_OR_RETURN(Handle handle, make());
    out = new Handle(std::move(handle));
    return {};
  });
  return out;
}

Result<antiphon_network> imported(Result<OnnxNetwork> network, const OnnxOptions& options) {
  if (!network.ok()) return network.status();
  return antiphon_network{std::move(network).value(), options.plugins};
}

}  // namespace

extern "C" {

antiphon_network* antiphon_import_onnx(const char* path, const antiphon_import_options* options) {
  return made<antiphon_network>([&]() -> Result<antiphon_network> {
    ANTIPHON_RETURN_IF_ERROR(wanted(path, "path"));
    ANTIPHON_ASSIGN_OR_RETURN(const OnnxOptions import, read_import_options(options));
    return imported(import_onnx(path, import), import);
  });
}

antiphon_network* antiphon_import_onnx_bytes(const void* bytes, size_t num_bytes, const char* name,
                                             const char* folder,
                                             const antiphon_import_options* options) {
  return made<antiphon_network>([&]() -> Result<antiphon_network> {
    ANTIPHON_RETURN_IF_ERROR(wanted(bytes, "bytes"));
    ANTIPHON_ASSIGN_OR_RETURN(const OnnxOptions import, read_import_options(options));
    return imported(import_onnx_bytes({static_cast<const char*>(bytes), num_bytes}, text_of(name),
                                      import, folder ? folder : "."),
                    import);
  });
}

void antiphon_network_destroy(antiphon_network* network) { delete network; }

int32_t antiphon_network_describe(const antiphon_network* network, char** json) {
  return guarded([&]() -> Status {
    ANTIPHON_RETURN_IF_ERROR(wanted(network, "network"));
    ANTIPHON_RETURN_IF_ERROR(wanted(json, "json"));
    return give(network_json(network->network), json);
  });
}

int32_t antiphon_calibrate(const antiphon_network* network, size_t num_samples,
                           antiphon_read_sample read, void* user,
                           const antiphon_calibration_options* options, const char* ranges_path) {
  return guarded([&]() -> Status {
    ANTIPHON_RETURN_IF_ERROR(wanted(network, "network"));
    if (!read) return invalid_argument("read is null");
    ANTIPHON_RETURN_IF_ERROR(wanted(ranges_path, "ranges_path"));
    ANTIPHON_ASSIGN_OR_RETURN(CalibrationOptions how, read_calibration_options(options));
    how.plugins = network->plugins;
    ANTIPHON_ASSIGN_OR_RETURN(
        const Calibration ranges,
        calibrate(network->network, sample_source(*network, num_samples, read, user), how));
    return ranges.save(ranges_path);
  });
}

antiphon_plan* antiphon_build(const antiphon_network* network,
                              const antiphon_build_options* options) {
  return made<antiphon_plan>([&]() -> Result<antiphon_plan> {
    ANTIPHON_RETURN_IF_ERROR(wanted(network, "network"));
    ANTIPHON_ASSIGN_OR_RETURN(const BuildOptions how, read_build_options(*network, options));
    ANTIPHON_ASSIGN_OR_RETURN(auto plan, build(network->network, how));
    return antiphon_plan{std::move(plan)};
  });
}

antiphon_plan* antiphon_build_within(const antiphon_network* network,
                                     const antiphon_build_options* options, const char* max_loss,
                                     antiphon_evaluate evaluate, void* user) {
  return made<antiphon_plan>([&]() -> Result<antiphon_plan> {
    ANTIPHON_RETURN_IF_ERROR(wanted(network, "network"));
    ANTIPHON_RETURN_IF_ERROR(wanted(max_loss, "max_loss"));
    if (!evaluate) return invalid_argument("evaluate is null");
    ANTIPHON_ASSIGN_OR_RETURN(const BuildOptions how, read_build_options(*network, options));
    ANTIPHON_ASSIGN_OR_RETURN(const LossBound bound, parse_loss_bound(max_loss));
    const auto ask = [&](const Plan& plan) -> Result<double> {
      antiphon_plan handle{std::shared_ptr<const Plan>(std::shared_ptr<void>(), &plan)};
      double accuracy = 0;
      const int32_t code = evaluate(user, &handle, &accuracy);
      if (code != 0) return invalid_argument("evaluate returned " + std::to_string(code));
      return accuracy;
    };
    ANTIPHON_ASSIGN_OR_RETURN(CheckedPlan checked, build_within(network->network, how, bound, ask));
    return antiphon_plan{std::move(checked.plan)};
  });
}

antiphon_plan* antiphon_plan_load(const char* path, const antiphon_load_options* given) {
  return made<antiphon_plan>([&]() -> Result<antiphon_plan> {
    ANTIPHON_RETURN_IF_ERROR(wanted(path, "path"));
    ANTIPHON_ASSIGN_OR_RETURN(
        const antiphon_load_options options,
        read_options(given, sizeof(antiphon_load_options), "antiphon_load_options"));
    ANTIPHON_ASSIGN_OR_RETURN(const auto plugins, read_plugins(options));
    ANTIPHON_ASSIGN_OR_RETURN(auto plan, Plan::load(path, text_of(options.max_isa), plugins));
    return antiphon_plan{std::move(plan)};
  });
}

int32_t antiphon_plan_save(const antiphon_plan* plan, const char* path) {
  return guarded([&]() -> Status {
    ANTIPHON_RETURN_IF_ERROR(wanted(plan, "plan"));
    ANTIPHON_RETURN_IF_ERROR(wanted(path, "path"));
    return plan->plan->save(path);
  });
}

void antiphon_plan_destroy(antiphon_plan* plan) { delete plan; }

int32_t antiphon_plan_describe(const antiphon_plan* plan, char** json) {
  return guarded([&]() -> Status {
    ANTIPHON_RETURN_IF_ERROR(wanted(plan, "plan"));
    ANTIPHON_RETURN_IF_ERROR(wanted(json, "json"));
    return give(plan_json(*plan->plan), json);
  });
}

int32_t antiphon_plan_report(const antiphon_network* network, const antiphon_plan* plan,
                             char** html) {
  return guarded([&]() -> Status {
    ANTIPHON_RETURN_IF_ERROR(wanted(network, "network"));
    ANTIPHON_RETURN_IF_ERROR(wanted(plan, "plan"));
    ANTIPHON_RETURN_IF_ERROR(wanted(html, "html"));
    ANTIPHON_ASSIGN_OR_RETURN(const std::string page,
                              plan_report_html(network->network, plan->plan));
    return give(page, html);
  });
}

antiphon_context* antiphon_context_create(const antiphon_plan* plan, int32_t threads) {
  return made<antiphon_context>([&]() -> Result<antiphon_context> {
    ANTIPHON_RETURN_IF_ERROR(wanted(plan, "plan"));
    antiphon_context out;
    if (threads > 1) {
      ANTIPHON_ASSIGN_OR_RETURN(out.team, ThreadTeam::create(threads));
    }
    ANTIPHON_ASSIGN_OR_RETURN(out.context, Context::create(plan->plan, out.team.get()));
    return out;
  });
}

void antiphon_context_destroy(antiphon_context* context) { delete context; }

int32_t antiphon_input(antiphon_context* context, const char* name, const int64_t* dims,
                       int32_t rank, void** memory) {
  return guarded([&]() -> Status {
    ANTIPHON_RETURN_IF_ERROR(wanted(context, "context"));
    ANTIPHON_RETURN_IF_ERROR(wanted(name, "name"));
    ANTIPHON_RETURN_IF_ERROR(wanted(memory, "memory"));
    if (rank < 0 || rank > kMaxRank)
      return invalid_argument("rank is " + std::to_string(rank) + ", wanted 0 to " +
                              std::to_string(kMaxRank));
    if (rank > 0) ANTIPHON_RETURN_IF_ERROR(wanted(dims, "dims"));
    ANTIPHON_ASSIGN_OR_RETURN(
        *memory, context->context->input(name, {dims, static_cast<std::size_t>(rank)}));
    return {};
  });
}

int32_t antiphon_run(antiphon_context* context) {
  return guarded([&]() -> Status {
    ANTIPHON_RETURN_IF_ERROR(wanted(context, "context"));
    return context->context->run();
  });
}

int32_t antiphon_output(const antiphon_context* context, const char* name,
                        antiphon_tensor* tensor) {
  return guarded([&]() -> Status {
    ANTIPHON_RETURN_IF_ERROR(wanted(context, "context"));
    ANTIPHON_RETURN_IF_ERROR(wanted(name, "name"));
    ANTIPHON_RETURN_IF_ERROR(wanted(tensor, "tensor"));
    const TensorView* view = context->context->output(name);
    if (!view)
      return not_found("output '" + std::string(name) + "': there is none, or nothing was run yet");
    *tensor = {nullptr, view->dims.data(), view->data, static_cast<int32_t>(view->dims.size()),
               static_cast<int32_t>(view->dtype)};
    return {};
  });
}

}  // extern "C"
