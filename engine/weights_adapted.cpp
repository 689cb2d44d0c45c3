// Weights over two files: a base, and an adapter whose sums with it are made once.
#include <algorithm>
#include <cmath>
#include <deque>
#include <map>
#include <set>
#include <utility>

#include "engine/ir/half.h"
#include "engine/network/avx2.h"
#include "engine/network/low_rank.h"
#include "engine/network/matrix_rows.h"
#include "engine/network/missing_tensor.h"
#include "engine/network/quantize_row.h"
#include "engine/weights.h"

namespace antiphon {
namespace {

constexpr std::string_view kScale = ".scale", kDown = ".down", kUp = ".up";

// NAME of NAME.down and NAME.up, and of their scales; else empty.
std::string pair_of(std::string_view name) {
  if (name.ends_with(kScale)) name.remove_suffix(kScale.size());
  for (const std::string_view half : {kDown, kUp})
    if (name.ends_with(half)) return std::string(name.substr(0, name.size() - half.size()));
  return {};
}

bool all_finite(std::span<const float> values) {
  bool finite = true;
  for (const float x : values) finite &= std::isfinite(x);  // without a branch: in vectors
  return finite;
}

Status not_finite(const std::string& name) {
  return invalid_argument(name + ": wanted finite values, got one that is not");
}

Status check_finite(const std::string& name, const TensorView& tensor) {
  if (tensor.dtype == DType::kF32) return all_finite(tensor.f32()) ? Status() : not_finite(name);
  if (tensor.dtype != DType::kF16) return {};
  const auto* halves = static_cast<const std::uint16_t*>(tensor.data);
  const bool finite = std::all_of(halves, halves + tensor.num_elements(), [](std::uint16_t half) {
    return std::isfinite(ir::half_to_float(half));
  });
  return finite ? Status() : not_finite(name);
}

Status check_finite(const std::string& name, const MatrixRows& matrix) {
  std::vector<float> row(matrix.cols());
  for (std::size_t r = 0; r < matrix.rows(); ++r) {
    matrix.read(r, row);
    if (!all_finite(row)) return not_finite(name);
  }
  return {};
}

// A sum in the base's storage.
struct Merged {
  std::vector<float> values;        // [out, in]; of an I8 the row in work, [in]
  std::vector<std::int8_t> levels;  // [out, in] of an I8
  std::vector<float> scales;        // [out] of an I8
};

class AdaptedWeights final : public Weights {
 public:
  AdaptedWeights(std::shared_ptr<const Weights> base, std::shared_ptr<const Weights> adapter)
      : base_(std::move(base)),
        adapter_(std::move(adapter)),
        path_(base_->path() + " with " + adapter_->path()) {}

  // The message names the tensor.
  Status merge();

  std::vector<std::string> names() const override {
    std::vector<std::string> out;
    for (const auto& [name, view] : tensors_) out.push_back(name);
    return out;
  }
  bool has(std::string_view name) const override { return tensors_.find(name) != tensors_.end(); }
  Result<TensorView> tensor(std::string_view name) const override {
    if (const auto found = tensors_.find(name); found != tensors_.end()) return found->second;
    return missing_tensor(path_, name, names());
  }
  const std::string& path() const override { return path_; }

 private:
  Status replace(const std::string& name);
  Status adapt(const std::string& name);
  // NAME is what `base` and `added` are together.
  Status add(const std::string& name, const MatrixRows& base, const LowRank& added);

