// antiphon calibrate: ranges from files, and what it refuses.
#include "engine/calibrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <filesystem>
#include <fstream>

#include "cli/npy_file.h"
#include "tests/support/command.h"

namespace antiphon {
namespace {

using testing::HasSubstr;

std::string golden(const std::string& file) {
  return std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/calibration/" + file;
}

// A folder of its own for each test.
class Calibrate : public testing::Test {
 protected:
  void SetUp() override { std::filesystem::create_directories(samples()); }
  void TearDown() override { std::filesystem::remove_all(folder_); }

  std::string samples() const { return folder_ + "/samples"; }
  std::string ranges() const { return folder_ + "/net.ranges"; }
  void copy(const char* name) const { std::filesystem::copy(golden(name), samples()); }
  void write(const std::string& name, std::vector<std::int64_t> dims, float value) const {
    std::int64_t count = 1;
    for (const std::int64_t dim : dims) count *= dim;
    const std::vector<float> values(static_cast<std::size_t>(count), value);
    const TensorView view{DType::kF32, std::move(dims), values.data()};
    ASSERT_TRUE(cli::write_npy(samples() + "/" + name, view).ok());
  }
  test::Ran run(const std::string& more = "") const {
    return test::run_program("calibrate " + golden("net.onnx") + " --samples " + samples() +
                             " -o " + ranges() + " " + more);
  }

