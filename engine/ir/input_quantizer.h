// How a linear or a convolution with int8 weights turns its input into bytes, and how a layer turns
// its result into the bytes that the next one reads: attributes of it.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/ir/graph.h"

namespace antiphon::ir {

// x is about (q - zero) * scale, where q = round(x / scale) + zero, even ties, within 0..levels.
// attrs x_scale, x_zero, x_levels, x_exact.
struct InputQuantizer {
  float scale = 1;
  std::int32_t zero = 0;
  std::int32_t levels = 255;
  bool exact = false;  // the network is made of these bytes: no kernel may take x for more
  bool operator==(const InputQuantizer&) const = default;
};

inline std::optional<InputQuantizer> input_quantizer(const Attrs& attrs) {
  if (!attrs.has("x_scale")) return std::nullopt;
  return InputQuantizer{
      static_cast<float>(attrs.f("x_scale")), static_cast<std::int32_t>(attrs.i("x_zero")),
      static_cast<std::int32_t>(attrs.i("x_levels", 255)), attrs.i("x_exact") != 0};
}

inline void set_input_quantizer(Attrs& attrs, const InputQuantizer& quantizer) {
  attrs.set("x_scale", static_cast<double>(quantizer.scale));
  attrs.set("x_zero", std::int64_t{quantizer.zero});
  attrs.set("x_levels", std::int64_t{quantizer.levels});
  if (quantizer.exact) attrs.set("x_exact", std::int64_t{1});
}

// The bytes of x have the numbers that its own range gives at run time, as DynamicQuantizeLinear of
// ONNX says: 255 levels from min(x, 0) to max(x, 0) of the whole tensor. Attr x_dynamic, instead of
// x_scale; of a convolution with int8 weights, others take x as it is. Attr w_shift, beside
// either: a weight is (its byte + w_shift) * its scale.
inline bool has_dynamic_range(const Attrs& attrs) { return attrs.i("x_dynamic") != 0; }

// y of the layer is u8, of these numbers: what the reader's quantiser makes of the f32 result.
// attrs y_scale, y_zero, y_levels.
inline std::optional<InputQuantizer> output_quantizer(const Attrs& attrs) {
  if (!attrs.has("y_scale")) return std::nullopt;
  return InputQuantizer{static_cast<float>(attrs.f("y_scale")),
                        static_cast<std::int32_t>(attrs.i("y_zero")),
                        static_cast<std::int32_t>(attrs.i("y_levels", 255))};
}

inline void set_output_quantizer(Attrs& attrs, const InputQuantizer& quantizer) {
  attrs.set("y_scale", static_cast<double>(quantizer.scale));
  attrs.set("y_zero", std::int64_t{quantizer.zero});
  attrs.set("y_levels", std::int64_t{quantizer.levels});
}

}  // namespace antiphon::ir
