// How a channels-last 3x3 or kx3x3 convolution by Winograd's method is cut: tiles of m x m outputs,
// blocks of tiles whose transformed patches and products stay in a core's cache, members of a team.
#pragma once

#include <algorithm>
#include <cstdint>

#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/split.h"

namespace antiphon {

// Patches of a block are [place of the patch][tile][v_width], products [place][tile][m_width] f32
// behind them.
struct WinogradLayout {
  static constexpr std::int64_t kBlockBytes = 1536 << 10;
  static constexpr std::int64_t kLeastTiles = 48, kMostTiles = 144;  // of a block

  // v_bytes: of an element of a patch; v_grain: elements that a row is filled up to.
  WinogradLayout(const ConvLast& shape, int m_in, std::int64_t v_bytes_in, std::int64_t v_grain)
      : s(shape), m(m_in), v_bytes(v_bytes_in) {
    across = (s.out_w + m - 1) / m;
    down = (s.out_h + m - 1) / m;
    tiles = s.planes() * across * down;
    const auto up = [&](std::int64_t n) { return (n + v_grain - 1) / v_grain * v_grain; };
    v_width = up((s.kd - 1) * s.channels + up(s.channels));  // of each plane whole vectors
    m_width = (s.outputs + kPanelRows - 1) / kPanelRows * kPanelRows;
    const std::int64_t fit = kBlockBytes / (places() * tile_bytes());
    block = std::min(std::clamp(fit / 12 * 12, kLeastTiles, kMostTiles),
                     std::max<std::int64_t>(1, tiles));
  }

  struct Corner {
    std::int64_t plane, h, w;  // first output of a tile
  };

  std::int64_t columns() const { return s.kd * s.channels; }  // of a product: [plane][channel]
  std::int64_t places() const { return (m + 2) * (m + 2); }
  std::int64_t tile_bytes() const {
    return v_width * v_bytes + m_width * static_cast<std::int64_t>(sizeof(float));
  }
  std::size_t block_bytes() const {
    return aligned_bytes(static_cast<std::size_t>(places() * block * tile_bytes()));
  }
  // Members that have blocks of their own do not wait for each other.
  bool apart(int members) const { return members == 1 || tiles >= 2 * block * members; }
  std::size_t workspace_bytes(int members) const {
    return block_bytes() * static_cast<std::size_t>(apart(members) ? members : 1);
  }
  Corner corner(std::int64_t tile) const {
    return {tile / (across * down), tile / across % down * m, tile % across * m};
  }
  // The patch's pixels of x [B, D, H, W, C] in plane d of the window, `zeros` outside of x.
  template <typename T>
  void patch(std::int64_t tile, std::int64_t d, const T* x, const T* zeros, const T** out) const {
    const Corner at = corner(tile);
    const std::int64_t plane = s.plane_at(at.plane, d);
    const T* image = x + plane * s.in_h * s.in_w * s.channels;
    for (int i = 0; i < m + 2; ++i)
      for (int j = 0; j < m + 2; ++j) {
        const std::int64_t h = at.h - s.top + i, w = at.w - s.left + j;
        const bool inside = plane >= 0 && h >= 0 && h < s.in_h && w >= 0 && w < s.in_w;
        *out++ = inside ? image + (h * s.in_w + w) * s.channels : zeros;
      }
  }
  // The pixel of y that output i of a tile is, -1 outside of the image.
  std::int64_t pixel(const Corner& at, int i) const {
    const std::int64_t h = at.h + i / m, w = at.w + i % m;
    return h < s.out_h && w < s.out_w ? (at.plane * s.out_h + h) * s.out_w + w : -1;
  }

  ConvLast s;
  int m;
  std::int64_t v_bytes, across, down, tiles, v_width, m_width, block;
};

struct WinogradBlock {
  std::int64_t first, count;  // tiles
  std::byte* memory;          // block_bytes()
  int member;                 // of the part at hand
};

// transform(block, tiles), multiply(block, places), finish(block, tiles) of every block.
template <typename Work>
void run_winograd(const WinogradLayout& layout, Team& team, std::byte* workspace, Work& work) {
  const std::int64_t step = layout.block;
  if (layout.apart(team.size())) {
    split(team, layout.tiles, step, [&](std::int64_t begin, std::int64_t end, int member) {
      std::byte* memory = workspace + layout.block_bytes() * static_cast<std::size_t>(member);
      for (std::int64_t t = begin; t < end; t += step) {
        const WinogradBlock b{t, std::min(step, end - t), memory, member};
        work.transform(b, {0, b.count});
        work.multiply(b, {0, layout.places()});
        work.finish(b, {0, b.count});
      }
    });
    return;
  }
  auto task = [&](int member) {
    const int size = team.size();
    for (std::int64_t t = 0; t < layout.tiles; t += step) {
      const WinogradBlock b{t, std::min(step, layout.tiles - t), workspace, member};
      work.transform(b, share(b.count, 1, member, size));
      team.barrier();
      work.multiply(b, share(layout.places(), 1, member, size));
      team.barrier();
      work.finish(b, share(b.count, 1, member, size));
      team.barrier();
    }
  };
  team.run(task);
}

// What both kernels ask of a node beside its types.
inline const char* refuse_winograd(const ConvLast& s) {
  if (s.kh != 3 || s.kw != 3) return "needs a window of 3 x 3";
  if (s.stride_h != 1 || s.stride_w != 1) return "needs stride 1";
  if (s.dilation_h != 1 || s.dilation_w != 1) return "needs no dilation";
  if (s.groups != 1 || s.x_first) return "needs one group and channels last";
  if (s.channels < 8 || s.outputs < 8) return "needs 8 channels and 8 outputs";
  return nullptr;
}

}  // namespace antiphon
