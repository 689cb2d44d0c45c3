// Channels-last 3x3 convolution of stride 1 with int8 weights and input bytes by Winograd's method
// on tiles of 4x4 outputs. At the points 0, +-1, +-2 the transform of bytes is exact in 16 bits;
// transformed weights are rounded to 16 bits, as many as sums of 32 bits leave them: errors of
// about a thousandth, less than those of bytes. A quarter of the multiply-adds, at half their
// width. Windows over a third axis as in conv_last_winograd.cpp.
#include <vector>

#include "engine/ir/input_quantizer.h"
#include "engine/ir/op_enums.h"
#include "engine/kernels/cpu/conv_last.h"
#include "engine/kernels/cpu/gemm_i16.h"
#include "engine/kernels/cpu/gemm_u8.h"
#include "engine/kernels/cpu/import_kernels.h"
#include "engine/kernels/cpu/winograd_blocks.h"
#include "engine/kernels/cpu/winograd_tiles.h"

namespace antiphon::cpu {
namespace {

constexpr int m = 4, kPatch = 36;

WinogradLayout layout_of(const ConvLast& shape) {
  return WinogradLayout(shape, m, sizeof(std::int16_t), kWinogradWholeGrain);
}

struct PackedPatch final : Packed {
  std::vector<std::int16_t, HugePageAllocator<std::int16_t>> panels;  // one matrix a place
  std::vector<float> factors;                                         // [place][outputs]
  std::vector<std::uint8_t> zeros;                                    // a pixel of the padding
  std::size_t bytes() const override {
    return panels.size() * sizeof(std::int16_t) + factors.size() * sizeof(float);
  }
};

std::int64_t padded(std::int64_t outputs) {
  return (outputs + kPanelRows - 1) / kPanelRows * kPanelRows;
}

const char* refuse(const NodeView& view) {
  const auto quantizer = ir::input_quantizer(view.node->attrs);
  if (!quantizer) return "needs known ranges";
  if (quantizer->exact) return "rounds weights";
  if (view.node->attrs.i("w_shift") != 0) return "takes weights without a shift";
  if (const char* reason = refuse_winograd(conv_last(view))) return reason;
  if (view.inputs[1].dtype != DType::kI8) return "needs i8 weights";
  if (!view.inputs[1].is_constant || !has_input(view, 2) || !view.inputs[2].is_constant)
    return "needs constant weights and scales";
  return refuse_bytes(view);
}

Result<std::unique_ptr<Packed>> pack(const NodeView& view) {
  const ConvLast s = conv_last(view);
  const ir::InputQuantizer quantizer = *ir::input_quantizer(view.node->attrs);
  const auto* w = static_cast<const std::int8_t*>(view.inputs[1].data);
  const std::int64_t columns = s.kd * s.channels;
  const std::int64_t matrix = i16_panel_elements(s.outputs, columns);
  auto packed = std::make_unique<PackedPatch>();
  packed->panels.resize(static_cast<std::size_t>(kPatch * matrix));
  packed->factors.resize(static_cast<std::size_t>(kPatch * padded(s.outputs)));
  packed->zeros.assign(static_cast<std::size_t>(s.channels),
                       static_cast<std::uint8_t>(quantizer.zero));
  std::vector<double> rows(static_cast<std::size_t>(kPatch * columns));
  for (std::int64_t o = 0; o < s.outputs; ++o) {
    for (std::int64_t c = 0; c < columns; ++c) {  // [plane][channel], of w [channel][plane]
      float window[9];
      const std::int64_t from = c % s.channels * s.kd + c / s.channels;
      std::copy_n(w + (o * columns + from) * 9, 9, window);
      double u[kPatch];
      winograd_weights_whole(window, u);
      for (std::int64_t k = 0; k < kPatch; ++k)
        rows[static_cast<std::size_t>(k * columns + c)] = u[k];
    }
    for (int k = 0; k < kPatch; ++k) {
      const float step = pack_i16_row(
          {rows.data() + k * columns, static_cast<std::size_t>(columns)}, o,
          winograd_whole_most(k, quantizer.levels), packed->panels.data() + k * matrix);
      packed->factors[static_cast<std::size_t>(k * padded(s.outputs) + o)] =
          step * quantizer.scale * view.inputs[2].f32()[o];
    }
  }
  return std::unique_ptr<Packed>(std::move(packed));
}

// Behind the blocks: x as bytes where it is f32, and a tile's results where they become bytes.
struct Memory {
  std::size_t image_at, results_at, result_bytes, all;
};
Memory memory_of(const NodeView& view, const ConvLast& s) {
  Memory memory{};
  memory.image_at = layout_of(s).workspace_bytes(view.num_threads);
  memory.results_at = memory.image_at;
  if (view.inputs[0].dtype == DType::kF32)
    memory.results_at += aligned_bytes(static_cast<std::size_t>(view.inputs[0].num_elements()));
  if (view.outputs[0].dtype == DType::kU8)
    memory.result_bytes =
        aligned_bytes(static_cast<std::size_t>(m * m * s.outputs) * sizeof(float));
  memory.all = memory.results_at + memory.result_bytes * static_cast<std::size_t>(view.num_threads);
  return memory;
}
std::size_t workspace_bytes(const NodeView& view) { return memory_of(view, conv_last(view)).all; }

class Work {
 public:
  Work(const NodeView& view, const WinogradLayout& layout, const LaunchArgs& args)
      : layout_(layout),
        s_(layout.s),
        memory_(memory_of(view, layout.s)),
        epilogue_(split_epilogue(view, s_.outputs, Relu6::kInRegisters)),
        to_(placed_at(view)),
        x_(static_cast<const std::uint8_t*>(view.inputs[0].data)),
        bytes_(static_cast<std::uint8_t*>(view.outputs[0].data) + view.node->attrs.i("y_begin")),
        workspace_(args.workspace),
        quantizer_(*ir::input_quantizer(view.node->attrs)),
        result_(ir::output_quantizer(view.node->attrs)),
        packed_(static_cast<const PackedPatch&>(*args.packed)),
        isa_(view.isa),
        input_(winograd_input_whole(view.isa)),
        output_(winograd_output_whole(view.isa)) {
    if (view.inputs[0].dtype == DType::kF32) make_image(view, *args.team);
  }

