// What our oneDNN kernels share: one thread a caller, scratchpads of ours, and the ISA cap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <oneapi/dnnl/dnnl.hpp>

#include "engine/base/status.h"
#include "engine/kernels/kernel.h"

namespace antiphon::onednn {

// Why oneDNN must not run a node: it could go beyond the plan's ISA (see cap_onednn). Null: it may.
const char* refuse_isa(Isa isa);

// Keeps the calling thread's oneDNN work on it: our team divides the work. oneDNN brings its OpenMP
// along; where it was built with another runtime this does nothing.
class OneThread {
 public:
  OneThread();
  void here() const {
    if (set_num_threads_) set_num_threads_(1);
  }

 private:
  void (*set_num_threads_)(int) = nullptr;
};

// A convolution x [B, C, T], w [O, C, k] -> y [B, O, T']; `rows`: x and y lie as [B, T, C].
struct ConvolutionShape {
  std::int64_t batch, channels, steps, outputs, taps, out_steps;
  std::int64_t stride = 1, dilation = 1, pad_left = 0, pad_right = 0;
  bool rows = false;
};

// Weights in the layout that oneDNN picked for one shape; other shapes use the same. Immutable.
struct ConvolutionWeights {
  dnnl::engine engine{dnnl::engine::kind::cpu, 0};
  dnnl::memory::desc layout;
  std::unique_ptr<std::byte[]> storage;
  std::byte* data = nullptr;  // 64-byte aligned
  std::size_t num_bytes = 0;
};
// w: f32 [O, C, k]. Copies. kInternal: oneDNN's own message.
Result<std::unique_ptr<ConvolutionWeights>> pack_convolution(const ConvolutionShape& shape,
                                                             const float* w);

// One member's primitive. Not thread-safe.
class Convolution {
 public:
  static Result<std::unique_ptr<Convolution>> create(const ConvolutionShape& shape,
                                                     const ConvolutionWeights& weights);
  std::size_t scratch_bytes() const { return scratch_bytes_; }
  // scratch: scratch_bytes(), 64-byte aligned. False: oneDNN failed.
  bool run(const float* x, float* y, std::byte* scratch);

 private:
  dnnl::stream stream_;
  dnnl::convolution_forward primitive_;
  dnnl::memory x_, w_, y_, scratch_;
  std::size_t scratch_bytes_ = 0;
};

// Scratchpad bytes of a shape with its own choice of layout; 0 where oneDNN cannot say.
std::size_t convolution_scratch_bytes(const ConvolutionShape& shape);

}  // namespace antiphon::onednn
