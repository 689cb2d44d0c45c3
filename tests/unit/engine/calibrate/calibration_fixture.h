// The golden calibration network, its samples, and what its ranges should be.
#pragma once

#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <sstream>

#include "engine/calibrate.h"
#include "engine/weights.h"

namespace antiphon::test {

inline std::string golden_path(const std::string& file) {
  return std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/calibration/" + file;
}

inline HostTensor tensor_of(std::vector<std::int64_t> dims, const std::vector<float>& values) {
  HostTensor out{DType::kF32, std::move(dims), {}};
  out.bytes.resize(values.size() * sizeof(float));
  std::memcpy(out.bytes.data(), values.data(), out.bytes.size());
  return out;
}

inline SampleSource source_of(std::vector<Sample> samples) {
  SampleSource out;
  out.count = samples.size();
  out.read = [list = std::move(samples)](std::size_t i) -> Result<Sample> { return list[i]; };
  return out;
}

inline OnnxNetwork golden_network(const std::string& file = "net.onnx") {
  auto network = import_onnx(golden_path(file));
  EXPECT_TRUE(network.ok()) << network.status().message();
  return *network;
}

inline std::vector<Sample> golden_samples() {
  const auto data = Weights::load(golden_path("samples.safetensors"));
  EXPECT_TRUE(data.ok());
  std::vector<Sample> out;
  for (int i = 0;; ++i) {
    const auto found = (*data)->tensor("sample" + std::to_string(i));
    if (!found.ok()) break;
    const auto values = found->f32();
    out.push_back({"sample" + std::to_string(i),
                   {{"x", tensor_of(found->dims, {values.begin(), values.end()})}}});
  }
  EXPECT_EQ(out.size(), 5u);
  return out;
}

// A plan's output y for a sample.
inline std::vector<float> output_of(const std::shared_ptr<const Plan>& plan, const Sample& sample,
                                    const char* name = "y") {
  auto context = Context::create(plan, nullptr);
  EXPECT_TRUE(context.ok());
  for (const auto& [input, tensor] : sample.inputs) {
    const auto memory = (*context)->input(input, tensor.dims);
    EXPECT_TRUE(memory.ok()) << memory.status().message();
    std::memcpy(*memory, tensor.bytes.data(), tensor.bytes.size());
  }
  const Status ran = (*context)->run();
  EXPECT_TRUE(ran.ok()) << ran.message();
  const auto y = (*context)->output(name)->f32();
  return {y.begin(), y.end()};
}

}  // namespace antiphon::test
