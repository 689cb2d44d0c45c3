// Batched matrix product of i32, which wraps; batches broadcast, either side transposed.
#include "engine/kernels/cpu/broadcast.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/split.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  if (view.inputs[0].dtype != DType::kI32 || view.inputs[1].dtype != DType::kI32)
    return "needs i32";
  return view.inputs[0].rank < 2 || view.inputs[1].rank < 2 ? "needs two axes" : nullptr;
}

Tensor batch_of(const Tensor& t) {
  Tensor batch = t;
  batch.rank = t.rank - 2;
  return batch;
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const Tensor &a = view.inputs[0], &b = view.inputs[1], &y = view.outputs[0];
  const bool ta = view.node->attrs.i("transpose_a") != 0;
  const bool tb = view.node->attrs.i("transpose_b") != 0;
  const auto rank = static_cast<std::size_t>(y.rank);
  const std::int64_t m = y.dims[rank - 2], n = y.dims[rank - 1];
  const std::int64_t k = a.dims[static_cast<std::size_t>(a.rank) - (ta ? 2 : 1)];
  if (y.num_elements() == 0) return {};
  const Tensor batches[2] = {batch_of(a), batch_of(b)};
  const BroadcastRows rows = broadcast_rows(batches, batch_of(y));
  split(*args.team, rows.num_rows * rows.row_elements * m, row_grain(n * k),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            const std::int64_t batch = r / m, i = r % m;
            const std::int64_t row = batch / rows.row_elements, column = batch % rows.row_elements;
            const auto* from = static_cast<const std::uint32_t*>(a.data) +
                               (rows.offset(0, row) + column * rows.row_stride[0]) * m * k;
            const auto* with = static_cast<const std::uint32_t*>(b.data) +
                               (rows.offset(1, row) + column * rows.row_stride[1]) * k * n;
            auto* out = static_cast<std::uint32_t*>(y.data) + r * n;
            for (std::int64_t c = 0; c < n; ++c) {
              std::uint32_t sum = 0;
              for (std::int64_t j = 0; j < k; ++j)
                sum += from[ta ? j * m + i : i * k + j] * with[tb ? c * k + j : j * n + c];
              out[c] = sum;
            }
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kMatMulInteger = {ir::OpKind::kMatMul, "cpu/matmul_integer", refuse, nullptr,
                                         run};

}  // namespace antiphon::cpu
