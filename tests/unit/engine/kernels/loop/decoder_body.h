// A Tacotron 2 decoder as one loop, with random weights: for tests and the benchmark.
#pragma once

#include <cstdint>

#include "engine/ir/graph.h"
#include "tests/unit/engine/kernels/loop/loop_harness.h"

namespace antiphon::test {

struct DecoderSizes {
  std::int64_t batch = 1, memory_steps = 100, encoder = 256, attention = 128;
  std::int64_t attention_lstm = 512, decoder_lstm = 512, prenet = 128, mel = 80;
  std::int64_t filters = 32, taps = 31;
  std::int64_t trip_limit = 20;
  double stop_bias = 0;  // of the stop logit: above about 1 the loop ends at once
};

// Carried: h, c of both LSTMs, context, frame, alignment and its sum. Invariants: memory and its
// projection. Emits frames, alignments and stop logits; stops when every logit is above 0.
Network decoder_network(const DecoderSizes& sizes);
ir::Node decoder_loop(const DecoderSizes& sizes);  // as written
Outputs decoder_inputs(const DecoderSizes& sizes, const ir::Node& node, std::uint64_t seed);

}  // namespace antiphon::test
