// Linear layers of constant f32 weights: what passes that move products ask of them and make.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "engine/ir/graph.h"

namespace antiphon::passes {

// The last extent; 0: none, or open.
std::int64_t width_of(const ir::Graph& graph, ir::ValueId id);
// A linear of constant f32 weights, with at most a constant bias and nothing behind.
bool is_product(const ir::Graph& graph, const ir::Node& node);
// Columns [begin, end) of weights [N, K].
std::vector<float> columns_of(const ir::Graph& graph, ir::ValueId w, std::int64_t begin,
                              std::int64_t end);
// a [n, m] b [m, k], summed in double.
std::vector<float> product_of(std::span<const float> a, const std::vector<float>& b, std::int64_t n,
                              std::int64_t m, std::int64_t k);

}  // namespace antiphon::passes
