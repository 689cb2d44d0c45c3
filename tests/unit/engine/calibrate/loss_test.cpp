// Which layers int8 hurts, and plans that may not lose more than a bound.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "tests/unit/engine/calibrate/calibration_fixture.h"

namespace antiphon {
namespace {

using testing::HasSubstr;

Calibration golden_calibration() {
  const auto found = calibrate(test::golden_network(), test::source_of(test::golden_samples()), {});
  EXPECT_TRUE(found.ok()) << found.status().message();
  return *found;
}

BuildOptions int8_options(const Calibration& calibration) {
  BuildOptions out;
  out.profile = {{"B", {1, 2, 3}}};
  out.calibration = std::make_shared<const Calibration>(calibration);
  return out;
}

// The same as rank_layers' for one layer, by plans of this test's own.
double error_of(const Calibration& calibration, const std::string& layer,
                const std::vector<LayerError>& all) {
  Calibration alone = calibration;
  for (const LayerError& e : all)
    if (e.layer != layer) alone.keep_f32.insert(e.layer);
  const OnnxNetwork network = test::golden_network();
  BuildOptions f32 = int8_options(calibration);
  f32.precision = Precision::kF32;
  f32.calibration = nullptr;
  const auto plain = build(network, f32), changed = build(network, int8_options(alone));
  double change = 0, size = 0;
  for (const Sample& sample : test::golden_samples()) {
    const auto want = test::output_of(*plain, sample), got = test::output_of(*changed, sample);
    for (std::size_t i = 0; i < want.size(); ++i) {
      change += std::pow(double{got[i]} - want[i], 2);
      size += std::pow(double{want[i]}, 2);
    }
  }
  return std::sqrt(change / size);
}

TEST(Sensitivity, RanksEveryLayerByWhatItAloneChanges) {
  const Calibration calibration = golden_calibration();
  const auto ranked =
      rank_layers(test::golden_network(), calibration, test::source_of(test::golden_samples()), {});
  ASSERT_TRUE(ranked.ok()) << ranked.status().message();
  ASSERT_EQ(ranked->size(), 6u);
  EXPECT_TRUE(std::is_sorted(ranked->begin(), ranked->end(),
                             [](const auto& a, const auto& b) { return a.error > b.error; }));
  for (const LayerError& e : *ranked) {
    EXPECT_NEAR(e.error, error_of(calibration, e.layer, *ranked), 1e-9) << e.layer;
    EXPECT_GT(e.error, 1e-4) << e.layer;
    EXPECT_LT(e.error, 0.1) << e.layer;
  }
}

TEST(Sensitivity, ARuinedRangeIsTheWorst) {
  Calibration calibration = golden_calibration();
  calibration.ranges.at("/Transpose_output_0").low = -1e-3f;
  calibration.ranges.at("/Transpose_output_0").high = 1e-3f;
  const auto ranked =
      rank_layers(test::golden_network(), calibration, test::source_of(test::golden_samples()), {});
  ASSERT_TRUE(ranked.ok()) << ranked.status().message();
  EXPECT_EQ(ranked->front().layer, "/hidden/MatMul");
  EXPECT_EQ(ranked->front().tensor, "/Transpose_output_0");
  EXPECT_GT(ranked->front().error, 0.3);
}

TEST(Sensitivity, RefusesWhatCalibrateRefuses) {
  Calibration other = golden_calibration();
  other.ranges["/elsewhere"] = {0, 1, "[1]"};
  const auto lost =
      rank_layers(test::golden_network(), other, test::source_of(test::golden_samples()), {});
  EXPECT_THAT(lost.status().message(), HasSubstr("'/elsewhere'"));
  const auto none = rank_layers(test::golden_network(), golden_calibration(), {}, {});
  EXPECT_THAT(none.status().message(), HasSubstr("no samples"));
}

// How many of the sample's outputs have the sign that the f32 network gives them.
Result<double> signs_kept(const Plan& plan) {
  BuildOptions f32;
  f32.precision = Precision::kF32;
  f32.profile = {{"B", {1, 2, 3}}};
  const auto plain = build(test::golden_network(), f32);
  const std::shared_ptr<const Plan> borrowed(&plan, [](const Plan*) {});
  double kept = 0, all = 0;
  for (const Sample& sample : test::golden_samples()) {
    const auto want = test::output_of(*plain, sample), got = test::output_of(borrowed, sample);
    for (std::size_t i = 0; i < want.size(); ++i, ++all) kept += (want[i] > 0) == (got[i] > 0);
  }
  return kept / all;
}

TEST(LossBound, APlanThatKeepsItIsBuilt) {
  const auto made = build_within(test::golden_network(), int8_options(golden_calibration()),
                                 *parse_loss_bound("3%"), signs_kept);
  ASSERT_TRUE(made.ok()) << made.status().message();
  EXPECT_EQ(made->f32, 1);
  EXPECT_GT(made->int8, 0.97);
  EXPECT_LT(made->int8, 1);
}

TEST(LossBound, APlanThatLosesMoreIsRefusedWithBothNumbers) {
  Calibration ruined = golden_calibration();
  ruined.ranges.at("x") = {-1e-3f, 1e-3f, ruined.ranges.at("x").shape};
  const auto made = build_within(test::golden_network(), int8_options(ruined),
                                 *parse_loss_bound("3%"), signs_kept);
  EXPECT_EQ(made.status().code(), StatusCode::kUnsupported);
  EXPECT_THAT(made.status().message(),
              testing::MatchesRegex("int8 loses too much: 0\\.[0-9]+ in int8, 1 in f32, a loss of "
                                    "[0-9.]+%, at most 3% is allowed.*"));
}

TEST(LossBound, NumbersThatAreNoneAreRefused) {
  const auto with = [](double f32, double int8, const char* bound) {
    int calls = 0;
    return build_within(test::golden_network(), int8_options(golden_calibration()),
                        *parse_loss_bound(bound),
                        [&](const Plan&) -> Result<double> { return calls++ == 0 ? f32 : int8; })
        .status();
  };
  EXPECT_THAT(with(std::numeric_limits<double>::quiet_NaN(), 1, "1%").message(),
              HasSubstr("f32 plan: got nan, wanted a finite number"));
  EXPECT_THAT(with(1, std::numeric_limits<double>::infinity(), "1%").message(),
              HasSubstr("int8 plan: got inf"));
  EXPECT_THAT(with(-3, -4, "1%").message(), HasSubstr("it must be more than 0"));
  EXPECT_TRUE(with(-3, -3.5, "0.5").ok());
  EXPECT_FALSE(with(-3, -3.6, "0.5").ok());
  EXPECT_TRUE(with(50, 49.75, "0.5%").ok());
  EXPECT_FALSE(with(50, 49.7, "0.5%").ok());
  EXPECT_TRUE(with(50, 70, "0%").ok());  // better is no loss
}

TEST(LossBound, Text) {
  EXPECT_NEAR(parse_loss_bound("0.6%")->most, 0.006, 1e-15);
  EXPECT_TRUE(parse_loss_bound("0.6%")->relative);
  EXPECT_EQ(parse_loss_bound("0.006")->most, 0.006);
  EXPECT_FALSE(parse_loss_bound("0.006")->relative);
  for (const char* bad : {"", "%", "-1%", "nan", "inf", "1 %", "1%%", "x"})
    EXPECT_THAT(parse_loss_bound(bad).status().message(), HasSubstr("wanted a share like 0.6%"))
        << bad;
}

}  // namespace
}  // namespace antiphon
