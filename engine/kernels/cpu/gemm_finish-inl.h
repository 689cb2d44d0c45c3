// What follows an f32 product while it is in registers (GemmFinish); included by each Highway
// target.
#if defined(ANTIPHON_GEMM_FINISH_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ANTIPHON_GEMM_FINISH_INL_H
#undef ANTIPHON_GEMM_FINISH_INL_H
#else
#define ANTIPHON_GEMM_FINISH_INL_H
#endif

#include <hwy/highway.h>

#include <algorithm>

#include "engine/kernels/cpu/gemv_f32.h"

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {

// At most 16 lanes, so that a panel is one vector or more.
using PanelTag = hwy::HWY_NAMESPACE::CappedTag<float, 16>;

// n outputs of row `row`, from output `first` on.
inline void finish_some(float* out, std::int64_t row, std::int64_t first, std::int64_t n,
                        const GemmFinish& f) {
  for (std::int64_t i = 0; i < n; ++i) {
    if (f.bias) out[i] += f.bias[first + i];
    if (f.relu) out[i] = std::min(std::max(out[i], 0.0f), f.most);
    if (f.residual) out[i] += f.residual[row * f.residual_stride + first + i];
    if (f.relu_last) out[i] = std::max(out[i], 0.0f);
  }
}

HWY_INLINE hwy::HWY_NAMESPACE::Vec<PanelTag> finished(hwy::HWY_NAMESPACE::Vec<PanelTag> y,
                                                      std::int64_t row, std::int64_t first,
                                                      const GemmFinish& f) {
  namespace hn = hwy::HWY_NAMESPACE;
  constexpr PanelTag d;
  if (f.bias) y = hn::Add(y, hn::LoadU(d, f.bias + first));
  if (f.relu) y = hn::Min(hn::Max(y, hn::Zero(d)), hn::Set(d, f.most));
  if (f.residual) y = hn::Add(y, hn::LoadU(d, f.residual + row * f.residual_stride + first));
  return f.relu_last ? hn::Max(y, hn::Zero(d)) : y;
}

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#endif
