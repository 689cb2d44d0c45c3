// Viterbi's search over the tags of one domain; the learnt scores of a pack.
#include "nlu/tag_chain.h"

#include <algorithm>
#include <string>
#include <string_view>

namespace antiphon::nlu {
namespace {

constexpr float kNever = -1e4f;

}  // namespace

TagChain::TagChain(const Labels& labels, std::span<const float> next) {
  const std::vector<std::string>& tags = labels.tags;
  const auto name = [](std::string_view tag) {
    return tag.substr(std::min(tag.size(), std::size_t{2}));
  };
  for (std::size_t b = 0; b < tags.size(); ++b) {
    const bool inner = tags[b].starts_with("I-");
    begins_.push_back(!inner);
    for (std::size_t a = 0; a < tags.size(); ++a) {
      const bool may = !inner || (tags[a].size() > 2 && name(tags[a]) == name(tags[b]));
      step_.push_back(!may ? kNever : next.empty() ? 0.0f : next[a * tags.size() + b]);
    }
  }
}

std::vector<int> TagChain::best(std::span<const int> tags,
                                std::span<const float* const> words) const {
  if (words.empty()) return {};
  const std::size_t num_tags = tags.size();
  std::vector<float> score(num_tags), later(num_tags);
  std::vector<std::size_t> back(words.size() * num_tags);  // [word, tag]: the tag before
  for (std::size_t b = 0; b < num_tags; ++b)
    score[b] = words[0][tags[b]] + (begins_[static_cast<std::size_t>(tags[b])] ? 0.0f : kNever);
  for (std::size_t w = 1; w < words.size(); ++w) {
    for (std::size_t b = 0; b < num_tags; ++b) {
      const float* step = step_.data() + static_cast<std::size_t>(tags[b]) * begins_.size();
      std::size_t from = 0;
      float top = score[0] + step[tags[0]];
      for (std::size_t a = 1; a < num_tags; ++a)
        if (const float s = score[a] + step[tags[a]]; s > top) top = s, from = a;
      later[b] = top + words[w][tags[b]];
      back[w * num_tags + b] = from;
    }
    score.swap(later);
  }
  auto at = static_cast<std::size_t>(std::max_element(score.begin(), score.end()) - score.begin());
  std::vector<int> path(words.size());
  for (std::size_t w = words.size(); w-- > 0; at = back[w * num_tags + at]) path[w] = tags[at];
  return path;
}

Result<std::vector<float>> read_next_tags(const Weights& weights) {
  if (!weights.has("slot_next")) return std::vector<float>();
  ANTIPHON_ASSIGN_OR_RETURN(const TensorView scores, weights.tensor("slot_next"));
  ANTIPHON_ASSIGN_OR_RETURN(const TensorView scales, weights.tensor("slot_next.scale"));
  if (scores.dtype != DType::kI8 || scores.dims.size() != 2 || scales.dtype != DType::kF32 ||
      scales.num_elements() != scores.dims[0])
    return invalid_argument(weights.path() +
                            ": slot_next: wanted int8 [tags, tags] and slot_next.scale f32 [tags]");
  std::vector<float> next(static_cast<std::size_t>(scores.num_elements()));
  const std::size_t width = static_cast<std::size_t>(scores.dims[1]);
  const auto* value = static_cast<const std::int8_t*>(scores.data);
  for (std::size_t i = 0; i < next.size(); ++i)
    next[i] = static_cast<float>(value[i]) * scales.f32()[i / width];
  return next;
}

}  // namespace antiphon::nlu
