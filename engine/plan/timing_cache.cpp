// Reads and writes the timing cache file.
#include "engine/plan/timing_cache.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <cstdio>
#include <fstream>
#include <string_view>

namespace antiphon::plan {
namespace {
constexpr std::string_view kHeader = "antiphon timing cache 1";
}

Result<TimingCache> TimingCache::load(const std::string& path) {
  TimingCache cache;
  std::ifstream in(path);
  if (!in) return cache;
  std::string line;
  if (!std::getline(in, line) || line != kHeader)
    return invalid_argument(path + ": line 1: wanted '" + std::string(kHeader) +
                            "'; delete the file to start afresh");
  for (int number = 2; std::getline(in, line); ++number) {
    const std::size_t a = line.find('\t');
    const std::size_t b = a == std::string::npos ? a : line.find('\t', a + 1);
    double time_us = 0;
    bool good = b != std::string::npos;
    if (good) {
      const auto parsed = std::from_chars(line.data() + b + 1, line.data() + line.size(), time_us);
      good = parsed.ec == std::errc() && parsed.ptr == line.data() + line.size() &&
             std::isfinite(time_us) && time_us >= 0;
    }
    if (!good)
      return invalid_argument(path + ": line " + std::to_string(number) +
                              ": wanted key TAB kernel TAB microseconds");
    cache.set(line.substr(0, a), line.substr(a + 1, b - a - 1), time_us);
  }
  return cache;
}

Status TimingCache::save(const std::string& path) const {
  const std::string partial = path + ".partial";
  {
    std::ofstream out(partial);
    out << kHeader << '\n';
    for (const auto& [key, time_us] : times_) {
      char number[32];
      std::snprintf(number, sizeof number, "%.3f", time_us);
      out << key.first << '\t' << key.second << '\t' << number << '\n';
    }
    if (!out.flush()) return internal_error(partial + ": cannot be written");
  }
  if (std::rename(partial.c_str(), path.c_str()) != 0)
    return internal_error(path + ": cannot be replaced");
  return {};
}

std::optional<double> TimingCache::find(const std::string& key, const std::string& kernel) const {
  const auto found = times_.find({key, kernel});
  if (found == times_.end()) return std::nullopt;
  return found->second;
}

void TimingCache::set(const std::string& key, const std::string& kernel, double time_us) {
  times_[{key, kernel}] = time_us;
}

void TimingCache::merge(const TimingCache& other) {
  for (const auto& [key, time_us] : other.times_) {
    const auto [at, added] = times_.emplace(key, time_us);
    if (!added) at->second = std::min(at->second, time_us);
  }
}

}  // namespace antiphon::plan
