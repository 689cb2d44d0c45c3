// The tiny vocoder of tests/golden/tts/tiny_harmonics.safetensors, whose last flow hears harmonics,
// and its weights without that.
#pragma once

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/weights.h"
#include "tts/vocoder/vocoder_network.h"

namespace antiphon::tts {

inline VocoderConfig tiny_harmonics() {
  VocoderConfig config;
  config.flows = 3, config.layers = 6, config.channels = 8;
  config.pitch_channels = 6, config.pitch_layers = 2, config.pitch_flows = 1;
  return config;
}

// Its flows without pitch and harmonics, for DeafWeights(..., 2, 32).
inline VocoderConfig tiny_flows_alone() {
  VocoderConfig config = tiny_harmonics();
  config.pitch_channels = config.pitch_layers = config.pitch_flows = 0;
  return config;
}

// `all`, those of tiny_harmonics(), but flow `flow` hears no harmonics: of its start's `width`
// columns the 32 of the group stay and others are zeros.
class DeafWeights final : public Weights {
 public:
  DeafWeights(std::shared_ptr<const Weights> all, int flow, std::int64_t width)
      : all_(std::move(all)), start_("flow." + std::to_string(flow) + ".start.weight") {
    const TensorView whole = *all_->tensor(start_);
    dims_ = {whole.dims[0], width};
    values_.assign(static_cast<std::size_t>(dims_[0] * width), 0.0f);
    for (std::int64_t row = 0; row < dims_[0]; ++row)
      std::copy_n(whole.f32().begin() + row * whole.dims[1], 32, values_.begin() + row * width);
  }

  std::vector<std::string> names() const override { return all_->names(); }
  bool has(std::string_view name) const override { return all_->has(name); }
  Result<TensorView> tensor(std::string_view name) const override {
    if (name == start_) return TensorView{DType::kF32, dims_, values_.data()};
    return all_->tensor(name);
  }
  const std::string& path() const override { return all_->path(); }

 private:
  std::shared_ptr<const Weights> all_;
  std::string start_;
  std::vector<std::int64_t> dims_;
  std::vector<float> values_;
};

}  // namespace antiphon::tts
