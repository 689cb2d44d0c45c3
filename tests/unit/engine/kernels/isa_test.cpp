// Names of ISA levels.
#include "engine/kernels/isa.h"

#include <gtest/gtest.h>

namespace antiphon {
namespace {

TEST(Isa, ParsesItsOwnNames) {
  for (const Isa isa : {Isa::kPortable, Isa::kAvx2, Isa::kAvx512Vnni, Isa::kAmxInt8}) {
    const auto parsed = parse_isa(isa_name(isa));
    ASSERT_TRUE(parsed.ok());
    EXPECT_EQ(*parsed, isa);
  }
}

TEST(Isa, NamesAWrongWord) {
  const auto parsed = parse_isa("sse9");
  ASSERT_FALSE(parsed.ok());
  EXPECT_EQ(parsed.status().code(), StatusCode::kInvalidArgument);
  EXPECT_NE(parsed.status().message().find("sse9"), std::string::npos);
}

}  // namespace
}  // namespace antiphon
