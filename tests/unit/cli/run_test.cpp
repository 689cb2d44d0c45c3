// antiphon run and build on ONNX models: files in and out, comparisons, profiles, timing caches,
// the report, and what each refuses.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>

#include "cli/npy_file.h"
#include "engine/weights.h"
#include "tests/support/command.h"

namespace antiphon {
namespace {

namespace fs = std::filesystem;
using testing::AllOf;
using testing::HasSubstr;
using testing::Not;

std::string golden(const std::string& file) {
  return std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/" + file;
}

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

// A folder of its own for each test.
class RunTest : public testing::Test {
 protected:
  void SetUp() override { fs::create_directories(folder_); }
  void TearDown() override { fs::remove_all(folder_); }

  std::string path(const std::string& name) const { return folder_ + "/" + name; }
  test::Ran antiphon(const std::string& arguments) const { return test::run_program(arguments); }
  // The network whose inputs are ids and mask, both i64 [B, T], with ONNX Runtime's answers.
  test::Ran bert(const std::string& more) const { return antiphon("run " + model_ + " " + more); }
  // Writes a tensor of the golden data as a .npy file and returns its path.
  std::string npy(const std::string& tensor) const {
    const auto data = Weights::load(golden("onnx/bert.safetensors"));
    EXPECT_TRUE(data.ok());
    const auto view = (*data)->tensor(tensor);
    EXPECT_TRUE(view.ok()) << tensor;
    const std::string file = path(tensor + ".npy");
    EXPECT_TRUE(cli::write_npy(file, *view).ok());
    return file;
  }
  std::string npy_of(const std::string& name, DType dtype, std::vector<std::int64_t> dims) const {
    std::size_t count = dtype_bytes(dtype);
    for (const std::int64_t d : dims) count *= static_cast<std::size_t>(d);
    const std::vector<char> zeros(count, 0);
    EXPECT_TRUE(cli::write_npy(path(name), {dtype, std::move(dims), zeros.data()}).ok());
    return path(name);
  }
  void expect_refused(const test::Ran& ran, int exit_code, const std::string& text) const {
    EXPECT_EQ(ran.exit_code, exit_code) << ran.output;
    EXPECT_THAT(ran.output, HasSubstr(text));
    EXPECT_THAT(ran.output, testing::StartsWith("antiphon: "));
  }

