// The order of the passes, and what a run of them reports.
#pragma once

#include <span>
#include <string>
#include <vector>

#include "engine/base/status.h"
#include "engine/engine.h"
#include "engine/ir/graph.h"

namespace antiphon::passes {

struct PassOptions {
  bool expand_int8 = false;  // precision f32
  bool verify = true;        // after every pass
  std::string dump_dir;      // graph text after every pass, "03_fuse_bias.txt"; empty: none
};

struct PassReport {
  int nodes_before = 0, nodes_after = 0;  // bodies included
  std::vector<std::string> passes;  // "fuse_epilogue: 12": nodes that it took away, or changed
  std::vector<PassEffect> effects;  // of every pass that ran
};

struct Pass {
  const char* name;
  Result<bool> (*run)(ir::Graph& graph);
  bool bodies = true;  // runs on loop bodies, too
};

// In the order in which they run.
std::span<const Pass> all_passes();
// One pass on the graph and, unless it leaves them out, on every loop body in it.
Result<bool> run_everywhere(const Pass& pass, ir::Graph& graph);
int count_nodes(const ir::Graph& graph);
// kInternal: a pass left an invalid graph, or a dump could not be written; the message names the
// pass.
Result<PassReport> run_passes(ir::Graph& graph, const PassOptions& options);

}  // namespace antiphon::passes