  void transform(const WinogradBlock& b, Range tiles) const {
    const std::uint8_t* patch[kPatch];
    for (std::int64_t t = tiles.begin; t < tiles.end; ++t)
      for (std::int64_t d = 0; d < s_.kd; ++d) {  // in order: whole vectors reach into the next
        layout_.patch(b.first + t, d, x_, packed_.zeros.data(), patch);
        input_(patch, s_.channels, quantizer_.zero, v_of(b) + t * layout_.v_width + d * s_.channels,
               v_plane());
      }
  }

  void multiply(const WinogradBlock& b, Range places) const {
    const std::int64_t columns = layout_.columns();
    for (std::int64_t k = places.begin; k < places.end; ++k)
      gemm_i16({packed_.panels.data() + k * i16_panel_elements(s_.outputs, columns),
                packed_.factors.data() + k * padded(s_.outputs), s_.outputs, columns, isa_},
               v_of(b) + k * v_plane(), layout_.v_width, b.count, m_of(b) + k * m_plane(),
               layout_.m_width);
  }

  void finish(const WinogradBlock& b, Range tiles) const {
    auto* results =
        reinterpret_cast<float*>(workspace_ + memory_.results_at +
                                 memory_.result_bytes * static_cast<std::size_t>(b.member));
    float* y[m * m];
    const float* residual[m * m];
    std::int64_t pixels[m * m];
    for (std::int64_t t = tiles.begin; t < tiles.end; ++t) {
      const auto at = layout_.corner(b.first + t);
      for (int i = 0; i < m * m; ++i) {
        const std::int64_t pixel = pixels[i] = layout_.pixel(at, i);
        y[i] = pixel < 0 ? nullptr : result_ ? results + i * s_.outputs : to_.pixel(pixel);
        residual[i] = pixel >= 0 && epilogue_.finish.residual
                          ? epilogue_.finish.residual + pixel * s_.outputs
                          : nullptr;
      }
      output_(m_of(b) + t * layout_.m_width, m_plane(), s_.outputs, y, residual, epilogue_.finish);
      for (int i = 0; i < m * m; ++i) {
        if (!y[i]) continue;
        if (result_)
          quantize_u8_static(isa_, y[i], s_.outputs, {result_->scale, result_->zero},
                             result_->levels, bytes_ + pixels[i] * to_.width);
        else if (!epilogue_.rest.is_empty())
          epilogue_.rest.row(y[i], epilogue_.rest.residual_at(pixels[i] * s_.outputs), 0,
                             s_.outputs);
      }
    }
  }

 private:
  void make_image(const NodeView& view, Team& team) {
    auto* image = reinterpret_cast<std::uint8_t*>(workspace_ + memory_.image_at);
    split(
        team, view.inputs[0].num_elements(), 16384, [&](std::int64_t begin, std::int64_t end, int) {
          quantize_u8_static(isa_, view.inputs[0].f32() + begin, end - begin,
                             {quantizer_.scale, quantizer_.zero}, quantizer_.levels, image + begin);
        });
    x_ = image;
  }

  std::int16_t* v_of(const WinogradBlock& b) const {
    return reinterpret_cast<std::int16_t*>(b.memory);
  }
  float* m_of(const WinogradBlock& b) const {
    return reinterpret_cast<float*>(v_of(b) + kPatch * v_plane());
  }
  std::int64_t v_plane() const { return layout_.block * layout_.v_width; }
  std::int64_t m_plane() const { return layout_.block * layout_.m_width; }

  const WinogradLayout& layout_;
  const ConvLast& s_;
  const Memory memory_;
  SplitEpilogue epilogue_;
  Placed to_;
  const std::uint8_t* x_;
  std::uint8_t* bytes_;
  std::byte* workspace_;
  const ir::InputQuantizer quantizer_;
  const std::optional<ir::InputQuantizer> result_;
  const PackedPatch& packed_;
  Isa isa_;
  WinogradInputWhole input_;
  WinogradOutput output_;
};

Status run(const NodeView& view, const LaunchArgs& args) {
  if (view.outputs[0].num_elements() == 0) return {};
  copy_base(view, kConvLastBase, *args.team);
  const WinogradLayout layout = layout_of(prepared_shape(args));
  Work work(view, layout, args);
  run_winograd(layout, *args.team, args.workspace, work);
  return {};
}

}  // namespace

constinit const Kernel kConvLastWinogradI16 = {.op = ir::kOpConvLast,
                                               .name = "cpu/conv_last_winograd_i16",
                                               .refuse = refuse,
                                               .workspace_bytes = workspace_bytes,
                                               .run = run,
                                               .pack = pack,
                                               .prepare = prepare_conv_last,
                                               .in_place = conv_last_in_place,
                                               .in_place_input = kConvLastBase};

}  // namespace antiphon::cpu