  std::shared_ptr<const Weights> base_, adapter_;
  std::string path_;
  std::map<std::string, TensorView, std::less<>> tensors_;
  std::deque<Merged> merged_;  // which the views are of
};

Status AdaptedWeights::merge() {
  for (const std::string& name : base_->names()) {
    ANTIPHON_ASSIGN_OR_RETURN(tensors_[name], base_->tensor(name));
  }
  std::set<std::string> adapted;
  std::vector<std::string> own;
  for (const std::string& name : adapter_->names()) {
    if (std::string pair = pair_of(name); !pair.empty())
      adapted.insert(std::move(pair));
    else
      own.push_back(name);
  }
  for (const std::string& name : own) tensors_.erase(name + std::string(kScale));
  for (const std::string& name : own) ANTIPHON_RETURN_IF_ERROR(replace(name));
  for (const std::string& name : adapted) ANTIPHON_RETURN_IF_ERROR(adapt(name));
  return {};
}

Status AdaptedWeights::replace(const std::string& name) {
  ANTIPHON_ASSIGN_OR_RETURN(const TensorView tensor, adapter_->tensor(name));
  ANTIPHON_RETURN_IF_ERROR(check_finite(name, tensor));
  tensors_[name] = tensor;
  return {};
}

Status AdaptedWeights::adapt(const std::string& name) {
  const std::string down_name = name + std::string(kDown), up_name = name + std::string(kUp);
  for (const auto& [half, other] : {std::pair(down_name, up_name), std::pair(up_name, down_name)})
    if (!adapter_->has(half))
      return invalid_argument(half + ": wanted beside " + other + ", got none");
  for (const std::string& own : {name, name + std::string(kScale)})
    if (adapter_->has(own))
      return invalid_argument(own + ": wanted it or " + down_name + " with " + up_name +
                              ", got both");
  ANTIPHON_ASSIGN_OR_RETURN(const MatrixRows down, MatrixRows::of(*adapter_, down_name));
  ANTIPHON_ASSIGN_OR_RETURN(const MatrixRows up, MatrixRows::of(*adapter_, up_name));
  const auto base = MatrixRows::of(*base_, name);
  if (!base.ok()) {
    const bool is_absent = base.status().code() == StatusCode::kNotFound;  // says where
    return invalid_argument(down_name + ": " + (is_absent ? "" : base_->path() + ": ") +
                            base.status().message());
  }
  const auto unfit = [&](const std::string& half, const MatrixRows& got,
                         const std::string& wanted) {
    return invalid_argument(half + ": wanted " + wanted + " for " + name + " " +
                            dims_text(base->dims()) + " of " + base_->path() + ", got " +
                            dims_text(got.dims()));
  };
  if (down.cols() != base->cols())
    return unfit(down_name, down, "[rank, " + std::to_string(base->cols()) + "]");
  if (up.rows() != down.rows() || up.cols() != base->rows())
    return unfit(up_name, up, dims_text({down.dims()[0], base->dims()[0]}));
  ANTIPHON_RETURN_IF_ERROR(check_finite(down_name, down));
  ANTIPHON_RETURN_IF_ERROR(check_finite(up_name, up));
  return add(name, *base, LowRank(down, up));
}

Status AdaptedWeights::add(const std::string& name, const MatrixRows& base, const LowRank& added) {
  const std::size_t rows = base.rows(), cols = base.cols();
  const bool use_avx2 = has_avx2();
  Merged& merged = merged_.emplace_back();
  merged.levels.resize(base.is_int8() ? rows * cols : 0);
  merged.scales.resize(base.is_int8() ? rows : 0);
  merged.values.resize(base.is_int8() ? cols : rows * cols);
  for (std::size_t r = 0; r < rows; ++r) {
    const auto row = std::span(merged.values).subspan(base.is_int8() ? 0 : r * cols, cols);
    base.read(r, row);
    added.add_to(r, row, use_avx2);
    if (!all_finite(row)) return not_finite(name);
    if (base.is_int8())
      merged.scales[r] =
          quantize_row(row, std::span(merged.levels).subspan(r * cols, cols), use_avx2);
  }
  if (base.is_int8()) {
    tensors_[name] = {DType::kI8, base.dims(), merged.levels.data()};
    tensors_[name + std::string(kScale)] = {DType::kF32, {base.dims()[0]}, merged.scales.data()};
  } else {
    tensors_[name] = {DType::kF32, base.dims(), merged.values.data()};
  }
  return {};
}

}  // namespace

Result<std::shared_ptr<const Weights>> Weights::adapted(std::shared_ptr<const Weights> base,
                                                        std::shared_ptr<const Weights> adapter) {
  const std::string path = adapter->path();
  auto weights = std::make_shared<AdaptedWeights>(std::move(base), std::move(adapter));
  if (const Status status = weights->merge(); !status.ok())
    return invalid_argument(path + ": " + status.message());
  return std::shared_ptr<const Weights>(std::move(weights));
}

}  // namespace antiphon
