// Channels-last 3x3 convolution of stride 1 by Winograd's method: tiles of 2x2 or 4x4 outputs,
// whose (m + 2)^2 products are each one packed matrix product over a block of tiles. 2.25 or 4
// times fewer multiply-adds; errors grow with the constants of the transforms, a few bits for 4x4.
#include <vector>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/winograd_tiles.h"

namespace antiphon::cpu {
namespace {

constexpr std::int64_t kBlockBytes = 1536 << 10;
constexpr std::int64_t kLeastTiles = 48, kMostTiles = 144;  // of a block

template <int m>
struct Layout {
  static constexpr std::int64_t kPatch = (m + 2) * (m + 2);
  explicit Layout(const ConvLast& shape) : s(shape) {
    across = (s.out_w + m - 1) / m;
    down = (s.out_h + m - 1) / m;
    tiles = s.batch * across * down;
    v_width = (s.channels + 15) / 16 * 16;
    m_width = (s.outputs + 15) / 16 * 16;
    const std::int64_t fit =
        kBlockBytes / (kPatch * (v_width + m_width) * static_cast<std::int64_t>(sizeof(float)));
    block = std::min(std::clamp(fit / 12 * 12, kLeastTiles, kMostTiles),
                     std::max<std::int64_t>(1, tiles));
  }
  std::int64_t block_floats() const { return kPatch * block * (v_width + m_width); }
  // Members that have blocks of their own do not wait for each other.
  bool apart(int members) const { return members == 1 || tiles >= 2 * block * members; }

  ConvLast s;
  std::int64_t across, down, tiles, v_width, m_width, block;
};

struct PackedPatch final : Packed {
  HugeFloats panels;         // of [O, C], one matrix a place of the patch
  std::vector<float> zeros;  // a pixel of the padding
  std::size_t bytes() const override { return panels.size() * sizeof(float); }
};

const char* refuse(const NodeView& view) {
  const ConvLast s = conv_last(view);
  if (s.kh != 3 || s.kw != 3) return "needs a window of 3 x 3";
  if (s.stride_h != 1 || s.stride_w != 1) return "needs stride 1";
  if (s.dilation_h != 1 || s.dilation_w != 1) return "needs no dilation";
  if (s.groups != 1 || s.x_first) return "needs one group and channels last";
  if (s.channels < 8 || s.outputs < 8) return "needs 8 channels and 8 outputs";
  return refuse_conv_last(view);
}

template <int m>
Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  constexpr std::int64_t kPatch = Layout<m>::kPatch;
  const ConvLast s = conv_last(view);
  const std::int64_t count = s.outputs * s.channels;
  std::vector<float> all(static_cast<std::size_t>(kPatch * count));
  double u[kWinogradMaxPatch];
  for (std::int64_t i = 0; i < count; ++i) {
    winograd_weights(m, view.inputs[1].f32() + 9 * i, u);
    for (std::int64_t k = 0; k < kPatch; ++k)
      all[static_cast<std::size_t>(k * count + i)] = static_cast<float>(u[k]);
  }
  auto packed = std::make_unique<PackedPatch>();
  packed->panels.reserve(static_cast<std::size_t>(kPatch * panel_elements(s.outputs, s.channels)));
  for (std::int64_t k = 0; k < kPatch; ++k) {
    const F32Matrix one = pack_f32(s.outputs, s.channels, all.data() + k * count, view.isa);
    packed->panels.insert(packed->panels.end(), one.panel(0),
                          one.panel(0) + panel_elements(s.outputs, s.channels));
  }
  packed->zeros.resize(static_cast<std::size_t>(s.channels));
  return std::unique_ptr<Packed>(std::move(packed));
}

template <int m>
std::size_t workspace_bytes(const NodeView& view) {
  const Layout<m> layout(conv_last(view));
  const auto one = aligned_bytes(static_cast<std::size_t>(layout.block_floats()) * sizeof(float));
  return one * static_cast<std::size_t>(layout.apart(view.num_threads) ? view.num_threads : 1);
}

template <int m>
class Run {
 public:
  Run(const NodeView& view, const LaunchArgs& args)
      : layout_(prepared_shape(args)),
        s_(layout_.s),
        epilogue_(split_epilogue(view, s_.outputs)),
        to_(placed_at(view)),
        x_(view.inputs[0].f32()),
        workspace_(reinterpret_cast<float*>(args.workspace)),
        packed_(static_cast<const PackedPatch&>(*args.packed)),
        team_(*args.team),
        isa_(view.isa),
        input_(winograd_input(view.isa, m)),
        output_(winograd_output(view.isa, m)) {}

  void go() {
    const std::int64_t step = layout_.block;
    if (layout_.apart(team_.size())) {
      const std::size_t room =
          aligned_bytes(static_cast<std::size_t>(layout_.block_floats()) * sizeof(float)) /
          sizeof(float);
      split(team_, layout_.tiles, step, [&](std::int64_t begin, std::int64_t end, int member) {
        float* block = workspace_ + room * static_cast<std::size_t>(member);
        for (std::int64_t t = begin; t < end; t += step) {
          const Block b{t, std::min(step, end - t), block};
          transform(b, {0, b.count});
          multiply(b, {0, kPatch});
          finish(b, {0, b.count});
        }
      });
      return;
    }
    auto task = [&](int member) {
      const int size = team_.size();
      for (std::int64_t t = 0; t < layout_.tiles; t += step) {
        const Block b{t, std::min(step, layout_.tiles - t), workspace_};
        transform(b, share(b.count, 1, member, size));
        team_.barrier();
        multiply(b, share(kPatch, 1, member, size));
        team_.barrier();
        finish(b, share(b.count, 1, member, size));
        team_.barrier();
      }
    };
    team_.run(task);
  }

