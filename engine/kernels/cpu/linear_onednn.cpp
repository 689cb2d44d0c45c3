// Linear layers by oneDNN: as a 1x1 convolution over rows with blocked weights, or by sgemm. f32;
// int8 weights are expanded. The team divides the rows of x.
#include <atomic>
#include <vector>

#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/linear_blocks.h"
#include "engine/kernels/cpu/onednn.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  if (const char* reason = refuse_constant_linear(view)) return reason;
  const LinearExtents e = linear_extents(view);
  if (e.rows < 1 || e.n < 1 || e.k < 1) return "needs no empty extent";
  return onednn::refuse_isa(view.isa);
}

// w [n, k] as f32.
std::vector<float> expanded(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  std::vector<float> out(static_cast<std::size_t>(w.num_elements()));
  for (std::int64_t i = 0; i < w.num_elements(); ++i)
    out[static_cast<std::size_t>(i)] =
        w.dtype == DType::kF32 ? w.f32()[i]
                               : static_cast<float>(static_cast<const std::int8_t*>(w.data)[i]) *
                                     view.inputs[2].f32()[i / w.dims[1]];
  return out;
}

Range rows_of(const NodeView& view, int member, int members) {
  const LinearExtents e = linear_extents(view);
  if (e.rows * e.n * e.k < 65536) return member == 0 ? Range{0, e.rows} : Range{0, 0};
  return share(e.rows, 1, member, members);
}

// product(member, rows) on every member that has rows, then the epilogue; false: oneDNN failed.
template <typename F>
Status run_members(const NodeView& view, Team& team, F product) {
  const LinearExtents e = linear_extents(view);
  const Epilogue epilogue = epilogue_of(view);
  float* y = view.outputs[0].f32();
  std::atomic<bool> good{true};
  auto task = [&](int member) {
    const Range rows = rows_of(view, member, team.size());
    if (rows.begin == rows.end) return;
    if (!product(member, rows)) good.store(false, std::memory_order_relaxed);
    if (epilogue.is_empty()) return;
    for (std::int64_t r = rows.begin; r < rows.end; ++r)
      epilogue.row(y + r * e.n, epilogue.residual_at(r * e.n), 0, e.n);
  };
  team.run(task);
  return good.load(std::memory_order_relaxed) ? Status() : internal_error("oneDNN failed");
}

onednn::ConvolutionShape shape_of(const LinearExtents& e, std::int64_t rows) {
  return {.batch = 1,
          .channels = e.k,
          .steps = rows,
          .outputs = e.n,
          .taps = 1,
          .out_steps = rows,
          .rows = true};
}

struct PackedConv final : Packed {
  std::unique_ptr<onednn::ConvolutionWeights> weights;
  onednn::OneThread one_thread;
  std::size_t bytes() const override { return weights->num_bytes; }
};
struct PreparedConv final : Prepared {
  std::vector<std::unique_ptr<onednn::Convolution>> members;  // null: has no rows
  std::size_t member_scratch = 0;
};

Result<std::unique_ptr<Packed>> pack_conv(const NodeView& view) {
  auto packed = std::make_unique<PackedConv>();
  const LinearExtents e = linear_extents(view);
  ANTIPHON_ASSIGN_OR_RETURN(packed->weights,
                            onednn::pack_convolution(shape_of(e, e.rows), expanded(view).data()));
  return std::unique_ptr<Packed>(std::move(packed));
}

