// Kernel choice by table order or by measurement.
#include "engine/plan/select.h"

#include <algorithm>
#include <array>

#include "engine/plan/tune.h"

namespace antiphon::plan {
namespace {

struct Point {
  Extents extents;
  std::vector<Tensor> tensors;
};

// The usual extents first, so that their kernel is the first candidate.
Result<std::vector<Point>> profile_points(const PlanData& data) {
  std::vector<Point> points;
  for (const auto member : {&DimRange::opt, &DimRange::max, &DimRange::min}) {
    Point point{extents_at(data.profile, member), {}};
    const bool seen = std::any_of(points.begin(), points.end(),
                                  [&](const Point& p) { return p.extents == point.extents; });
    if (seen) continue;
    ANTIPHON_ASSIGN_OR_RETURN(point.tensors, resolve(data.graph, point.extents));
    points.push_back(std::move(point));
  }
  return points;
}

// A kernel that quantises activations to bytes rounds no more than the model's own arithmetic.
// AVX2's has 127 levels, but for that of loops.
bool may_be_coarse(const ir::Node& node, Isa isa) {
  if (!node.body) return node.attrs.i("x_bytes") != 0 && isa != Isa::kAvx2;
  const auto more_than_model = [&](const ir::Node& inner) {
    return inner.op == ir::OpKind::kLinear && inner.attrs.i("x_bytes") == 0 &&
           node.body->values[static_cast<std::size_t>(inner.inputs[1])].dtype == DType::kI8;
  };
  return std::ranges::none_of(node.body->nodes, more_than_model);
}

// What every kernel of the node's operator says, in the table's order.
std::vector<KernelChoice> ask(const Backend& backend, const NodeView& view,
                              std::vector<const Kernel*>& accepting) {
  std::vector<KernelChoice> out;
  for (const Kernel* kernel : backend.kernels) {
    if (kernel->op != view.node->op) continue;
    const char* reason = kernel->refuse(view_for(view, *kernel));
    if (!reason) accepting.push_back(kernel);
    out.push_back({kernel->name, reason ? reason : ""});
  }
  return out;
}

// The times that are known of the kernels that were asked.
void add_times(const SelectOptions& options, const NodeView& view,
               std::vector<KernelChoice>& considered) {
  const std::string key = timing_key(view, options.cold);
  for (KernelChoice& choice : considered)
    choice.time_us = options.cache->find(key, choice.kernel).value_or(0);
}

Result<const Kernel*> pick(const Backend& backend, const SelectOptions& options,
                           const NodeView& view, double* time_us,
                           std::vector<KernelChoice>& considered) {
  std::vector<const Kernel*> accepting;
  considered = ask(backend, view, accepting);
  std::string reasons;
  for (const KernelChoice& choice : considered)
    reasons += (reasons.empty() ? "" : "; ") + choice.kernel + ": " + choice.refusal;
  if (accepting.empty())
    return unsupported(view.node->name + ": no kernel of " + backend.name + " runs " +
                       std::string(ir::op_name(view.node->op)) + " (" +
                       (reasons.empty() ? "there is none" : reasons) + ")");
  const auto plain = [](const Kernel* k) {
    return !k->coarse && !k->allocates && !k->rounds_weights;
  };
  if (!options.tune) {
    const auto first = std::find_if(accepting.begin(), accepting.end(), plain);
    return first == accepting.end() ? accepting.front() : *first;
  }
  const bool coarse = options.allow_coarse || may_be_coarse(*view.node, view.isa);
  if (!coarse && std::any_of(accepting.begin(), accepting.end(), plain))
    std::erase_if(accepting, [](const Kernel* k) { return k->coarse; });
  if (accepting.size() == 1) return accepting.front();
  auto best = fastest(accepting, view, options, time_us);
  add_times(options, view, considered);
  return best;
}

// Of all weights: more do not stay in a core's cache from run to run.
constexpr std::size_t kCacheBytes = 1 << 20;

std::size_t constant_bytes(const ir::Graph& graph) {
  std::size_t bytes = 0;
  for (const ir::ValueInfo& v : graph.values)
    if (v.kind == ir::ValueKind::kConstant) bytes += v.constant.bytes;
  for (const ir::Node& node : graph.nodes)
    if (node.body) bytes += constant_bytes(*node.body);
  return bytes;
}

bool contains(const Step& step, const Kernel* kernel) {
  return std::any_of(step.candidates.begin(), step.candidates.end(),
                     [&](const Candidate& c) { return c.kernel == kernel; });
}

}  // namespace

Status select_kernels(const Backend& backend, const SelectOptions& given, PlanData& data) {
  TimingCache own;  // nodes that are alike are timed once
  SelectOptions options = given;
  if (!options.cache) options.cache = &own;
  options.cold = constant_bytes(data.graph) > kCacheBytes;
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Point> points, profile_points(data));
  std::vector<Tensor> inputs, outputs;
  for (std::size_t n = 0; n < data.graph.nodes.size(); ++n) {
    const ir::Node& node = data.graph.nodes[n];
    if (is_view(node)) continue;
    Step step;
    step.node = n;
    for (const Point& point : points) {
      const NodeView view =
          view_of(node, point.tensors, data.isa, data.num_threads, inputs, outputs);
      double time_us = 0;
      std::vector<KernelChoice> considered;
      ANTIPHON_ASSIGN_OR_RETURN(const Kernel* kernel,
                                pick(backend, options, view, &time_us, considered));
      if (step.candidates.empty()) step.considered = std::move(considered);
      if (!contains(step, kernel)) step.candidates.push_back({kernel, nullptr, time_us});
    }
    data.steps.push_back(std::move(step));
  }
  return {};
}

