// oneDNN's primitives behind plain functions. Its exceptions end here.
#include "engine/kernels/cpu/onednn.h"

#include <dlfcn.h>

#include <array>

#include "engine/kernels/isa.h"

namespace antiphon::onednn {
namespace {

using dnnl::memory;

Status failed(const dnnl::error& error) {
  return internal_error(std::string("oneDNN: ") + error.what());
}

dnnl::convolution_forward::primitive_desc describe(const dnnl::engine& engine,
                                                   const ConvolutionShape& s,
                                                   const memory::desc& weights) {
  const auto data = s.rows ? memory::format_tag::nwc : memory::format_tag::ncw;
  const auto f32 = memory::data_type::f32;
  const dnnl::convolution_forward::desc desc(
      dnnl::prop_kind::forward_inference, dnnl::algorithm::convolution_direct,
      {{s.batch, s.channels, s.steps}, f32, data}, weights,
      {{s.batch, s.outputs, s.out_steps}, f32, data}, {s.stride}, {s.dilation - 1}, {s.pad_left},
      {s.pad_right});
  dnnl::primitive_attr attr;
  attr.set_scratchpad_mode(dnnl::scratchpad_mode::user);
  return {desc, attr, engine};
}

memory::desc weights_desc(const ConvolutionShape& s, memory::format_tag tag) {
  return {{s.outputs, s.channels, s.taps}, memory::data_type::f32, tag};
}

}  // namespace

const char* refuse_isa(Isa isa) {
  return onednn_beyond(isa) ? "oneDNN may go beyond the plan's ISA: it is not capped" : nullptr;
}

OneThread::OneThread()
    : set_num_threads_(
          reinterpret_cast<void (*)(int)>(::dlsym(RTLD_DEFAULT, "omp_set_num_threads"))) {}

Result<std::unique_ptr<ConvolutionWeights>> pack_convolution(const ConvolutionShape& shape,
                                                             const float* w) {
  OneThread().here();
  try {
    auto packed = std::make_unique<ConvolutionWeights>();
    const auto any = weights_desc(shape, memory::format_tag::any);
    packed->layout = describe(packed->engine, shape, any).weights_desc();
    packed->num_bytes = packed->layout.get_size();
    packed->storage = std::make_unique<std::byte[]>(packed->num_bytes + 64);
    const auto at = reinterpret_cast<std::uintptr_t>(packed->storage.get());
    packed->data = packed->storage.get() + (64 - at % 64) % 64;
    memory plain(weights_desc(shape, memory::format_tag::oiw), packed->engine,
                 const_cast<float*>(w));
    memory blocked(packed->layout, packed->engine, packed->data);
    dnnl::stream stream(packed->engine);
    dnnl::reorder(plain, blocked).execute(stream, plain, blocked);
    stream.wait();
    return packed;
  } catch (const dnnl::error& error) {
    return failed(error);
  }
}

Result<std::unique_ptr<Convolution>> Convolution::create(const ConvolutionShape& shape,
                                                         const ConvolutionWeights& weights) {
  OneThread().here();
  try {
    auto made = std::make_unique<Convolution>();
    const auto pd = describe(weights.engine, shape, weights.layout);
    made->stream_ = dnnl::stream(weights.engine);
    made->primitive_ = dnnl::convolution_forward(pd);
    made->x_ = memory(pd.src_desc(), weights.engine, nullptr);
    made->w_ = memory(weights.layout, weights.engine, weights.data);
    made->y_ = memory(pd.dst_desc(), weights.engine, nullptr);
    made->scratch_ = memory(pd.scratchpad_desc(), weights.engine, nullptr);
    made->scratch_bytes_ = pd.scratchpad_desc().get_size();
    return made;
  } catch (const dnnl::error& error) {
    return failed(error);
  }
}

bool Convolution::run(const float* x, float* y, std::byte* scratch) {
  // The C functions: they throw nothing, and build no map of arguments.
  if (dnnl_memory_set_data_handle(x_.get(), const_cast<float*>(x)) != dnnl_success ||
      dnnl_memory_set_data_handle(y_.get(), y) != dnnl_success ||
      dnnl_memory_set_data_handle(scratch_.get(), scratch) != dnnl_success)
    return false;
  const std::array<dnnl_exec_arg_t, 4> args = {{{DNNL_ARG_SRC, x_.get()},
                                                {DNNL_ARG_WEIGHTS, w_.get()},
                                                {DNNL_ARG_DST, y_.get()},
                                                {DNNL_ARG_SCRATCHPAD, scratch_.get()}}};
  return dnnl_primitive_execute(primitive_.get(), stream_.get(), static_cast<int>(args.size()),
                                args.data()) == dnnl_success &&
         dnnl_stream_wait(stream_.get()) == dnnl_success;
}

std::size_t convolution_scratch_bytes(const ConvolutionShape& shape) {
  OneThread().here();
  try {
    const dnnl::engine engine(dnnl::engine::kind::cpu, 0);
    return describe(engine, shape, weights_desc(shape, memory::format_tag::any))
        .scratchpad_desc()
        .get_size();
  } catch (const dnnl::error&) {
    return 0;
  }
}

}  // namespace antiphon::onednn
