// Logistic regression by L-BFGS; rows of classes in blocks of 16, which compilers turn into
// vectors.
#include "nlu/example_regression.h"

#include <algorithm>
#include <cmath>
#include <deque>
#include <numeric>

namespace antiphon::nlu {
namespace {

constexpr std::size_t kBlock = 16;
constexpr float kFit =
    10;  // weight of an example beside that of |w|^2 / 2; all classes weigh alike
constexpr int kMostSteps = 60, kFewestSteps = 8, kHistory = 8;
constexpr double kMostProducts = 4e10;  // of all passes together: some eight seconds of a core
constexpr double kEnough = 1e-3;        // of the gradient's length at the start

// to += factor * from, both a whole number of blocks.
void add_scaled(std::span<float> to, float factor, const float* from) {
  for (std::size_t at = 0; at < to.size(); at += kBlock) {
    float sum[kBlock];
    for (std::size_t i = 0; i < kBlock; ++i) sum[i] = to[at + i] + factor * from[at + i];
    for (std::size_t i = 0; i < kBlock; ++i) to[at + i] = sum[i];
  }
}

double product(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t at = 0; at < a.size(); at += kBlock) {
    float part[kBlock] = {};
    for (std::size_t i = 0; i < kBlock; ++i) part[i] = a[at + i] * b[at + i];
    for (const float x : part) sum += static_cast<double>(x);
  }
  return sum;
}

// Logits -> log-probabilities, [classes].
void log_softmax(std::span<float> x) {
  const float most = *std::max_element(x.begin(), x.end());
  double sum = 0;
  for (const float v : x) sum += std::exp(static_cast<double>(v - most));
  const float total = most + static_cast<float>(std::log(sum));
  for (float& v : x) v -= total;
}

// The loss and its gradient at some weights. rows: [examples, width], their mean taken away.
struct Problem {
  std::span<const float> rows;
  std::size_t width;
  std::span<const std::size_t> classes;
  std::span<const float> fit;  // [examples], how much each counts
  std::size_t num_classes, row_floats;

  void logits(const float* row, std::span<const float> weights, std::span<float> out) const {
    std::copy_n(&weights[width * row_floats], row_floats, out.begin());
    for (std::size_t d = 0; d < width; ++d) add_scaled(out, row[d], &weights[d * row_floats]);
  }

  double loss(std::span<const float> weights, std::span<float> gradient) const {
    const std::size_t free = width * row_floats;  // biases are, from here on
    double total = 0.5 * product(weights.first(free), weights.first(free));
    std::copy_n(weights.begin(), free, gradient.begin());
    std::fill(gradient.begin() + static_cast<std::ptrdiff_t>(free), gradient.end(), 0.0f);
    std::vector<float> p(row_floats);
    for (std::size_t e = 0; e < classes.size(); ++e) {
      const float* row = &rows[e * width];
      logits(row, weights, p);
      log_softmax(std::span(p).first(num_classes));
      total -= static_cast<double>(fit[e] * p[classes[e]]);
      for (float& x : std::span(p).first(num_classes)) x = fit[e] * std::exp(x);
      std::fill(p.begin() + static_cast<std::ptrdiff_t>(num_classes), p.end(), 0.0f);
      p[classes[e]] -= fit[e];
      for (std::size_t d = 0; d < width; ++d)
        add_scaled(gradient.subspan(d * row_floats, row_floats), row[d], p.data());
      add_scaled(gradient.subspan(free), 1, p.data());
    }
    return total;
  }
};

// Pairs of steps and what they changed of the gradient.
class History {
 public:
  void add(std::vector<float> step, std::vector<float> change) {
    const double curvature = product(step, change);
    if (curvature <= 0) return;
    if (pairs_.size() == kHistory) pairs_.pop_front();
    pairs_.push_back({std::move(step), std::move(change), curvature});
  }

  // gradient -> minus about the inverse Hessian times it.
  void direct(std::span<float> x) const {
    std::vector<double> share(pairs_.size());
    for (std::size_t i = pairs_.size(); i-- > 0;) {
      share[i] = product(pairs_[i].step, x) / pairs_[i].curvature;
      add_scaled(x, static_cast<float>(-share[i]), pairs_[i].change.data());
    }
    const double scale = pairs_.empty() ? 1
                                        : pairs_.back().curvature /
                                              product(pairs_.back().change, pairs_.back().change);
    for (float& v : x) v *= static_cast<float>(scale);
    for (std::size_t i = 0; i < pairs_.size(); ++i) {
      const double back = product(pairs_[i].change, x) / pairs_[i].curvature;
      add_scaled(x, static_cast<float>(share[i] - back), pairs_[i].step.data());
    }
    for (float& v : x) v = -v;
  }

