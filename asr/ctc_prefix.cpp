// One letter at a time over all steps.
#include "asr/ctc_prefix.h"

#include <algorithm>
#include <cmath>

namespace antiphon::asr {

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
  }
}

CtcPrefixScorer::Prefix CtcPrefixScorer::empty() const {
  Prefix prefix;
  prefix.label.resize(num_steps());
  Number blanks = 1;
  for (std::size_t t = 0; t < num_steps(); ++t)
    prefix.blank.push_back(blanks *= p_[t * num_classes_]);
  return prefix;
}

CtcPrefixScorer::Prefix CtcPrefixScorer::extended(const Prefix& prefix, std::uint8_t letter) const {
  Prefix longer;
  longer.last = letter;
  longer.label.resize(num_steps());
  longer.blank.resize(num_steps());
  Number label = 0, blank = 0, begun = 0;
  for (std::size_t t = 0; t < num_steps(); ++t) {
    const Number* p = p_.data() + t * num_classes_;
    Number before = prefix.last == 0 ? 1 : 0;  // P(prefix up to the last step), and room for it
    if (t > 0) before = prefix.blank[t - 1] + (prefix.last == letter ? 0 : prefix.label[t - 1]);
    const Number fresh = before * p[letter];
    blank = (blank + label) * p[0];
    label = label * p[letter] + fresh;
    longer.label[t] = label;
    longer.blank[t] = blank;
    begun += fresh * behind_[t];
  }
  longer.log_begun = static_cast<double>(std::log(begun));
  return longer;
}

double CtcPrefixScorer::log_whole(const Prefix& prefix) const {
  if (num_steps() == 0) return -HUGE_VAL;
  return static_cast<double>(std::log(prefix.label.back() + prefix.blank.back()));
}

}  // namespace antiphon::asr
