// Loads and stores of a vector's first lanes, for the ends of rows; included by each Highway
// target.
#if defined(ANTIPHON_PARTIAL_VECTORS_INL_H) == defined(HWY_TARGET_TOGGLE)
#ifdef ANTIPHON_PARTIAL_VECTORS_INL_H
#undef ANTIPHON_PARTIAL_VECTORS_INL_H
#else
#define ANTIPHON_PARTIAL_VECTORS_INL_H
#endif

#include <hwy/highway.h>

#include <cstring>

HWY_BEFORE_NAMESPACE();
namespace antiphon {
namespace HWY_NAMESPACE {

// Zeros behind the first `count` lanes.
template <typename D>
HWY_INLINE hwy::HWY_NAMESPACE::Vec<D> load_some(D d, const hwy::HWY_NAMESPACE::TFromD<D>* from,
                                                std::size_t count) {
  namespace hn = hwy::HWY_NAMESPACE;
  if (HWY_LIKELY(count == hn::Lanes(d))) return hn::LoadU(d, from);
  HWY_ALIGN hn::TFromD<D> part[hn::MaxLanes(d)] = {};
  std::memcpy(part, from, count * sizeof(*part));
  return hn::Load(d, part);
}

template <typename D>
HWY_INLINE void store_some(hwy::HWY_NAMESPACE::Vec<D> v, D d, hwy::HWY_NAMESPACE::TFromD<D>* to,
                           std::size_t count) {
  namespace hn = hwy::HWY_NAMESPACE;
  if (HWY_LIKELY(count == hn::Lanes(d))) return hn::StoreU(v, d, to);
  HWY_ALIGN hn::TFromD<D> part[hn::MaxLanes(d)];
  hn::Store(v, d, part);
  std::memcpy(to, part, count * sizeof(*part));
}

}  // namespace HWY_NAMESPACE
}  // namespace antiphon
HWY_AFTER_NAMESPACE();

#endif
