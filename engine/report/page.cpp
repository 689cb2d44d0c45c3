// Head, summary, passes and operators of a report.
#include "engine/report/page.h"

#include <algorithm>
#include <map>

#include "engine/report/html.h"

namespace antiphon::report {
namespace {

constexpr const char* kStyle = R"(
:root { --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --fill: #f6f8fa; --mark: #0b62c4; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 1560px; padding: 24px 28px 80px; color: var(--ink); background: #fff;
  font: 15px/1.5 system-ui, "Segoe UI", Roboto, "Helvetica Neue", sans-serif; }
h1 { font-size: 26px; margin: 0 0 4px; overflow-wrap: anywhere; }
h2 { font-size: 19px; margin: 44px 0 10px; padding-top: 14px; border-top: 1px solid var(--line); }
h3 { font-size: 15px; margin: 14px 0 6px; }
p { max-width: 92ch; margin: 6px 0; }
.soft, nav { color: var(--soft); }
nav a { margin-right: 16px; } a { color: var(--mark); text-decoration: none; }
.tiles { display: flex; flex-wrap: wrap; gap: 12px; margin: 18px 0; }
.tile { border: 1px solid var(--line); border-radius: 8px; padding: 10px 16px; min-width: 150px; }
.tile b { display: block; font-size: 22px; font-weight: 600; white-space: nowrap; }
.tile span { color: var(--soft); font-size: 13px; }
table { border-collapse: collapse; font-size: 13px; font-variant-numeric: tabular-nums; }
th, td { text-align: left; padding: 3px 12px 3px 0; border-bottom: 1px solid #eaeef2; vertical-align: top; }
th { color: var(--soft); font-weight: 600; position: sticky; top: 0; background: #fff; }
td.n, th.n { text-align: right; white-space: nowrap; } td.name { overflow-wrap: anywhere; max-width: 420px; }
code, td.name, .kernel { font: 12.5px/1.5 ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; }
tr:target td { background: #fff6d6; }
.bar { display: inline-block; height: 10px; border-radius: 2px; background: var(--mark); vertical-align: baseline; }
.columns { display: grid; grid-template-columns: repeat(auto-fit, minmax(min(100%, 560px), 1fr)); gap: 20px; }
.columns > div { min-width: 0; }
.scroll { overflow: auto; max-height: 86vh; border: 1px solid var(--line); border-radius: 8px; background: #fff; }
.wide { overflow-x: auto; }
summary { cursor: pointer; } ul { margin: 4px 0 4px 18px; padding: 0; }
svg text { font: 11.5px system-ui, "Segoe UI", Roboto, sans-serif; fill: var(--ink); }
svg.graph { display: block; margin: 0 auto; } svg.graph g text { text-anchor: middle; }
svg .small { font-size: 9.5px; fill: #454c54; } svg .jump { font-size: 9.5px; fill: var(--soft); }
svg .edge { fill: none; stroke: #8c959f; stroke-width: 1; }
svg g rect { fill: #fff; stroke: #8c959f; } svg .share { fill: #c4320b; }
.dense rect { fill: #ddf0ff; stroke: #54aeff; } .norm rect { fill: #e6f7e9; stroke: #4ac26b; }
.point rect { fill: #fff5d1; stroke: #d4a72c; } .move rect { fill: #f3f4f6; stroke: #afb8c1; }
.loop rect { fill: #f2e8ff; stroke: #a475f9; } .other rect { fill: #ffe9e3; stroke: #fd8c73; }
.edge-box rect { fill: #fff; stroke: #1f2328; } g:target rect { stroke-width: 3; stroke: #c4320b; }
.key span { display: inline-block; margin-right: 16px; font-size: 13px; }
.key i { display: inline-block; width: 12px; height: 12px; margin-right: 5px; border: 1px solid; vertical-align: -1px; }
@media print { .scroll { max-height: none; overflow: visible; } }
)";

std::string tile(const std::string& value, const std::string& what) {
  return "<div class=\"tile\"><b>" + value + "</b><span>" + what + "</span></div>\n";
}

std::string cell(const std::string& text) { return "<td class=\"n\">" + text + "</td>"; }
std::string cell(int number) { return cell(std::to_string(number)); }

std::string arena_ratio(const PlanReport& plan) {
  if (plan.live_bytes_bound == 0) return "no arena";
  const double ratio =
      static_cast<double>(plan.arena_bytes) / static_cast<double>(plan.live_bytes_bound);
  char text[16];
  std::snprintf(text, sizeof text, "%.3f ×", ratio);
  return text;
}

}  // namespace

std::string page_head(const Facts& facts) {
  const std::string name = escaped(facts.network);
  std::string out =
      "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src "
      "'unsafe-inline'\">\n<meta name=\"viewport\" content=\"width=device-width\">\n"
      "<title>" +
      name + ": build report</title>\n<style>" + kStyle + "</style>\n</head>\n<body>\n";
  out += "<h1>" + name + "</h1>\n<p class=\"soft\">Built for " + escaped(facts.plan->isa) + ", " +
         std::to_string(facts.num_threads) + (facts.num_threads == 1 ? " thread" : " threads") +
         ", precision " + escaped(facts.precision) + ", kernels " +
         (facts.plan->tuned ? "tuned" : "in the order of the table") +
         ". Machine: " + escaped(facts.machine) + "." +
         (facts.extents.empty() ? "" : " Usual extents: " + escaped(facts.extents) + ".") +
         "</p>\n";
  out +=
      "<nav><a href=\"#passes\">Passes</a><a href=\"#operators\">Operators</a>"
      "<a href=\"#time\">Time</a><a href=\"#memory\">Memory</a><a href=\"#layers\">Layers and "
      "kernels</a><a href=\"#graphs\">Graphs</a></nav>\n";
  return out;
}

std::string summary_section(const Facts& facts) {
  const PlanReport& plan = *facts.plan;
  std::string out = "<div class=\"tiles\">\n";
  out += tile(std::to_string(plan.nodes_before) + " → " + std::to_string(plan.layers.size()),
              "nodes before, layers that run");
  out += tile(facts.measured->runs > 0 ? time_text(facts.measured->run_us) : "not measured",
              "one run, median of " + std::to_string(facts.measured->runs));
  out += tile(bytes_text(plan.arena_bytes), "arena: " + arena_ratio(plan) + " the lower bound");
  out += tile(bytes_text(plan.constant_bytes), "constants");
  out += tile(bytes_text(plan.workspace_bytes), "workspace");
  if (plan.state_bytes > 0) out += tile(bytes_text(plan.state_bytes), "state of a stream");
  return out + "</div>\n";
}

std::string passes_section(const Facts& facts) {
  std::string out =
      "<h2 id=\"passes\">Passes</h2>\n<p>In the order in which they ran. Nodes in bodies of loops "
      "count.</p>\n";
  std::string rows, idle;
  for (const PassEffect& effect : facts.plan->effects) {
    if (effect.changes == 0) {
      idle += (idle.empty() ? "" : ", ") + escaped(effect.name);
      continue;
    }
    const double share = facts.plan->nodes_before == 0
                             ? 0
                             : static_cast<double>(effect.nodes_after) /
                                   static_cast<double>(facts.plan->nodes_before);
    rows += "<tr><td class=\"name\">" + escaped(effect.name) + "</td>" + cell(effect.changes) +
            cell(effect.nodes_before) + cell(effect.nodes_after) +
            "<td><span class=\"bar\" style=\"width:" + number_text(240 * std::min(1.0, share)) +
            "px\"></span></td></tr>\n";
  }
  if (rows.empty())
    out += "<p>None changed anything.</p>\n";
  else
    out +=
        "<table><tr><th>pass</th><th class=\"n\">nodes taken away or changed</th><th "
        "class=\"n\">nodes before</th><th class=\"n\">after</th><th></th></tr>\n" +
        rows + "</table>\n";
  if (!idle.empty()) out += "<p class=\"soft\">Ran and changed nothing: " + idle + ".</p>\n";
  return out;
}

std::string operators_section(const Facts& facts) {
  std::map<std::string, std::pair<int, int>> counts;
  int before = 0, after = 0;
  for (const auto& [name, count] : facts.ops_before) {
    counts[name].first += count;
    before += count;
  }
  for (const auto& [name, count] : facts.ops_after) {
    counts[name].second += count;
    after += count;
  }
  std::string out =
      "<h2 id=\"operators\">Operators before and after</h2>\n<table><tr><th>operator"
      "</th><th class=\"n\">before</th><th class=\"n\">after</th></tr>\n";
  for (const auto& [name, count] : counts)
    out += "<tr><td class=\"name\">" + escaped(name) + "</td>" + cell(count.first) +
           cell(count.second) + "</tr>\n";
  return out + "<tr><td><b>all</b></td>" + cell(before) + cell(after) + "</tr></table>\n";
}

}  // namespace antiphon::report
