// Adapters of tiny vocoders, and the weights that they make of a pack's, by plain loops.
#pragma once

#include <cstddef>
#include <initializer_list>
#include <random>
#include <string>
#include <vector>

#include "tests/support/safetensors_file.h"

namespace antiphon::test {

inline std::vector<float> f32_values(const FileTensor& tensor) {
  std::vector<float> values(tensor.bytes.size() / sizeof(float));
  std::memcpy(values.data(), tensor.bytes.data(), tensor.bytes.size());
  return values;
}

// Of rank 2, for f32 matrices of `base`.
inline FileTensors low_rank_pairs(const FileTensors& base,
                                  std::initializer_list<const char*> matrices, std::uint32_t seed) {
  std::mt19937 random(seed);
  const auto half = [&](std::int64_t width) {
    std::vector<float> values(static_cast<std::size_t>(2 * width));
    for (float& x : values) x = static_cast<float>(random() % 2001) / 4000.0f - 0.25f;
    return f32_tensor({2, width}, values);
  };
  FileTensors pairs;
  for (const std::string name : matrices) {
    const std::vector<std::int64_t>& dims = base.at(name).dims;
    pairs[name + ".down"] = half(dims[1]);
    pairs[name + ".up"] = half(dims[0]);
  }
  return pairs;
}

// `base`, f32, with what `adapter` adds, replaces and brings.
inline FileTensors merged(FileTensors base, const FileTensors& adapter) {
  for (const auto& [name, tensor] : adapter) {
    if (name.ends_with(".up")) continue;
    if (!name.ends_with(".down")) {
      base[name] = tensor;
      continue;
    }
    const std::string matrix = name.substr(0, name.size() - 5);
    const std::vector<float> down = f32_values(tensor), up = f32_values(adapter.at(matrix + ".up"));
    FileTensor& sum = base.at(matrix);
    std::vector<float> values = f32_values(sum);
    const auto out = static_cast<std::size_t>(sum.dims[0]);
    const auto in = static_cast<std::size_t>(sum.dims[1]);
    for (std::size_t o = 0; o < out; ++o)
      for (std::size_t i = 0; i < in; ++i) {
        double added = 0;
        for (std::size_t k = 0; k < down.size() / in; ++k)
          added += double{up[k * out + o]} * down[k * in + i];
        values[o * in + i] = static_cast<float>(values[o * in + i] + added);
      }
    sum = f32_tensor(sum.dims, values);
  }
  return base;
}

}  // namespace antiphon::test
