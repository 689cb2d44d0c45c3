// Channels-last convolution by oneDNN, weights in its own layout, bias, relu and residual as its
// post-operations. The team divides the rows of the images: each member has primitives for its
// band.
#include <array>
#include <atomic>
#include <cmath>
#include <vector>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/onednn.h"

namespace antiphon::cpu {
namespace {

using dnnl::memory;

const char* refuse(const NodeView& view) {
  const ConvLast s = conv_last(view);
  if (s.x_first) return "needs channels last";
  if (s.is_volume()) return "needs windows over two axes";
  if (view.node->attrs.has("y_width")) return "needs a result of its own";
  if (s.pixels() < 1 || s.in_h < 1 || s.in_w < 1) return "needs no empty extent";
  const auto fits = [](std::int64_t in, std::int64_t out, std::int64_t reach, std::int64_t stride,
                       std::int64_t before) {
    return before < reach && (out - 1) * stride - before < in;
  };
  if (!fits(s.in_h, s.out_h, (s.kh - 1) * s.dilation_h + 1, s.stride_h, s.top) ||
      !fits(s.in_w, s.out_w, (s.kw - 1) * s.dilation_w + 1, s.stride_w, s.left))
    return "needs windows that reach into the image";
  if (const char* reason = refuse_conv_last(view)) return reason;
  return onednn::refuse_isa(view.isa);
}

// Output rows [begin, end) of one image, and the input rows that they read.
struct Band {
  std::int64_t begin, end, in_begin, in_end, top, bottom;
};
Band band_of(const ConvLast& s, std::int64_t begin, std::int64_t end) {
  const std::int64_t first = begin * s.stride_h - s.top;
  const std::int64_t last = (end - 1) * s.stride_h - s.top + (s.kh - 1) * s.dilation_h + 1;
  Band b{begin, end, std::max<std::int64_t>(first, 0), std::min(last, s.in_h), 0, 0};
  b.top = b.in_begin - first;
  b.bottom = last - b.in_end;
  return b;
}

// The bands of one member: of every image the same rows.
Range rows_of(const ConvLast& s, int member, int members) {
  return share(s.out_h, 1, member, members);
}

memory::desc weights_desc(const ConvLast& s, memory::format_tag plain_or_any) {
  if (s.groups == 1)
    return {{s.outputs, s.channels, s.kh, s.kw}, memory::data_type::f32, plain_or_any};
  const bool any = plain_or_any == memory::format_tag::any;
  return {{s.groups, s.group_outputs(), s.group_channels, s.kh, s.kw},
          memory::data_type::f32,
          any ? memory::format_tag::any : memory::format_tag::goihw};
}

dnnl::primitive_attr attributes(const NodeView& view) {
  const SplitEpilogue e = split_epilogue(view, 0, Relu6::kInRegisters);
  dnnl::post_ops ops;
  const auto relu = dnnl::algorithm::eltwise_relu;
  const bool clips = std::isfinite(e.finish.most);
  if (e.finish.relu && clips)
    ops.append_eltwise(1.0f, dnnl::algorithm::eltwise_clip, 0.0f, e.finish.most);
  if (e.finish.relu && !clips) ops.append_eltwise(1.0f, relu, 0.0f, 0.0f);
  if (e.finish.residual) ops.append_sum(1.0f);
  if (e.finish.relu_last) ops.append_eltwise(1.0f, relu, 0.0f, 0.0f);
  dnnl::primitive_attr attr;
  attr.set_post_ops(ops);
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return attr;
}

dnnl::convolution_forward::primitive_desc describe(const dnnl::engine& engine, const NodeView& view,
                                                   const ConvLast& s, const Band& band,
                                                   const memory::desc& weights) {
  const auto f32 = memory::data_type::f32;
  const auto last = memory::format_tag::nhwc;
  const memory::desc x({1, s.channels, band.in_end - band.in_begin, s.in_w}, f32, last);
  const memory::desc y({1, s.outputs, band.end - band.begin, s.out_w}, f32, last);
  const std::int64_t right = std::max<std::int64_t>(
      0, (s.out_w - 1) * s.stride_w + (s.kw - 1) * s.dilation_w + 1 - s.in_w - s.left);
  const memory::dims strides = {s.stride_h, s.stride_w};
  const memory::dims dilations = {s.dilation_h - 1, s.dilation_w - 1};
  const memory::dims before = {band.top, s.left}, after = {band.bottom, right};
  const auto kind = dnnl::prop_kind::forward_inference;
  const auto direct = dnnl::algorithm::convolution_direct;
  if (has_input(view, 3)) {
    const memory::desc bias({s.outputs}, f32, memory::format_tag::x);
    return {{kind, direct, x, weights, bias, y, strides, dilations, before, after},
            attributes(view),
            engine};
  }
  return {
      {kind, direct, x, weights, y, strides, dilations, before, after}, attributes(view), engine};
}

struct PackedWeights final : Packed {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  memory::desc layout;
  std::vector<float> storage;
  onednn::OneThread one_thread;
  std::size_t bytes() const override { return storage.size() * sizeof(float); }
};

Status failed(const dnnl::error& error) {
  return internal_error(std::string("oneDNN: ") + error.what());
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const ConvLast s = conv_last(view);
  auto packed = std::make_unique<PackedWeights>();
  packed->one_thread.here();
  try {
    packed->layout = describe(packed->engine, view, s, band_of(s, 0, s.out_h),
                              weights_desc(s, memory::format_tag::any))
                         .weights_desc();
    packed->storage.resize(packed->layout.get_size() / sizeof(float) + 1);
    memory plain(weights_desc(s, memory::format_tag::oihw), packed->engine, view.inputs[1].data);
    memory blocked(packed->layout, packed->engine, packed->storage.data());
    dnnl::stream stream(packed->engine);
    dnnl::reorder(plain, blocked).execute(stream, plain, blocked);
    stream.wait();
  } catch (const dnnl::error& error) {
    return failed(error);
  }
  return std::unique_ptr<Packed>(std::move(packed));
}

struct Member {
  dnnl::stream stream;
  dnnl::convolution_forward primitive;
  memory x, w, bias, y, scratch;
  Band band{};
};
struct PreparedBands final : Prepared {
  std::vector<std::unique_ptr<Member>> members;  // null: has no rows
  ConvLast shape;
  std::size_t member_scratch = 0;
};

std::size_t scratch_bytes(const NodeView& view) {
  const ConvLast s = conv_last(view);
  std::size_t most = 0;
  try {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    onednn::OneThread().here();
    for (int member = 0; member < view.num_threads; ++member) {
      const Range rows = rows_of(s, member, view.num_threads);
      if (rows.begin == rows.end) continue;
      const auto desc = describe(engine, view, s, band_of(s, rows.begin, rows.end),
                                 weights_desc(s, memory::format_tag::any));
      most = std::max(most, desc.scratchpad_desc().get_size());
    }
  } catch (const dnnl::error&) {
    return 0;
  }
  return aligned_bytes(most);
}

std::size_t workspace_bytes(const NodeView& view) {
  return scratch_bytes(view) * static_cast<std::size_t>(view.num_threads);
}

Result<std::unique_ptr<Prepared>> prepare(const NodeView& view, const Packed* from) {
  const ConvLast s = conv_last(view);
  const auto& packed = static_cast<const PackedWeights&>(*from);
  packed.one_thread.here();
  auto prepared = std::make_unique<PreparedBands>();
  prepared->member_scratch = scratch_bytes(view);
  prepared->shape = s;
  try {
    for (int member = 0; member < view.num_threads; ++member) {
      auto& made = prepared->members.emplace_back();
      const Range rows = rows_of(s, member, view.num_threads);
      if (rows.begin == rows.end) continue;
      const Band band = band_of(s, rows.begin, rows.end);
      const auto desc = describe(packed.engine, view, s, band, packed.layout);
      if (desc.scratchpad_desc().get_size() > prepared->member_scratch)
        return internal_error("oneDNN wants more scratch than it said");
      made = std::make_unique<Member>();
      made->band = band;
      made->stream = dnnl::stream(packed.engine);
      made->primitive = dnnl::convolution_forward(desc);
      made->x = memory(desc.src_desc(), packed.engine, nullptr);
      made->w = memory(packed.layout, packed.engine, const_cast<float*>(packed.storage.data()));
      if (has_input(view, 3))
        made->bias = memory(desc.bias_desc(), packed.engine, view.inputs[3].data);
      made->y = memory(desc.dst_desc(), packed.engine, nullptr);
      made->scratch = memory(desc.scratchpad_desc(), packed.engine, nullptr);
    }
  } catch (const dnnl::error& error) {
    return failed(error);
  }
  return std::unique_ptr<Prepared>(std::move(prepared));
}

bool run_band(const NodeView& view, const ConvLast& s, const SplitEpilogue& epilogue, Member& m,
              std::int64_t image, std::byte* scratch) {
  float* y = view.outputs[0].f32() + (image * s.out_h + m.band.begin) * s.out_w * s.outputs;
  const std::int64_t pixels = (m.band.end - m.band.begin) * s.out_w;
  const std::int64_t offset = y - view.outputs[0].f32();
  if (epilogue.finish.residual)
    std::copy_n(epilogue.finish.residual + offset, pixels * s.outputs, y);
  try {
    m.x.set_data_handle(view.inputs[0].f32() +
                        (image * s.in_h + m.band.in_begin) * s.in_w * s.channels);
    m.y.set_data_handle(y);
    m.scratch.set_data_handle(scratch);
    std::unordered_map<int, memory> arguments = {{DNNL_ARG_SRC, m.x},
                                                 {DNNL_ARG_WEIGHTS, m.w},
                                                 {DNNL_ARG_DST, m.y},
                                                 {DNNL_ARG_SCRATCHPAD, m.scratch}};
    if (has_input(view, 3)) {
      m.bias.set_data_handle(view.inputs[3].data);
      arguments.emplace(DNNL_ARG_BIAS, m.bias);
    }
    m.primitive.execute(m.stream, arguments);
    m.stream.wait();
  } catch (const dnnl::error&) {
    return false;
  }
  epilogue.rest.rows(y, s.outputs, epilogue.rest.residual_at(offset), s.outputs, pixels, 0,
                     s.outputs);
  return true;
}

Status run(const NodeView& view, const LaunchArgs& args) {
  const auto& packed = static_cast<const PackedWeights&>(*args.packed);
  auto& prepared = static_cast<PreparedBands&>(*args.prepared);
  const ConvLast& s = prepared.shape;
  const SplitEpilogue epilogue = split_epilogue(view, s.outputs, Relu6::kInRegisters);
  std::atomic<bool> good{true};
  auto task = [&](int member) {
    const auto index = static_cast<std::size_t>(member);
    if (!prepared.members[index]) return;
    packed.one_thread.here();
    for (std::int64_t image = 0; image < s.batch; ++image)
      if (!run_band(view, s, epilogue, *prepared.members[index], image,
                    args.workspace + index * prepared.member_scratch))
        good.store(false, std::memory_order_relaxed);
  };
  args.team->run(task);
  return good.load(std::memory_order_relaxed) ? Status() : internal_error("oneDNN failed");
}

}  // namespace

constinit const Kernel kConvLastOnednn = {.op = ir::kOpConvLast,
                                          .name = "cpu/conv_last_onednn",
                                          .refuse = refuse,
                                          .workspace_bytes = workspace_bytes,
                                          .run = run,
                                          .pack = pack,
                                          .prepare = prepare,
                                          .allocates = true};

}  // namespace antiphon::cpu
