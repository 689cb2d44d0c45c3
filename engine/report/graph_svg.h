// A graph as SVG inside a page.
#pragma once

#include <string>
#include <vector>

#include "engine/ir/graph.h"

namespace antiphon::report {

// What is known of a node that runs as a layer.
struct NodeNote {
  std::string text;   // in the place of its shape; empty: nothing
  std::string row;    // id of the page's element about it; empty: none
  double share = -1;  // of the time, 0 to 1; negative: not known
};

// Constants are not drawn. Nodes get ids, `prefix` and their number. Bodies of loops follow,
// folded.
std::string graph_svg(const ir::Graph& graph, const std::string& prefix,
                      const std::vector<NodeNote>& notes);

// The CSS class of an operator's kind: "dense", "norm", "point", "move", "loop", "other".
const char* op_class(ir::OpKind op);

}  // namespace antiphon::report
