// Rotary position embeddings from the table: every layout, both orders of pairs, parts of a head.
#include <gtest/gtest.h>

#include "engine/ir/op_enums.h"
#include "tests/unit/engine/kernels/kernel_harness.h"

namespace antiphon::test {
namespace {

using Dims = std::vector<std::int64_t>;
constexpr double kEpsilon = 0x1p-23;

struct Size {
  std::int64_t batch, steps, heads, head_width, width;
};
constexpr Size kSizes[] = {{1, 1, 1, 2, 2},   {2, 3, 2, 6, 6},    {1, 5, 3, 16, 16},
                           {2, 1, 4, 34, 34}, {1, 2, 2, 64, 64},  {2, 7, 3, 66, 62},
                           {1, 3, 2, 9, 4},   {1, 2, 1, 5, 0},    {0, 3, 2, 4, 4},
                           {2, 0, 2, 4, 4},   {3, 40, 8, 80, 32}, {1, 9, 2, 250, 126}};

// x [B, T, H * d], [B, H, T, d] or [B, T, H, d], and the result by head or as x.
struct Layout {
  bool flat, steps_first, by_head;
};
constexpr Layout kLayouts[] = {{true, false, false},
                               {true, false, true},
                               {false, false, false},
                               {false, true, false},
                               {false, true, true}};

KernelCase case_of(const Size& s, const Layout& l, bool interleaved, std::int64_t angles,
                   const Dims& cos, const Dims& sin) {
  KernelCase c{.node = node_of(ir::kOpRotary,
                               {{"heads", s.heads},
                                {"width", s.width},
                                {"interleaved", std::int64_t{interleaved}},
                                {"steps_first", std::int64_t{l.steps_first}},
                                {"by_head", std::int64_t{l.by_head}}},
                               3),
               .inputs = {},
               .constant = {},
               // Two products and their sum, of numbers up to 1, and one rounding each.
               .absolute = 3 * kEpsilon,
               .bounds = {}};
  Dims x = {s.batch, s.heads, s.steps, s.head_width};
  if (l.steps_first) std::swap(x[1], x[2]);
  if (l.flat) x = {s.batch, s.steps, s.heads * s.head_width};
  const auto with = [&](Dims dims) {
    dims.push_back(angles);
    return dims;
  };
  c.inputs = {random_ref(x, 1), random_ref(with(cos), 2), random_ref(with(sin), 3)};
  return c;
}

TEST(RotaryKernels, EveryLayout) {
  for (const Size& s : kSizes)
    for (const Layout& l : kLayouts)
      for (const bool interleaved : {false, true})
        for (const std::int64_t angles : {s.width, s.width / 2}) {
          SCOPED_TRACE(testing::Message() << s.head_width << " " << s.width << " " << angles);
          const auto names = check_kernels(
              case_of(s, l, interleaved, angles, {s.batch, s.steps}, {1, 1, s.steps}));
          ASSERT_EQ(names.size(), 2u);
        }
}

// One table for all sequences, or an axis for the heads that has one of them.
TEST(RotaryKernels, EveryFormOfTheTables) {
  const Size s = {2, 3, 2, 12, 8};
  const Dims forms[] = {{3}, {1, 3}, {2, 3}, {1, 1, 3}, {2, 1, 3}, {2, 3, 1}, {1, 3, 1}};
  for (const Dims& cos : forms)
    for (const Dims& sin : forms)
      for (const Layout& l : kLayouts) check_kernels(case_of(s, l, false, 4, cos, sin));
}

}  // namespace
}  // namespace antiphon::test