 private:
  static constexpr std::int64_t kPatch = Layout<m>::kPatch;
  static constexpr int n = m + 2;

  struct Block {
    std::int64_t first, count;
    float* memory;
  };
  struct Corner {
    std::int64_t batch, h, w;  // first output of a tile
  };

  // [patch][block][width] each.
  float* v_of(const Block& b) const { return b.memory; }
  float* m_of(const Block& b) const { return b.memory + kPatch * layout_.block * layout_.v_width; }
  std::int64_t v_plane() const { return layout_.block * layout_.v_width; }
  std::int64_t m_plane() const { return layout_.block * layout_.m_width; }

  Corner corner(std::int64_t tile) const {
    return {tile / (layout_.across * layout_.down), tile / layout_.across % layout_.down * m,
            tile % layout_.across * m};
  }

  void transform(const Block& b, Range tiles) const {
    const float* patch[kWinogradMaxPatch];
    for (std::int64_t t = tiles.begin; t < tiles.end; ++t) {
      const Corner at = corner(b.first + t);
      const float* image = x_ + at.batch * s_.in_h * s_.in_w * s_.channels;
      for (int i = 0; i < n; ++i)
        for (int j = 0; j < n; ++j) {
          const std::int64_t h = at.h - s_.top + i, w = at.w - s_.left + j;
          const bool inside = h >= 0 && h < s_.in_h && w >= 0 && w < s_.in_w;
          patch[i * n + j] =
              inside ? image + (h * s_.in_w + w) * s_.channels : packed_.zeros.data();
        }
      input_(patch, s_.channels, v_of(b) + t * layout_.v_width, v_plane());
    }
  }

  void multiply(const Block& b, Range places) const {
    for (std::int64_t k = places.begin; k < places.end; ++k)
      gemm_f32({packed_.panels.data() + k * panel_elements(s_.outputs, s_.channels), s_.outputs,
                s_.channels, isa_},
               {v_of(b) + k * v_plane(), layout_.v_width, 1, 0, s_.channels}, b.count,
               m_of(b) + k * m_plane(), layout_.m_width, 0, s_.outputs);
  }

  void finish(const Block& b, Range tiles) const {
    float* y[m * m];
    const float* residual[m * m];
    for (std::int64_t t = tiles.begin; t < tiles.end; ++t) {
      const Corner at = corner(b.first + t);
      for (int i = 0; i < m * m; ++i) {
        const std::int64_t h = at.h + i / m, w = at.w + i % m;
        const std::int64_t pixel = (at.batch * s_.out_h + h) * s_.out_w + w;
        const bool inside = h < s_.out_h && w < s_.out_w;
        y[i] = inside ? to_.pixel(pixel) : nullptr;
        residual[i] = inside && epilogue_.finish.residual
                          ? epilogue_.finish.residual + pixel * s_.outputs
                          : nullptr;
      }
      output_(m_of(b) + t * layout_.m_width, m_plane(), s_.outputs, y, residual, epilogue_.finish);
      if (epilogue_.rest.is_empty()) continue;
      for (int i = 0; i < m * m; ++i) {
        if (!y[i]) continue;
        const std::int64_t pixel = (at.batch * s_.out_h + at.h + i / m) * s_.out_w + at.w + i % m;
        epilogue_.rest.row(y[i], epilogue_.rest.residual_at(pixel * s_.outputs), 0, s_.outputs);
      }
    }
  }

  Layout<m> layout_;
  const ConvLast& s_;
  SplitEpilogue epilogue_;
  Placed to_;
  const float* x_;
  float* workspace_;
  const PackedPatch& packed_;
  Team& team_;
  Isa isa_;
  WinogradInput input_;
  WinogradOutput output_;
};

template <int m>
Status run(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  copy_base(view, kConvLastBase, *args.team);
  Run<m>(view, args).go();
  return {};
}

}  // namespace

constinit const Kernel kConvLastWinograd4 = {.op = ir::kOpConvLast,
                                             .name = "cpu/conv_last_winograd4",
                                             .refuse = refuse,
                                             .workspace_bytes = workspace_bytes<4>,
                                             .run = run<4>,
                                             .pack = pack<4>,
                                             .prepare = prepare_conv_last,
                                             .in_place = conv_last_in_place,
                                             .in_place_input = kConvLastBase};
constinit const Kernel kConvLastWinograd2 = {.op = ir::kOpConvLast,
                                             .name = "cpu/conv_last_winograd2",
                                             .refuse = refuse,
                                             .workspace_bytes = workspace_bytes<2>,
                                             .run = run<2>,
                                             .pack = pack<2>,
                                             .prepare = prepare_conv_last,
                                             .in_place = conv_last_in_place,
                                             .in_place_input = kConvLastBase};

}  // namespace antiphon::cpu
