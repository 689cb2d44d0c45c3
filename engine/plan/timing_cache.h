// Times of kernels by what they were measured on; a text file that can be merged line by line.
#pragma once

#include <map>
#include <optional>
#include <string>

#include "engine/base/status.h"

namespace antiphon::plan {

// Not thread-safe. A line: key TAB kernel TAB microseconds. Keys hold ISA, threads, op, attributes,
// shapes.
class TimingCache {
 public:
  // A file that does not exist is an empty cache. kInvalidArgument: a line that is not one of ours;
  // it is named.
  static Result<TimingCache> load(const std::string& path);
  Status save(const std::string& path) const;  // sorted; written whole, then renamed

  std::optional<double> find(const std::string& key, const std::string& kernel) const;
  void set(const std::string& key, const std::string& kernel, double time_us);
  // The smaller time wins: noise only adds.
  void merge(const TimingCache& other);
  std::size_t num_entries() const { return times_.size(); }

 private:
  std::map<std::pair<std::string, std::string>, double> times_;
};

}  // namespace antiphon::plan
