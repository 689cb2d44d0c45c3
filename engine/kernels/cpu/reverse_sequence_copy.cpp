// The first length[b] steps of each sequence of a batch reversed; the rest as it is.
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/move_axis.h"
#include "engine/kernels/cpu/scalar_access.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  const DType lengths = view.inputs[1].dtype;
  return lengths == DType::kI32 || lengths == DType::kI64 ? nullptr : "needs i32 or i64 lengths";
}

Status run(const NodeView& view, const LaunchArgs&) {
  const Tensor &x = view.inputs[0], &lengths = view.inputs[1];
  const bool batch_first = view.node->attrs.i("batch_axis", 1) == 0;
  const std::int64_t batch = x.dims[batch_first ? 0 : 1], steps = x.dims[batch_first ? 1 : 0];
  if (x.num_elements() == 0) return {};
  const std::int64_t block = static_cast<std::int64_t>(x.bytes()) / (batch * steps);
  for (std::int64_t b = 0; b < batch; ++b) {
    const std::int64_t length = get_integer(lengths, b);
    if (length < 0 || length > steps)
      return invalid_argument("reverse_sequence " + view.node->name + ": length " +
                              std::to_string(length) + " of " + std::to_string(steps) + " steps");
    for (std::int64_t t = 0; t < steps; ++t) {
      const std::int64_t from = t < length ? length - 1 - t : t;
      const auto at = [&](std::int64_t step) {
        return (batch_first ? b * steps + step : step * batch + b) * block;
      };
      copy_bytes(writable_bytes_of(view.outputs[0]) + at(t), bytes_of(x) + at(from), block);
    }
  }
  return {};
}

}  // namespace

constinit const Kernel kReverseSequenceCopy = {ir::kOpReverseSequence, "cpu/reverse_sequence_copy",
                                               refuse, nullptr, run};

}  // namespace antiphon::cpu
