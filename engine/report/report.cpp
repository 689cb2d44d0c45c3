// Measures a plan and puts the page together.
#include "engine/report.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <map>
#include <random>

#include "engine/ir/dims.h"
#include "engine/machine.h"
#include "engine/plan/plan_impl.h"
#include "engine/report/graph_svg.h"
#include "engine/report/html.h"
#include "engine/report/page.h"

namespace antiphon {
namespace {

using report::Facts;
using report::Measured;

constexpr double kMostSeconds = 5;
constexpr int kWarmRuns = 2;

double median(std::vector<double> values) {
  const auto middle = values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2);
  std::nth_element(values.begin(), middle, values.end());
  return *middle;
}

// Noise; ids and flags are zero, which is always valid.
Status set_inputs(const plan::PlanData& data, Context& context, std::mt19937& random) {
  const auto extents = plan::extents_at(data.profile, &DimRange::opt);
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Tensor> tensors, plan::resolve(data.graph, extents));
  for (const ir::ValueId id : data.graph.inputs) {
    const Tensor& t = tensors[static_cast<std::size_t>(id)];
    const std::span dims(t.dims.data(), static_cast<std::size_t>(t.rank));
    ANTIPHON_ASSIGN_OR_RETURN(
        void* memory, context.input(data.graph.values[static_cast<std::size_t>(id)].name, dims));
    std::memset(memory, 0, t.bytes());
    if (t.dtype != DType::kF32) continue;
    std::normal_distribution<float> normal;
    for (std::int64_t i = 0; i < t.num_elements(); ++i)
      static_cast<float*>(memory)[i] = normal(random);
  }
  return {};
}

struct Rig {
  std::unique_ptr<ThreadTeam> team;
  std::unique_ptr<StatePool> pool;
  std::unique_ptr<Context> context;
  std::vector<int> slots;
};

Result<Rig> make_rig(const std::shared_ptr<const Plan>& plan, const plan::PlanData& data) {
  Rig rig;
  if (data.num_threads > 1) {
    ANTIPHON_ASSIGN_OR_RETURN(rig.team, ThreadTeam::create(data.num_threads));
  }
  if (!data.graph.states.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(rig.pool, StatePool::create(plan, 1));
    ANTIPHON_ASSIGN_OR_RETURN(const int slot, rig.pool->acquire());
    rig.slots.push_back(slot);
  }
  ANTIPHON_ASSIGN_OR_RETURN(rig.context, Context::create(plan, rig.team.get()));
  return rig;
}

Result<Measured> measure(const std::shared_ptr<const Plan>& plan, const plan::PlanData& data,
                         int runs) {
  using Clock = std::chrono::steady_clock;
  ANTIPHON_ASSIGN_OR_RETURN(const Rig rig, make_rig(plan, data));
  std::mt19937 random(7);
  std::vector<double> layer_us(plan->report().layers.size()), run_us;
  std::vector<std::vector<double>> seen(layer_us.size());
  ANTIPHON_RETURN_IF_ERROR(rig.context->time_layers(layer_us));
  const Clock::time_point start = Clock::now();
  for (int i = -kWarmRuns; i < runs; ++i) {
    ANTIPHON_RETURN_IF_ERROR(set_inputs(data, *rig.context, random));
    const Clock::time_point begin = Clock::now();
    ANTIPHON_RETURN_IF_ERROR(rig.context->run(rig.pool.get(), rig.slots));
    const Clock::time_point end = Clock::now();
    if (i < 0) continue;
    run_us.push_back(std::chrono::duration<double, std::micro>(end - begin).count());
    for (std::size_t layer = 0; layer < seen.size(); ++layer)
      seen[layer].push_back(layer_us[layer]);
    if (std::chrono::duration<double>(end - start).count() > kMostSeconds) break;
  }
  Measured out;
  out.runs = static_cast<int>(run_us.size());
  out.run_us = median(run_us);
  for (auto& times : seen) out.layer_us.push_back(median(std::move(times)));
  return out;
}

