// A network as the streams run it: set inputs, run, read outputs.
#pragma once

#include <cstdint>
#include <span>
#include <string_view>

#include "engine/base/status.h"
#include "engine/tensor.h"

namespace antiphon::tts {

// One of a thread's networks. slot: the stream's state; ignored by a network without state.
class NetRunner {
 public:
  virtual ~NetRunner() = default;
  // Memory of an input, to be filled before run().
  virtual Result<void*> input(std::string_view name, std::span<const std::int64_t> dims) = 0;
  virtual Status run(int slot) = 0;
  // Valid until the next input() or run().
  virtual Result<std::span<const float>> output(std::string_view name) = 0;
};

// Copies `values` to a f32 input of these dims.
Status set_input(NetRunner& net, std::string_view name, std::span<const std::int64_t> dims,
                 std::span<const float> values);

}  // namespace antiphon::tts
