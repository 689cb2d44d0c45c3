// 1-D convolution by oneDNN, one group, weights in its own layout. f32; int8 weights are expanded.
// The team divides the items of a batch; a single item is one member's work.
#include <atomic>
#include <vector>

#include "engine/kernels/cpu/conv_shape.h"
#include "engine/kernels/cpu/epilogue.h"
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/onednn.h"
#include "engine/kernels/cpu/split.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  if (!view.inputs[1].is_constant) return "needs constant weights";
  if (has_input(view, 2) && !view.inputs[2].is_constant) return "needs constant scales";
  if (const char* reason = refuse_weights(view)) return reason;
  const ConvShape s = conv_shape(view);
  if (s.groups != 1) return "needs one group";
  if (s.batch < 1 || s.channels < 1 || s.steps < 1 || s.out_steps < 1 || s.taps < 1)
    return "needs no empty extent";
  const std::int64_t reach = (s.taps - 1) * s.dilation + 1;
  const std::int64_t pad_right = view.node->attrs.i("pad_right");
  if (s.pad_left >= reach || pad_right >= reach) return "needs padding shorter than the kernel";
  return onednn::refuse_isa(view.isa);
}

// Of one item.
onednn::ConvolutionShape shape_of(const NodeView& view) {
  const ConvShape s = conv_shape(view);
  return {.batch = 1,
          .channels = s.channels,
          .steps = s.steps,
          .outputs = s.outputs,
          .taps = s.taps,
          .out_steps = s.out_steps,
          .stride = s.stride,
          .dilation = s.dilation,
          .pad_left = s.pad_left,
          .pad_right = view.node->attrs.i("pad_right")};
}

struct PackedConv final : Packed {
  std::unique_ptr<onednn::ConvolutionWeights> weights;
  onednn::OneThread one_thread;
  std::size_t bytes() const override { return weights->num_bytes; }
};
struct PreparedConv final : Prepared {
  std::vector<std::unique_ptr<onednn::Convolution>> members;
  std::size_t member_scratch = 0;
};

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const Tensor& w = view.inputs[1];
  const std::int64_t row = w.dims[1] * w.dims[2];
  std::vector<float> wide(static_cast<std::size_t>(w.num_elements()));
  for (std::int64_t i = 0; i < w.num_elements(); ++i)
    wide[static_cast<std::size_t>(i)] =
        w.dtype == DType::kF32 ? w.f32()[i]
                               : static_cast<float>(static_cast<const std::int8_t*>(w.data)[i]) *
                                     view.inputs[2].f32()[i / row];
  auto packed = std::make_unique<PackedConv>();
  ANTIPHON_ASSIGN_OR_RETURN(packed->weights, onednn::pack_convolution(shape_of(view), wide.data()));
  return std::unique_ptr<Packed>(std::move(packed));
}

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed* packed) {
  auto prepared = std::make_unique<PreparedConv>();
  prepared->member_scratch = aligned_bytes(onednn::convolution_scratch_bytes(shape_of(view)));
  for (int member = 0; member < view.num_threads; ++member) {
    ANTIPHON_ASSIGN_OR_RETURN(
        auto made, onednn::Convolution::create(shape_of(view),
                                               *static_cast<const PackedConv*>(packed)->weights));
    if (made->scratch_bytes() > prepared->member_scratch)
      return internal_error("oneDNN wants more scratch than it said");
    prepared->members.push_back(std::move(made));
  }
  return std::unique_ptr<Prepared>(std::move(prepared));
}

std::size_t workspace_bytes(const NodeView& view) {
  return aligned_bytes(onednn::convolution_scratch_bytes(shape_of(view))) *
         static_cast<std::size_t>(view.num_threads);
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const ConvShape s = conv_shape(view);
  const Epilogue epilogue = epilogue_of(view);
  const auto& packed = static_cast<const PackedConv&>(*args.packed);
  auto& prepared = static_cast<PreparedConv&>(*args.prepared);
  std::atomic<bool> good{true};
  split(*args.team, s.batch, 1, [&](std::int64_t begin, std::int64_t end, int member) {
    packed.one_thread.here();
    onednn::Convolution& conv = *prepared.members[static_cast<std::size_t>(member)];
    std::byte* scratch =
        args.workspace + static_cast<std::size_t>(member) * prepared.member_scratch;
    for (std::int64_t b = begin; b < end; ++b) {
      float* y = view.outputs[0].f32() + b * s.outputs * s.out_steps;
      if (!conv.run(view.inputs[0].f32() + b * s.channels * s.steps, y, scratch))
        good.store(false, std::memory_order_relaxed);
      if (epilogue.is_empty()) continue;
      for (std::int64_t o = 0; o < s.outputs; ++o)
        epilogue.channel_row(y + o * s.out_steps,
                             epilogue.residual_at((b * s.outputs + o) * s.out_steps), o,
                             s.out_steps);
    }
  });
  return good.load(std::memory_order_relaxed) ? Status() : internal_error("oneDNN failed");
}

}  // namespace

constinit const Kernel kConvOnednn = {.op = ir::OpKind::kConv,
                                      .name = "cpu/conv_onednn",
                                      .refuse = refuse,
                                      .workspace_bytes = workspace_bytes,
                                      .run = run,
                                      .pack = pack,
                                      .prepare = prepare,
                                      .allocates = true};

}  // namespace antiphon::cpu
