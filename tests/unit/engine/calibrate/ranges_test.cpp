// Ranges against NumPy and ONNX Runtime; what calibration refuses; the file.
#include <gmock/gmock.h>

#include <cmath>
#include <limits>

#include "tests/unit/engine/calibrate/calibration_fixture.h"

namespace antiphon {
namespace {

using testing::HasSubstr;
constexpr double kPercentile = 99.9;  // of the golden data

Result<Calibration> ranges_by(RangeMethod method) {
  CalibrationOptions options;
  options.method = method;
  options.percentile = kPercentile;
  return calibrate(test::golden_network(), test::source_of(test::golden_samples()), options);
}

// "METHOD SOURCE LOW HIGH TENSOR" lines.
std::map<std::string, TensorRange> golden_ranges(const std::string& method,
                                                 const std::string& source) {
  std::ifstream file(test::golden_path("ranges.txt"));
  std::map<std::string, TensorRange> out;
  std::string m, s, tensor;
  TensorRange range;
  while (file >> m >> s >> range.low >> range.high >> tensor)
    if (m == method && s == source) out[tensor] = range;
  EXPECT_EQ(out.size(), 6u);
  return out;
}

// step: how far the end of a range may lie from the wanted one, as a share of all that was seen.
void expect_ranges(const Calibration& got, const std::string& method, const std::string& source,
                   double step) {
  const auto ends = golden_ranges("minmax", "numpy");
  const auto want = golden_ranges(method, source);
  EXPECT_EQ(got.ranges.size(), want.size());
  for (const auto& [tensor, range] : want) {
    ASSERT_TRUE(got.ranges.contains(tensor)) << tensor;
    const TensorRange& mine = got.ranges.at(tensor);
    const TensorRange& all = ends.at(tensor);
    // Values by another engine: a few roundings of numbers up to the largest.
    const double bound = step * (all.high - all.low) + 2e-6 * std::max(all.high, -all.low);
    EXPECT_NEAR(mine.low, range.low, bound) << tensor;
    EXPECT_NEAR(mine.high, range.high, bound) << tensor;
  }
}

TEST(Ranges, MinMaxIsAllThatWasSeen) {
  const auto got = ranges_by(RangeMethod::kMinMax);
  ASSERT_TRUE(got.ok()) << got.status().message();
  expect_ranges(*got, "minmax", "numpy", 0);
  expect_ranges(*got, "minmax", "onnxruntime", 0);
  EXPECT_EQ(got->method, "minmax");
  EXPECT_EQ(got->num_samples, 5u);
  EXPECT_EQ(got->ranges.at("x").shape, "[B, 3, 12, 14]");
}

TEST(Ranges, PercentileCutsBothEnds) {
  const auto got = ranges_by(RangeMethod::kPercentile);
  ASSERT_TRUE(got.ok()) << got.status().message();
  expect_ranges(*got, "percentile", "numpy", 1.0 / 16384);
  // Its bins are over [-m, m], and it takes the other end of the last one.
  expect_ranges(*got, "percentile", "onnxruntime", 4.0 / 16384);
}

TEST(Ranges, EntropyIsTheLeastDivergence) {
  const auto got = ranges_by(RangeMethod::kEntropy);
  ASSERT_TRUE(got.ok()) << got.status().message();
  expect_ranges(*got, "entropy", "numpy", 1e-6);
}

TEST(Ranges, MoreThreadsFindTheSame) {
  CalibrationOptions options;
  options.num_threads = 2;
  const auto two =
      calibrate(test::golden_network(), test::source_of(test::golden_samples()), options);
  ASSERT_TRUE(two.ok()) << two.status().message();
  expect_ranges(*two, "entropy", "numpy", 1e-6);
}

std::string refused(std::vector<Sample> samples, CalibrationOptions options = {}) {
  const auto got = calibrate(test::golden_network(), test::source_of(std::move(samples)), options);
  EXPECT_FALSE(got.ok());
  EXPECT_EQ(got.status().code(), StatusCode::kInvalidArgument);
  return got.status().message();
}

TEST(Ranges, RefuseBadSamples) {
  EXPECT_THAT(refused({}), HasSubstr("no samples, wanted one or more"));
  const std::vector<float> values(3 * 12 * 14);
  auto all = test::golden_samples();

  all[2].inputs["x"] = test::tensor_of({1, 3, 14, 12}, values);
  EXPECT_EQ(refused(all), "sample2: input 'x': wanted [B, 3, 12, 14], got [1, 3, 14, 12]");
  all[2].inputs["x"] = test::tensor_of({3, 12, 14}, values);
  EXPECT_EQ(refused(all), "sample2: input 'x': wanted [B, 3, 12, 14], got [3, 12, 14]");

  std::vector<float> bad = values;
  bad[17] = std::numeric_limits<float>::quiet_NaN();
  all[2].inputs["x"] = test::tensor_of({1, 3, 12, 14}, bad);
  EXPECT_EQ(refused(all), "sample2: input 'x': element 17 is nan, wanted finite numbers");
  bad[17] = -std::numeric_limits<float>::infinity();
  all[2].inputs["x"] = test::tensor_of({1, 3, 12, 14}, bad);
  EXPECT_EQ(refused(all), "sample2: input 'x': element 17 is -inf, wanted finite numbers");

  all[2].inputs["x"].dtype = DType::kI32;
  EXPECT_EQ(refused(all), "sample2: input 'x': wanted f32, got i32");
  all[2].inputs = {{"z", test::tensor_of({1, 3, 12, 14}, values)}};
  EXPECT_EQ(refused(all), "sample2: has no 'x', an input of the network");
  all[2].inputs["x"] = all[2].inputs["z"];
  EXPECT_EQ(refused(all), "sample2: holds 'z', which is no input of the network");
}

TEST(Ranges, RefuseATensorThatOverflows) {
  const std::vector<float> huge(3 * 12 * 14, 3e38f);
  EXPECT_THAT(refused({{"big", {{"x", test::tensor_of({1, 3, 12, 14}, huge)}}}}),
              testing::MatchesRegex("big: tensor '/[^']+' becomes .*only finite numbers.*"));
}

TEST(Ranges, RefuseAPercentileThatIsNone) {
  CalibrationOptions options;
  options.percentile = 0;
  EXPECT_THAT(refused(test::golden_samples(), options), HasSubstr("percentile is 0"));
}

TEST(Ranges, FitTheirNetworkAlone) {
  const OnnxNetwork network = test::golden_network();
  const auto good = ranges_by(RangeMethod::kMinMax);
  ASSERT_TRUE(good.ok());
  EXPECT_TRUE(check_fits(network, *good).ok());

  Calibration other = *good;
  other.ranges["/elsewhere"] = {0, 1, "[1]"};
  EXPECT_THAT(check_fits(network, other).message(), HasSubstr("tensor '/elsewhere' is no input"));
  other = *good;
  other.ranges.erase("/Tanh_output_0");
  EXPECT_THAT(check_fits(network, other).message(),
              HasSubstr("none for tensor '/Tanh_output_0', which layer '/grouped/Conv' reads"));
  other = *good;
  other.ranges["x"].shape = "[B, 3, 12, 15]";
  EXPECT_EQ(check_fits(network, other).message(),
            "ranges: tensor 'x' is [B, 3, 12, 14] in this network, and [B, 3, 12, 15] in the "
            "ranges");
  other = *good;
  other.keep_f32.insert("/lost/Conv");
  EXPECT_THAT(check_fits(network, other).message(), HasSubstr("layer '/lost/Conv' is not in"));
  other = *good;
  ++other.weights_hash;
  EXPECT_THAT(check_fits(network, other).message(), HasSubstr("other weights"));
}

TEST(Ranges, AFixedBatchFitsAnOpenOne) {
  const auto good = ranges_by(RangeMethod::kMinMax);
  OnnxOptions options;
  options.extents["B"] = 2;
  const auto fixed = import_onnx(test::golden_path("net.onnx"), options);
  ASSERT_TRUE(fixed.ok());
  EXPECT_TRUE(check_fits(*fixed, *good).ok()) << check_fits(*fixed, *good).message();
}

TEST(Ranges, FileKeepsEveryBit) {
  auto saved = ranges_by(RangeMethod::kEntropy);
  ASSERT_TRUE(saved.ok());
  saved->keep_f32 = {"/first/Conv", "/a layer/with spaces"};
  const std::string path = testing::TempDir() + "bits.ranges";
  ASSERT_TRUE(saved->save(path).ok());
  const auto loaded = Calibration::load(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  EXPECT_EQ(*loaded, *saved);
  EXPECT_EQ(saved->save("/nowhere/x").code(), StatusCode::kInternal);
}

TEST(Ranges, FileErrorsNameTheLine) {
  const std::string path = testing::TempDir() + "bad.ranges";
  const auto message = [&](const std::string& text) {
    std::ofstream(path) << text;
    return Calibration::load(path).status().message();
  };
  EXPECT_EQ(Calibration::load("/nowhere/x").status().code(), StatusCode::kNotFound);
  EXPECT_THAT(message("TRT-8601-EntropyCalibration2\n"), HasSubstr("not a file of ranges"));
  const std::string head = "antiphon ranges 1\n# a comment\n\n";
  EXPECT_EQ(message(head + "range 0 1 [2] x\nrange 0 1 [2] x\n"),
            path + ":5: tensor 'x' was there before");
  EXPECT_EQ(message(head + "range 0 nan [2] x\n"), path + ":4: wanted two finite numbers");
  EXPECT_EQ(message(head + "range 0 1e [2] x\n"), path + ":4: wanted two finite numbers");
  EXPECT_EQ(message(head + "range 2 1 [2] x\n"), path + ":4: wanted the low end first");
  EXPECT_EQ(message(head + "range 0 1 x\n"), path + ":4: wanted [SHAPE] and the tensor's name");
  EXPECT_EQ(message(head + "range 0 1 [2] \n"), path + ":4: wanted [SHAPE] and the tensor's name");
  EXPECT_EQ(message(head + "weights xyz\n"), path + ":4: wanted a hexadecimal number");
  EXPECT_EQ(message(head + "samples -1\n"), path + ":4: wanted a whole number");
  EXPECT_THAT(message(head + "scale 3\n"), HasSubstr(":4: scale: wanted method,"));
  EXPECT_THAT(message(head + "method\n"), HasSubstr(":4: method: wanted a value"));
}

}  // namespace
}  // namespace antiphon
