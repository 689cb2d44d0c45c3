// Packs the weights of a body's linear and conv nodes.
#include "engine/kernels/cpu/loop/linear_weights.h"

#include <algorithm>
#include <utility>

#include "engine/kernels/cpu/loop/body_shapes.h"

namespace antiphon::loop {
namespace {

std::size_t u(std::int64_t i) { return static_cast<std::size_t>(i); }

const ir::ValueInfo* constant(const ir::Graph& body, const ir::Node& node, std::size_t i) {
  if (i >= node.inputs.size() || !ir::is_constant(body, node.inputs[i])) return nullptr;
  return &body.values[u(node.inputs[i])];
}

// What all nodes are packed for.
struct Target {
  Isa isa = Isa::kPortable;
  Packing packing = Packing::kAsGiven;
};

// In 24 bits, all groups or none.
bool pack_as_i24(const float* w, Isa isa, LinearWeights& packed) {
  const std::int64_t rows = packed.n / packed.groups;
  for (std::int64_t g = 0; g < packed.groups; ++g) {
    auto matrix = pack_i24(rows, packed.k, w + g * rows * packed.k, isa);
    if (!matrix) {
      packed.i24.clear();
      return false;
    }
    packed.i24.push_back(std::move(*matrix));
  }
  return true;
}

// One matrix a group of rows.
Status pack_groups(const ir::ValueInfo& w, const float* scale, const Target& target,
                   LinearWeights& packed) {
  const Isa isa = target.isa;
  const std::int64_t rows = packed.n / packed.groups, k = packed.k;
  if (w.dtype == DType::kF32 && target.packing == Packing::kI24 &&
      pack_as_i24(static_cast<const float*>(w.constant.data), isa, packed))
    return {};
  for (std::int64_t g = 0; g < packed.groups; ++g) {
    if (w.dtype == DType::kF32) {
      const auto* data = static_cast<const float*>(w.constant.data) + g * rows * k;
      packed.f32.push_back(pack_f32(rows, k, data, isa));
      continue;
    }
    const auto* data = static_cast<const std::int8_t*>(w.constant.data) + g * rows * k;
    if (target.packing == Packing::kBytes) {
      packed.u8.push_back(pack_u8(rows, k, data, scale + g * rows, isa, 1, 255));
      continue;
    }
    ANTIPHON_ASSIGN_OR_RETURN(auto matrix, pack_int8(rows, k, data, scale + g * rows, isa));
    packed.q_max = g == 0 ? matrix->q_max : std::min(packed.q_max, matrix->q_max);
    packed.i8.push_back(std::move(matrix));
  }
  return {};
}

void expand(const ir::ValueInfo& w, const float* scale, LinearWeights& packed) {
  packed.plain.resize(u(packed.n * packed.k));
  for (std::int64_t i = 0; i < packed.n * packed.k; ++i)
    packed.plain[u(i)] =
        w.dtype == DType::kF32
            ? static_cast<const float*>(w.constant.data)[i]
            : static_cast<float>(static_cast<const std::int8_t*>(w.constant.data)[i]) *
                  scale[i / packed.k];
}

// [O, C, taps] to a matrix [O, taps * C].
void pack_taps(std::int64_t channels, std::int64_t taps, Isa isa, LinearWeights& packed) {
  std::vector<float> rows(packed.plain.size());
  for (std::int64_t o = 0; o < packed.n; ++o)
    for (std::int64_t c = 0; c < channels; ++c)
      for (std::int64_t t = 0; t < taps; ++t)
        rows[u(o * packed.k + t * channels + c)] = packed.plain[u(o * packed.k + c * taps + t)];
  packed.f32.push_back(pack_f32(packed.n, packed.k, rows.data(), isa));
  packed.plain.clear();
}

Result<std::unique_ptr<LinearWeights>> pack_node(const ir::Graph& body, const ir::Node& node,
                                                 const Target& target) {
  auto packed = std::make_unique<LinearWeights>();
  if (const ir::ValueInfo* bias = constant(body, node, 3))
    packed->bias = static_cast<const float*>(bias->constant.data);
  const ir::ValueInfo* w = constant(body, node, 1);
  if (!w) return packed;
  packed->n = w->shape[0].extent;
  packed->k = 1;
  for (std::size_t i = 1; i < w->shape.size(); ++i) packed->k *= w->shape[i].extent;
  const ir::ValueInfo* scale_info = constant(body, node, 2);
  const float* scale = scale_info ? static_cast<const float*>(scale_info->constant.data) : nullptr;
  if (node.op == ir::OpKind::kConv || packed->n < kFewRows) {
    expand(*w, scale, *packed);
    if (node.op == ir::OpKind::kConv && node.attrs.i("groups", 1) == 1)
      pack_taps(w->shape[1].extent, w->shape[2].extent, target.isa, *packed);
    return packed;
  }
  packed->groups = gate_groups(body, node);
  ANTIPHON_RETURN_IF_ERROR(pack_groups(*w, scale, target, *packed));
  return packed;
}

std::size_t bytes_of(const LinearWeights& packed) {
  std::size_t bytes = packed.plain.size() * sizeof(float);
  for (const F32Matrix& m : packed.f32) bytes += m.bytes();
  for (const I24Matrix& m : packed.i24) bytes += m.bytes();
  for (const auto& m : packed.i8) bytes += m->bytes();
  for (const U8Matrix& m : packed.u8) bytes += m.bytes();
  return bytes;
}

}  // namespace

Result<std::unique_ptr<LoopPacked>> pack_weights(const NodeView& view, Packing packing) {
  const ir::Graph& body = *view.node->body;
  auto packed = std::make_unique<LoopPacked>();
  packed->by_node.resize(body.nodes.size());
  for (std::size_t i = 0; i < body.nodes.size(); ++i) {
    const ir::Node& node = body.nodes[i];
    if (node.op != ir::OpKind::kLinear && node.op != ir::OpKind::kConv) continue;
    auto made = pack_node(body, node, {view.isa, packing});
    if (!made.ok()) return made.status().with_context("body: " + node.name);
    packed->by_node[i] = std::move(made).value();
    packed->packed_bytes += bytes_of(*packed->by_node[i]);
  }
  return packed;
}

}  // namespace antiphon::loop
