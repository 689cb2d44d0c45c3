// Copies of whole blocks around one axis; element types do not matter.
#pragma once

#include <cstring>

#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/view.h"

namespace antiphon {

inline const std::byte* bytes_of(const Tensor& t) { return static_cast<const std::byte*>(t.data); }
inline std::byte* writable_bytes_of(const Tensor& t) { return static_cast<std::byte*>(t.data); }

// memcpy that allows null pointers with 0 bytes.
inline void copy_bytes(std::byte* to, const std::byte* from, std::int64_t num_bytes) {
  if (num_bytes > 0) std::memcpy(to, from, static_cast<std::size_t>(num_bytes));
}

// Copies `outer` blocks of `block_bytes`, with steps between blocks.
inline void copy_blocks(Team& team, std::int64_t outer, std::int64_t block_bytes, std::byte* to,
                        std::int64_t to_step, const std::byte* from, std::int64_t from_step) {
  split(team, outer, row_grain(block_bytes / 4), [&](std::int64_t begin, std::int64_t end, int) {
    for (std::int64_t i = begin; i < end; ++i)
      copy_bytes(to + i * to_step, from + i * from_step, block_bytes);
  });
}

}  // namespace antiphon