Status use_kernels(const Backend& backend, const std::vector<std::vector<TimedName>>& names,
                   PlanData& data) {
  std::size_t at = 0;
  for (std::size_t n = 0; n < data.graph.nodes.size(); ++n) {
    const ir::Node& node = data.graph.nodes[n];
    if (is_view(node)) continue;
    if (at >= names.size())
      return invalid_argument("kernels: listed for " + std::to_string(at) + " nodes, too few");
    Step step;
    step.node = n;
    for (const auto& [name, time_us] : names[at]) {
      const auto found = std::find_if(
          backend.kernels.begin(), backend.kernels.end(),
          [&, wanted = name](const Kernel* k) { return k->name == wanted && k->op == node.op; });
      if (found == backend.kernels.end())
        return invalid_argument("kernels: node " + node.name + " wants kernel '" + name +
                                "', which " + backend.name + " does not have");
      if (!contains(step, *found)) step.candidates.push_back({*found, nullptr, time_us});
    }
    if (step.candidates.empty())
      return invalid_argument("kernels: none listed for node " + node.name);
    data.steps.push_back(std::move(step));
    ++at;
  }
  if (at != names.size())
    return invalid_argument("kernels: listed for " + std::to_string(names.size()) +
                            " nodes, wanted " + std::to_string(at));
  return {};
}

Status pack_weights(PlanData& data) {
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Point> points, profile_points(data));
  std::vector<Tensor> inputs, outputs;
  for (Step& step : data.steps) {
    const ir::Node& node = data.graph.nodes[step.node];
    for (Candidate& candidate : step.candidates) {
      bool used = false;
      for (const Point& point : points) {
        const NodeView view =
            view_for(view_of(node, point.tensors, data.isa, data.num_threads, inputs, outputs),
                     *candidate.kernel);
        if (candidate.kernel->refuse(view) != nullptr) continue;
        if (!used && candidate.kernel->pack) {
          auto packed = candidate.kernel->pack(view);
          if (!packed.ok()) return packed.status().with_context(node.name);
          candidate.packed = std::move(packed).value();
        }
        used = true;
        if (candidate.kernel->workspace_bytes)
          data.workspace_bytes =
              std::max(data.workspace_bytes, candidate.kernel->workspace_bytes(view));
      }
      if (!used)
        return invalid_argument("kernels: " + std::string(candidate.kernel->name) +
                                " refuses node " + node.name);
    }
  }
  return {};
}

}  // namespace antiphon::plan
