// Names of ISA levels.
#include "engine/kernels/isa.h"

#include <gtest/gtest.h>

namespace antiphon {
namespace {

TEST(Isa, ParsesItsOwnNames) {
  for (const Isa isa :
       {Isa::kPortable, Isa::kAvx2, Isa::kAvxVnni, Isa::kAvx512Vnni, Isa::kAmxInt8}) {
    const auto parsed = parse_isa(isa_name(isa));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, isa);
  }
}

TEST(Isa, ACapIsALevelOfThisMachine) {
  for (int i = 0; i <= static_cast<int>(Isa::kAmxInt8); ++i) {
    const Isa cap = static_cast<Isa>(i), found = highest_under(cap);
    EXPECT_TRUE(supports(found)) << i;
    EXPECT_LE(found, cap);
    for (int k = static_cast<int>(found) + 1; k <= i; ++k)
      EXPECT_FALSE(supports(static_cast<Isa>(k))) << i << " " << k;
  }
  EXPECT_TRUE(supports(detect_isa()));
  EXPECT_EQ(highest_under(Isa::kAmxInt8), detect_isa());
}

TEST(Isa, NamesAWrongWord) {
  const auto parsed = parse_isa("sse9");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(parsed.status().message().find("sse9"), std::string::npos);
}

}  // namespace
}  // namespace antiphon
