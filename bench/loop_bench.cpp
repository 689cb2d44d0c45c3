// Microseconds a step of loop programs: LSTM layers and a Tacotron 2 decoder, one JSON object a
// line: loop_bench [ISA]. Peer: bench/peers/torch_lstm.py.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <string>

#include "engine/kernels/isa.h"
#include "engine/machine.h"
#include "tests/unit/engine/kernels/loop/decoder_body.h"

namespace antiphon::test {
namespace {

// Microseconds of the fastest of several runs.
double best_us(LoopRunner& runner) {
  using Clock = std::chrono::steady_clock;
  double best = 1e12;
  for (int i = 0; i < 40; ++i) {
    const auto start = Clock::now();
    if (!runner.run().ok()) return -1;
    const std::chrono::duration<double, std::micro> took = Clock::now() - start;
    best = std::min(best, took.count());
  }
  return best;
}

void measure(const std::string& name, const ir::Node& node, const Outputs& inputs, double steps,
             const char* precision, Isa isa) {
  for (const int threads : {1, 2}) {
    LoopRunner runner(node, inputs, threads, isa);
    const Status ready = runner.prepare();
    if (!ready.ok()) {
      std::fprintf(stderr, "%s: %s\n", name.c_str(), ready.to_string().c_str());
      return;
    }
    std::printf(
        "{\"bench\": \"loop\", \"case\": \"%s\", \"precision\": \"%s\", \"us_a_step\": %.2f, "
        "\"barriers\": %d, \"isa\": \"%s\", \"threads\": %d, \"machine\": \"%s\"}\n",
        name.c_str(), precision, best_us(runner) / steps, runner.num_phases(),
        std::string(isa_name(isa)).c_str(), threads, machine_name().c_str());
    std::fflush(stdout);
  }
}

ir::Node lstm_loop(std::int64_t hidden) {
  Network net("lstm");
  const Value x = net.input("x", DType::kF32, {"B", "T", Dim(hidden)});
  const Value h = net.input("h", DType::kF32, {"B", Dim(hidden)});
  const Value c = net.input("c", DType::kF32, {"B", Dim(hidden)});
  const Value w_ih = random_constant(net, "w_ih", {4 * hidden, hidden}, 1, 0.04);
  const Value w_hh = random_constant(net, "w_hh", {4 * hidden, hidden}, 2, 0.04);
  net.output("y", net.lstm(x, h, c, w_ih, w_hh, {}, {}).y);
  return optimized_loop_of(net);
}

void measure_all(Isa isa) {
  constexpr std::int64_t kSteps = 25;
  for (const std::int64_t hidden : {688, 704}) {
    for (const std::int64_t batch : {1, 4}) {
      const std::string name = "lstm " + std::to_string(hidden) + " x" + std::to_string(batch);
      ir::Node node = lstm_loop(hidden);
      const Outputs inputs =
          random_inputs(node, {{batch, hidden}, {batch, hidden}, {batch, kSteps, 4 * hidden}}, 3);
      measure(name, node, inputs, kSteps, "f32", isa);
      quantize_linears(*node.body);
      measure(name, node, inputs, kSteps, "int8", isa);
    }
  }
  DecoderSizes sizes;
  sizes.trip_limit = kSteps;
  sizes.stop_bias = -100;
  ir::Node node = optimized_loop_of(decoder_network(sizes));
  const Outputs inputs = decoder_inputs(sizes, node, 3);
  measure("tacotron step", node, inputs, kSteps, "f32", isa);
  quantize_linears(*node.body);
  measure("tacotron step", node, inputs, kSteps, "int8", isa);
}

}  // namespace
}  // namespace antiphon::test

int main(int argc, char** argv) {
  antiphon::Isa isa = antiphon::detect_isa();
  if (argc > 1) {
    const auto parsed = antiphon::parse_isa(argv[1]);
    if (!parsed.ok()) {
      std::fprintf(stderr, "%s\n", parsed.status().to_string().c_str());
      return 2;
    }
    isa = *parsed;
  }
  antiphon::test::measure_all(isa);
  return 0;
}
