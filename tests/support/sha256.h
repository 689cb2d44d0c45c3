// SHA-256 (FIPS 180-4) of a file's bytes.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>

namespace antiphon::test {

using Sha256 = std::array<std::uint8_t, 32>;

Sha256 sha256(std::string_view bytes);
// Lower-case hexadecimal, 64 digits.
std::string hex(const Sha256& digest);

}  // namespace antiphon::test
