// Builds and runs the letter-to-sound network.
#include "tts/phonemes/g2p_network.h"

#include <algorithm>

namespace antiphon::tts {

Network g2p_network(const Weights& weights, const G2pConfig& config) {
  Network net("g2p");
  const Value ids = net.input("ids", DType::kI32, {1, "T"});
  Value x = net.embedding(ids, net.weight(weights, "embedding.weight"));
  const auto width = weights.tensor("lstm.weight_hh_l0");
  const std::int64_t hidden = width.ok() && width->dims.size() == 2 ? width->dims[1] : 128;
  for (int layer = 0; layer < config.layers; ++layer) {
    const auto direction = [&](const std::string& suffix, bool reverse) {
      const auto w = [&](const char* part) { return net.weight(weights, std::string("lstm.") + part + "_l" + std::to_string(layer) + suffix); };
      return net.lstm(x, net.zeros({1, hidden}), net.zeros({1, hidden}), w("weight_ih"), w("weight_hh"), w("bias_ih"), w("bias_hh"), reverse).y;
    };
    const Value forward = direction("", false);
    const Value backward = direction("_reverse", true);
    x = net.concat({forward, backward}, 2);
  }
  const Value logits = net.linear(x, net.weight(weights, "out.weight"), net.weight(weights, "out.bias"));
  net.output("logits", logits);
  return net;
}

Phonemes ctc_greedy(std::span<const std::int32_t> best, const Phonemes& phonemes) {
  Phonemes out;
  std::int32_t before = 0;
  for (const std::int32_t c : best) {
    if (c != before && c > 0 && static_cast<std::size_t>(c) <= phonemes.size()) out += phonemes[static_cast<std::size_t>(c) - 1];
    before = c;
  }
  return out;
}

Result<std::unique_ptr<G2p>> G2p::create(const Weights& weights, const G2pConfig& config, const BuildOptions& options, ThreadTeam* team) {
  const auto out = weights.tensor("out.bias");
  if (!out.ok()) return out.status();
  if (out->num_elements() != static_cast<std::int64_t>(config.phonemes.size()) + 1) {
    return invalid_argument(weights.path() + ": out.bias: wanted " + std::to_string(config.phonemes.size() + 1) + " classes for the phonemes, got " +
                            std::to_string(out->num_elements()));
  }
  BuildOptions build_options = options;
  const auto repeat = static_cast<std::int64_t>(config.repeat);
  build_options.profile["T"] = {repeat, 8 * repeat, static_cast<std::int64_t>(config.max_letters) * repeat};
  const Network net = g2p_network(weights, config);
  auto plan = build(net, build_options);
  if (!plan.ok()) return plan.status().with_context(weights.path());
  std::unique_ptr<G2p> g2p(new G2p);
  g2p->config_ = config;
  g2p->plan_ = std::move(plan).value();
  ANTIPHON_ASSIGN_OR_RETURN(g2p->context_, Context::create(g2p->plan_, team));
  return g2p;
}

Result<std::unique_ptr<G2p>> G2p::share(const G2p& other, ThreadTeam* team) {
  std::unique_ptr<G2p> g2p(new G2p);
  g2p->config_ = other.config_;
  g2p->plan_ = other.plan_;
  ANTIPHON_ASSIGN_OR_RETURN(g2p->context_, Context::create(g2p->plan_, team));
  return g2p;
}

Result<Phonemes> G2p::say(std::string_view letters) {
  std::vector<std::int32_t> ids;
  for (const char c : letters.substr(0, config_.max_letters)) {
    const std::size_t at = config_.letters.find(c);
    if (at == std::string::npos) continue;
    ids.insert(ids.end(), static_cast<std::size_t>(config_.repeat), static_cast<std::int32_t>(at) + 1);
  }
  if (ids.empty()) return Phonemes();
  const std::int64_t dims[] = {1, static_cast<std::int64_t>(ids.size())};
  ANTIPHON_ASSIGN_OR_RETURN(void* input, context_->input("ids", dims));
  std::copy(ids.begin(), ids.end(), static_cast<std::int32_t*>(input));
  ANTIPHON_RETURN_IF_ERROR(context_->run());
  const TensorView* logits = context_->output("logits");
  if (logits == nullptr) return internal_error("g2p: no output logits");
  const std::span<const float> all = logits->f32();
  const std::size_t classes = config_.phonemes.size() + 1;
  std::vector<std::int32_t> best;
  for (std::size_t t = 0; t + classes <= all.size(); t += classes) {
    const auto row = all.subspan(t, classes);
    best.push_back(static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
  }
  return ctc_greedy(best, config_.phonemes);
}

}  // namespace antiphon::tts
