// A NetRunner over the reference interpreter: what the streams are tested with, apart from the
// engine.
#pragma once

#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "engine/network.h"
#include "engine/weights.h"
#include "tests/support/reference_interpreter.h"
#include "tts/stream/net_runner.h"

namespace antiphon::tts {

class ReferenceRunner final : public NetRunner {
 public:
  explicit ReferenceRunner(Network net) : net_(std::move(net)) {
    EXPECT_TRUE(net_.status().ok()) << net_.status().to_string();
  }

  Result<void*> input(std::string_view name, std::span<const std::int64_t> dims) override {
    std::size_t n = 1;
    for (const std::int64_t d : dims) n *= static_cast<std::size_t>(d);
    Bytes& bytes = inputs_[std::string(name)];
    bytes.dims.assign(dims.begin(), dims.end());
    bytes.words.assign(n, 0);
    return static_cast<void*>(bytes.words.data());
  }

  Status run(int slot) override {
    test::RefTensors in;
    for (const ir::ValueId id : net_.graph().inputs) {
      const ir::ValueInfo& info = net_.graph().values[static_cast<std::size_t>(id)];
      Bytes& bytes = inputs_[info.name];
      in[info.name] = test::ref_tensor({info.dtype, bytes.dims, bytes.words.data()});
    }
    ++runs;
    auto out = test::run_reference(net_.graph(), in, slot < 0 ? nullptr : &states_[slot]);
    if (!out.ok()) return out.status();
    outputs_.clear();
    for (const auto& [name, tensor] : *out)
      outputs_[name].assign(tensor.values.begin(), tensor.values.end());
    return {};
  }

  Result<std::span<const float>> output(std::string_view name) override {
    const auto found = outputs_.find(std::string(name));
    if (found == outputs_.end()) return internal_error("no output " + std::string(name));
    return std::span<const float>(found->second);
  }

  void reset(int slot) { states_.erase(slot); }
  int runs = 0;

 private:
  struct Bytes {
    std::vector<std::int64_t> dims;
    std::vector<std::uint32_t> words;  // f32 or i32
  };
  Network net_;
  std::map<std::string, Bytes> inputs_;
  std::map<int, test::RefTensors> states_;
  std::map<std::string, std::vector<float>> outputs_;
};

inline std::shared_ptr<const Weights> golden_weights(const std::string& name) {
  auto weights = Weights::load(ANTIPHON_SOURCE_DIR "/tests/golden/tts/" + name);
  EXPECT_TRUE(weights.ok()) << weights.status().to_string();
  return weights.ok() ? *weights : nullptr;
}

inline std::vector<float> golden(const Weights& weights, const std::string& name) {
  const auto tensor = weights.tensor("golden." + name);
  EXPECT_TRUE(tensor.ok()) << tensor.status().to_string();
  const auto view = tensor->f32();
  return {view.begin(), view.end()};
}

inline void expect_near(const std::vector<float>& got, const std::vector<float>& want, double bound,
                        const char* what) {
  ASSERT_EQ(got.size(), want.size()) << what;
  for (std::size_t i = 0; i < want.size(); ++i)
    ASSERT_NEAR(got[i], want[i], bound) << what << " at " << i;
}

}  // namespace antiphon::tts
