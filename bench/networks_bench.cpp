// The shipping networks on seeded weights, one JSON object a line:
//   networks_bench [--isa avx2] [--threads 1,2] [--precision f32,int8] [--case NAME] [--layers]
//                  [--no-tune] [--timing-cache FILE] [--commit ID]
// ANTIPHON_MAX_ISA caps like --isa. Peers: bench/peers/networks_peer.py, which also runs this.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <random>
#include <sstream>
#include <string>
#include <vector>

#include "asr/acoustic_model.h"
#include "bench/seeded_weights.h"
#include "engine/engine.h"
#include "engine/kernels/isa.h"
#include "nlu/encoder.h"
#include "tts/acoustic/decoder_state.h"
#include "tts/acoustic/networks.h"
#include "tts/vocoder/vocoder_network.h"

namespace antiphon::bench {
namespace {

struct Settings {
  std::string isa;
  std::vector<int> threads = {1, 2};
  std::vector<std::string> precisions = {"f32", "int8"};
  std::string only, timing_cache, commit;
  bool layers = false, tune = true;
};

// A network at one combination of its extents.
struct Case {
  std::string name;
  std::function<Network(bool int8)> network;
  std::map<std::string, DimRange> profile;
  std::map<std::string, std::int64_t> extents;
  double audio_ms = 0;  // of sound that one run takes in or makes; 0: none
  double frames = 0;    // decoder steps of one run; 0: none
};

std::string machine() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown";
}

Network acoustic(bool int8) { return asr::acoustic_network(acoustic_weights(int8), {}); }
Network bert(bool int8) {
  nlu::EncoderConfig config;
  config.shape = {.width = 384, .max_tokens = 320, .intents = 80, .tags = 90, .answers = true};
  return nlu::encoder_network(bert_weights(int8), config);
}
Network phoneme_encoder(bool int8) {
  tts::AcousticGeometry g;
  g.symbols = 70;
  return tts::encoder_network(tacotron_weights(int8), g);
}
Network decoder(bool int8) {
  tts::AcousticGeometry g;
  g.symbols = 70;
  // The threshold keeps the stop token of random weights from ending a block early.
  return tts::decoder_network(tacotron_weights(int8), g, {.stop_threshold = 2.0f});
}
Network postnet(bool int8) { return tts::postnet_network(tacotron_weights(int8), {}); }
Network vocoder(bool int8) { return tts::vocoder_network(waveglow_weights(int8), {}); }

Case acoustic_case(int batch, int steps) {
  return {"asr acoustic 4x688, " + std::to_string(steps) + " steps x" + std::to_string(batch),
          acoustic,
          {{"B", {1, batch, 8}}, {"N", {1, steps, 16}}, {"T", {4, 4 * steps, 64}}},
          {{"B", batch}, {"N", steps}, {"T", 4 * steps}},
          40.0 * steps * batch};
}
Case bert_case(int tokens) {
  return {"nlu bert 6x384, " + std::to_string(tokens) + " tokens", bert,
          {{"T", {1, tokens, 320}}}, {{"T", tokens}}};
}

std::vector<Case> all_cases() {
  constexpr double kFrameMs = 256.0 / 22.05;
  return {
      acoustic_case(1, 1), acoustic_case(1, 2), acoustic_case(1, 16), acoustic_case(4, 2),
      bert_case(12), bert_case(128),
      {"tts encoder, 64 symbols", phoneme_encoder, {{"N", {1, 64, 640}}}, {{"N", 64}}},
      {"tts tacotron decoder, 24 frames", decoder, {{"N", {1, 64, 640}}}, {{"N", 64}},
       24 * kFrameMs, 24},
      {"tts postnet, 24 frames", postnet, {{"T", {24, 24, 24}}}, {{"T", 24}}, 24 * kFrameMs},
      {"tts waveglow, 24 frames", vocoder, {{"T", {1, 24, 36}}}, {{"T", 24}}, 24 * kFrameMs},
  };
}

// The inputs' extents at the case.
std::vector<std::int64_t> dims_of(const TensorSpec& spec, const Case& c) {
  std::vector<std::int64_t> dims;
  for (const Dim& d : spec.shape) dims.push_back(d.is_static() ? d.extent : c.extents.at(d.symbol));
  return dims;
}

struct Buffer {
  std::string name;
  std::vector<std::int64_t> dims;
  std::vector<char> bytes;
};

std::vector<Buffer> make_inputs(const Plan& plan, const Case& c) {
  std::mt19937 random(5);
  std::normal_distribution<float> normal(0, 0.5f);
  std::vector<Buffer> buffers;
  for (const TensorSpec& spec : plan.inputs()) {
    Buffer b{spec.name, dims_of(spec, c), {}};
    std::int64_t n = 1;
    for (const std::int64_t d : b.dims) n *= d;
    b.bytes.resize(static_cast<std::size_t>(n) * dtype_bytes(spec.dtype));
    for (std::int64_t i = 0; i < n; ++i) {
      float value = normal(random);
      if (spec.name == "valid" || spec.name == "mask") value = 1;
      if (spec.name == "index") value = static_cast<float>(i);
      if (spec.name == "limit" || spec.name == "expected") value = 8;
      if (spec.name == "reach") value = 4;
      if (spec.name == "at" || spec.name == "held" || spec.name == "forced" ||
          spec.name == "previous" || spec.name == "cumulative")
        value = 0;
      const auto id = static_cast<std::int32_t>(spec.name == "types" ? 0 : 1 + i % 60);
      void* at = b.bytes.data() + static_cast<std::size_t>(i) * dtype_bytes(spec.dtype);
      if (spec.dtype == DType::kI32) std::memcpy(at, &id, sizeof id);
      if (spec.dtype == DType::kF32) std::memcpy(at, &value, sizeof value);
    }
    buffers.push_back(std::move(b));
  }
  return buffers;
}

// One run of the plan, from setting its inputs on.
class Runner {
 public:
  static Result<std::unique_ptr<Runner>> create(std::shared_ptr<const Plan> plan, const Case& c,
                                                ThreadTeam* team) {
    auto runner = std::make_unique<Runner>();
    runner->inputs_ = make_inputs(*plan, c);
    if (plan->report().state_bytes > 0) {
      const int streams =
          c.extents.contains("B") ? static_cast<int>(c.extents.at("B")) : 1;
      ANTIPHON_ASSIGN_OR_RETURN(runner->pool_, StatePool::create(plan, streams));
      for (int i = 0; i < streams; ++i) {
        ANTIPHON_ASSIGN_OR_RETURN(const int slot, runner->pool_->acquire());
        runner->slots_.push_back(slot);
      }
    }
    ANTIPHON_ASSIGN_OR_RETURN(runner->context_, Context::create(std::move(plan), team));
    return runner;
  }
  Status run() {
    for (const Buffer& b : inputs_) {
      ANTIPHON_ASSIGN_OR_RETURN(void* at, context_->input(b.name, b.dims));
      std::memcpy(at, b.bytes.data(), b.bytes.size());
    }
    return context_->run(pool_.get(), slots_);
  }

