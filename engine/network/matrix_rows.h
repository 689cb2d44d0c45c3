// Rows of a matrix of weights as f32, however it is stored.
#pragma once

#include <cstdint>
#include <span>
#include <string>

#include "engine/base/status.h"
#include "engine/tensor.h"
#include "engine/weights.h"

namespace antiphon {

// "[512, 256]"
std::string dims_text(const std::vector<std::int64_t>& dims);

// Borrows the weights' memory. Immutable: any thread.
class MatrixRows {
 public:
  // kNotFound: no such tensor. kInvalidArgument: not of two dimensions, or empty; not F32, F16 or
  // I8; of I8 no NAME.scale, F32, one for each row. Both name the tensor, wanted and got.
  static Result<MatrixRows> of(const Weights& weights, const std::string& name);

  const std::vector<std::int64_t>& dims() const { return view_.dims; }
  std::size_t rows() const { return static_cast<std::size_t>(view_.dims[0]); }
  std::size_t cols() const { return static_cast<std::size_t>(view_.dims[1]); }
  bool is_int8() const { return view_.dtype == DType::kI8; }
  // out: [cols].
  void read(std::size_t row, std::span<float> out) const;

 private:
  TensorView view_;
  TensorView scale_;  // of I8
};

}  // namespace antiphon
