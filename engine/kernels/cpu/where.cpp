// Choice by a condition (bool or f32 != 0), with broadcasting, for elements of any type.
#include <cstring>

#include "engine/kernels/cpu/broadcast.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  const DType condition = view.inputs[0].dtype, dtype = view.outputs[0].dtype;
  if (condition != DType::kBool && condition != DType::kF32) return "needs a bool or f32 condition";
  if (view.inputs[1].dtype != dtype || view.inputs[2].dtype != dtype)
    return "needs branches and output of one type";
  return nullptr;
}

template <typename C, typename T>
void choose(const NodeView& view, const BroadcastRows& rows, std::int64_t begin, std::int64_t end) {
  const auto* c = static_cast<const C*>(view.inputs[0].data);
  const auto* a = static_cast<const T*>(view.inputs[1].data);
  const auto* b = static_cast<const T*>(view.inputs[2].data);
  auto* y = static_cast<T*>(view.outputs[0].data);
  for_each_piece(rows, begin, end, end,
                 [&](const std::int64_t* at, std::int64_t first, std::int64_t n) {
                   for (std::int64_t i = 0; i < n; ++i) {
                     const T yes = a[at[1] + i * rows.row_stride[1]];
                     const T no = b[at[2] + i * rows.row_stride[2]];
                     y[first + i] = c[at[0] + i * rows.row_stride[0]] != C{} ? yes : no;
                   }
                 });
}

template <typename T>
void choose_by(const NodeView& view, const BroadcastRows& rows, std::int64_t begin,
               std::int64_t end) {
  if (view.inputs[0].dtype == DType::kF32) {
    choose<float, T>(view, rows, begin, end);
  } else {
    choose<std::uint8_t, T>(view, rows, begin, end);
  }
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const BroadcastRows rows = broadcast_rows(view.inputs, view.outputs[0]);
  split(*args.team, view.outputs[0].num_elements(), 8192,
        [&](std::int64_t begin, std::int64_t end, int) {
          switch (dtype_bytes(view.outputs[0].dtype)) {
            case 1: choose_by<std::uint8_t>(view, rows, begin, end); break;
            case 2: choose_by<std::uint16_t>(view, rows, begin, end); break;
            case 4: choose_by<std::uint32_t>(view, rows, begin, end); break;
            default: choose_by<std::uint64_t>(view, rows, begin, end); break;
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kWhereRows = {ir::OpKind::kWhere, "cpu/where_rows", refuse, nullptr, run};

}  // namespace antiphon::cpu
