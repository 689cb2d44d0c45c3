// .npz files that NumPy wrote, and damaged ones.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstring>
#include <fstream>
#include <iterator>

#include "cli/npy_file.h"
#include "engine/weights.h"

namespace antiphon {
namespace {

std::string golden(const std::string& file) {
  return std::string(ANTIPHON_SOURCE_DIR) + "/tests/golden/calibration/" + file;
}

std::string bytes_of(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

TEST(NpzFile, StoredAndDeflatedArraysAreWhatNumPyWrote) {
  const auto want = Weights::load(golden("samples.safetensors"));
  ASSERT_TRUE(want.ok());
  for (const int i : {0, 1}) {
    const auto got = cli::read_npz(golden("sample" + std::to_string(i) + ".npz"));
    ASSERT_TRUE(got.ok()) << got.status().message();
    ASSERT_EQ(got->size(), 1u);
    const auto tensor = (*want)->tensor("sample" + std::to_string(i));
    const HostTensor& x = got->at("x");
    EXPECT_EQ(x.dims, tensor->dims);
    ASSERT_EQ(x.bytes.size(), tensor->f32().size_bytes());
    EXPECT_EQ(std::memcmp(x.bytes.data(), tensor->data, x.bytes.size()), 0);
  }
}

// Every length cut off, and every byte changed in turn: an error or the same array, and no crash.
TEST(NpzFile, DamageIsAnErrorThatNamesTheFile) {
  const std::string path = testing::TempDir() + "damaged.npz";
  for (const char* name : {"sample0.npz", "sample1.npz"}) {
    const std::string whole = bytes_of(golden(name));
    const auto good = cli::read_npz(golden(name));
    const auto check = [&](const std::string& bytes) {
      std::ofstream(path, std::ios::binary) << bytes;
      const auto got = cli::read_npz(path);
      if (got.ok()) {
        for (const auto& [key, tensor] : *got) EXPECT_EQ(tensor.bytes, good->at("x").bytes);
      } else {
        EXPECT_THAT(got.status().message(), testing::HasSubstr(path));
      }
      return got.ok();
    };
    for (std::size_t length = 0; length < whole.size(); length += 1 + length / 16)
      EXPECT_FALSE(check(whole.substr(0, length))) << length;
    int refused = 0;
    for (std::size_t at = 0; at < whole.size();
         at += 1 + (at > 200 && at + 200 < whole.size()) * 97) {
      std::string bytes = whole;
      bytes[at] = static_cast<char>(bytes[at] ^ 0x55);
      refused += check(bytes) ? 0 : 1;
    }
    EXPECT_GT(refused, 50);
  }
}

}  // namespace
}  // namespace antiphon
