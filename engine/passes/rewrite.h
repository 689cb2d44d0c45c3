// What passes share: who makes and who reads a value, replacing values, dropping nodes.
#pragma once

#include <cstddef>
#include <functional>
#include <string>
#include <vector>

#include "engine/ir/graph.h"

namespace antiphon::passes {

// Inputs of linear layers and convolutions: x first, then weights, and what may be absent.
inline constexpr std::size_t kWeights = 1, kScale = 2, kBias = 3, kResidual = 4;

// Fewer columns than these are copied out of a wider value, not read where they lie: row by row
// that costs more.
inline constexpr std::int64_t kLeastPart = 8;

// Makers and readers of every value; out of date after a rewrite.
class Uses {
 public:
  explicit Uses(const ir::Graph& graph);
  // Index of the node that makes the value; -1: an input, state, constant, or orphan.
  int maker(ir::ValueId id) const { return id < 0 ? -1 : makers_[static_cast<std::size_t>(id)]; }
  // Nodes that read the value, once for each input that does.
  const std::vector<int>& readers(ir::ValueId id) const {
    return readers_[static_cast<std::size_t>(id)];
  }
  // Outputs of the graph and updates of states that are the value.
  int num_results(ir::ValueId id) const { return results_[static_cast<std::size_t>(id)]; }
  // True when one node input is all that uses the value.
  bool single(ir::ValueId id) const { return readers(id).size() == 1 && num_results(id) == 0; }
  bool unused(ir::ValueId id) const { return readers(id).empty() && num_results(id) == 0; }

 private:
  std::vector<int> makers_;
  std::vector<std::vector<int>> readers_;
  std::vector<int> results_;
};

// Tries `rewrite` on each node, from the first again after each success. `rewrite` returns true
// when it changed the graph.
using Rewrite = bool (*)(ir::Graph& graph, const Uses& uses, int node);
bool rewrite_all(ir::Graph& graph, Rewrite rewrite);

ir::Node& node_at(ir::Graph& graph, int index);
const ir::ValueInfo& info_of(const ir::Graph& graph, ir::ValueId id);
// The input at `index`, kNoValue when absent or left off.
ir::ValueId input_at(const ir::Node& node, std::size_t index);
// Sets an input, filling up with absent ones.
void set_input(ir::Node& node, std::size_t index, ir::ValueId id);
// The node of kind `op` that makes the value; null otherwise.
const ir::Node* made_by(const ir::Graph& graph, const Uses& uses, ir::ValueId id, ir::OpKind op);

// Every reader, output and state update of `from` reads `to`.
void replace_uses(ir::Graph& graph, ir::ValueId from, ir::ValueId to);
void remove_node(ir::Graph& graph, int index);
void remove_nodes(ir::Graph& graph, const std::vector<bool>& dead);
// Puts the nodes back into topological order, keeping their order where they may. The graph has no
// cycle.
void sort_nodes(ir::Graph& graph);
// `base`, or base with a number that no node has.
std::string unique_node_name(const ir::Graph& graph, const std::string& base);
// A value for the output of a rewritten node, of the type of `like`.
ir::ValueId add_like(ir::Graph& graph, ir::ValueId like, std::string name);
// Moves of elements, and maxima over windows: each element of its one result is one of input 0's.
bool gives_what_it_gets(const ir::Node& node);
// Constant scales, `rows` of them or one for all, as one for each row.
ir::ValueId row_scales(ir::Graph& graph, ir::ValueId scale, std::int64_t rows);
// The only element of an f32 constant.
bool scalar_constant(const ir::Graph& graph, ir::ValueId id, float& value);

}  // namespace antiphon::passes