// Of the member with the most rows, which is the last.
std::size_t member_scratch(const NodeView& view) {
  const LinearExtents e = linear_extents(view);
  const Range rows = rows_of(view, view.num_threads - 1, view.num_threads);
  const std::int64_t most = rows.begin < rows.end ? rows.end - rows.begin : e.rows;
  return aligned_bytes(onednn::convolution_scratch_bytes(shape_of(e, most)));
}
Result<std::unique_ptr<Prepared>> prepare_conv(const NodeView& view, const Packed* packed) {
  auto prepared = std::make_unique<PreparedConv>();
  prepared->member_scratch = member_scratch(view);
  for (int member = 0; member < view.num_threads; ++member) {
    const Range rows = rows_of(view, member, view.num_threads);
    std::unique_ptr<onednn::Convolution> made;
    if (rows.begin < rows.end) {
      ANTIPHON_ASSIGN_OR_RETURN(
          made, onednn::Convolution::create(shape_of(linear_extents(view), rows.end - rows.begin),
                                            *static_cast<const PackedConv*>(packed)->weights));
    }
    if (made && made->scratch_bytes() > prepared->member_scratch)
      return internal_error("oneDNN wants more scratch than it said");
    prepared->members.push_back(std::move(made));
  }
  return std::unique_ptr<Prepared>(std::move(prepared));
}

std::size_t workspace_conv(const NodeView& view) {
  return member_scratch(view) * static_cast<std::size_t>(view.num_threads);
}

Status run_conv(const NodeView& view, const LaunchArgs& args) {
  const LinearExtents e = linear_extents(view);
  const auto& packed = static_cast<const PackedConv&>(*args.packed);
  auto& prepared = static_cast<PreparedConv&>(*args.prepared);
  return run_members(view, *args.team, [&](int member, Range rows) {
    packed.one_thread.here();
    onednn::Convolution& conv = *prepared.members[static_cast<std::size_t>(member)];
    return conv.run(view.inputs[0].f32() + rows.begin * e.k,
                    view.outputs[0].f32() + rows.begin * e.n,
                    args.workspace + static_cast<std::size_t>(member) * prepared.member_scratch);
  });
}

struct PackedSgemm final : Packed {
  std::vector<float> weights;  // [k, n]
  onednn::OneThread one_thread;
  std::size_t bytes() const override { return weights.size() * sizeof(float); }
};

Result<std::unique_ptr<Packed>> pack_sgemm(const NodeView& view) {
  const LinearExtents e = linear_extents(view);
  const std::vector<float> w = expanded(view);
  auto packed = std::make_unique<PackedSgemm>();
  packed->weights.resize(w.size());
  for (std::int64_t n = 0; n < e.n; ++n)
    for (std::int64_t k = 0; k < e.k; ++k)
      packed->weights[static_cast<std::size_t>(k * e.n + n)] =
          w[static_cast<std::size_t>(n * e.k + k)];
  return std::unique_ptr<Packed>(std::move(packed));
}

Status run_sgemm(const NodeView& view, const LaunchArgs& args) {
  const LinearExtents e = linear_extents(view);
  const auto& packed = static_cast<const PackedSgemm&>(*args.packed);
  return run_members(view, *args.team, [&](int, Range rows) {
    packed.one_thread.here();
    return dnnl_sgemm('N', 'N', rows.end - rows.begin, e.n, e.k, 1.0f,
                      view.inputs[0].f32() + rows.begin * e.k, e.k, packed.weights.data(), e.n,
                      0.0f, view.outputs[0].f32() + rows.begin * e.n, e.n) == dnnl_success;
  });
}

}  // namespace

constinit const Kernel kLinearOnednnConv = {.op = ir::OpKind::kLinear,
                                            .name = "cpu/linear_onednn_conv",
                                            .refuse = refuse,
                                            .workspace_bytes = workspace_conv,
                                            .run = run_conv,
                                            .pack = pack_conv,
                                            .prepare = prepare_conv,
                                            .allocates = true};
constinit const Kernel kLinearOnednnSgemm = {.op = ir::OpKind::kLinear,
                                             .name = "cpu/linear_onednn_sgemm",
                                             .refuse = refuse,
                                             .workspace_bytes = nullptr,
                                             .run = run_sgemm,
                                             .pack = pack_sgemm,
                                             .allocates = true};

}  // namespace antiphon::cpu
