// One letter at a time over all steps.
#include "asr/ctc_prefix.h"

#include <algorithm>
#include <cmath>

namespace antiphon::asr {
namespace {

constexpr CtcPrefixScorer::Number kLeast = 1e-60L;  // of a beginning's most probable step

}  // namespace

CtcPrefixScorer::CtcPrefixScorer(std::span<const float> log_probs, std::size_t num_classes)
    : num_classes_(num_classes),
      p_(log_probs.size()),
      behind_(log_probs.size() / num_classes, 1.0L) {
  for (std::size_t t = behind_.size(); t-- > 0;) {
    const auto row = log_probs.subspan(t * num_classes, num_classes);
    const float top = *std::max_element(row.begin(), row.end());
    Number sum = 0;
    for (std::size_t k = 0; k < num_classes; ++k)
      sum += p_[t * num_classes + k] = std::exp(static_cast<Number>(row[k] - top));
    if (t > 0) behind_[t - 1] = behind_[t] * sum;
    log_all_ += std::log(static_cast<double>(sum));
  }
}

CtcPrefixScorer::Prefix CtcPrefixScorer::empty() const {
  Prefix prefix;
  Number blanks = 1;
  for (std::size_t t = 0; t < num_steps() && blanks > kLeast; ++t)
    prefix.blank.push_back(blanks *= p_[t * num_classes_]);
  prefix.label.resize(prefix.blank.size());
  prefix.log_begun = log_all_;
  return prefix;
}

CtcPrefixScorer::Prefix CtcPrefixScorer::extended(const Prefix& prefix, std::uint8_t letter) const {
  Prefix longer;
  longer.last = letter;
  const bool repeated = prefix.last == letter;
  Number label = 0, blank = 0, begun = 0, most = 0;
  const std::size_t end = prefix.first + prefix.blank.size();
  constexpr std::size_t kUsualGrowth = 16;
  longer.label.reserve(prefix.blank.size() + kUsualGrowth);
  longer.blank.reserve(prefix.blank.size() + kUsualGrowth);
  for (std::size_t t = prefix.first; t < num_steps(); ++t) {
    const Number* p = p_.data() + t * num_classes_;
    // P(prefix up to the last step), and that there was room for the letter.
    Number before = t == 0 && prefix.last == 0 ? 1 : 0;
    if (t > prefix.first && t <= end) {
      const std::size_t i = t - 1 - prefix.first;
      before = prefix.blank[i] + (repeated ? 0 : prefix.label[i]);
    }
    const Number fresh = before * p[letter];
    blank = (blank + label) * p[0];
    label = label * p[letter] + fresh;
    begun += fresh * behind_[t];
    most = std::max(most, label + blank);
    if (t > end && label + blank <= kLeast * most) break;
    longer.label.push_back(label);
    longer.blank.push_back(blank);
  }
  std::size_t early = 0;
  while (early < longer.blank.size() && longer.label[early] + longer.blank[early] <= kLeast * most)
    ++early;
  longer.first = prefix.first + early;
  longer.label.erase(longer.label.begin(),
                     longer.label.begin() + static_cast<std::ptrdiff_t>(early));
  longer.blank.erase(longer.blank.begin(),
                     longer.blank.begin() + static_cast<std::ptrdiff_t>(early));
  longer.log_begun = static_cast<double>(std::log(begun));
  return longer;
}

double CtcPrefixScorer::log_whole(const Prefix& prefix) const {
  if (prefix.blank.empty() || prefix.first + prefix.blank.size() < num_steps()) return -HUGE_VAL;
  return static_cast<double>(std::log(prefix.label.back() + prefix.blank.back()));
}

}  // namespace antiphon::asr
