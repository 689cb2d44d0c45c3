// Finds the nearest name by Levenshtein's distance.
#include "engine/network/missing_tensor.h"

#include <algorithm>
#include <numeric>
#include <utility>

namespace antiphon {
namespace {

std::size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), std::size_t{0});
  for (std::size_t i = 0; i < a.size(); ++i) {
    std::size_t diagonal = row[0];
    row[0] = i + 1;
    for (std::size_t j = 0; j < b.size(); ++j) {
      const std::size_t best =
          std::min({row[j] + 1, row[j + 1] + 1, diagonal + (a[i] == b[j] ? 0 : 1)});
      diagonal = std::exchange(row[j + 1], best);
    }
  }
  return row[b.size()];
}

}  // namespace

Status missing_tensor(const std::string& path, std::string_view name,
                      const std::vector<std::string>& known) {
  std::string nearest;
  std::size_t best = static_cast<std::size_t>(-1);
  for (const std::string& candidate : known)
    if (const std::size_t d = edit_distance(name, candidate); d < best)
      best = d, nearest = candidate;
  return not_found(
      path + ": no tensor '" + std::string(name) + "'" +
      (nearest.empty() ? "; the file holds none" : "; the nearest is '" + nearest + "'"));
}

}  // namespace antiphon
