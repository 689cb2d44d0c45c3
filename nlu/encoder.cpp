// The encoder by the network-definition API; tensor names follow Hugging Face's BERT.
#include "nlu/encoder.h"

#include <algorithm>
#include <numeric>

namespace antiphon::nlu {
namespace {

class Layers {
 public:
  Layers(Network& net, const Weights& weights, const EncoderConfig& config)
      : net_(net), weights_(weights), config_(config) {}

  Value linear(const std::string& name, Value x) {
    return net_.linear(x, net_.weight(weights_, name + ".weight"),
                       net_.weight(weights_, name + ".bias"));
  }
  Value norm(const std::string& name, Value x) {
    return net_.layer_norm(x, net_.weight(weights_, name + ".weight"),
                           net_.weight(weights_, name + ".bias"), config_.epsilon);
  }
  Value embed(Value ids, Value positions, Value types) {
    const std::string e = "bert.embeddings.";
    Value x = net_.embedding(ids, net_.weight(weights_, e + "word_embeddings.weight"));
    x = net_.add(
        x, net_.embedding(positions, net_.weight(weights_, e + "position_embeddings.weight")));
    x = net_.add(x,
                 net_.embedding(types, net_.weight(weights_, e + "token_type_embeddings.weight")));
    return norm(e + "LayerNorm", x);
  }
  Value layer(int index, Value x) {
    const std::string l = "bert.encoder.layer." + std::to_string(index) + ".";
    const Value q = linear(l + "attention.self.query", x);
    const Value k = linear(l + "attention.self.key", x);
    const Value v = linear(l + "attention.self.value", x);
    Value y = linear(l + "attention.output.dense", net_.attention(q, k, v, config_.heads));
    x = norm(l + "attention.output.LayerNorm", net_.add(y, x));
    y = linear(l + "output.dense", net_.gelu(linear(l + "intermediate.dense", x)));
    return norm(l + "output.LayerNorm", net_.add(y, x));
  }

 private:
  Network& net_;
  const Weights& weights_;
  const EncoderConfig& config_;
};

}  // namespace

Network encoder_network(const Weights& weights, const EncoderConfig& config) {
  Network net("encoder");
  const Value ids = net.input("ids", DType::kI32, {1, "T"});
  const Value positions = net.input("positions", DType::kI32, {1, "T"});
  const Value types = net.input("types", DType::kI32, {1, "T"});
  Layers layers(net, weights, config);
  Value x = layers.embed(ids, positions, types);
  for (int i = 0; i < config.layers; ++i) x = layers.layer(i, x);
  const Value sentence = net.reduce(Reduce::kMean, x, 1);
  net.output("sentence", sentence);
  if (config.shape.intents > 0) {
    const Value first = net.reshape(net.slice(x, 1, 0, 1), {1, config.shape.width});
    const Value dense = layers.linear("intent.dense", net.concat({first, sentence}, -1));
    net.output("intent", layers.linear("intent.out", net.tanh(dense)));
  }
  if (config.shape.tags > 0) net.output("tags", layers.linear("slots", x));
  if (config.shape.answers) net.output("answer", layers.linear("qa", x));
  return net;
}

Result<std::unique_ptr<Encoder>> Encoder::create(const Weights& weights,
                                                 const EncoderOptions& options) {
  std::unique_ptr<Encoder> encoder(new Encoder);
  encoder->options_ = options;
  BuildOptions build_options;
  build_options.precision = options.precision;
  build_options.profile["T"] = {1, 16, options.config.shape.max_tokens};
  build_options.max_isa = options.max_isa;
  build_options.num_threads = options.team ? options.team->num_threads() : 1;
  build_options.logger = options.logger;
  auto plan = load_or_build(encoder_network(weights, options.config), build_options, options.plans,
                            "nlu_encoder");
  if (!plan.ok()) return plan.status().with_context(weights.path());
  encoder->plan_ = std::move(plan).value();
  ANTIPHON_ASSIGN_OR_RETURN(encoder->context_, Context::create(encoder->plan_, options.team));
  return encoder;
}

Result<Encoded> Encoder::run(std::span<const std::int32_t> ids,
                             std::span<const std::int32_t> types) {
  ANTIPHON_CHECK(!ids.empty() && ids.size() == types.size());
  const std::int64_t dims[] = {1, static_cast<std::int64_t>(ids.size())};
  ANTIPHON_ASSIGN_OR_RETURN(void* ids_at, context_->input("ids", dims));
  ANTIPHON_ASSIGN_OR_RETURN(void* positions_at, context_->input("positions", dims));
  ANTIPHON_ASSIGN_OR_RETURN(void* types_at, context_->input("types", dims));
  std::copy(ids.begin(), ids.end(), static_cast<std::int32_t*>(ids_at));
  std::copy(types.begin(), types.end(), static_cast<std::int32_t*>(types_at));
  auto* positions = static_cast<std::int32_t*>(positions_at);
  std::iota(positions, positions + ids.size(), 0);
  ANTIPHON_RETURN_IF_ERROR(context_->run());
  const auto output = [&](const char* name) {
    const TensorView* view = context_->output(name);
    return view ? view->f32() : std::span<const float>();
  };
  return Encoded{output("sentence"), output("intent"), output("tags"), output("answer")};
}

}  // namespace antiphon::nlu
