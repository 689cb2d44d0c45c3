// Look-ups that copy: slices by id (gather), by tuples of ids (gather_nd), single elements.
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/index_access.h"
#include "engine/kernels/cpu/move_axis.h"

namespace antiphon::cpu {
namespace {

Status run_gather(const NodeView& view, const LaunchArgs& args) {
  const Tensor &x = view.inputs[0], &ids = view.inputs[1];
  const AroundAxis a = around(x, axis_of(view, x, 0));
  const std::int64_t count = ids.num_elements();
  const std::int64_t block = a.inner * static_cast<std::int64_t>(dtype_bytes(x.dtype));
  if (view.outputs[0].num_elements() == 0) return {};
  for (std::int64_t i = 0; i < count; ++i)
    if (index_at(ids, i, a.extent) < 0) return bad_index(view, ids, i, a.extent);
  split(*args.team, a.outer * count, row_grain(block / 4),
        [&](std::int64_t begin, std::int64_t end, int) {
          for (std::int64_t r = begin; r < end; ++r) {
            const std::int64_t from = r / count * a.extent + index_at(ids, r % count, a.extent);
            copy_bytes(writable_bytes_of(view.outputs[0]) + r * block, bytes_of(x) + from * block,
                       block);
          }
        });
  return {};
}

Status run_gather_nd(const NodeView& view, const LaunchArgs&) {
  const Tensor &x = view.inputs[0], &ids = view.inputs[1];
  const auto batch_dims = static_cast<int>(view.node->attrs.i("batch_dims"));
  const auto width = static_cast<int>(ids.dims[static_cast<std::size_t>(ids.rank - 1)]);
  std::int64_t batches = 1, block = static_cast<std::int64_t>(dtype_bytes(x.dtype));
  std::int64_t per_batch = 1;  // elements of x
  for (int i = 0; i < batch_dims; ++i) batches *= x.dims[static_cast<std::size_t>(i)];
  for (int i = batch_dims; i < x.rank; ++i) per_batch *= x.dims[static_cast<std::size_t>(i)];
  for (int i = batch_dims + width; i < x.rank; ++i) block *= x.dims[static_cast<std::size_t>(i)];
  const std::int64_t tuples = ids.num_elements() / width;
  if (view.outputs[0].num_elements() == 0) return {};
  const std::int64_t batch_bytes = per_batch * static_cast<std::int64_t>(dtype_bytes(x.dtype));
  for (std::int64_t t = 0; t < tuples; ++t) {
    std::int64_t at = 0;
    for (int k = 0; k < width; ++k) {
      const std::int64_t extent = x.dims[static_cast<std::size_t>(batch_dims + k)];
      const std::int64_t i = index_at(ids, t * width + k, extent);
      if (i < 0) return bad_index(view, ids, t * width + k, extent);
      at = at * extent + i;
    }
    const std::int64_t batch = t / (tuples / batches);
    copy_bytes(writable_bytes_of(view.outputs[0]) + t * block,
               bytes_of(x) + batch * batch_bytes + at * block, block);
  }
  return {};
}

Status run_elements(const NodeView& view, const LaunchArgs&) {
  const Tensor &x = view.inputs[0], &ids = view.inputs[1];
  const auto axis = static_cast<std::size_t>(axis_of(view, x, 0));
  const std::int64_t extent = x.dims[axis];
  const auto element = static_cast<std::int64_t>(dtype_bytes(x.dtype));
  for (std::int64_t i = 0; i < ids.num_elements(); ++i) {
    const std::int64_t id = index_at(ids, i, extent);
    if (id < 0) return bad_index(view, ids, i, extent);
    std::int64_t rest = i, at = 0, stride = 1;
    for (auto d = static_cast<std::size_t>(x.rank); d-- > 0;) {
      at += (d == axis ? id : rest % ids.dims[d]) * stride;
      rest /= ids.dims[d];
      stride *= x.dims[d];
    }
    copy_bytes(writable_bytes_of(view.outputs[0]) + i * element, bytes_of(x) + at * element,
               element);
  }
  return {};
}

}  // namespace

constinit const Kernel kGatherCopy = {ir::kOpGather, "cpu/gather_copy", refuse_ids, nullptr,
                                      run_gather};
constinit const Kernel kGatherNdCopy = {ir::kOpGatherNd, "cpu/gather_nd_copy", refuse_ids, nullptr,
                                        run_gather_nd};
constinit const Kernel kGatherElementsCopy = {ir::kOpGatherElements, "cpu/gather_elements_copy",
                                              refuse_ids, nullptr, run_elements};

}  // namespace antiphon::cpu
