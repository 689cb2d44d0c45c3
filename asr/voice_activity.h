// Voice activity: the probability of speech in each 32 ms of audio (Silero VAD, 16 kHz branch).
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/weights.h"

namespace antiphon::asr {

struct VoiceActivityConfig {
  std::string pack_dir;  // holds weights.safetensors
  int max_streams = 1;
  std::string max_isa;  // empty: what the CPU has
  PlanFolder plans;
  Logger* logger = nullptr;  // may be null
};

// Shared plan and state of the network. run() on one thread at a time.
class VoiceActivity {
 public:
  static constexpr int kChunkSamples = 512;  // 32 ms at 16 kHz

  // kNotFound, kInvalidArgument: name file and field.
  static Result<std::unique_ptr<VoiceActivity>> create(const VoiceActivityConfig& config);
  virtual ~VoiceActivity() = default;

  virtual Result<int> acquire() = 0;
  virtual void release(int slot) = 0;
  virtual void reset(int slot) = 0;
  virtual int num_used() const = 0;
  // chunk: kChunkSamples of mono 16 kHz audio -> [0, 1].
  virtual Result<float> run(int slot, std::span<const float> chunk) = 0;
};

}  // namespace antiphon::asr