 private:
  struct Pair {
    std::vector<float> step, change;
    double curvature;
  };
  std::deque<Pair> pairs_;
};

// weights: where to begin -> the minimum, nearly.
void minimise(const Problem& problem, int most_steps, std::vector<float>& weights) {
  std::vector<float> gradient(weights.size()), next(weights.size()), after(weights.size());
  double loss = problem.loss(weights, gradient);
  const double first = std::sqrt(product(gradient, gradient));
  History history;
  for (int step = 0; step < most_steps; ++step) {
    const double length = std::sqrt(product(gradient, gradient));
    if (length <= kEnough * first) return;
    std::vector<float> way = gradient;
    history.direct(way);
    const double slope = product(way, gradient);
    if (slope >= 0) return;
    double reach = step == 0 ? std::min(1.0, 1 / length) : 1.0, found = loss;
    for (int tries = 0;; reach *= 0.5) {  // until it goes down enough (Armijo)
      if (++tries > 20) return;
      next = weights;
      add_scaled(next, static_cast<float>(reach), way.data());
      found = problem.loss(next, after);
      if (found <= loss + 1e-4 * reach * slope) break;
    }
    for (float& v : way) v *= static_cast<float>(reach);
    for (std::size_t i = 0; i < after.size(); ++i) gradient[i] = after[i] - gradient[i];
    history.add(std::move(way), gradient);
    gradient = after;
    weights = next;
    loss = found;
  }
}

}  // namespace

ExampleRegression ExampleRegression::fit(std::span<const float> vectors, std::size_t width,
                                         std::span<const std::size_t> classes,
                                         std::size_t num_classes) {
  ExampleRegression out;
  out.num_classes_ = num_classes;
  if (classes.empty() || num_classes < 2 || width == 0) return out;
  const std::size_t row_floats = (num_classes + kBlock - 1) / kBlock * kBlock;
  const double a_pass = 2.0 * static_cast<double>(classes.size()) * static_cast<double>(width) *
                        static_cast<double>(row_floats);  // logits and gradient
  const int steps = static_cast<int>(std::min<double>(kMostSteps, kMostProducts / a_pass));
  if (steps < kFewestSteps) return out;
  out.width_ = width;
  out.row_floats_ = row_floats;
  out.mean_.assign(width, 0.0f);
  for (std::size_t e = 0; e < classes.size(); ++e)
    for (std::size_t d = 0; d < width; ++d)
      out.mean_[d] += vectors[e * width + d] / static_cast<float>(classes.size());
  std::vector<float> rows(vectors.begin(), vectors.end());
  for (std::size_t i = 0; i < rows.size(); ++i) rows[i] -= out.mean_[i % width];
  std::vector<float> number(num_classes, 0.0f), counts(classes.size());
  for (const std::size_t c : classes) number[c] += 1;
  const auto there = std::count_if(number.begin(), number.end(), [](float n) { return n > 0; });
  for (std::size_t e = 0; e < counts.size(); ++e)
    counts[e] =
        kFit * static_cast<float>(counts.size()) / (static_cast<float>(there) * number[classes[e]]);
  out.weights_.assign((width + 1) * out.row_floats_, 0.0f);
  minimise({rows, width, classes, counts, num_classes, out.row_floats_}, steps, out.weights_);
  return out;
}

std::vector<float> ExampleRegression::log_probabilities(std::span<const float> vector) const {
  std::vector<float> out(std::max(row_floats_, num_classes_), 0.0f);
  if (width_ > 0 && vector.size() == width_) {
    std::vector<float> row(vector.begin(), vector.end());
    for (std::size_t d = 0; d < width_; ++d) row[d] -= mean_[d];
    Problem{{}, width_, {}, {}, num_classes_, row_floats_}.logits(row.data(), weights_, out);
  }
  out.resize(num_classes_);
  if (num_classes_ > 0) log_softmax(out);
  return out;
}

}  // namespace antiphon::nlu
