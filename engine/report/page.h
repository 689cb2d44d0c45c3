// The parts of a report's page.
#pragma once

#include <string>
#include <vector>

#include "engine/engine.h"

namespace antiphon::report {

// What was measured of a plan.
struct Measured {
  int runs = 0;                  // 0: nothing was, and `failure` says why
  std::vector<double> layer_us;  // the median of each layer
  double run_us = 0;             // the median of whole runs
  std::string failure;
};

struct Facts {
  std::string network, machine, precision, extents;  // extents: "B = 1, T = 32"; empty: all fixed
  int num_threads = 1;
  const PlanReport* plan = nullptr;
  const Measured* measured = nullptr;
  std::vector<std::pair<std::string, int>> ops_before, ops_after;  // by name
};

std::string page_head(const Facts& facts);
std::string summary_section(const Facts& facts);
std::string passes_section(const Facts& facts);
std::string operators_section(const Facts& facts);
std::string time_section(const Facts& facts);
std::string memory_section(const Facts& facts);
std::string layers_section(const Facts& facts);
// The id of layer i's row.
std::string layer_row_id(std::size_t i);

}  // namespace antiphon::report
