// A model with its inputs and what ONNX Runtime made of them: NAME.onnx, and NAME.safetensors with
// in.X and out.Y.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <memory>
#include <string>

#include "engine/engine.h"
#include "engine/onnx.h"
#include "engine/weights.h"

namespace antiphon::test {

inline double number_at(const TensorView& view, std::size_t i) {
  const char* at = static_cast<const char*>(view.data) + i * dtype_bytes(view.dtype);
  const auto as = [&]<typename T>(T value) {
    std::memcpy(&value, at, sizeof value);
    return static_cast<double>(value);
  };
  switch (view.dtype) {
    case DType::kF32: return as(float{});
    case DType::kI64: return as(std::int64_t{});
    case DType::kI32: return as(std::int32_t{});
    case DType::kI8: return as(std::int8_t{});
    default: return as(std::uint8_t{});
  }
}

// Symbols get the extents of the inputs as their usual ones, with room to both sides.
inline BuildOptions options_for(const OnnxNetwork& network, const Weights& data, std::int64_t room,
                                Precision precision) {
  BuildOptions options;
  options.precision = precision;
  for (const TensorSpec& spec : network.inputs()) {
    const TensorView value = *data.tensor("in." + spec.name);
    for (std::size_t axis = 0; axis < spec.shape.size(); ++axis)
      if (!spec.shape[axis].is_static())
        options.profile[spec.shape[axis].symbol] = {room == 0 ? value.dims[axis] : 1,
                                                    value.dims[axis], value.dims[axis] + room};
  }
  return options;
}

// `path` without its ending.
inline Result<std::shared_ptr<const Plan>> plan_of(const std::string& path, std::int64_t room,
                                                   Precision precision = Precision::kF32) {
  ANTIPHON_ASSIGN_OR_RETURN(const auto data, Weights::load(path + ".safetensors"));
  ANTIPHON_ASSIGN_OR_RETURN(const OnnxNetwork network, import_onnx(path + ".onnx"));
  return build(network, options_for(network, *data, room, precision));
}

// Layers of an operator that run.
inline std::ptrdiff_t count_layers(const Plan& plan, const std::string& op) {
  const auto& layers = plan.report().layers;
  return std::count_if(layers.begin(), layers.end(),
                       [&](const LayerReport& layer) { return layer.op == op; });
}

// Every output within `bound` * max(1, |want|). `path` without its ending; `room` of the profile
// above the extents of the inputs.
inline void expect_golden(const std::string& path, double bound, std::int64_t room,
                          Precision precision = Precision::kF32) {
  const auto data = Weights::load(path + ".safetensors");
  ASSERT_TRUE(data.ok()) << data.status().message();
  const auto plan = plan_of(path, room, precision);
  ASSERT_TRUE(plan.ok()) << plan.status().message();
  const auto context = Context::create(*plan, nullptr);
  ASSERT_TRUE(context.ok()) << context.status().message();
  for (const TensorSpec& spec : (*plan)->inputs()) {
    const TensorView value = *(*data)->tensor("in." + spec.name);
    ASSERT_EQ(value.dtype, spec.dtype) << spec.name;
    const auto memory = (*context)->input(spec.name, value.dims);
    ASSERT_TRUE(memory.ok()) << memory.status().message();
    std::memcpy(*memory, value.data,
                static_cast<std::size_t>(value.num_elements()) * dtype_bytes(value.dtype));
  }
  const Status ran = (*context)->run();
  ASSERT_TRUE(ran.ok()) << ran.message();
  for (const TensorSpec& spec : (*plan)->outputs()) {
    const TensorView want = *(*data)->tensor("out." + spec.name);
    const TensorView got = *(*context)->output(spec.name);
    ASSERT_EQ(got.dims, want.dims) << spec.name;
    ASSERT_EQ(got.dtype, want.dtype) << spec.name;
    for (std::size_t i = 0; i < static_cast<std::size_t>(want.num_elements()); ++i) {
      const double w = number_at(want, i);
      ASSERT_NEAR(number_at(got, i), w, bound * std::max(1.0, std::abs(w)))
          << spec.name << " at " << i;
    }
  }
}

}  // namespace antiphon::test
