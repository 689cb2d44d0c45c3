// The one list of passes, and the loop that runs it.
#include "engine/passes/pipeline.h"

#include <cstdio>
#include <cstring>
#include <fstream>
#include <set>

#include "engine/ir/schema.h"
#include "engine/passes/passes.h"

namespace antiphon::passes {
namespace {

constexpr Pass kPasses[] = {
    {"eliminate_dead", eliminate_dead},
    {"name_extents", name_extents, false},
    {"lift_dequantize", lift_dequantize},
    {"fold_quantize", fold_quantize},
    {"fold_dequantize", fold_dequantize},
    {"expand_dequantize", expand_dequantize},
    {"expand_int8", expand_int8},
    {"fold_constants", fold_constants},
    {"eliminate_identity", eliminate_identity},
    {"cancel_transposes", cancel_transposes},
    {"cancel_slices", cancel_slices},
    {"eliminate_identity", eliminate_identity},
    {"eliminate_common", eliminate_common},
    {"roll_recurrence", roll_recurrence, false},
    {"cancel_transposes", cancel_transposes},
    {"join_slices", join_slices},
    {"eliminate_dead", eliminate_dead},
    {"eliminate_identity", eliminate_identity},
    {"fuse_bias", fuse_bias},
    {"unmerge_rows", unmerge_rows, false},
    {"eliminate_identity", eliminate_identity},
    {"hoist_products", hoist_products},
    {"hoist_contexts", hoist_contexts},
    {"fold_layers", fold_layers},
    {"mark_unread", mark_unread},
    {"fuse_norm", fuse_norm},
    {"fuse_gelu", fuse_gelu},
    {"fuse_rotary", fuse_rotary, false},
    {"fuse_attention", fuse_attention},
    {"unmerge_rows", unmerge_rows, false},
    {"eliminate_identity", eliminate_identity},
    {"eliminate_dead", eliminate_dead},
    {"fuse_qkv", fuse_qkv},
    {"fuse_siblings", fuse_siblings, false},
    {"fuse_gates", fuse_gates, false},
    {"eliminate_dead", eliminate_dead},
    {"fuse_layer_norm", fuse_layer_norm},
    {"stack_adds", stack_adds, false},
    {"fuse_silu", fuse_silu},
    {"eliminate_dead", eliminate_dead},
    {"fuse_epilogue", fuse_epilogue},
    {"fuse_pointwise", fuse_pointwise},
    {"channels_last", channels_last, false},
    {"eliminate_identity", eliminate_identity},
    {"keep_bytes", keep_bytes, false},
    {"share_bytes", share_bytes, false},
    {"fuse_bytes", fuse_bytes, false},
    {"place_concats", place_concats, false},
    {"eliminate_common", eliminate_common},
    {"eliminate_dead", eliminate_dead},
    {"view_slices", view_slices, false},
    {"read_parts", read_parts, false},
    {"eliminate_dead", eliminate_dead},
    {"unname_extents", unname_extents, false},
};

// Each node as text, bodies included.
void collect(const ir::Graph& graph, const std::string& prefix, std::set<std::string>& out) {
  for (const ir::Node& node : graph.nodes) {
    std::string text = prefix + node.name + "(";
    for (const ir::ValueId id : node.inputs) text += std::to_string(id) + ",";
    for (const auto& [name, value] : node.attrs.all()) text += name;
    out.insert(text);
    if (node.body) collect(*node.body, prefix + node.name + "/", out);
  }
}

// Nodes taken away, or where there are none, nodes changed or added.
int count_changes(const ir::Graph& before, const ir::Graph& after) {
  const int fewer = count_nodes(before) - count_nodes(after);
  if (fewer > 0) return fewer;
  std::set<std::string> a, b;
  collect(before, "", a);
  collect(after, "", b);
  int changed = 0;
  for (const std::string& text : b) changed += a.contains(text) ? 0 : 1;
  return changed;
}

Status dump(const ir::Graph& graph, const std::string& folder, int number, const char* name) {
  char prefix[16];
  std::snprintf(prefix, sizeof prefix, "%02d_", number);
  const std::string path = folder + "/" + prefix + name + ".txt";
  std::ofstream file(path);
  file << ir::to_text(graph);
  file.close();
  return file ? Status() : internal_error(path + ": cannot be written");
}

}  // namespace

std::span<const Pass> all_passes() { return kPasses; }

int count_nodes(const ir::Graph& graph) {
  int count = static_cast<int>(graph.nodes.size());
  for (const ir::Node& node : graph.nodes)
    if (node.body) count += count_nodes(*node.body);
  return count;
}

Result<bool> run_everywhere(const Pass& pass, ir::Graph& graph) {
  ANTIPHON_ASSIGN_OR_RETURN(bool changed, pass.run(graph));
  if (!pass.bodies) return changed;
  for (ir::Node& node : graph.nodes) {
    if (!node.body) continue;
    ANTIPHON_ASSIGN_OR_RETURN(const bool inside, run_everywhere(pass, *node.body));
    changed = changed || inside;
  }
  return changed;
}

Result<PassReport> run_passes(ir::Graph& graph, const PassOptions& options) {
  PassReport report;
  report.nodes_before = count_nodes(graph);
  int number = 0;
  for (const Pass& pass : kPasses) {
    if (!options.expand_int8 && std::strcmp(pass.name, "expand_int8") == 0) continue;
    if (options.expand_int8 && std::strcmp(pass.name, "fold_quantize") == 0) continue;
    const ir::Graph before = graph.clone();
    auto changed = run_everywhere(pass, graph);
    if (!changed.ok()) return changed.status().with_context(pass.name);
    if (options.verify)
      if (const Status status = ir::verify(graph); !status.ok())
        return internal_error("after " + std::string(pass.name) + ": " + status.message());
    if (!options.dump_dir.empty())
      ANTIPHON_RETURN_IF_ERROR(dump(graph, options.dump_dir, number, pass.name));
    ++number;
    PassEffect effect{pass.name, 0, count_nodes(before), count_nodes(graph)};
    if (*changed) {
      effect.changes = count_changes(before, graph);
      report.passes.push_back(effect.name + ": " + std::to_string(effect.changes));
    }
    report.effects.push_back(std::move(effect));
  }
  report.nodes_after = count_nodes(graph);
  return report;
}

}  // namespace antiphon::passes
