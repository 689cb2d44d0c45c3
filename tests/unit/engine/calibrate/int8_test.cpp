// Networks built in int8 by their ranges: against ONNX Runtime on the same bytes.
#include <gmock/gmock.h>

#include <algorithm>
#include <cmath>

#include "tests/unit/engine/calibrate/calibration_fixture.h"

namespace antiphon {
namespace {

using testing::HasSubstr;

// What the golden outputs were made with.
std::shared_ptr<Calibration> golden_calibration() {
  const auto all = calibrate(test::golden_network(), test::source_of(test::golden_samples()), {});
  EXPECT_TRUE(all.ok()) << all.status().message();
  auto out = std::make_shared<Calibration>(*all);
  std::ifstream file(test::golden_path("ranges.txt"));
  std::string method, source, tensor;
  float low = 0, high = 0;
  while (file >> method >> source >> low >> high >> tensor)
    if (method == "entropy") out->ranges.at(tensor) = {low, high, out->ranges.at(tensor).shape};
  return out;
}

BuildOptions options_for(std::shared_ptr<const Calibration> calibration,
                         const std::string& isa = "") {
  BuildOptions out;
  out.profile = {{"B", {1, 2, 3}}};
  out.calibration = std::move(calibration);
  out.max_isa = isa;
  return out;
}

std::shared_ptr<const Plan> build_golden(const BuildOptions& options) {
  const auto plan = build(test::golden_network(), options);
  EXPECT_TRUE(plan.ok()) << plan.status().message();
  return *plan;
}

std::vector<float> golden_output(const std::string& name) {
  const auto data = Weights::load(test::golden_path("outputs.safetensors"));
  EXPECT_TRUE(data.ok());
  const auto view = (*data)->tensor(name);
  EXPECT_TRUE(view.ok()) << view.status().message();
  return {view->f32().begin(), view->f32().end()};
}

double rms(const std::vector<float>& a, const std::vector<float>& b) {
  EXPECT_EQ(a.size(), b.size());
  double change = 0, size = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    change += (double{a[i]} - b[i]) * (double{a[i]} - b[i]);
    size += double{b[i]} * b[i];
  }
  return std::sqrt(change / size);
}

std::vector<std::string> kernels_of(const Plan& plan) {
  std::vector<std::string> out;
  for (const LayerReport& layer : plan.report().layers) out.push_back(layer.kernel);
  return out;
}
std::ptrdiff_t count_static(const Plan& plan) {
  const auto kernels = kernels_of(plan);
  return std::count_if(kernels.begin(), kernels.end(), [](const std::string& k) {
    return k.find("static_u8") != std::string::npos || k.find("tapped_u8") != std::string::npos;
  });
}

TEST(Int8, EqualsOnnxRuntimeOnTheSameBytes) {
  const auto calibration = golden_calibration();
  const auto samples = test::golden_samples();
  for (const char* isa : {"portable", "avx2", "avx_vnni", "avx512_vnni", "amx_int8"}) {
    const auto plan = build_golden(options_for(calibration, isa));
    EXPECT_EQ(count_static(*plan), 6) << isa;
    const std::string name = plan->report().isa == "avx2" ? "u7." : "u8.";
    for (std::size_t i = 0; i < samples.size(); ++i) {
      const auto got = test::output_of(plan, samples[i]);
      const auto want = golden_output(name + std::to_string(i));
      // A value next to the middle of two steps may round the other way after sums in another
      // order: a few in thousands. What int8 itself changes is more.
      EXPECT_LT(rms(got, want), 4e-3) << isa << " sample " << i;
      EXPECT_GT(rms(got, golden_output("f32." + std::to_string(i))), 8e-3);
    }
  }
}

TEST(Int8, ThreadsAndPlanFilesChangeNoBit) {
  const auto samples = test::golden_samples();
  BuildOptions options = options_for(golden_calibration());
  const auto one = build_golden(options);
  options.num_threads = 3;
  const auto three = build_golden(options);
  const std::string path = testing::TempDir() + "int8.plan";
  ASSERT_TRUE(one->save(path).ok());
  const auto loaded = Plan::load(path);
  ASSERT_TRUE(loaded.ok()) << loaded.status().message();
  auto team = ThreadTeam::create(3, false);
  auto context = Context::create(three, team->get());
  for (const Sample& sample : samples) {
    const auto want = test::output_of(one, sample);
    EXPECT_EQ(test::output_of(*loaded, sample), want);
    const HostTensor& x = sample.inputs.at("x");
    std::memcpy(*(*context)->input("x", x.dims), x.bytes.data(), x.bytes.size());
    ASSERT_TRUE((*context)->run().ok());
    const auto got = (*context)->output("y")->f32();
    EXPECT_EQ(std::vector<float>(got.begin(), got.end()), want);
  }
}

TEST(Int8, LayersThatAreKeptStayInF32) {
  const auto calibration = golden_calibration();
  const auto samples = test::golden_samples();
  auto all = std::make_shared<Calibration>(*calibration);
  all->keep_f32 = {"/first/Conv", "/grouped/Conv",  "/point/Conv",
                   "/steps/Conv", "/hidden/MatMul", "/last/MatMul"};
  const auto plan = build_golden(options_for(all));
  EXPECT_EQ(count_static(*plan), 0);
  EXPECT_LT(rms(test::output_of(plan, samples[0]), golden_output("f32.0")), 1e-5);

  auto one = std::make_shared<Calibration>(*calibration);
  one->keep_f32 = {"/first/Conv"};
  EXPECT_EQ(count_static(*build_golden(options_for(one))), 5);
}

TEST(Int8, TunedPlansTakeWhatIsFastest) {
  BuildOptions options = options_for(golden_calibration());
  options.tune = true;
  options.timing_cache = testing::TempDir() + "int8.times";
  const auto plan = build_golden(options);
  const auto samples = test::golden_samples();
  EXPECT_LT(rms(test::output_of(plan, samples[0]), golden_output("f32.0")), 0.06);
  std::ifstream file(options.timing_cache);
  const std::string times((std::istreambuf_iterator<char>(file)), {});
  EXPECT_THAT(times, HasSubstr("cpu/linear_static_u8"));
  EXPECT_THAT(times, testing::Not(HasSubstr("x_scale")));  // one shape, one line
}

// A U-Net over two or three axes grows by transposed convolutions: their input stays bytes, all of
// them run on bytes.
void expect_unet_on_bytes(const std::string& name, const std::string& input) {
  const std::string deck = std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/deck/" + name;
  const auto network = import_onnx(deck + ".onnx");
  const auto data = Weights::load(deck + ".safetensors");
  ASSERT_TRUE(network.ok() && data.ok());
  const TensorView image = *(*data)->tensor("in." + input), mask = *(*data)->tensor("out.mask");
  const Sample sample{
      input, {{input, test::tensor_of(image.dims, {image.f32().begin(), image.f32().end()})}}};
  const std::vector<float> want(mask.f32().begin(), mask.f32().end());
  const auto ranges = calibrate(*network, test::source_of({sample}), {});
  ASSERT_TRUE(ranges.ok()) << ranges.status().message();
  const auto count = [](const Plan& plan) {
    const auto kernels = kernels_of(plan);
    return std::count(kernels.begin(), kernels.end(), "cpu/conv_transpose_last_u8");
  };
  for (const bool tune : {false, true})
    for (const char* isa : {"portable", "avx2", "avx_vnni", "avx512_vnni", "amx_int8"}) {
      BuildOptions options;
      options.max_isa = isa;
      options.tune = tune;
      options.calibration = std::make_shared<const Calibration>(*ranges);
      const auto plan = build(*network, options);
      ASSERT_TRUE(plan.ok()) << plan.status().message();
      EXPECT_EQ(count(**plan), 2) << isa;
      const auto& layers = (*plan)->report().layers;
      EXPECT_GE(std::count_if(layers.begin(), layers.end(),
                              [](const LayerReport& l) { return l.output.starts_with("u8["); }),
                8)
          << isa;
      const double loss = rms(test::output_of(*plan, sample, "mask"), want);
      EXPECT_LT(loss, 0.03) << isa << " tuned " << tune;
      EXPECT_GT(loss, 1e-5);
    }
  auto kept = std::make_shared<Calibration>(*ranges);
  kept->keep_f32 = {"/grow.0/ConvTranspose"};
  BuildOptions options;
  options.calibration = kept;
  const auto plan = build(*network, options);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  EXPECT_EQ(count(**plan), 1);
}
TEST(Int8, TransposedConvolutionsRunOnBytes) { expect_unet_on_bytes("unet", "image"); }
TEST(Int8, NetworksOverThreeAxesRunOnBytes) { expect_unet_on_bytes("unet3d", "volume"); }

TEST(Int8, RefusesRangesThatDoNotFit) {
  auto other = std::make_shared<Calibration>(*golden_calibration());
  other->ranges.erase("x");
  const auto missing = build(test::golden_network(), options_for(other));
  EXPECT_EQ(missing.status().code(), StatusCode::kInvalidArgument);
  EXPECT_THAT(missing.status().message(), HasSubstr("none for tensor 'x'"));
  BuildOptions f32 = options_for(golden_calibration());
  f32.precision = Precision::kF32;
  EXPECT_THAT(build(test::golden_network(), f32).status().message(),
              HasSubstr("ranges are given for precision f32"));
}

// A model that says itself where it is quantised: on the bytes of its own, on every ISA.
TEST(Int8, ExplicitPairsRunOnTheirBytes) {
  const OnnxNetwork network = test::golden_network("qdq.onnx");
  const auto samples = test::golden_samples();
  for (const Precision precision : {Precision::kInt8, Precision::kF32})
    for (const char* isa : {"portable", "avx2", "avx_vnni", "avx512_vnni", "amx_int8"}) {
      BuildOptions options = options_for(nullptr, isa);
      options.precision = precision;
      const auto plan = build(network, options);
      ASSERT_TRUE(plan.ok()) << plan.status().message();
      EXPECT_EQ(count_static(**plan), precision == Precision::kInt8 ? 6 : 0) << isa;
      for (const LayerReport& layer : (*plan)->report().layers) {
        if (precision == Precision::kInt8) {
          EXPECT_NE(layer.op, "quantize") << layer.name;  // each went into its layer
          EXPECT_NE(layer.op, "dequantize") << layer.name;
        }
      }
      for (std::size_t i = 0; i < samples.size(); ++i)
        EXPECT_LT(rms(test::output_of(*plan, samples[i]), golden_output("u8." + std::to_string(i))),
                  4e-3)
            << isa << " sample " << i;
    }
}

// Bytes stay bytes from layer to layer, through maxima and a join, where the model's pairs agree.
TEST(Int8, ExplicitPairsKeepBytesBetweenLayers) {
  const OnnxNetwork network = test::golden_network("bytes.onnx");
  const auto data = Weights::load(test::golden_path("bytes.safetensors"));
  ASSERT_TRUE(data.ok()) << data.status().message();
  for (const char* isa : {"portable", "avx2", "avx_vnni", "avx512_vnni", "amx_int8"}) {
    BuildOptions options = options_for(nullptr, isa);
    options.profile.clear();
    const auto plan = build(network, options);
    ASSERT_TRUE(plan.ok()) << plan.status().message();
    int bytes = 0;
    for (const LayerReport& layer : (*plan)->report().layers) {
      EXPECT_NE(layer.op, "quantize") << layer.name;
      EXPECT_NE(layer.op, "dequantize") << layer.name;
      bytes += layer.output.starts_with("u8[") ? 1 : 0;
    }
    EXPECT_GE(bytes, 5) << isa;  // a, its maxima, b, c and d
    for (int i = 0; i < 3; ++i) {
      const auto x = (*data)->tensor("in.x." + std::to_string(i))->f32();
      const auto want = (*data)->tensor("out.y." + std::to_string(i))->f32();
      const Sample sample{"", {{"x", test::tensor_of({2, 3, 12, 26}, {x.begin(), x.end()})}}};
      EXPECT_LT(rms(test::output_of(*plan, sample), {want.begin(), want.end()}), 4e-3)
          << isa << " input " << i;
    }
  }
}

// The weights of a loop's layers become bytes; what multiplies them stays nearly lossless.
TEST(Int8, LoopsGetByteWeights) {
  const std::string golden = std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/onnx/";
  const auto network = import_onnx(golden + "speech.onnx");
  ASSERT_TRUE(network.ok()) << network.status().message();
  const auto data = Weights::load(golden + "speech.safetensors");
  Sample sample{"golden", {}};
  BuildOptions options;
  for (const TensorSpec& spec : network->inputs()) {
    const TensorView value = *(*data)->tensor("in." + spec.name);
    HostTensor& tensor = sample.inputs[spec.name];
    tensor = {value.dtype, value.dims, {}};
    const auto* bytes = static_cast<const std::byte*>(value.data);
    tensor.bytes.assign(
        bytes, bytes + static_cast<std::size_t>(value.num_elements()) * dtype_bytes(value.dtype));
    for (std::size_t i = 0; i < spec.shape.size(); ++i)
      if (!spec.shape[i].is_static())
        options.profile[spec.shape[i].symbol] = {1, value.dims[i], value.dims[i]};
  }
  const auto found = calibrate(*network, test::source_of({sample}), {});
  ASSERT_TRUE(found.ok()) << found.status().message();
  options.precision = Precision::kF32;
  const auto f32 = build(*network, options);
  options.precision = Precision::kInt8;
  options.calibration = std::make_shared<const Calibration>(*found);
  const auto int8 = build(*network, options);
  ASSERT_TRUE(int8.ok()) << int8.status().message();
  EXPECT_LT((*int8)->report().constant_bytes, (*f32)->report().constant_bytes / 2);
  for (const TensorSpec& spec : (*f32)->outputs()) {
    if (spec.dtype != DType::kF32) continue;
    const auto want = test::output_of(*f32, sample, spec.name.c_str());
    const auto got = test::output_of(*int8, sample, spec.name.c_str());
    EXPECT_LT(rms(got, want), 0.05) << spec.name;
    EXPECT_GT(rms(got, want), 0) << spec.name;
  }
}

}  // namespace
}  // namespace antiphon
