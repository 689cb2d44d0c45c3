// What PyTorch makes of a pack that ships (tests/golden/packs), and the paths of the engine that
// are held to it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/weights.h"

namespace antiphon::test {

struct GoldenSource {
  std::string data;     // file in tests/golden/packs
  std::string weights;  // the file that it was made from, in models
  std::string command;  // makes it again
};

// Immutable after load().
class PackGolden {
 public:
  // Null, and the test has failed, when the weights are not those that the data was made from.
  static std::unique_ptr<PackGolden> load(const GoldenSource& source);
  // Empty, and the test has failed, when there is no such tensor.
  std::vector<float> f32(const std::string& name) const;
  std::vector<std::int32_t> i32(const std::string& name) const;
  // False, and the test has failed, when the tensor `name` is not the SHA-256 of `file` in models.
  bool made_from(const std::string& name, const std::string& file) const;

 private:
  GoldenSource source_;
  std::shared_ptr<const Weights> data_;
};

// A precision and the newest instructions allowed; "": what the CPU has.
struct EnginePath {
  Precision precision;
  const char* isa;
};
inline constexpr EnginePath kEnginePaths[] = {
    {Precision::kF32, ""},  {Precision::kF32, "avx2"},  {Precision::kF32, "portable"},
    {Precision::kInt8, ""}, {Precision::kInt8, "avx2"}, {Precision::kInt8, "portable"}};
std::string engine_path_name(const testing::TestParamInfo<EnginePath>& path);

// The largest difference stays within `bound`; says where it is.
void expect_near(std::span<const float> got, std::span<const float> want, double bound,
                 const std::string& what);
// The power of the difference is at most `bound_db` of that of `want`: for what is a signal.
void expect_error_db(std::span<const float> got, std::span<const float> want, double bound_db,
                     const std::string& what);

}  // namespace antiphon::test