  const std::string model_ = golden("onnx/bert.onnx");
  const std::string folder_ = testing::TempDir() + "run_" + std::to_string(getpid());
};

TEST_F(RunTest, OutputsEqualOnnxRuntimeAndAreWritten) {
  const std::string call = "--input ids=" + npy("in.ids") + " --input mask=" + npy("in.mask") +
                           " --compare hidden=" + npy("out.hidden") +
                           " --compare pooled=" + npy("out.pooled") + " --tolerance 1e-4" +
                           " --output-dir " + path("out/deep");
  const test::Ran ran = bert(call);
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
  EXPECT_THAT(ran.output, AllOf(HasSubstr("differs by "), HasSubstr("allowed 0.0001")));
  const auto got = cli::read_npy(path("out/deep/hidden.npy"));
  ASSERT_TRUE(got.ok()) << got.status().message();
  const auto want = cli::read_npy(path("out.hidden.npy"));
  EXPECT_EQ(got->dims, want->dims);
  EXPECT_EQ(got->dtype, DType::kF32);

  const auto json = nlohmann::json::parse(bert(call + " --json --repeat 3").output);
  ASSERT_EQ(json["outputs"].size(), 2u);
  EXPECT_LT(json["outputs"][0]["difference"].get<double>(), 1e-4);
  EXPECT_EQ(json["outputs"][0]["file"], path("out/deep") + "/hidden.npy");
  EXPECT_GT(json["ms"].get<double>(), 0);
}

TEST_F(RunTest, ADifferenceAboveTheToleranceIsAFailure) {
  // The right answer to another input.
  const test::Ran ran =
      bert("--input ids=" + npy_of("zeros.npy", DType::kI64, {2, 7}) +
           " --input mask=" + npy("in.mask") + " --compare pooled=" + npy("out.pooled"));
  EXPECT_EQ(ran.exit_code, 1) << ran.output;
  EXPECT_THAT(ran.output, HasSubstr("differs by"));
}

TEST_F(RunTest, InputsMadeFromASeedAreTheSameAgain) {
  const std::string call = "--extent B=2 --extent T=3 --output-dir ";
  ASSERT_EQ(bert(call + path("a") + " --seed 5").exit_code, 0);
  ASSERT_EQ(bert(call + path("b") + " --seed 5").exit_code, 0);
  ASSERT_EQ(bert(call + path("c") + " --seed 6").exit_code, 0);
  const std::string a = bytes_of(path("a/hidden.npy"));
  EXPECT_EQ(a, bytes_of(path("b/hidden.npy")));
  EXPECT_NE(a, bytes_of(path("c/hidden.npy")));
  EXPECT_EQ(cli::read_npy(path("a/hidden.npy"))->dims, (std::vector<std::int64_t>{2, 3, 16}));
}

TEST_F(RunTest, WrongInputsAreRefusedByName) {
  const std::string mask = " --input mask=" + npy_of("mask.npy", DType::kI64, {2, 7});
  expect_refused(bert("--input ids=" + npy_of("r.npy", DType::kI64, {2, 7, 1}) + mask), 2,
                 "input 'ids': rank 3, wanted 2");
  expect_refused(bert("--input ids=" + npy_of("s.npy", DType::kI64, {2, 8}) + mask), 2, "T is ");
  expect_refused(bert("--input ids=" + npy_of("t.npy", DType::kF32, {2, 7}) + mask), 2,
                 "input 'ids': wanted i64, got f32");
  expect_refused(bert("--input idz=" + npy_of("u.npy", DType::kI64, {2, 7}) + mask), 2,
                 "--input idz: the network has ids, mask");
  expect_refused(bert("--input ids"), 2, "wanted NAME=VALUE");
  expect_refused(bert("--compare out=" + path("mask.npy") + mask), 2,
                 "--compare out: the network has hidden, pooled");
  expect_refused(bert("--extent T=7 --compare pooled=" + path("mask.npy") + mask), 2,
                 "comparing pooled: shape or type differs");
}

TEST_F(RunTest, FilesThatAreNoneAreRefusedByPath) {
  expect_refused(bert("--input ids=/nowhere.npy"), 1, "/nowhere.npy: no such file");
  expect_refused(antiphon("run /nowhere.onnx"), 1, "/nowhere.onnx: no such file");
  expect_refused(antiphon("run /nowhere.plan"), 1, "/nowhere.plan");
  const std::string whole = bytes_of(npy_of("whole.npy", DType::kI64, {2, 7}));
  // Cut within the magic, the header and the data, and one byte too long.
  for (const std::size_t length : {0u, 3u, 9u, 40u, 130u, 239u, 241u}) {
    std::ofstream(path("cut.npy"), std::ios::binary) << (whole + "x").substr(0, length);
    expect_refused(bert("--input ids=" + path("cut.npy")), 2, path("cut.npy") + ": ");
  }
  const auto with = [&](const std::string& from, const std::string& to) {
    std::string changed = whole;
    changed.replace(changed.find(from), from.size(), to);
    std::ofstream(path("changed.npy"), std::ios::binary) << changed;
    return bert("--input ids=" + path("changed.npy"));
  };
  expect_refused(with("<i8", ">i8"), 2, "big-endian data");
  expect_refused(with("<i8", "<c8"), 2, "elements of type 'c8' are not taken");
  expect_refused(with("False", "True "), 2, "column-major data");
  expect_refused(with("(2,7", "(2,9"), 2, "wanted 144 bytes of data, got 112");
  expect_refused(with("(2,7", "(-2,"), 2, "shape is malformed");
  std::ofstream(path("file")) << "not a folder";
  expect_refused(bert("--output-dir " + path("file/out")), 1, path("file/out"));
  std::ofstream(path("bad.onnx")) << "not a model";
  expect_refused(antiphon("run " + path("bad.onnx")), 2, path("bad.onnx"));
}

TEST_F(RunTest, APlanTakesWhatItsProfileSays) {
  const std::string plan = path("bert.plan");
  const test::Ran built =
      antiphon("build " + model_ + " --profile B=1:2:3 --profile T=2:7:9 --output " + plan);
  ASSERT_EQ(built.exit_code, 0) << built.output;
  const auto run_plan = [&](int b, int t) {
    const std::string dims =
        " --extent B=" + std::to_string(b) + " --extent T=" + std::to_string(t);
    return std::pair(antiphon("run " + plan + dims + " --output-dir " + path("plan")),
                     bert(dims + " --output-dir " + path("model")));
  };
  for (const auto& [b, t] : {std::pair(1, 2), std::pair(2, 7), std::pair(3, 9), std::pair(3, 2)}) {
    const auto [from_plan, from_model] = run_plan(b, t);
    ASSERT_EQ(from_plan.exit_code, 0) << from_plan.output;
    ASSERT_EQ(from_model.exit_code, 0) << from_model.output;
    const test::Ran compared = antiphon("run " + plan + " --extent B=" + std::to_string(b) +
                                        " --extent T=" + std::to_string(t) +
                                        " --compare hidden=" + path("model/hidden.npy"));
    EXPECT_EQ(compared.exit_code, 0) << compared.output;
  }
  expect_refused(run_plan(4, 7).first, 2, "B is 4, the plan takes 1 to 3");
  expect_refused(run_plan(2, 1).first, 2, "T is 1, the plan takes 2 to 9");
  const std::string build = "build " + model_ + " --output " + plan + " --profile T=2:7:9 ";
  expect_refused(antiphon(build + "--profile B=3:2:1"), 2, "wanted 0 <= min <= opt <= max");
  expect_refused(antiphon(build), 2,
                 "the model leaves extents open: B; wanted a range of each, --profile "
                 "B=MIN:USUAL:MAX, or a number, --extent B=N");
  expect_refused(antiphon("build " + model_ + " --output " + plan), 2,
                 "open: B, T; wanted a range of each, --profile B=MIN:USUAL:MAX --profile "
                 "T=MIN:USUAL:MAX, or");
  expect_refused(antiphon(build + "--profile B=1:x"), 2, "'1:x', wanted N, MIN:MAX");
}

TEST_F(RunTest, ComparesTwoNetworks) {
  const std::string model = golden("calibration/net.onnx");
  const std::string profile = " --profile B=1:2:4 --output ";
  ASSERT_EQ(antiphon("build " + model + profile + path("f32.plan")).exit_code, 0);
  ASSERT_EQ(antiphon("calibrate " + model + " --samples " + golden("calibration/sample0.npz") +
                     " -o " + path("net.ranges"))
                .exit_code,
            0);
  ASSERT_EQ(
      antiphon("build " + model + " --ranges " + path("net.ranges") + profile + path("int8.plan"))
          .exit_code,
      0);
  const std::string run = "run " + path("int8.plan") + " --extent B=2 --against ";
  const auto against = [&](const std::string& other) {
    const test::Ran ran = antiphon(run + other + " --json --tolerance 10");
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    return nlohmann::json::parse(ran.output)["outputs"][0]["difference"].get<double>();
  };
  EXPECT_EQ(against(path("int8.plan")), 0);
  const double off = against(path("f32.plan"));
  EXPECT_GT(off, 0);
  EXPECT_LT(off, 0.5);
  EXPECT_EQ(against(model), off);  // built in f32, too
  EXPECT_EQ(antiphon(run + path("f32.plan") + " --tolerance 1e-9").exit_code, 1);
  expect_refused(antiphon(run + "/nowhere.plan"), 1, "--against /nowhere.plan");
  expect_refused(antiphon(run + model_), 2, "wants input 'ids', which the other does not have");
  expect_refused(antiphon("run " + golden("onnx/bert.onnx") + " --against " +
                          golden("deck/bert.onnx") + " --extent B=1 --extent T=9"),
                 2, "comparing hidden: shape or type differs");
}

TEST_F(RunTest, TheSameTimesGiveTheSameBytes) {
  const auto build = [&](const std::string& model, const std::string& plan,
                         const std::string& caches) {
    const test::Ran ran = antiphon("build " + golden("deck/" + model + ".onnx") + " --tune " +
                                   caches + " --output " + path(plan));
    EXPECT_EQ(ran.exit_code, 0) << ran.output;
    return bytes_of(path(plan));
  };
  const std::string a = "--timing-cache " + path("a.txt"), b = "--timing-cache " + path("b.txt");
  const std::string bert_plan = build("bert", "1.plan", a);
  const std::string unet_plan = build("unet", "2.plan", b);
  const std::string times = bytes_of(path("a.txt"));
  EXPECT_EQ(build("bert", "3.plan", a), bert_plan);
  EXPECT_EQ(bytes_of(path("a.txt")), times) << "nothing was measured again";
  // Merged into a third file, which both then build from without measuring.
  const std::string both = "--timing-cache " + path("c.txt") + " " + a + " " + b;
  EXPECT_EQ(build("bert", "4.plan", both), bert_plan);
  const std::string merged = bytes_of(path("c.txt"));
  EXPECT_GT(merged.size(), times.size());
  EXPECT_EQ(build("unet", "5.plan", "--timing-cache " + path("c.txt")), unet_plan);
  EXPECT_EQ(bytes_of(path("c.txt")), merged);
}

TEST_F(RunTest, TimingCachesThatAreNoneAreRefused) {
  const std::string build = "build " + golden("deck/ncf.onnx") + " --output " + path("plan");
  const std::string cache = " --timing-cache " + path("times.txt");
  expect_refused(antiphon(build + cache), 2, "--timing-cache: is for --tune");
  expect_refused(antiphon(build + " --tune" + cache + " --timing-cache /nowhere.txt"), 1,
                 "/nowhere.txt: no such timing cache");
  std::ofstream(path("bad.txt")) << "antiphon timing cache 1\nkey\tkernel\tsoon\n";
  expect_refused(antiphon(build + " --tune" + cache + " --timing-cache " + path("bad.txt")), 2,
                 "bad.txt: line 2");
}

TEST_F(RunTest, AFallbackThatIsNoneIsRefused) {
  const std::string model = "run " + golden("onnx/fallback.onnx");
  expect_refused(antiphon(model), 1, "'a' (Trilu): the operator of domain 'com.microsoft'");
  expect_refused(antiphon(model + " --fallback tensorrt"), 2, "--fallback tensorrt: wanted");
  expect_refused(antiphon(model + " --fallback onnxruntimes"), 2, "wanted onnxruntime or");
  expect_refused(antiphon(model + " --fallback onnxruntime=/nowhere.so"), 1,
                 "pip install onnxruntime");
}

TEST_F(RunTest, BuildWritesAReport) {
  const std::string build = "build " + golden("deck/unet.onnx") + " --output " + path("plan");
  const test::Ran ran = antiphon(build + " --report " + path("report.html"));
  EXPECT_EQ(ran.exit_code, 0) << ran.output;
  const std::string page = bytes_of(path("report.html"));
  EXPECT_THAT(page, AllOf(testing::StartsWith("<!DOCTYPE html>"), HasSubstr("unet.onnx</h1>"),
                          HasSubstr("place_concats"), testing::EndsWith("</html>\n")));
  expect_refused(antiphon(build + " --report /nowhere/report.html"), 1,
                 "--report /nowhere/report.html: cannot be written");
  expect_refused(antiphon("build --plans " + path("plans") + " --report " + path("r.html")), 2,
                 "--report tells of one model");
}

}  // namespace
}  // namespace antiphon
