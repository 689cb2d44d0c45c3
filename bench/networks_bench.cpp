// The shipping networks on seeded weights, one JSON object a line:
//   networks_bench [--isa avx2] [--threads 1,2] [--precision f32,int8] [--case NAME] [--layers]
//                  [--no-tune] [--u8] [--timing-cache FILE] [--commit ID]
// ANTIPHON_MAX_ISA caps like --isa. Peers: bench/peers/networks_peer.py, which also runs this.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <map>
#include <sstream>
#include <string>
#include <vector>

#include "engine/engine.h"
#include "engine/kernels/isa.h"
#include "engine/machine.h"
#include "tests/support/shipping_networks.h"

namespace antiphon::bench {
namespace {

using test::NetworkCase;
using test::NetworkRunner;

struct Settings {
  std::string isa;
  std::vector<int> threads = {1, 2};
  std::vector<std::string> precisions = {"f32", "int8"};
  std::string only, timing_cache, commit;
  bool layers = false, tune = true, u8 = false;
};

struct Times {
  double p50 = 0, p95 = 0, p99 = 0, best = 0;
  int n = 0;
};

// Milliseconds of single runs: for a second, or 400 of them.
Result<Times> measure(NetworkRunner& runner) {
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

void print(const NetworkCase& c, const Settings& s, const PlanReport& report,
           const std::string& precision, int threads, double build_ms, const Times& t) {
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
      "\"precision\": \"%s\", \"u8_activations\": %s, \"isa\": \"%s\", \"layers_before\": %d, "
      "\"layers_after\": %d, "
      "\"arena_bytes\": %zu, \"live_bytes_bound\": %zu, \"state_bytes\": %zu, "
      "\"build_ms\": %.0f, \"tuned\": %s%s, \"machine\": \"%s\"}\n",
      c.name.c_str(), t.p50, t.p50, t.p95, t.p99, t.best, t.n, threads, precision.c_str(),
      s.u8 ? "true" : "false", report.isa.c_str(), report.nodes_before, report.nodes_after,
      report.arena_bytes, report.live_bytes_bound, report.state_bytes, build_ms,
      s.tune ? "true" : "false", more.c_str(), machine_name().c_str());
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

Status run_case(const NetworkCase& c, const Settings& s, const std::string& precision,
                int threads) {
  const bool int8 = precision == "int8";
  BuildOptions options;
  options.precision = int8 ? Precision::kInt8 : Precision::kF32;
  options.profile = c.profile;
  options.tune = s.tune;
  options.u8_activations = s.u8;
  options.timing_cache = s.timing_cache;
  options.max_isa = s.isa;
  options.num_threads = threads;
  const Network network = c.network(int8);
  const auto start = std::chrono::steady_clock::now();
  ANTIPHON_ASSIGN_OR_RETURN(const auto plan, build(network, options));
  const std::chrono::duration<double, std::milli> took = std::chrono::steady_clock::now() - start;
  ANTIPHON_ASSIGN_OR_RETURN(const auto team, ThreadTeam::create(threads));
  ANTIPHON_ASSIGN_OR_RETURN(const auto runner, NetworkRunner::create(plan, c, team.get()));
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
    if (name == "--u8") s.u8 = true;
    if (name == "--layers" || name == "--no-tune" || name == "--u8") continue;
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
  for (const NetworkCase& c : test::shipping_cases()) {
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
    std::fprintf(
        stderr,
        "usage: networks_bench [--isa ISA] [--threads 1,2] [--precision f32,int8] "
        "[--case TEXT] [--timing-cache FILE] [--commit ID] [--layers] [--no-tune] [--u8]\n");
    return 2;
  }
  return antiphon::bench::run(settings);
}
