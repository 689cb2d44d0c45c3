// JSON lines and the table.
#include "bench/report.h"

#include <unistd.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <cstdio>

#include "engine/machine.h"

namespace antiphon::bench {
namespace {

std::string commit_of_source() {
  std::FILE* git = popen("git -C " ANTIPHON_SOURCE_DIR " rev-parse --short HEAD 2>/dev/null", "r");
  if (git == nullptr) return "";
  std::array<char, 64> text{};
  const bool read = std::fgets(text.data(), text.size(), git) != nullptr;
  pclose(git);
  std::string out = read ? text.data() : "";
  while (!out.empty() && out.back() == '\n') out.pop_back();
  return out;
}

std::string cell(const nlohmann::json& line, const char* key) {
  const auto found = line.find(key);
  if (found == line.end()) return "";
  if (!found->is_number_float())
    return found->is_string() ? found->get<std::string>() : found->dump();
  std::array<char, 32> text{};
  std::snprintf(text.data(), text.size(), "%.4g", found->get<double>());
  return text.data();
}

}  // namespace

Spread spread_of(std::vector<double> values) {
  if (values.empty()) return {};
  std::sort(values.begin(), values.end());
  const auto rank = [&](double share) {
    const auto at = static_cast<std::size_t>(std::ceil(share * static_cast<double>(values.size())));
    return rounded(values[std::clamp<std::size_t>(at, 1, values.size()) - 1]);
  };
  return {rank(0.5), rank(0.95), rank(0.99), values.size()};
}

double rounded(double value) {
  if (value == 0 || !std::isfinite(value)) return 0;
  const double digits = std::floor(std::log10(std::abs(value)));
  const double scale = std::pow(10.0, std::max(0.0, 2 - digits));
  return std::round(value * scale) / scale;
}

Report::Report(std::string bench, const std::string& isa_cap)
    : bench_(std::move(bench)), machine_(machine_name()), commit_(commit_of_source()) {
  const Result<std::string> isa = isa_under(isa_cap);
  isa_ = isa.ok() ? *isa : *isa_under("");
}

void Report::add(nlohmann::json line) {
  line["bench"] = bench_;
  line["machine"] = machine_;
  line["commit"] = commit_;
  if (!line.contains("isa")) line["isa"] = isa_;
  std::printf("%s\n", line.dump(-1, ' ', false, nlohmann::json::error_handler_t::replace).c_str());
  std::fflush(stdout);
  lines_.push_back(std::move(line));
}

void Report::add(nlohmann::json line, const std::vector<double>& values) {
  const Spread spread = spread_of(values);
  line["p50"] = spread.p50;
  line["p95"] = spread.p95;
  line["p99"] = spread.p99;
  line["n"] = spread.n;
  add(std::move(line));
}

void Report::print_table() const {
  if (isatty(STDOUT_FILENO) == 0) return;
  constexpr std::array kColumns = {"case", "precision", "threads", "streams", "unit",
                                   "p50",  "p95",       "p99",     "n",       "ours_ms",
                                   "peer", "peer_ms",   "ratio"};
  std::array<std::size_t, kColumns.size()> widths{};
  for (std::size_t c = 0; c < kColumns.size(); ++c)
    for (const auto& line : lines_) {
      const std::size_t width = cell(line, kColumns[c]).size();
      if (width > 0) widths[c] = std::max({widths[c], width, std::string(kColumns[c]).size()});
    }
  std::printf("\n%s, %s, commit %s\n", machine_.c_str(), isa_.c_str(), commit_.c_str());
  const auto row = [&](const auto& text_of) {
    for (std::size_t c = 0; c < kColumns.size(); ++c)
      if (widths[c] > 0)
        std::printf("%-*s  ", static_cast<int>(widths[c]), text_of(kColumns[c]).c_str());
    std::printf("\n");
  };
  row([](const char* key) { return std::string(key); });
  for (const auto& line : lines_) row([&](const char* key) { return cell(line, key); });
}

}  // namespace antiphon::bench
