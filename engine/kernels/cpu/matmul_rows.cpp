// Batched matrix product with broadcast batches, either side transposed, scaled by alpha. Rows of b
// are added up; a transposed b is met by dot products.
#include <algorithm>

#include "engine/kernels/cpu/broadcast.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  if (!all_f32(view)) return "needs f32";
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
  const auto alpha = static_cast<float>(view.node->attrs.f("alpha", 1.0));
  const auto rank = static_cast<std::size_t>(y.rank);
  const std::int64_t m = y.dims[rank - 2], n = y.dims[rank - 1];
  const std::int64_t k = a.dims[static_cast<std::size_t>(a.rank) - (ta ? 2 : 1)];
  const Tensor batches[2] = {batch_of(a), batch_of(b)};
  const BroadcastRows rows = broadcast_rows(batches, batch_of(y));
  const std::int64_t a_row = ta ? 1 : k, a_step = ta ? m : 1;
  const VectorMath& math = vector_math(view.isa);
  split(*args.team, rows.num_rows * rows.row_elements * m, row_grain(n * k),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            const std::int64_t batch = r / m, i = r % m;
            const std::int64_t row = batch / rows.row_elements, column = batch % rows.row_elements;
            const float* from =
                a.f32() + (rows.offset(0, row) + column * rows.row_stride[0]) * m * k + i * a_row;
            const float* with =
                b.f32() + (rows.offset(1, row) + column * rows.row_stride[1]) * k * n;
            float* out = y.f32() + r * n;
            if (tb && a_step == 1) {
              for (std::int64_t c = 0; c < n; ++c) out[c] = alpha * math.dot(from, with + c * k, k);
              continue;
            }
            std::fill_n(out, n, 0.0f);
            for (std::int64_t j = 0; j < k; ++j) {
              const float factor = alpha * from[j * a_step];
              if (tb) {
                for (std::int64_t c = 0; c < n; ++c) out[c] += factor * with[c * k + j];
              } else {
                math.multiply_add(factor, with + j * n, out, n);
              }
            }
          }
        });
  return {};
}

}  // namespace

constinit const Kernel kMatMulRows = {ir::OpKind::kMatMul, "cpu/matmul_rows", refuse, nullptr, run};

}  // namespace antiphon::cpu
