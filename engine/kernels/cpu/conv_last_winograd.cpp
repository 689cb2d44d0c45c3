// Channels-last 3x3 convolution of stride 1 by Winograd's method: tiles of 2x2 or 4x4 outputs,
// whose (m + 2)^2 products are each one packed matrix product over a block of tiles. 2.25 or 4
// times fewer multiply-adds; errors grow with the constants of the transforms, a few bits for 4x4.
// Windows over a third axis are sums of such ones: their planes lie beside each other in the
// products' columns, with any stride and dilation.
#include <vector>

#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/winograd_blocks.h"
#include "engine/kernels/cpu/winograd_tiles.h"

namespace antiphon::cpu {
namespace {

WinogradLayout layout_of(const ConvLast& shape, int m) {
  return WinogradLayout(shape, m, sizeof(float), 16);
}

struct PackedPatch final : Packed {
  HugeFloats panels;         // of [O, C], one matrix a place of the patch
  std::vector<float> zeros;  // a pixel of the padding
  std::size_t bytes() const override { return panels.size() * sizeof(float); }
};

const char* refuse(const NodeView& view) {
  if (const char* reason = refuse_winograd(conv_last(view))) return reason;
  return refuse_conv_last(view);
}

template <int m>
Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  constexpr std::int64_t kPatch = (m + 2) * (m + 2);
  const ConvLast s = conv_last(view);
  const std::int64_t columns = s.kd * s.channels, count = s.outputs * columns;
  std::vector<float> all(static_cast<std::size_t>(kPatch * count));
  double u[kWinogradMaxPatch];
  for (std::int64_t i = 0; i < count;
       ++i) {  // [output][channel][plane] to [output][plane][channel]
    winograd_weights(m, view.inputs[1].f32() + 9 * i, u);
    const std::int64_t o = i / columns, c = i % columns / s.kd, d = i % s.kd;
    const std::int64_t to = o * columns + d * s.channels + c;
    for (std::int64_t k = 0; k < kPatch; ++k)
      all[static_cast<std::size_t>(k * count + to)] = static_cast<float>(u[k]);
  }
  auto packed = std::make_unique<PackedPatch>();
  packed->panels.reserve(static_cast<std::size_t>(kPatch * panel_elements(s.outputs, columns)));
  for (std::int64_t k = 0; k < kPatch; ++k) {
    const F32Matrix one = pack_f32(s.outputs, columns, all.data() + k * count, view.isa);
    packed->panels.insert(packed->panels.end(), one.panel(0),
                          one.panel(0) + panel_elements(s.outputs, columns));
  }
  packed->zeros.resize(static_cast<std::size_t>(s.channels));
  return std::unique_ptr<Packed>(std::move(packed));
}

template <int m>
std::size_t workspace_bytes(const NodeView& view) {
  return layout_of(conv_last(view), m).workspace_bytes(view.num_threads);
}

template <int m>
class Work {
 public:
  Work(const NodeView& view, const WinogradLayout& layout, const PackedPatch& packed)
      : layout_(layout),
        s_(layout.s),
        epilogue_(split_epilogue(view, s_.outputs, Relu6::kInRegisters)),
        to_(placed_at(view)),
        x_(view.inputs[0].f32()),
        packed_(packed),
        isa_(view.isa),
        input_(winograd_input(view.isa, m)),
        output_(winograd_output(view.isa, m)) {}

  void transform(const WinogradBlock& b, Range tiles) const {
    const float* patch[kWinogradMaxPatch];
    for (std::int64_t t = tiles.begin; t < tiles.end; ++t)
      for (std::int64_t d = 0; d < s_.kd; ++d) {
        layout_.patch(b.first + t, d, x_, packed_.zeros.data(), patch);
        input_(patch, s_.channels, v_of(b) + t * layout_.v_width + d * s_.channels, v_plane());
      }
  }

  void multiply(const WinogradBlock& b, Range places) const {
    const std::int64_t columns = layout_.columns();
    for (std::int64_t k = places.begin; k < places.end; ++k)
      gemm_f32({packed_.panels.data() + k * panel_elements(s_.outputs, columns), s_.outputs,
                columns, isa_},
               {v_of(b) + k * v_plane(), layout_.v_width, 1, 0, columns}, b.count,
               m_of(b) + k * m_plane(), layout_.m_width, 0, s_.outputs);
  }

  void finish(const WinogradBlock& b, Range tiles) const {
    float* y[m * m];
    const float* residual[m * m];
    for (std::int64_t t = tiles.begin; t < tiles.end; ++t) {
      const auto at = layout_.corner(b.first + t);
      for (int i = 0; i < m * m; ++i) {
        const std::int64_t pixel = layout_.pixel(at, i);
        y[i] = pixel >= 0 ? to_.pixel(pixel) : nullptr;
        residual[i] = pixel >= 0 && epilogue_.finish.residual
                          ? epilogue_.finish.residual + pixel * s_.outputs
                          : nullptr;
      }
      output_(m_of(b) + t * layout_.m_width, m_plane(), s_.outputs, y, residual, epilogue_.finish);
      if (epilogue_.rest.is_empty()) continue;
      for (int i = 0; i < m * m; ++i)
        if (y[i])
          epilogue_.rest.row(y[i], epilogue_.rest.residual_at(layout_.pixel(at, i) * s_.outputs), 0,
                             s_.outputs);
    }
  }

 private:
  float* v_of(const WinogradBlock& b) const { return reinterpret_cast<float*>(b.memory); }
  float* m_of(const WinogradBlock& b) const { return v_of(b) + layout_.places() * v_plane(); }
  std::int64_t v_plane() const { return layout_.block * layout_.v_width; }
  std::int64_t m_plane() const { return layout_.block * layout_.m_width; }

  const WinogradLayout& layout_;
  const ConvLast& s_;
  SplitEpilogue epilogue_;
  Placed to_;
  const float* x_;
  const PackedPatch& packed_;
  Isa isa_;
  WinogradInput input_;
  WinogradOutput output_;
};

template <int m>
Status run(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  copy_base(view, kConvLastBase, *args.team);
  const WinogradLayout layout = layout_of(prepared_shape(args), m);
  Work<m> work(view, layout, static_cast<const PackedPatch&>(*args.packed));
  run_winograd(layout, *args.team, args.workspace, work);
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
