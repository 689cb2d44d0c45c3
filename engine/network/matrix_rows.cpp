// Expands rows of F32, F16, and I8 with scales.
#include "engine/network/matrix_rows.h"

#include <algorithm>
#include <cstring>

#include "engine/ir/half.h"

namespace antiphon {

std::string dims_text(const std::vector<std::int64_t>& dims) {
  std::string text = "[";
  for (const std::int64_t n : dims) text += (text.size() > 1 ? ", " : "") + std::to_string(n);
  return text + "]";
}

Result<MatrixRows> MatrixRows::of(const Weights& weights, const std::string& name) {
  MatrixRows rows;
  ANTIPHON_ASSIGN_OR_RETURN(rows.view_, weights.tensor(name));
  const DType dtype = rows.view_.dtype;
  const std::vector<std::int64_t>& dims = rows.view_.dims;
  if (dims.size() != 2 || dims[0] == 0 || dims[1] == 0)
    return invalid_argument(name + ": wanted two dimensions, not empty, got " + dims_text(dims));
  if (dtype != DType::kF32 && dtype != DType::kF16 && dtype != DType::kI8)
    return invalid_argument(name + ": wanted f32, f16 or i8, got " +
                            std::string(dtype_name(dtype)));
  if (dtype != DType::kI8) return rows;
  const std::string scale = name + ".scale", wanted = ": wanted f32 [" +
                                                      std::to_string(rows.rows()) +
                                                      "], one for each row of " + name + ", got ";
  if (!weights.has(scale)) return invalid_argument(scale + wanted + "none");
  ANTIPHON_ASSIGN_OR_RETURN(rows.scale_, weights.tensor(scale));
  if (rows.scale_.dtype != DType::kF32 || rows.scale_.num_elements() != rows.view_.dims[0])
    return invalid_argument(scale + wanted + std::string(dtype_name(rows.scale_.dtype)) + " " +
                            dims_text(rows.scale_.dims));
  return rows;
}

void MatrixRows::read(std::size_t row, std::span<float> out) const {
  const std::size_t begin = row * out.size();
  if (view_.dtype == DType::kF32) {
    std::copy_n(static_cast<const float*>(view_.data) + begin, out.size(), out.begin());
  } else if (view_.dtype == DType::kF16) {
    const auto* halves = static_cast<const std::uint16_t*>(view_.data) + begin;
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = ir::half_to_float(halves[i]);
  } else {
    const auto* bytes = static_cast<const std::int8_t*>(view_.data) + begin;
    const float scale = scale_.f32()[row];
    for (std::size_t i = 0; i < out.size(); ++i) out[i] = static_cast<float>(bytes[i]) * scale;
  }
}

}  // namespace antiphon
