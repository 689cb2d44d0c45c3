// Places every temporary of a graph in one arena: lifetimes in, offsets out; and a separate
// checker.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "engine/base/status.h"
#include "engine/ir/graph.h"
#include "engine/kernels/kernel.h"

namespace antiphon::plan {

constexpr std::size_t kArenaAlignment = 256;
constexpr std::size_t kNoOffset = static_cast<std::size_t>(-1);

// Steps at which a storage is alive, both ends included. Step -1: before the first node (inputs,
// states); step nodes.size(): after the last (outputs, next states).
struct Lifetime {
  int first = 0, last = 0;
  std::size_t bytes = 0;
};

// root[v]: the value whose storage v uses (itself, or what a reshape or an in-place node shares).
struct MemoryPlan {
  std::vector<ir::ValueId> root;
  std::vector<std::size_t> offset;  // by value; kNoOffset: not in the arena (constants, unused)
  std::size_t arena_bytes = 0;
  std::size_t live_bytes_bound =
      0;  // the largest sum of live storages at any step: no plan is smaller
};

// By node index: the input whose memory output 0 may take over; -1: none.
using InPlace = std::vector<int>;

// tensors: of the largest extents. Deterministic: same input, same offsets.
MemoryPlan plan_memory(const ir::Graph& graph, const std::vector<Tensor>& tensors,
                       const InPlace& in_place);

// By node: the bytes of the arena that are alive while it runs, as the bound counts them.
std::vector<std::size_t> live_bytes_by_node(const ir::Graph& graph,
                                            const std::vector<Tensor>& tensors,
                                            const MemoryPlan& plan);

// Proves that no two live storages overlap, that all are aligned and inside the arena, and that
// shared storage is never written while another sharer is still read. Knows nothing of how
// plan_memory works.
Status check_memory(const ir::Graph& graph, const std::vector<Tensor>& tensors,
                    const MemoryPlan& plan);

// True for nodes that only give another view of their input: no step is run for them.
bool is_view(const ir::Node& node);

// Where the view of a node begins in its input x, in bytes; kNoOffset: it is no range of x.
std::size_t view_offset(const ir::Node& node, const Tensor& x);

}  // namespace antiphon::plan