  const std::string folder_ = testing::TempDir() + "calibrate_" + std::to_string(getpid());
};

TEST_F(Calibrate, WritesWhatTheLibraryFinds) {
  copy("sample0.npz");
  copy("sample1.npz");
  write("z.npy", {1, 3, 12, 14}, 9);
  const test::Ran ran = run("--method minmax --keep-f32 /first/Conv");
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("6 tensors by minmax over 3 samples"));
  const auto found = Calibration::load(ranges());
  ASSERT_TRUE(found.ok()) << found.status().message();
  EXPECT_EQ(found->ranges.at("x").high, 9);
  EXPECT_EQ(found->keep_f32, std::set<std::string>{"/first/Conv"});
  const test::Ran json = run("--json --method percentile");
  EXPECT_THAT(json.output, HasSubstr("\"method\":\"percentile\""));
}

TEST_F(Calibrate, BuildsAnInt8PlanByTheRanges) {
  copy("sample0.npz");
  ASSERT_EQ(run().exit_code, 0);
  const std::string build = "build " + golden("net.onnx") + " --profile B=1:2:4 --output " +
                            samples() + "/net.plan --json --ranges ";
  const test::Ran int8 = test::run_program(build + ranges() + " --precision int8");
  EXPECT_EQ(int8.exit_code, 0) << int8.output;
  EXPECT_THAT(int8.output, HasSubstr("quantize: 6"));
  EXPECT_THAT(int8.output, HasSubstr("cpu/conv_last_static_u8"));
  EXPECT_EQ(test::run_program(build + ranges()).output, int8.output);  // int8 goes without saying
  const test::Ran f32 = test::run_program(build + ranges() + " --precision f32");
  EXPECT_EQ(f32.exit_code, 2);
  EXPECT_THAT(f32.output, HasSubstr("ranges are given for precision f32"));
  EXPECT_EQ(test::run_program(build + "/nowhere.ranges").exit_code, 1);
  std::ofstream(ranges()) << "antiphon ranges 1\nrange 0 1 [2] other\n";
  const test::Ran other = test::run_program(build + ranges());
  EXPECT_EQ(other.exit_code, 2);
  EXPECT_THAT(other.output, HasSubstr("tensor 'other' is no input of a layer"));
}

TEST_F(Calibrate, ListsAndKeepsTheMostSensitiveLayers) {
  copy("sample0.npz");
  const test::Ran first = run("--sensitivity --keep-worst 2");
  EXPECT_EQ(first.exit_code, 0) << first.output;
  EXPECT_THAT(first.output, HasSubstr("/grouped/Conv"));
  EXPECT_EQ(Calibration::load(ranges())->keep_f32.size(), 2u);
  // Ranges that are there already are used as they are.
  const test::Ran again = test::run_program("calibrate " + golden("net.onnx") + " --samples " +
                                            samples() + " --sensitivity --ranges " + ranges());
  EXPECT_EQ(again.exit_code, 0) << again.output;
  EXPECT_EQ(again.output, first.output.substr(0, again.output.size()));
  EXPECT_EQ(
      test::run_program("calibrate " + golden("net.onnx") + " --samples " + samples()).exit_code,
      2);
}

TEST_F(Calibrate, RefusesAPlanThatLosesTooMuch) {
  copy("sample0.npz");
  ASSERT_EQ(run().exit_code, 0);
  const std::string plan = samples() + "/net.plan";
  const std::string build = "build " + golden("net.onnx") + " --profile B=1:2:4 --output " + plan +
                            " --ranges " + ranges() + " --max-loss 0.6% --evaluate ";
  // The first plan that is asked about is the f32 one.
  const std::string script = samples() + "/evaluate.sh";
  const auto says = [&](const std::string& f32, const std::string& int8) {
    std::filesystem::remove(script + ".seen");
    std::ofstream(script) << "test -s \"$1\" || exit 3\nif [ -e " << script << ".seen ]; then "
                          << int8 << "; else touch " << script << ".seen; " << f32 << "; fi\n";
    return test::run_program(build + "'sh " + script + "'");
  };
  const test::Ran bad = says("echo 0.934", "echo 0.912");
  EXPECT_EQ(bad.exit_code, 1);
  EXPECT_THAT(bad.output,
              HasSubstr("0.912 in int8, 0.934 in f32, a loss of 2.35546%, at most 0.6%"));
  EXPECT_FALSE(std::filesystem::exists(plan));
  const test::Ran good = says("echo 0.934", "echo ' 0.930 '");
  EXPECT_EQ(good.exit_code, 0) << good.output;
  EXPECT_THAT(good.output, HasSubstr("accuracy 0.93 in int8, 0.934 in f32"));
  EXPECT_TRUE(std::filesystem::exists(plan));
  EXPECT_FALSE(std::filesystem::exists(plan + ".candidate"));
  EXPECT_THAT(says("echo fine", "echo 1").output, HasSubstr("printed 'fine', wanted one number"));
  EXPECT_THAT(says("exit 7", "echo 1").output, HasSubstr("failed with exit code 7"));
  EXPECT_THAT(says("true", "true").output, HasSubstr("printed '', wanted one number"));
  EXPECT_EQ(test::run_program("build " + golden("net.onnx") + " --output " + plan +
                              " --max-loss 1% --ranges " + ranges())
                .exit_code,
            2);
}

TEST_F(Calibrate, NoSamples) {
  EXPECT_EQ(run().exit_code, 2);
  EXPECT_THAT(run().output, HasSubstr("/samples: no samples: wanted .npy or .npz files"));
  const test::Ran lost =
      test::run_program("calibrate " + golden("net.onnx") + " --samples /nowhere -o x.ranges");
  EXPECT_EQ(lost.exit_code, 1);
  EXPECT_THAT(lost.output, HasSubstr("/nowhere: no such file or folder"));
}

TEST_F(Calibrate, SamplesThatDoNotFit) {
  copy("sample0.npz");
  write("a.npy", {1, 3, 12, 15}, 0);
  const test::Ran shape = run();
  EXPECT_EQ(shape.exit_code, 2);
  EXPECT_THAT(shape.output,
              HasSubstr("a.npy: input 'x': wanted [B, 3, 12, 14], got [1, 3, 12, 15]"));
  write("a.npy", {1, 3, 12, 14}, std::nanf(""));
  EXPECT_THAT(run().output, HasSubstr("a.npy: input 'x': element 0 is nan"));
  EXPECT_FALSE(std::filesystem::exists(ranges()));
  write("a.npy", {1, 3, 12, 14}, 1);
  EXPECT_THAT(run("--keep-f32 /lost").output, HasSubstr("layer '/lost' is not in this network"));
}

}  // namespace
}  // namespace antiphon
