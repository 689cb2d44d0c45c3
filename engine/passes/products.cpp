// Linear layers of constant f32 weights: told, cut by columns, multiplied.
#include "engine/passes/products.h"

#include <algorithm>

#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::kNoValue;
using ir::Node;
using ir::OpKind;
using ir::ValueId;

std::size_t u(std::int64_t i) { return static_cast<std::size_t>(i); }

}  // namespace

std::int64_t width_of(const ir::Graph& graph, ValueId id) {
  const Shape& shape = info_of(graph, id).shape;
  return shape.empty() || !shape.back().is_static() ? 0 : shape.back().extent;
}

bool is_product(const ir::Graph& body, const Node& node) {
  if (node.op != OpKind::kLinear || !ir::is_constant(body, node.inputs[1])) return false;
  if (info_of(body, node.inputs[1]).dtype != DType::kF32) return false;
  const ValueId bias = input_at(node, kBias);
  if (bias != kNoValue && !ir::is_constant(body, bias)) return false;
  for (const char* name : {"act", "act2", "x_scale"})
    if (node.attrs.has(name)) return false;
  return input_at(node, kScale) == kNoValue && input_at(node, kResidual) == kNoValue;
}

std::vector<float> columns_of(const ir::Graph& graph, ValueId w, std::int64_t begin,
                              std::int64_t end) {
  const TensorView view = ir::constant_view(graph, w);
  std::vector<float> out;
  for (std::int64_t n = 0; n < view.dims[0]; ++n)
    for (std::int64_t k = begin; k < end; ++k) out.push_back(view.f32()[u(n * view.dims[1] + k)]);
  return out;
}

std::vector<float> product_of(std::span<const float> a, const std::vector<float>& b, std::int64_t n,
                              std::int64_t m, std::int64_t k) {
  std::vector<float> out(u(n * k));
  std::vector<double> row(u(k));
  for (std::int64_t i = 0; i < n; ++i) {
    std::fill(row.begin(), row.end(), 0.0);
    for (std::int64_t j = 0; j < m; ++j)
      for (std::int64_t c = 0; c < k; ++c)
        row[u(c)] += double{a[u(i * m + j)]} * double{b[u(j * k + c)]};
    for (std::int64_t c = 0; c < k; ++c) out[u(i * k + c)] = static_cast<float>(row[u(c)]);
  }
  return out;
}

}  // namespace antiphon::passes
