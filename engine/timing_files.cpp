// Merging of timing caches.
#include "engine/timing_files.h"

#include <filesystem>

#include "engine/plan/timing_cache.h"

namespace antiphon {

Status merge_timing_caches(std::span<const std::string> paths) {
  if (paths.size() < 2) return {};
  ANTIPHON_ASSIGN_OR_RETURN(plan::TimingCache all, plan::TimingCache::load(paths.front()));
  for (const std::string& path : paths.subspan(1)) {
    std::error_code ignored;
    if (!std::filesystem::exists(path, ignored)) return not_found(path + ": no such timing cache");
    ANTIPHON_ASSIGN_OR_RETURN(const plan::TimingCache more, plan::TimingCache::load(path));
    all.merge(more);
  }
  return all.save(paths.front());
}

}  // namespace antiphon
