// When each letter of a text was heard, and how probable the text is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace antiphon::asr {

struct AlignedLetter {
  int first_step = 0, last_step = 0;
  float probability = 0;  // [0, 1]: the highest of its steps
};

// The most probable alignment under CTC (Graves et al. 2006, "Connectionist Temporal
// Classification"). log_probs: [num_steps, num_classes], class 0 the blank; classes: of the
// letters. Empty if the steps are too few for them. num_steps x letters time and bytes.
std::vector<AlignedLetter> ctc_align(std::span<const float> log_probs, int num_classes,
                                     std::span<const std::uint8_t> classes);

// log P(letters) over all their alignments (ibid.). probabilities: [num_steps, num_classes],
// linear; classes: at least one. -infinity: the steps are too few, or one of them gives all that
// can still be the text less than 1e-300 of its share.
double ctc_log_p(std::span<const double> probabilities, std::size_t num_classes,
                 std::span<const std::uint8_t> classes);

}  // namespace antiphon::asr