 private:
  std::vector<Buffer> inputs_;
  std::unique_ptr<StatePool> pool_;
  std::vector<int> slots_;
  std::unique_ptr<Context> context_;
};

struct Times {
  double p50 = 0, p95 = 0, p99 = 0, best = 0;
  int n = 0;
};

// Milliseconds of single runs: for a second, or 400 of them.
Result<Times> measure(Runner& runner) {
  using Clock = std::chrono::steady_clock;
  std::vector<double> ms;
  for (int i = 0; i < 3; ++i) ANTIPHON_RETURN_IF_ERROR(runner.run());
  const auto begin = Clock::now();
  while (ms.size() < 400 && (ms.size() < 20 || Clock::now() - begin < std::chrono::seconds(1))) {
    const auto start = Clock::now();
    ANTIPHON_RETURN_IF_ERROR(runner.run());
    ms.push_back(std::chrono::duration<double, std::milli>(Clock::now() - start).count());
  }
  std::sort(ms.begin(), ms.end());
  const auto at = [&](double q) { return ms[static_cast<std::size_t>(q * double(ms.size() - 1))]; };
  return Times{at(0.5), at(0.95), at(0.99), ms.front(), static_cast<int>(ms.size())};
}

void print(const Case& c, const Settings& s, const PlanReport& report, const std::string& precision,
           int threads, double build_ms, const Times& t) {
  std::string more;
  char text[160];
  if (c.audio_ms > 0) {
    std::snprintf(text, sizeof text, ", \"rtf\": %.4f", t.p50 / c.audio_ms);
    more += text;
  }
  if (c.frames > 0) {
    std::snprintf(text, sizeof text, ", \"frame_ms\": %.4f", t.p50 / c.frames);
    more += text;
  }
  if (!s.commit.empty()) more += ", \"commit\": \"" + s.commit + "\"";
  std::printf(
      "{\"bench\": \"networks\", \"case\": \"%s\", \"ours_ms\": %.4f, \"unit\": \"ms\", "
      "\"p50\": %.4f, \"p95\": %.4f, \"p99\": %.4f, \"best\": %.4f, \"n\": %d, \"threads\": %d, "
      "\"precision\": \"%s\", \"isa\": \"%s\", \"layers_before\": %d, \"layers_after\": %d, "
      "\"arena_bytes\": %zu, \"live_bytes_bound\": %zu, \"build_ms\": %.0f, \"tuned\": %s%s, "
      "\"machine\": \"%s\"}\n",
      c.name.c_str(), t.p50, t.p50, t.p95, t.p99, t.best, t.n, threads, precision.c_str(),
      report.isa.c_str(), report.nodes_before, report.nodes_after, report.arena_bytes,
      report.live_bytes_bound, build_ms, s.tune ? "true" : "false", more.c_str(),
      machine().c_str());
  std::fflush(stdout);
}

void print_layers(const PlanReport& report) {
  std::map<std::pair<std::string, std::string>, std::pair<int, double>> sums;
  for (const LayerReport& layer : report.layers) {
    auto& [count, us] = sums[{layer.op, layer.kernel}];
    ++count;
    us += layer.time_us;
  }
  for (const auto& [key, sum] : sums)
    std::fprintf(stderr, "  %4d x %-10s %-32s %9.1f us when tuned\n", sum.first, key.first.c_str(),
                 key.second.c_str(), sum.second);
}

Status run_case(const Case& c, const Settings& s, const std::string& precision, int threads) {
  const bool int8 = precision == "int8";
  BuildOptions options;
  options.precision = int8 ? Precision::kInt8 : Precision::kF32;
  options.profile = c.profile;
  options.tune = s.tune;
  options.timing_cache = s.timing_cache;
  options.max_isa = s.isa;
  options.num_threads = threads;
  const Network network = c.network(int8);
  const auto start = std::chrono::steady_clock::now();
  ANTIPHON_ASSIGN_OR_RETURN(const auto plan, build(network, options));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  ANTIPHON_ASSIGN_OR_RETURN(const auto team, ThreadTeam::create(threads));
  ANTIPHON_ASSIGN_OR_RETURN(const auto runner, Runner::create(plan, c, team.get()));
  ANTIPHON_ASSIGN_OR_RETURN(const Times times, measure(*runner));
  print(c, s, plan->report(), precision, threads, took.count(), times);
  if (s.layers) print_layers(plan->report());
  return {};
}

std::vector<std::string> split(const std::string& text) {
  std::vector<std::string> parts;
  std::istringstream in(text);
  for (std::string part; std::getline(in, part, ',');) parts.push_back(part);
  return parts;
}

bool read_settings(int argc, char** argv, Settings& s) {
  if (const char* cap = std::getenv("ANTIPHON_MAX_ISA")) s.isa = cap;
  for (int i = 1; i < argc; ++i) {
    const std::string name = argv[i];
    if (name == "--layers") s.layers = true;
    if (name == "--no-tune") s.tune = false;
    if (name == "--layers" || name == "--no-tune") continue;
    if (i + 1 == argc) return false;
    const std::string value = argv[++i];
    if (name == "--isa") {
      s.isa = value;
    } else if (name == "--threads") {
      s.threads.clear();
      for (const std::string& n : split(value)) s.threads.push_back(std::atoi(n.c_str()));
    } else if (name == "--precision") {
      s.precisions = split(value);
    } else if (name == "--case") {
      s.only = value;
    } else if (name == "--timing-cache") {
      s.timing_cache = value;
    } else if (name == "--commit") {
      s.commit = value;
    } else {
      return false;
    }
  }
  return true;
}

int run(const Settings& s) {
  const auto isa = s.isa.empty() ? Result<Isa>(detect_isa()) : parse_isa(s.isa);
  if (!isa.ok()) {
    std::fprintf(stderr, "%s\n", isa.status().to_string().c_str());
    return 2;
  }
  if (const Status capped = cap_onednn(*isa); !capped.ok()) {
    std::fprintf(stderr, "%s\n", capped.to_string().c_str());
    return 1;
  }
  for (const Case& c : all_cases()) {
    if (!s.only.empty() && c.name.find(s.only) == std::string::npos) continue;
    for (const std::string& precision : s.precisions)
      for (const int threads : s.threads)
        if (const Status status = run_case(c, s, precision, threads); !status.ok()) {
          std::fprintf(stderr, "%s: %s\n", c.name.c_str(), status.to_string().c_str());
          return 1;
        }
  }
  return 0;
}

}  // namespace
}  // namespace antiphon::bench

int main(int argc, char** argv) {
  antiphon::bench::Settings settings;
  if (!antiphon::bench::read_settings(argc, argv, settings)) {
    std::fprintf(stderr,
                 "usage: networks_bench [--isa ISA] [--threads 1,2] [--precision f32,int8] "
                 "[--case TEXT] [--timing-cache FILE] [--commit ID] [--layers] [--no-tune]\n");
    return 2;
  }
  return antiphon::bench::run(settings);
}
