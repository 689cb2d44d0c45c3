// Logistic regression on phrases: equal to scikit-learn's, and harmless where there is nothing to
// learn.
#include "nlu/example_regression.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <numeric>
#include <string>

namespace antiphon::nlu {
namespace {

double sum_of_probabilities(const std::vector<float>& log_p) {
  double sum = 0;
  for (const float x : log_p) sum += std::exp(static_cast<double>(x));
  return sum;
}

TEST(ExampleRegression, EqualsTheGoldenProbabilities) {
  std::ifstream in(ANTIPHON_SOURCE_DIR "/tests/golden/nlu/regression.txt");
  std::string word;
  int problems = 0;
  for (std::size_t examples, width, classes, queries;
       in >> word >> examples >> width >> classes >> queries; ++problems) {
    ASSERT_EQ(word, "problem");
    std::vector<std::size_t> labels(examples);
    std::vector<float> vectors(examples * width), query(width), want(classes);
    for (std::size_t e = 0; e < examples; ++e) {
      in >> labels[e];
      for (std::size_t d = 0; d < width; ++d) in >> vectors[e * width + d];
    }
    const auto fitted = ExampleRegression::fit(vectors, width, labels, classes);
    for (std::size_t q = 0; q < queries; ++q) {
      for (float& x : want) in >> x;
      for (float& x : query) in >> x;
      ASSERT_TRUE(in.good() || in.eof());
      const std::vector<float> got = fitted.log_probabilities(query);
      ASSERT_EQ(got.size(), classes);
      // The search ends where the gradient is a thousandth of what it was at the start.
      for (std::size_t c = 0; c < classes; ++c)
        EXPECT_NEAR(got[c], want[c], 0.02) << "problem " << problems << ", query " << q;
      EXPECT_NEAR(sum_of_probabilities(got), 1, 1e-5);
    }
  }
  EXPECT_EQ(problems, 4);
}

TEST(ExampleRegression, NothingToTellApart) {
  const float vector[] = {0.6f, 0.8f};
  const std::size_t one[] = {0};
  EXPECT_TRUE(ExampleRegression().log_probabilities(vector).empty());
  for (const auto& fitted :
       {ExampleRegression::fit({}, 2, {}, 3), ExampleRegression::fit({}, 0, one, 3)}) {
    for (const float x : fitted.log_probabilities(vector)) EXPECT_NEAR(x, -std::log(3.0f), 1e-6);
    EXPECT_EQ(fitted.log_probabilities(vector).size(), 3u);
  }
  EXPECT_EQ(ExampleRegression::fit(vector, 2, one, 1).log_probabilities(vector),
            std::vector<float>{0});
}

TEST(ExampleRegression, ClassesWithoutExamplesAndVectorsOfAnotherWidth) {
  const float vectors[] = {1, 0, 0, 1};
  const std::size_t classes[] = {0, 2};
  const auto fitted = ExampleRegression::fit(vectors, 2, classes, 3);
  const float near[] = {1, 0}, longer[] = {1, 0, 0};
  const auto log_p = fitted.log_probabilities(near);
  EXPECT_GT(log_p[0], log_p[2]);
  EXPECT_GT(log_p[2], log_p[1]);
  for (const float x : fitted.log_probabilities(longer)) EXPECT_NEAR(x, -std::log(3.0f), 1e-6);
}

TEST(ExampleRegression, TooMuchToLearnIsLeft) {
  constexpr std::size_t kMany = 60000;
  const std::vector<float> vectors(4 * kMany, 0.5f);
  std::vector<std::size_t> classes(kMany);
  std::iota(classes.begin(), classes.end(), std::size_t{0});
  const auto log_p = ExampleRegression::fit(vectors, 4, classes, kMany)
                         .log_probabilities(std::span(vectors).first(4));
  ASSERT_EQ(log_p.size(), kMany);
  for (const float x : log_p) ASSERT_NEAR(x, -std::log(static_cast<float>(kMany)), 1e-4);
}

TEST(ExampleRegression, PhrasesOfOneClassManyTimesWeighNoMore) {
  std::vector<float> vectors = {1, 0, 0, 1};
  std::vector<std::size_t> classes = {0, 1};
  for (int again = 0; again < 20; ++again) {
    vectors.insert(vectors.end(), {0, 1});
    classes.push_back(1);
  }
  const float between[] = {0.70710678f, 0.70710678f};
  const auto log_p = ExampleRegression::fit(vectors, 2, classes, 2).log_probabilities(between);
  EXPECT_NEAR(log_p[0], log_p[1], 0.02);
}

}  // namespace
}  // namespace antiphon::nlu
