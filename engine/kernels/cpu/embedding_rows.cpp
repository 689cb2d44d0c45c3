// Table look-up. ids [...] i32, table [rows, width] f32, or i8 with one scale a row.
#include <cstring>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  if (view.inputs[0].dtype != DType::kI32) return "needs i32 ids";
  const DType table = view.inputs[1].dtype;
  if (table == DType::kI8 && !has_input(view, 2)) return "needs scales for an i8 table";
  return table == DType::kF32 || table == DType::kI8 ? nullptr : "needs an f32 or i8 table";
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor& table = view.inputs[1];
  const std::int64_t rows = table.dims[0], width = table.dims[1];
  const std::int64_t count = view.inputs[0].num_elements();
  const auto* ids = static_cast<const std::int32_t*>(view.inputs[0].data);
  for (std::int64_t i = 0; i < count; ++i)
    if (ids[i] < 0 || ids[i] >= rows)
      return invalid_argument("embedding " + view.node->name + ": id " + std::to_string(ids[i]) +
                              " at position " + std::to_string(i) + ", the table has " +
                              std::to_string(rows) + " rows");
  float* y = view.outputs[0].f32();
  split(*args.team, count, row_grain(width), [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end && width > 0; ++i) {
      float* out = y + i * width;
      const std::int64_t at = ids[i] * width;
      if (table.dtype == DType::kF32) {
        std::memcpy(out, table.f32() + at, static_cast<std::size_t>(width) * sizeof(float));
        continue;
      }
      const auto* from = static_cast<const std::int8_t*>(table.data) + at;
      const float scale = view.inputs[2].f32()[ids[i]];
      for (std::int64_t c = 0; c < width; ++c) out[c] = static_cast<float>(from[c]) * scale;
    }
  });
  return {};
}

}  // namespace

constinit const Kernel kEmbeddingRows = {ir::OpKind::kEmbedding, "cpu/embedding_rows", refuse,
                                         nullptr, run};

}  // namespace antiphon::cpu
