// Tensors of numbers that follow from extents: lists of them, and ranges.
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/extent_numbers.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/scalar_access.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  const DType dtype = view.outputs[0].dtype;
  const bool taken = dtype == DType::kI64 || dtype == DType::kI32 || dtype == DType::kF32;
  return taken ? nullptr : "gives i64, i32 or f32";
}

const std::vector<std::int64_t>& numbers(const LaunchArgs& args) {
  return static_cast<const ExtentNumbers&>(*args.prepared).values;
}

Status run_extents(const NodeView& view, const LaunchArgs& args) {
  const auto& values = numbers(args);
  for (std::size_t i = 0; i < values.size(); ++i)
    set_integer(view.outputs[0], static_cast<std::int64_t>(i), values[i]);
  return {};
}

Status run_range(const NodeView& view, const LaunchArgs& args) {
  const auto& values = numbers(args);
  auto value = static_cast<std::uint64_t>(values[0]);
  for (std::int64_t i = 0; i < view.outputs[0].num_elements(); ++i) {
    set_integer(view.outputs[0], i, static_cast<std::int64_t>(value));
    value += static_cast<std::uint64_t>(values[2]);
  }
  return {};
}

}  // namespace

constinit const Kernel kExtentsFill = {
    ir::kOpExtents, "cpu/extents_fill",    refuse, nullptr, run_extents,
    nullptr,        prepare_extent_numbers};
constinit const Kernel kRangeFill = {
    ir::kOpRange, "cpu/range_fill", refuse, nullptr, run_range, nullptr, prepare_extent_numbers};

}  // namespace antiphon::cpu