void count_ops(const ir::Graph& graph, std::map<std::string, int>& counts) {
  for (const ir::Node& node : graph.nodes) {
    ++counts[std::string(ir::op_name(node.op))];
    if (node.body) count_ops(*node.body, counts);
  }
}

std::vector<std::pair<std::string, int>> op_counts(const ir::Graph& graph) {
  std::map<std::string, int> counts;
  count_ops(graph, counts);
  return {counts.begin(), counts.end()};
}

std::string extents_text(const plan::PlanData& data) {
  std::string out;
  for (const auto& [symbol, range] : data.profile)
    out += (out.empty() ? "" : ", ") + symbol + " = " + std::to_string(range.opt) + " (" +
           std::to_string(range.min) + " to " + std::to_string(range.max) + ")";
  return out;
}

// What the drawing of the plan's graph says of each node.
std::vector<report::NodeNote> notes_of(const plan::PlanData& data, const Measured& measured) {
  std::vector<report::NodeNote> notes(data.graph.nodes.size());
  double all = 0;
  for (const double us : measured.layer_us) all += us;
  for (std::size_t i = 0; i < data.steps.size(); ++i) {
    report::NodeNote& note = notes[data.steps[i].node];
    note.row = report::layer_row_id(i);
    note.text = data.report.layers[i].output;
    if (measured.runs == 0) continue;
    note.text = report::time_text(measured.layer_us[i]) + "  " + note.text;
    note.share = all > 0 ? measured.layer_us[i] / all : 0;
  }
  return notes;
}

std::string graphs_section(const ir::Graph& before, const plan::PlanData& data,
                           const Measured& measured) {
  std::string out =
      "<h2 id=\"graphs\">Graphs</h2>\n<p>Values flow down; constants are not drawn. A box of the "
      "plan leads to its layer, the red bar at its foot is its share of the time. Point at a box "
      "for its name, attributes and values.</p>\n<p class=\"key\">";
  for (const auto& [colour, what] :
       {std::pair("#54aeff", "products"), std::pair("#4ac26b", "norms, sums and pools"),
        std::pair("#d4a72c", "point-wise"), std::pair("#afb8c1", "moves"),
        std::pair("#a475f9", "loops"), std::pair("#fd8c73", "others")})
    out += std::string("<span><i style=\"background:") + colour + "\"></i>" + what + "</span>";
  out += "</p>\n<div class=\"columns\">\n<div><h3>Before: the model as imported, " +
         std::to_string(before.nodes.size()) + " nodes</h3>\n" +
         report::graph_svg(before, "before", {}) + "</div>\n<div><h3>After: the plan, " +
         std::to_string(data.steps.size()) + " layers</h3>\n" +
         report::graph_svg(data.graph, "after", notes_of(data, measured)) + "</div>\n</div>\n";
  return out;
}

}  // namespace

Result<std::string> plan_report_html(const OnnxNetwork& network,
                                     const std::shared_ptr<const Plan>& plan,
                                     const PlanReportOptions& options) {
  if (options.runs < 1)
    return invalid_argument("report: runs is " + std::to_string(options.runs) +
                            ", wanted 1 or more");
  const plan::PlanData& data = static_cast<const plan::PlanImpl&>(*plan).data();
  auto measured = measure(plan, data, options.runs);
  Measured times;
  if (measured.ok())
    times = std::move(measured).value();
  else
    times.failure = measured.status().message();
  Facts facts;
  facts.network = options.title.empty() ? plan->name() : options.title;
  facts.machine = machine_name();
  facts.precision = data.precision == Precision::kInt8 ? "int8" : "f32";
  facts.extents = extents_text(data);
  facts.num_threads = data.num_threads;
  facts.plan = &plan->report();
  facts.measured = &times;
  facts.ops_before = op_counts(network.graph());
  facts.ops_after = op_counts(data.graph);
  return report::page_head(facts) + report::summary_section(facts) + report::passes_section(facts) +
         report::operators_section(facts) + report::time_section(facts) +
         report::memory_section(facts) + report::layers_section(facts) +
         graphs_section(network.graph(), data, times) + "</body>\n</html>\n";
}

}  // namespace antiphon
