// The acoustic network by the network-definition API, and its runs.
#include "asr/acoustic_model.h"

#include <algorithm>

namespace antiphon::asr {
namespace {

// [B, C, T] -> [B, out, T / 2]: kernel 5, stride 2, three steps of the past.
Value strided_conv(Network& net, const Weights& weights, const std::string& name, Value x) {
  const Value history = net.delay_line(name + ".history", x, 3);
  const Value y = net.conv1d(history, net.weight(weights, name + ".weight"),
                             net.weight(weights, name + ".bias"), {.stride = 2});
  return net.gelu(y);
}

Value recurrent_layer(Network& net, const Weights& weights, int layer, int width, Value x) {
  const std::string n = std::to_string(layer);
  const Value h = net.state("h" + n, {"B", width});
  const Value c = net.state("c" + n, {"B", width});
  const Value normed = net.layer_norm(x, net.weight(weights, "norms." + n + ".weight"),
                                      net.weight(weights, "norms." + n + ".bias"));
  const std::string lstm = "lstms." + n + ".";
  const auto out = net.lstm(normed, h, c, net.weight(weights, lstm + "weight_ih"),
                            net.weight(weights, lstm + "weight_hh"),
                            net.weight(weights, lstm + "bias"), Value{});
  net.update(h, out.h);
  net.update(c, out.c);
  return net.add(x, out.y);
}

std::string shape_text(const std::vector<std::int64_t>& dims) {
  std::string out;
  for (const std::int64_t d : dims) out += (out.empty() ? "[" : ", ") + std::to_string(d);
  return out + "]";
}

// The last layer tells how many outputs a step the network was trained with.
Status check_outputs(const Weights& weights, const AcousticConfig& c) {
  ANTIPHON_ASSIGN_OR_RETURN(const TensorView out, weights.tensor("out.weight"));
  if (out.dims.size() != 2 || out.dims[1] != c.width || out.dims[0] % c.classes != 0) return {};
  const std::int64_t trained = out.dims[0] / c.classes;
  if (trained == c.outputs_per_step) return {};
  return invalid_argument(weights.path() + ": out.weight is " + shape_text(out.dims) + ", " +
                          std::to_string(trained) + " x " + std::to_string(c.classes) +
                          " classes a step, but network.outputs_per_step is " +
                          std::to_string(c.outputs_per_step));
}

// Every tensor has the geometry's shape: the network would say so too, but not which key is wrong.
Status check_shapes(const Weights& weights, const AcousticConfig& c) {
  const std::int64_t front = c.front, width = c.width, bins = c.mel_bins;
  const std::int64_t outputs = c.outputs_per_step * c.classes;
  std::vector<std::pair<std::string, std::vector<std::int64_t>>> wanted = {
      {"conv1.weight", {front, bins, 5}},
      {"conv1.bias", {front}},
      {"conv2.weight", {width, front, 5}},
      {"conv2.bias", {width}},
      {"ahead.weight", {width, 1, c.lookahead + 1}},
      {"ahead.bias", {width}},
      {"out.weight", {outputs, width}},
      {"out.bias", {outputs}}};
  for (int i = 0; i < c.layers; ++i) {
    const std::string n = std::to_string(i);
    for (const char* part : {"weight", "bias"})
      wanted.push_back({"norms." + n + "." + part, {width}});
    for (const char* part : {"weight_ih", "weight_hh"})
      wanted.push_back({"lstms." + n + "." + part, {4 * width, width}});
    wanted.push_back({"lstms." + n + ".bias", {4 * width}});
  }
  ANTIPHON_RETURN_IF_ERROR(check_outputs(weights, c));
  for (const auto& [name, dims] : wanted) {
    ANTIPHON_ASSIGN_OR_RETURN(const TensorView got, weights.tensor(name));
    if (got.dims != dims)
      return invalid_argument(weights.path() + ": " + name + " is " + shape_text(got.dims) +
                              ", wanted " + shape_text(dims) + " by the manifest's [network]");
  }
  const std::string more = "lstms." + std::to_string(c.layers) + ".bias";
  if (weights.has(more))
    return invalid_argument(weights.path() + ": has " + more + ", but network.layers is " +
                            std::to_string(c.layers));
  return {};
}

BuildOptions build_options(const AcousticModelOptions& options) {
  BuildOptions build;
  build.precision = options.precision;
  const std::int64_t steps = options.max_steps, usual = std::min(2, options.max_steps);
  build.profile["B"] = {1, 1, options.max_batch};
  build.profile["N"] = {1, usual, steps};
  build.profile["T"] = {AcousticConfig::kFramesPerStep, usual * AcousticConfig::kFramesPerStep,
                        steps * AcousticConfig::kFramesPerStep};
  build.max_isa = options.max_isa;
  build.num_threads = options.team ? options.team->num_threads() : 1;
  build.logger = options.logger;
  return build;
}

}  // namespace

Network acoustic_network(const Weights& weights, const AcousticConfig& config) {
  Network net("acoustic");
  const Value mel = net.input("mel", DType::kF32, {"B", config.mel_bins, "T"});
  const Value valid = net.input("valid", DType::kF32, {"B", 1, "N"});  // 0: a flushed step
  Value x = strided_conv(net, weights, "conv1", mel);
  x = strided_conv(net, weights, "conv2", x);
  x = net.transpose(x, {0, 2, 1});
  for (int layer = 0; layer < config.layers; ++layer)
    x = recurrent_layer(net, weights, layer, config.width, x);
  x = net.mul(net.transpose(x, {0, 2, 1}), valid);
  const Value history = net.delay_line("ahead.history", x, config.lookahead);
  const Value ahead = net.conv1d(history, net.weight(weights, "ahead.weight"),
                                 net.weight(weights, "ahead.bias"), {.groups = config.width});
  const Value delayed = net.slice(history, 2, 0, -config.lookahead);
  Value y = net.transpose(net.gelu(net.add(delayed, ahead)), {0, 2, 1});
  y = net.linear(y, net.weight(weights, "out.weight"), net.weight(weights, "out.bias"));
  // [B, N, outputs x classes] -> [B, N x outputs, classes]: rows in the order of their time.
  if (config.outputs_per_step > 1) y = net.reshape(y, {0, -1, config.classes});
  net.output("log_probs", net.log_softmax(y));
  return net;
}

Result<std::unique_ptr<AcousticModel>> AcousticModel::create(const Weights& weights,
                                                             const AcousticModelOptions& options) {
  if (options.max_batch < 1 || options.max_steps < 1 || options.max_streams < 1)
    return invalid_argument(
        "acoustic model: max_batch, max_steps and max_streams must be at least 1");
  const int outputs = options.config.outputs_per_step;
  if (outputs < 1 || outputs > AcousticConfig::kMostOutputs)
    return invalid_argument("acoustic model: outputs_per_step is " + std::to_string(outputs) +
                            ", wanted 1 to " + std::to_string(AcousticConfig::kMostOutputs));
  ANTIPHON_RETURN_IF_ERROR(check_shapes(weights, options.config));
  std::unique_ptr<AcousticModel> model(new AcousticModel);
  model->options_ = options;
  auto plan = load_or_build(acoustic_network(weights, options.config), build_options(options),
                            options.plans, "acoustic");
  if (!plan.ok()) return plan.status().with_context(weights.path());
  model->plan_ = std::move(plan).value();
  ANTIPHON_ASSIGN_OR_RETURN(model->pool_, StatePool::create(model->plan_, options.max_streams));
  ANTIPHON_ASSIGN_OR_RETURN(model->context_, Context::create(model->plan_, options.team));
  model->slots_.reserve(static_cast<std::size_t>(options.max_batch));
  return model;
}

Result<std::span<const float>> AcousticModel::run(std::span<const AcousticItem> items, int steps) {
  const std::int64_t batch = static_cast<std::int64_t>(items.size()),
                     bins = options_.config.mel_bins;
  const std::int64_t frames = static_cast<std::int64_t>(steps) * AcousticConfig::kFramesPerStep;
  const std::int64_t mel_dims[] = {batch, bins, frames}, valid_dims[] = {batch, 1, steps};
  ANTIPHON_ASSIGN_OR_RETURN(void* mel_at, context_->input("mel", mel_dims));
  ANTIPHON_ASSIGN_OR_RETURN(void* valid_at, context_->input("valid", valid_dims));
  auto* mel = static_cast<float*>(mel_at);
  auto* valid = static_cast<float*>(valid_at);
  slots_.clear();
  for (const AcousticItem& item : items) {
    slots_.push_back(item.slot);
    const auto heard = static_cast<std::int64_t>(item.frames.size()) / bins;
    ANTIPHON_CHECK(heard <= frames && heard % AcousticConfig::kFramesPerStep == 0);
    for (std::int64_t bin = 0; bin < bins; ++bin) {
      for (std::int64_t t = 0; t < heard; ++t)
        *mel++ = item.frames[static_cast<std::size_t>(t * bins + bin)];
      mel = std::fill_n(mel, frames - heard, 0.0f);
    }
    const std::int64_t heard_steps = heard / AcousticConfig::kFramesPerStep;
    valid = std::fill_n(valid, heard_steps, 1.0f);
    valid = std::fill_n(valid, steps - heard_steps, 0.0f);
  }
  ANTIPHON_RETURN_IF_ERROR(context_->run(pool_.get(), slots_));
  return context_->output("log_probs")->f32();
}

}  // namespace antiphon::asr
