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
      const auto w = [&](const char* part) {
        return net.weight(weights,
                          std::string("lstm.") + part + "_l" + std::to_string(layer) + suffix);
      };
      return net
          .lstm(x, net.zeros({1, hidden}), net.zeros({1, hidden}), w("weight_ih"), w("weight_hh"),
                w("bias_ih"), w("bias_hh"), reverse)
          .y;
    };
    const Value forward = direction("", false);
    const Value backward = direction("_reverse", true);
    x = net.concat({forward, backward}, 2);
  }
  const Value logits =
      net.linear(x, net.weight(weights, "out.weight"), net.weight(weights, "out.bias"));
  net.output("logits", logits);
  return net;
}

Phonemes ctc_greedy(std::span<const std::int32_t> best, const Phonemes& phonemes) {
  Phonemes out;
  std::int32_t before = 0;
  for (const std::int32_t c : best) {
    if (c != before && c > 0 && static_cast<std::size_t>(c) <= phonemes.size())
      out += phonemes[static_cast<std::size_t>(c) - 1];
    before = c;
  }
  return out;
}

Status check_g2p(const Weights& weights, const G2pConfig& config) {
  ANTIPHON_ASSIGN_OR_RETURN(const TensorView out, weights.tensor("out.bias"));
  if (out.num_elements() == static_cast<std::int64_t>(config.phonemes.size()) + 1) return {};
  return invalid_argument(weights.path() + ": out.bias: wanted " +
                          std::to_string(config.phonemes.size() + 1) +
                          " classes for the phonemes, got " + std::to_string(out.num_elements()));
}

Result<Phonemes> G2p::say(std::string_view letters) {
  std::vector<std::int32_t> ids;
  for (const char c : letters.substr(0, config_.max_letters)) {
    const std::size_t at = config_.letters.find(c);
    if (at == std::string::npos) continue;
    ids.insert(ids.end(), static_cast<std::size_t>(config_.repeat),
               static_cast<std::int32_t>(at) + 1);
  }
  if (ids.empty()) return Phonemes();
  const std::int64_t dims[] = {1, static_cast<std::int64_t>(ids.size())};
  ANTIPHON_ASSIGN_OR_RETURN(void* input, net_.input("ids", dims));
  std::copy(ids.begin(), ids.end(), static_cast<std::int32_t*>(input));
  ANTIPHON_RETURN_IF_ERROR(net_.run(-1));
  ANTIPHON_ASSIGN_OR_RETURN(const std::span<const float> all, net_.output("logits"));
  const std::size_t classes = config_.phonemes.size() + 1;
  std::vector<std::int32_t> best;
  for (std::size_t t = 0; t + classes <= all.size(); t += classes) {
    const auto row = all.subspan(t, classes);
    best.push_back(
        static_cast<std::int32_t>(std::max_element(row.begin(), row.end()) - row.begin()));
  }
  return ctc_greedy(best, config_.phonemes);
}

}  // namespace antiphon::tts
