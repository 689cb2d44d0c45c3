// f32 to i8 or u8 and back, one scale for all or for each step of an axis, one zero point. Rounds
// to nearest, even ties; saturates.
#include <cmath>

#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view, const Tensor& wide, const Tensor& bytes) {
  if (wide.dtype != DType::kF32 || (bytes.dtype != DType::kI8 && bytes.dtype != DType::kU8))
    return "needs f32, and i8 or u8";
  if (view.inputs[1].dtype != DType::kF32) return "needs f32 scales";
  if (view.inputs[1].num_elements() == 1) return nullptr;
  if (const char* reason = refuse_axis(view, view.inputs[0], 0)) return reason;
  const AroundAxis a = around(view.inputs[0], axis_of(view, view.inputs[0], 0));
  return view.inputs[1].num_elements() == a.extent ? nullptr : "needs one scale a step of the axis";
}
const char* refuse_quantize(const NodeView& view) {
  return refuse(view, view.inputs[0], view.outputs[0]);
}
const char* refuse_dequantize(const NodeView& view) {
  return refuse(view, view.outputs[0], view.inputs[0]);
}

// f(scale, first element, count) for each run of elements with one scale.
template <typename F>
void for_each_scale(const NodeView& view, Team& team, F f) {
  const Tensor& x = view.inputs[0];
  const float* scale = view.inputs[1].f32();
  if (view.inputs[1].num_elements() == 1) {
    split(team, x.num_elements(), 16384,
          [&](std::int64_t begin, std::int64_t end, int) { f(scale[0], begin, end - begin); });
    return;
  }
  const AroundAxis a = around(x, axis_of(view, x, 0));
  split(team, a.outer * a.extent, row_grain(a.inner),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t i = begin; i < end; ++i) f(scale[i % a.extent], i * a.inner, a.inner);
        });
}

Status run_quantize(const NodeView& view, const LaunchArgs& args) {
  const float* x = view.inputs[0].f32();
  const auto zero = static_cast<std::int32_t>(view.node->attrs.i("zero"));
  if (view.outputs[0].dtype == DType::kU8) {
    auto* y = static_cast<std::uint8_t*>(view.outputs[0].data);
    for_each_scale(view, *args.team, [&](float scale, std::int64_t first, std::int64_t count) {
      quantize_u8_static(view.isa, x + first, count, {scale, zero}, 255, y + first);
    });
    return {};
  }
  const auto low = static_cast<float>(view.node->attrs.i("low", -127) - zero);
  const auto high = static_cast<float>(127 - zero);
  auto* y = static_cast<std::int8_t*>(view.outputs[0].data);
  for_each_scale(view, *args.team, [&](float scale, std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i) {
      const float q = std::nearbyint(x[i] / scale);  // scale 0: NaN or inf
      const float kept = std::isnan(q) ? 0.0f : std::min(high, std::max(low, q));
      y[i] = static_cast<std::int8_t>(static_cast<std::int32_t>(kept) + zero);
    }
  });
  return {};
}

template <typename T>
void dequantize_as(const NodeView& view, Team& team) {
  const auto* x = static_cast<const T*>(view.inputs[0].data);
  const auto zero = static_cast<std::int32_t>(view.node->attrs.i("zero"));
  float* y = view.outputs[0].f32();
  for_each_scale(view, team, [&](float scale, std::int64_t first, std::int64_t count) {
    for (std::int64_t i = first; i < first + count; ++i)
      y[i] = static_cast<float>(x[i] - zero) * scale;
  });
}

Status run_dequantize(const NodeView& view, const LaunchArgs& args) {
  if (view.inputs[0].dtype == DType::kU8)
    dequantize_as<std::uint8_t>(view, *args.team);
  else
    dequantize_as<std::int8_t>(view, *args.team);
  return {};
}

}  // namespace

constinit const Kernel kQuantizePlain = {ir::OpKind::kQuantize, "cpu/quantize_plain",
                                         refuse_quantize, nullptr, run_quantize};
constinit const Kernel kDequantizePlain = {ir::OpKind::kDequantize, "cpu/dequantize_plain",
                                           refuse_dequantize, nullptr, run_dequantize};

}  // namespace antiphon::cpu
