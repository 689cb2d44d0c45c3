// The processor's name from /proc/cpuinfo.
#include "engine/machine.h"

#include <algorithm>
#include <fstream>
#include <thread>

#include "engine/kernels/isa.h"

namespace antiphon {
namespace {

std::string processor_name() {
  std::ifstream in("/proc/cpuinfo");
  for (std::string line; std::getline(in, line);)
    if (line.starts_with("model name")) return line.substr(line.find(':') + 2);
  return "unknown processor";
}

}  // namespace

std::string machine_name() {
  const unsigned cores = std::thread::hardware_concurrency();
  return processor_name() + ", " + std::to_string(cores) + (cores == 1 ? " core" : " cores");
}

Result<std::string> isa_under(std::string_view max_isa) {
  Isa isa = detect_isa();
  if (!max_isa.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(const Isa cap, parse_isa(max_isa));
    isa = highest_under(cap);
  }
  return std::string(isa_name(isa));
}

}  // namespace antiphon
