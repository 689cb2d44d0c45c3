// libFuzzer: any bytes as a timing cache. One that is taken is written and read back the same.
#include <cstdio>

#include "engine/plan/timing_cache.h"
#include "tests/fuzz/input_file.h"

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t num_bytes) {
  using namespace antiphon;
  const fuzz::InputFile file({data, num_bytes});
  auto cache = plan::TimingCache::load(file.path());
  fuzz::check_error(cache);
  if (!cache.ok()) return 0;
  static const std::string kCopy = "/dev/shm/timing_cache_fuzz." + std::to_string(getpid());
  if (!cache->save(kCopy).ok()) __builtin_trap();
  const auto again = plan::TimingCache::load(kCopy);
  if (!again.ok() || again->num_entries() != cache->num_entries()) __builtin_trap();
  std::remove(kCopy.c_str());
  cache->merge(*again);
  return 0;
}
