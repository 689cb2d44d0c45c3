// Viterbi and the forward algorithm over blank, letter, blank, ..., letter, blank.
#include "asr/ctc_alignment.h"

#include <algorithm>
#include <cmath>

namespace antiphon::asr {
namespace {

constexpr float kImpossible = -1e30f;
constexpr double kLeast = 1e-300;  // share of a step that a text needs

// How far back each state came from at each step, 0 to 2: [steps, states].
std::vector<std::uint8_t> came_from(std::span<const float> log_probs, std::size_t num_classes,
                                    std::span<const std::uint8_t> classes,
                                    std::vector<float>& score) {
  const std::size_t states = 2 * classes.size() + 1, steps = log_probs.size() / num_classes;
  std::vector<std::uint8_t> back(steps * states, 0);
  score.assign(states, kImpossible);
  score[0] = log_probs[0];
  if (states > 1) score[1] = log_probs[classes[0]];
  for (std::size_t t = 1; t < steps; ++t) {
    const float* row = log_probs.data() + t * num_classes;
    for (std::size_t s = states; s-- > 0;) {  // downwards: lower states are still the last step's
      const std::size_t letter = s / 2;
      const bool is_letter = s % 2 == 1;
      float best = score[s];
      std::uint8_t from = 0;
      if (s > 0 && score[s - 1] > best) best = score[s - 1], from = 1;
      const bool skips = is_letter && letter > 0 && classes[letter] != classes[letter - 1];
      if (skips && score[s - 2] > best) best = score[s - 2], from = 2;
      score[s] = best + row[is_letter ? classes[letter] : 0];
      back[t * states + s] = from;
    }
  }
  return back;
}

}  // namespace

std::vector<AlignedLetter> ctc_align(std::span<const float> log_probs, int num_classes,
                                     std::span<const std::uint8_t> classes) {
  const auto width = static_cast<std::size_t>(num_classes);
  if (classes.empty() || log_probs.size() < width) return {};
  std::vector<float> score;
  const std::vector<std::uint8_t> back = came_from(log_probs, width, classes, score);
  const std::size_t states = score.size();
  std::size_t s = score[states - 2] > score[states - 1] ? states - 2 : states - 1;
  if (score[s] <= kImpossible / 2) return {};
  std::vector<AlignedLetter> out(classes.size(), {-1, -1, 0});
  for (std::size_t t = log_probs.size() / width; t-- > 0;) {
    if (s % 2 == 1) {
      AlignedLetter& letter = out[s / 2];
      if (letter.last_step < 0) letter.last_step = static_cast<int>(t);
      letter.first_step = static_cast<int>(t);
      letter.probability =
          std::max(letter.probability, std::exp(log_probs[t * width + classes[s / 2]]));
    }
    s -= back[t * states + s];
  }
  return out;
}

double ctc_log_p(std::span<const double> p, std::size_t num_classes,
                 std::span<const std::uint8_t> classes) {
  const std::size_t steps = p.size() / num_classes, letters = classes.size();
  if (letters > steps) return -HUGE_VAL;
  std::vector<double> label(letters), blank(letters + 1);  // of ending in letter i, before it
  blank[0] = 1;
  double log_p = 0, scale = 1;
  for (std::size_t t = 0; t < steps; ++t) {
    const double* row = p.data() + t * num_classes;
    // Only what the steps left can still end: of the last step that is the whole text alone.
    const std::size_t first = t + letters > steps ? t + letters - steps : 0;
    double sum = 0;
    for (std::size_t i = std::min(letters, t + 1); i-- > first;) {
      const double skips = i > 0 && classes[i] != classes[i - 1] ? label[i - 1] : 0;
      blank[i + 1] = (blank[i + 1] + label[i]) * row[0] * scale;
      label[i] = (label[i] + blank[i] + skips) * row[classes[i]] * scale;
      sum += blank[i + 1] + label[i];
    }
    if (t + letters < steps) sum += blank[0] *= row[0] * scale;
    if (!(sum > kLeast)) return -HUGE_VAL;
    log_p += std::log(sum);
    scale = 1 / sum;
  }
  return log_p;
}

}  // namespace antiphon::asr
