// Weights of a given geometry filled with seeded random numbers: for tests and measuring, not for
// meaning.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "engine/weights.h"

namespace antiphon::test {

// Matrices are stored as packs store them: I8 with a scale for every row when `int8`, else F32.
class SeededWeights final : public Weights {
 public:
  SeededWeights(bool int8, std::uint32_t seed) : int8_(int8), seed_(seed) {}

  // Rows of unit variance for unit inputs; vectors near `around`.
  void matrix(const std::string& name, std::vector<std::int64_t> dims);
  void vector(const std::string& name, std::vector<std::int64_t> dims, float around = 0);
  void linear(const std::string& name, std::int64_t rows, std::int64_t cols);  // .weight, .bias

  std::vector<std::string> names() const override;
  bool has(std::string_view name) const override { return map_.contains(std::string(name)); }
  Result<TensorView> tensor(std::string_view name) const override;
  const std::string& path() const override { return path_; }
  std::size_t num_parameters() const { return num_parameters_; }

 private:
  struct Entry {
    DType dtype = DType::kF32;
    std::vector<std::int64_t> dims;
    std::vector<float> f32;
    std::vector<std::int8_t> i8;
  };
  bool int8_;
  std::uint32_t seed_;
  std::size_t num_parameters_ = 0;
  std::map<std::string, Entry> map_;
  std::string path_ = "seeded weights";
};

// The geometries that ship, with the tensor names of their packs.
SeededWeights acoustic_weights(bool int8);  // training/asr/model.py, 4 x 688
SeededWeights listener_weights(bool int8);  // training/asr/listener.py, 4 x 384, LSTM 3 x 576
SeededWeights bert_weights(bool int8);      // 6 x 384, 13500 pieces
SeededWeights tacotron_weights(bool int8);  // training/tts/model.py
// training/vocoder/model.py, the last `hearing` of its six flows hearing harmonics.
SeededWeights waveglow_weights(bool int8, int hearing = 0);
SeededWeights pitch_weights();  // its Pitch, 3 x 64, whose matrices packs hold as F16

}  // namespace antiphon::test
