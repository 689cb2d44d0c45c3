// Arithmetic on extents, static and symbolic.
#include "engine/ir/dims.h"

#include <gtest/gtest.h>

namespace antiphon::ir {
namespace {

TEST(Dims, StayAffine) {
  EXPECT_EQ(dim_sum("T", 4), Dim("T+4"));
  EXPECT_EQ(dim_sum("T", "T"), Dim("2*T"));
  EXPECT_EQ(dim_plus("T+4", -4), Dim("T"));
  EXPECT_EQ(dim_plus("T", -4), Dim("T-4"));
  EXPECT_EQ(dim_times("T-1", 3), Dim("3*T-3"));
  EXPECT_EQ(dim_windows("T+4", 5, 1), Dim("T"));
  EXPECT_EQ(dim_windows("4*T+1", 3, 2), Dim("2*T"));
  EXPECT_EQ(dim_windows("T", 3, 2), Dim{});
  EXPECT_EQ(dim_sum("T", "U"), Dim{});
  EXPECT_EQ(dim_sum("T", Dim{}), Dim{});
  EXPECT_EQ(dim_plus(Dim{}, 1), Dim{});
}

TEST(Dims, StaticStaysStatic) {
  EXPECT_EQ(dim_sum(3, 4), Dim(7));
  EXPECT_EQ(dim_times(3, 4), Dim(12));
  EXPECT_EQ(dim_windows(11, 3, 2), Dim(5));
  EXPECT_EQ(dim_windows(10, 3, 2), Dim(4));
  EXPECT_TRUE(dim_times(std::int64_t{1} << 40, std::int64_t{1} << 40).is_static());  // saturates
}

TEST(Dims, SameExtentNeedsKnowledge) {
  EXPECT_TRUE(same_extent("T", "T"));
  EXPECT_FALSE(same_extent(Dim{}, Dim{}));
  EXPECT_FALSE(same_extent("T", "U"));
  EXPECT_TRUE(compatible("T", 4));
  EXPECT_FALSE(compatible(3, 4));
}

TEST(Dims, Broadcast) {
  EXPECT_EQ(*broadcast({"B", 1, 3}, {4, 1}), (Shape{"B", 4, 3}));
  EXPECT_EQ(*broadcast({"B", "T"}, {"B", Dim{}}), (Shape{"B", Dim{}}));
  EXPECT_EQ(*broadcast({"B"}, {7}), (Shape{7}));
  EXPECT_EQ(*broadcast({}, {2}), (Shape{2}));
  EXPECT_EQ(*broadcast({1}, {0}), (Shape{0}));
  EXPECT_FALSE(broadcast({3}, {4}).ok());
}

// What a pass calls an extent that it knows nothing else of.
TEST(Dims, NamesOfTheirOwn) {
  const Dim own = dim_of_its_own(7);
  EXPECT_EQ(dim_text(own), "?7");
  EXPECT_TRUE(is_its_own(own) && is_its_own(dim_times(dim_plus(own, 4), 2)));
  EXPECT_FALSE(is_its_own("T") || is_its_own(3) || is_its_own(Dim{}));
  EXPECT_TRUE(same_extent(own, dim_of_its_own(7)));
  EXPECT_FALSE(same_extent(own, dim_of_its_own(8)) || is_unknown(own) || valid_symbol("?7"));
  EXPECT_EQ(*broadcast({"T"}, {own}), (Shape{Dim{}}));
  EXPECT_EQ(dim_smaller(own, 512), Dim{});
}

// x[:, :T] of 512 steps.
TEST(Dims, TheSmallerOfASymbolAndANumber) {
  const Dim part = dim_smaller("T", 512);
  EXPECT_EQ(dim_text(part), "T<512");
  EXPECT_EQ(dim_smaller(700, 512), Dim(512));
  EXPECT_TRUE(is_unknown(dim_smaller("T+1", 512)));
  EXPECT_FALSE(same_extent(part, "T"));
  // What has either extent has T of them, or there is no result.
  EXPECT_EQ(*broadcast({"B", "T"}, {1, part}), (Shape{"B", "T"}));
  EXPECT_EQ(*broadcast({part}, {"T"}), (Shape{"T"}));
  // A single step fits any T.
  EXPECT_EQ(*broadcast({"T"}, {dim_smaller("T", 1)}), (Shape{Dim{}}));
  for (const Dim& other : {Dim("U"), Dim("T+1"), dim_smaller("T", 8), dim_plus(part, 1)})
    EXPECT_EQ(*broadcast({dim_smaller("T", 9)}, {other}), (Shape{Dim{}})) << dim_text(other);
  EXPECT_EQ(dim_text(dim_plus(dim_times(part, 2), 4)), "2*T<512+4");
  EXPECT_EQ(dim_plus(dim_plus(part, 4), -4), part);
}

TEST(Dims, SymbolsAreIdentifiers) {
  EXPECT_TRUE(valid_symbol("T_2"));
  for (const char* bad : {"", "2T", "T+1", "2*T", "a b"}) EXPECT_FALSE(valid_symbol(bad)) << bad;
}

}  // namespace
}  // namespace antiphon::ir
