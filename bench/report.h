// What every benchmark prints: JSON objects, one a line, and a table when a terminal looks on.
#pragma once

#include <cstddef>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

namespace antiphon::bench {

struct Spread {
  double p50 = 0, p95 = 0, p99 = 0;
  std::size_t n = 0;
};

// By nearest rank; all zeros without values.
Spread spread_of(std::vector<double> values);

// Three significant digits below 100, whole numbers above: more is noise.
double rounded(double value);

// Not thread-safe.
class Report {
 public:
  // isa_cap: what ANTIPHON_MAX_ISA says; empty: none.
  Report(std::string bench, const std::string& isa_cap);

  // Adds bench, machine, isa and commit to `line` and prints it.
  void add(nlohmann::json line);
  // The same with p50, p95, p99 and n of `values`.
  void add(nlohmann::json line, const std::vector<double>& values);
  // The lines so far as a table, if standard output is a terminal.
  void print_table() const;

  const std::string& isa() const { return isa_; }

 private:
  std::string bench_, machine_, commit_, isa_;
  std::vector<nlohmann::json> lines_;
};

}  // namespace antiphon::bench
