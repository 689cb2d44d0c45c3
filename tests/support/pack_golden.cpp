// Reads golden data and checks that they belong to the pack.
#include "tests/support/pack_golden.h"

#include <cmath>
#include <cstring>
#include <fstream>
#include <iterator>

#include "tests/support/sha256.h"

namespace antiphon::test {
namespace {

const std::string kRoot = ANTIPHON_SOURCE_DIR;

}  // namespace

std::unique_ptr<PackGolden> PackGolden::load(const GoldenSource& source) {
  auto golden = std::make_unique<PackGolden>();
  golden->source_ = source;
  const auto data = Weights::load(kRoot + "/tests/golden/packs/" + source.data);
  EXPECT_TRUE(data.ok()) << data.status().to_string() << "\nmake it: " << source.command;
  if (!data.ok()) return nullptr;
  golden->data_ = *data;
  return golden->made_from("weights_sha256", source.weights) ? std::move(golden) : nullptr;
}

bool PackGolden::made_from(const std::string& name, const std::string& file) const {
  std::ifstream stream(kRoot + "/models/" + file, std::ios::binary);
  EXPECT_TRUE(stream) << "models/" << file << " cannot be read";
  const std::string bytes{std::istreambuf_iterator<char>(stream), std::istreambuf_iterator<char>()};
  Sha256 made_from = {};
  const std::vector<std::int32_t> words = i32(name);
  EXPECT_EQ(words.size() * 4, made_from.size());
  if (words.size() * 4 != made_from.size()) return false;
  std::memcpy(made_from.data(), words.data(), made_from.size());
  const std::string got = hex(sha256(bytes)), wanted = hex(made_from);
  EXPECT_EQ(got, wanted) << "tests/golden/packs/" << source_.data
                         << " was made from another file than models/" << file
                         << "; make it again: " << source_.command;
  return got == wanted;
}

std::vector<float> PackGolden::f32(const std::string& name) const {
  const auto view = data_->tensor(name);
  EXPECT_TRUE(view.ok()) << view.status().to_string();
  if (!view.ok() || view->dtype != DType::kF32) return {};
  return {view->f32().begin(), view->f32().end()};
}

std::vector<std::int32_t> PackGolden::i32(const std::string& name) const {
  const auto view = data_->tensor(name);
  EXPECT_TRUE(view.ok()) << view.status().to_string();
  if (!view.ok() || view->dtype != DType::kI32) return {};
  const auto* begin = static_cast<const std::int32_t*>(view->data);
  return {begin, begin + view->num_elements()};
}

std::string engine_path_name(const testing::TestParamInfo<EnginePath>& path) {
  const std::string isa = path.param.isa;
  return (path.param.precision == Precision::kF32 ? "f32" : "int8") +
         (isa.empty() ? "_native" : "_" + isa);
}

void expect_near(std::span<const float> got, std::span<const float> want, double bound,
                 const std::string& what) {
  ASSERT_FALSE(want.empty()) << what;
  ASSERT_EQ(got.size(), want.size()) << what;
  double worst = 0;
  std::size_t at = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    const double gap = std::abs(static_cast<double>(got[i]) - want[i]);
    if (gap > worst || std::isnan(gap)) worst = gap, at = i;
    if (std::isnan(gap)) break;
  }
  EXPECT_TRUE(worst <= bound) << what << ": at " << at << " got " << got[at] << ", wanted "
                              << want[at] << " to within " << bound;
}

void expect_error_db(std::span<const float> got, std::span<const float> want, double bound_db,
                     const std::string& what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  double error = 0, signal = 0;
  for (std::size_t i = 0; i < want.size(); ++i) {
    error += std::pow(static_cast<double>(got[i]) - want[i], 2);
    signal += std::pow(static_cast<double>(want[i]), 2);
  }
  ASSERT_GT(signal, 0) << what;
  const double db = 10 * std::log10(error / signal + 1e-30);
  EXPECT_TRUE(db <= bound_db) << what << ": the error is " << db << " dB of the signal, wanted "
                              << bound_db << " at most";
}

}  // namespace antiphon::test
