// Places the nodes of a directed graph without cycles on rows, edges pointing down.
#pragma once

#include <cstddef>
#include <utility>
#include <vector>

namespace antiphon::report {

// What is to be placed. An edge joins a producer to a consumer of a higher index.
struct LayoutGraph {
  std::size_t num_nodes = 0;
  std::vector<std::pair<std::size_t, std::size_t>> edges;
};

struct Point {
  double x = 0, y = 0;
};
// From one row to the next; `arrives`: it ends at a node.
struct Segment {
  Point from, to;
  bool arrives = false;
};
// A consumer so far below its producer that no line is drawn.
struct Jump {
  std::size_t producer = 0, consumer = 0;
};

struct Layout {
  std::vector<Point> nodes;  // centres
  std::vector<Segment> segments;
  std::vector<Jump> jumps;
  double width = 0, height = 0;
};

// Nodes of one size. Lines longer than `longest_edge` rows become jumps. The same graph always
// gives the same layout.
Layout lay_out(const LayoutGraph& graph, double node_width, double node_height,
               int longest_edge = 48);

}  // namespace antiphon::report
