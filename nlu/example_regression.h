// Which of the user's own intents a sentence vector belongs to: multinomial logistic regression on
// the vectors of their phrases, fitted when an assistant is loaded.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

namespace antiphon::nlu {

// Minimises 10 sum_e c_e (-log p(class of e | vector of e)) + |w|^2 / 2, biases free, c_e of mean 1
// and alike in sum for all classes, by L-BFGS (Nocedal and Wright 2006, algorithm 7.5).
// Deterministic. Immutable once fitted: any thread.
class ExampleRegression {
 public:
  // vectors: [examples, width] of length 1; classes: [examples], each below num_classes. Takes at
  // most 60 passes over examples * width * num_classes products, forth and back, and no more than
  // 4e10 products in all, some eight seconds. All classes are as likely where there is nothing to
  // tell apart (no examples, one class, width 0), or so much that eight passes would take more
  // (some 800 intents of ten phrases).
  static ExampleRegression fit(std::span<const float> vectors, std::size_t width,
                               std::span<const std::size_t> classes, std::size_t num_classes);

  // Natural logarithms of the probabilities, [num_classes]. vector: [width]; of another width: all
  // classes are as likely.
  std::vector<float> log_probabilities(std::span<const float> vector) const;

 private:
  std::size_t width_ = 0, num_classes_ = 0;
  std::size_t row_floats_ = 0;  // num_classes_, rounded up
  std::vector<float> mean_;     // [width_], of the examples: taken from every vector
  std::vector<float> weights_;  // [width_ + 1, row_floats_], the last row: biases
};

}  // namespace antiphon::nlu
