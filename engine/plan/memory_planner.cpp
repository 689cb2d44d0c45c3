// Greedy placement: storages in some order, each at the lowest offset that is free while it lives.
#include "engine/plan/memory_planner.h"

#include <algorithm>
#include <functional>
#include <numeric>

#include "engine/ir/op_enums.h"

namespace antiphon::plan {
namespace {

std::size_t index(ir::ValueId id) { return static_cast<std::size_t>(id); }

bool in_arena(const ir::ValueInfo& info) { return info.kind != ir::ValueKind::kConstant; }

bool is_view_of_part(const ir::Node& node) {
  return node.op == ir::OpKind::kSlice && node.attrs.i("view") != 0;
}

std::vector<int> last_uses(const ir::Graph& graph) {
  std::vector<int> last(graph.values.size(), -2);
  const int end = static_cast<int>(graph.nodes.size());
  for (int n = 0; n < end; ++n)
    for (const ir::ValueId id : graph.nodes[static_cast<std::size_t>(n)].inputs)
      if (id != ir::kNoValue) last[index(id)] = n;
  for (const ir::NamedOutput& out : graph.outputs) last[index(out.value)] = end;
  for (const ir::ValueId state : graph.states) {
    const ir::ValueId next = graph.values[index(state)].next;
    if (next != ir::kNoValue) last[index(next)] = end;
  }
  return last;
}

// Shares storage along views and in-place nodes where the input dies there.
std::vector<ir::ValueId> share(const ir::Graph& graph, const std::vector<Tensor>& tensors,
                               const InPlace& in_place) {
  std::vector<ir::ValueId> root(graph.values.size());
  std::iota(root.begin(), root.end(), 0);
  std::vector<int> last = last_uses(graph);             // by root, grows as values join it
  std::vector<bool> parts(graph.values.size(), false);  // views that begin within their root
  for (std::size_t n = 0; n < graph.nodes.size(); ++n) {
    const ir::Node& node = graph.nodes[n];
    const std::size_t input =
        n < in_place.size() && in_place[n] > 0 ? static_cast<std::size_t>(in_place[n]) : 0;
    if (node.inputs.size() <= input || node.outputs.empty()) continue;
    const ir::ValueId shared = node.inputs[input], to = node.outputs[0];
    if (shared == ir::kNoValue || to == ir::kNoValue) continue;
    const ir::ValueId from = root[index(shared)];
    if (!in_arena(graph.values[index(from)])) {
      if (is_view(node)) root[index(to)] = from;  // a view of a constant needs no memory
      continue;
    }
    const bool dies_here = last[index(from)] == static_cast<int>(n) &&
                           graph.values[index(from)].kind == ir::ValueKind::kTemp;
    const auto readers = std::count_if(node.inputs.begin(), node.inputs.end(), [&](ir::ValueId id) {
      return id != ir::kNoValue && root[index(id)] == from;
    });
    // Memory is taken over from its beginning.
    const bool is_part = parts[index(shared)];
    if (is_view(node)) parts[index(to)] = is_part || is_view_of_part(node);
    const bool fits = !is_part && tensors[index(to)].bytes() <= tensors[index(from)].bytes();
    if (is_view(node) ||
        (n < in_place.size() && in_place[n] >= 0 && dies_here && readers == 1 && fits)) {
      root[index(to)] = from;
      last[index(from)] = std::max(last[index(from)], last[index(to)]);
    }
  }
  return root;
}

std::vector<Lifetime> lifetimes(const ir::Graph& graph, const std::vector<Tensor>& tensors,
                                const std::vector<ir::ValueId>& root) {
  std::vector<Lifetime> life(graph.values.size(), Lifetime{1 << 30, -2, 0});
  const std::vector<int> last = last_uses(graph);
  const auto extend = [&](ir::ValueId id, int first) {
    if (!in_arena(graph.values[index(root[index(id)])])) return;
    Lifetime& l = life[index(root[index(id)])];
    l.first = std::min(l.first, first);
    l.last = std::max({l.last, last[index(id)], first});
    l.bytes = std::max(l.bytes, tensors[index(id)].bytes());
  };
  for (const ir::ValueId id : graph.inputs) extend(id, -1);
  for (const ir::ValueId id : graph.states) extend(id, -1);
  for (std::size_t n = 0; n < graph.nodes.size(); ++n)
    for (const ir::ValueId id : graph.nodes[n].outputs)
      if (id != ir::kNoValue) extend(id, static_cast<int>(n));
  return life;
}

bool overlap_in_time(const Lifetime& a, const Lifetime& b) {
  return a.first <= b.last && b.first <= a.last;
}

std::size_t align_up(std::size_t n) {
  return (n + kArenaAlignment - 1) / kArenaAlignment * kArenaAlignment;
}

struct Placed {
  std::size_t offset, bytes;
  Lifetime life;
};

std::size_t lowest_gap(std::vector<Placed> neighbours, std::size_t bytes) {
  std::sort(neighbours.begin(), neighbours.end(),
            [](const Placed& a, const Placed& b) { return a.offset < b.offset; });
  std::size_t at = 0;
  for (const Placed& p : neighbours) {
    if (at + bytes <= p.offset) return at;
    at = std::max(at, p.offset + p.bytes);
  }
  return at;
}

// Bytes alive at each step, from step -1 to the one after the last node.
std::vector<std::size_t> live_bytes(const std::vector<Lifetime>& life,
                                    const std::vector<ir::ValueId>& root, std::size_t num_nodes) {
  std::vector<std::size_t> out(num_nodes + 3, 0);  // first what begins less what has ended
  for (std::size_t v = 0; v < life.size(); ++v) {
    if (index(root[v]) != v || life[v].last < life[v].first) continue;
    const std::size_t bytes = align_up(std::max<std::size_t>(life[v].bytes, 1));
    out[static_cast<std::size_t>(life[v].first + 1)] += bytes;
    out[static_cast<std::size_t>(life[v].last + 2)] -= bytes;
  }
  std::partial_sum(out.begin(), out.end(), out.begin());
  out.pop_back();
  return out;
}

// Offsets of the storages, placed in the given order; returns the arena's size.
std::size_t place(const std::vector<Lifetime>& life, const std::vector<std::size_t>& order,
                  std::vector<std::size_t>& offset) {
  std::vector<Placed> placed;
  std::size_t arena_bytes = 0;
  for (const std::size_t v : order) {
    const std::size_t bytes = align_up(std::max<std::size_t>(life[v].bytes, 1));
    std::vector<Placed> neighbours;
    for (const Placed& p : placed)
      if (overlap_in_time(p.life, life[v])) neighbours.push_back(p);
    offset[v] = lowest_gap(std::move(neighbours), bytes);
    placed.push_back({offset[v], bytes, life[v]});
    arena_bytes = std::max(arena_bytes, offset[v] + bytes);
  }
  return arena_bytes;
}

// Keeps the offsets if they make the smallest arena so far.
void keep_smaller(const std::vector<Lifetime>& life, const std::vector<std::size_t>& order,
                  MemoryPlan& plan) {
  std::vector<std::size_t> offset(life.size(), kNoOffset);
  const std::size_t bytes = place(life, order, offset);
  if (bytes >= plan.arena_bytes) return;
  plan.arena_bytes = bytes;
  plan.offset = std::move(offset);
}

// What lies topmost is placed first the next time, again and again: a walk that needs no luck with
// the sizes. As many rounds as some ten million comparisons allow, 64 at most.
void walk(const std::vector<Lifetime>& life, std::size_t least, std::vector<std::size_t> order,
          MemoryPlan& plan) {
  const std::size_t rounds = std::min<std::size_t>(64, 20'000'000 / (order.size() * order.size()));
  std::vector<std::size_t> offset = plan.offset;
  for (std::size_t i = 0; i < rounds && plan.arena_bytes > least; ++i) {
    const auto top =
        std::max_element(order.begin(), order.end(), [&](std::size_t a, std::size_t b) {
          return offset[a] + life[a].bytes < offset[b] + life[b].bytes;
        });
    std::rotate(order.begin(), top, top + 1);
    const std::size_t bytes = place(life, order, offset);
    if (bytes >= plan.arena_bytes) continue;
    plan.arena_bytes = bytes;
    plan.offset = offset;
  }
}

// Tries a few orders, since none is best for every graph, then changes the last one where the arena
// is still larger than `least`; keeps the smallest.
void place_best(const std::vector<Lifetime>& life, std::size_t least,
                std::vector<std::size_t> order, MemoryPlan& plan) {
  const auto duration = [&](std::size_t v) {
    return static_cast<std::size_t>(life[v].last - life[v].first + 1);
  };
  using Less = std::function<bool(std::size_t, std::size_t)>;
  const Less orders[] = {
      [&](std::size_t a, std::size_t b) { return life[a].bytes > life[b].bytes; },
      [&](std::size_t a, std::size_t b) {
        return life[a].bytes * duration(a) > life[b].bytes * duration(b);
      },
      [&](std::size_t a, std::size_t b) { return duration(a) > duration(b); },
      [&](std::size_t a, std::size_t b) { return life[a].first < life[b].first; },
  };
  plan.arena_bytes = kNoOffset;
  for (const Less& less : orders) {
    std::stable_sort(order.begin(), order.end(), less);
    keep_smaller(life, order, plan);
  }
  if (order.empty() || plan.arena_bytes <= least) return;
  std::stable_sort(order.begin(), order.end(), orders[0]);
  walk(life, least, std::move(order), plan);
}

}  // namespace

bool is_view(const ir::Node& node) {
  return node.op == ir::OpKind::kReshape || node.op == ir::kOpReshapeTo ||
         node.op == ir::OpKind::kIdentity || is_view_of_part(node);
}

std::size_t view_offset(const ir::Node& node, const Tensor& x) {
  if (!is_view_of_part(node)) return 0;
  const std::int64_t given = node.attrs.i("axis"), begin = node.attrs.i("begin");
  const std::int64_t axis = given < 0 ? given + x.rank : given;
  if (axis < 0 || axis >= x.rank || begin < 0) return kNoOffset;
  const auto extent = [&](std::int64_t i) { return x.dims[static_cast<std::size_t>(i)]; };
  if (begin > extent(axis)) return kNoOffset;
  std::int64_t elements = begin;
  for (std::int64_t i = 0; i < axis; ++i)
    if (extent(i) > 1) return kNoOffset;
  for (std::int64_t i = axis + 1; i < x.rank; ++i) elements *= extent(i);
  return static_cast<std::size_t>(elements) * dtype_bytes(x.dtype);
}

MemoryPlan plan_memory(const ir::Graph& graph, const std::vector<Tensor>& tensors,
                       const InPlace& in_place) {
  MemoryPlan plan;
  plan.root = share(graph, tensors, in_place);
  plan.offset.assign(graph.values.size(), kNoOffset);
  const std::vector<Lifetime> life = lifetimes(graph, tensors, plan.root);

  std::vector<std::size_t> order;
  for (std::size_t v = 0; v < life.size(); ++v)
    if (life[v].last >= life[v].first && index(plan.root[v]) == v) order.push_back(v);
  const std::vector<std::size_t> live = live_bytes(life, plan.root, graph.nodes.size());
  plan.live_bytes_bound = *std::max_element(live.begin(), live.end());
  place_best(life, plan.live_bytes_bound, order, plan);
  for (std::size_t v = 0; v < plan.offset.size(); ++v)
    if (plan.root[v] != static_cast<ir::ValueId>(v))
      plan.offset[v] = plan.offset[index(plan.root[v])];
  for (const ir::Node& node : graph.nodes) {
    if (!is_view(node) || plan.offset[index(node.inputs[0])] == kNoOffset) continue;
    plan.offset[index(node.outputs[0])] =
        plan.offset[index(node.inputs[0])] + view_offset(node, tensors[index(node.inputs[0])]);
  }
  return plan;
}

std::vector<std::size_t> live_bytes_by_node(const ir::Graph& graph,
                                            const std::vector<Tensor>& tensors,
                                            const MemoryPlan& plan) {
  const std::vector<std::size_t> live =
      live_bytes(lifetimes(graph, tensors, plan.root), plan.root, graph.nodes.size());
  return {live.begin() + 1, live.end() - 1};
}

}  // namespace antiphon::plan
