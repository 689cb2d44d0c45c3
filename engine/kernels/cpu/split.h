// How work is divided over the members of a team.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/kernels/kernel.h"

namespace antiphon {

struct Range {
  std::int64_t begin = 0, end = 0;
};

// Member's part of [0, count) in whole multiples of `grain`, as even as that allows.
inline Range share(std::int64_t count, std::int64_t grain, int member, int members) {
  const std::int64_t blocks = (count + grain - 1) / grain;
  const std::int64_t begin = blocks * member / members, end = blocks * (member + 1) / members;
  return {std::min(begin * grain, count), std::min(end * grain, count)};
}

// f(begin, end, member) over [0, count). Less than two grains of work stay on the caller.
template <typename F>
void split(Team& team, std::int64_t count, std::int64_t grain, F&& f) {
  if (team.size() == 1 || count < 2 * grain) {
    if (count > 0) f(std::int64_t{0}, count, 0);
    return;
  }
  auto task = [&](int member) {
    const Range range = share(count, grain, member, team.size());
    if (range.begin < range.end) f(range.begin, range.end, member);
  };
  team.run(task);
}

// How many parts of at most `most` to cut each of `lines` runs of `length` into, so that the
// members of a team get equally many: some more where there are few. With parts of one length the
// last of them may be empty.
inline std::int64_t even_parts(std::int64_t lines, std::int64_t length, std::int64_t most,
                               int members) {
  const std::int64_t parts = std::max<std::int64_t>(1, (length + most - 1) / most);
  if (lines * parts < members || lines * parts >= 16 * std::int64_t{members}) return parts;
  for (std::int64_t more = parts; more < parts + members; ++more)
    if (lines * more % members == 0) return more;
  return parts;
}

// A grain so that one block of rows is about 16 K elements: below that, waking a team costs more.
inline std::int64_t row_grain(std::int64_t row_elements) {
  return std::max<std::int64_t>(1, 16384 / std::max<std::int64_t>(1, row_elements));
}

}  // namespace antiphon
