// Layered drawing: rows by longest path, lines routed through rows, order by means of neighbours,
// places by isotonic regression.
#include "engine/report/layout.h"

#include <algorithm>
#include <map>
#include <numeric>

namespace antiphon::report {
namespace {

constexpr double kRowGap = 26, kItemGap = 14, kLineWidth = 6;
constexpr double kCentrePull = 0.02;  // beside a neighbour's: long graphs do not wander off
constexpr int kOrderSweeps = 6, kPlaceSweeps = 6;

// A node, or the place where a line passes a row.
struct Item {
  bool is_node = true;
  int row = 0;
  double width = 0, x = 0;
  std::size_t at = 0;  // within its row
  std::vector<std::size_t> above, below;
};

class Drawing {
 public:
  Drawing(const LayoutGraph& graph, double width, double height, int longest_edge)
      : graph_(graph), width_(width), height_(height) {
    items_.resize(graph.num_nodes);
    for (Item& item : items_) item.width = width;
    assign_rows();
    route(longest_edge);
    rows_.resize(static_cast<std::size_t>(num_rows()));
    for (std::size_t i = 0; i < items_.size(); ++i)
      rows_[static_cast<std::size_t>(items_[i].row)].push_back(i);
    renumber();
  }

  Layout draw() {
    for (int sweep = 0; sweep < kOrderSweeps; ++sweep) order(sweep % 2 == 0);
    for (auto& row : rows_) start(row);
    for (int sweep = 0; sweep < kPlaceSweeps; ++sweep) place(sweep % 2 == 0);
    return result();
  }

 private:
  int num_rows() const {
    int rows = 0;
    for (const Item& item : items_) rows = std::max(rows, item.row + 1);
    return rows;
  }

  // One below the lowest producer; what has none goes right above its first consumer.
  void assign_rows() {
    std::vector<std::vector<std::size_t>> consumers(items_.size());
    std::vector<bool> fed(items_.size(), false);
    for (const auto& [from, to] : graph_.edges) {
      consumers[from].push_back(to);
      fed[to] = true;
    }
    for (std::size_t i = 0; i < items_.size(); ++i)
      for (const std::size_t to : consumers[i])
        items_[to].row = std::max(items_[to].row, items_[i].row + 1);
    for (std::size_t i = items_.size(); i-- > 0;) {
      if (fed[i] || consumers[i].empty()) continue;
      int row = 1 << 30;
      for (const std::size_t to : consumers[i]) row = std::min(row, items_[to].row);
      items_[i].row = row - 1;
    }
  }

  void join(std::size_t from, std::size_t to) {
    items_[from].below.push_back(to);
    items_[to].above.push_back(from);
  }

  // The lines of one producer share their way down.
  void route(int longest_edge) {
    std::map<std::size_t, std::vector<std::size_t>> trunk;
    auto edges = graph_.edges;
    std::sort(edges.begin(), edges.end());
    edges.erase(std::unique(edges.begin(), edges.end()), edges.end());
    for (const auto& [from, to] : edges) {
      const int span = items_[to].row - items_[from].row;
      if (span > longest_edge) {
        jumps_.push_back({from, to});
        continue;
      }
      std::vector<std::size_t>& passes = trunk[from];
      while (static_cast<int>(passes.size()) < span - 1) {
        const std::size_t before = passes.empty() ? from : passes.back();
        items_.push_back({.is_node = false, .row = items_[before].row + 1, .width = kLineWidth});
        join(before, items_.size() - 1);
        passes.push_back(items_.size() - 1);
      }
      join(span > 1 ? passes[static_cast<std::size_t>(span - 2)] : from, to);
    }
  }

  void renumber() {
    for (const auto& row : rows_)
      for (std::size_t i = 0; i < row.size(); ++i) items_[row[i]].at = i;
  }

  // Sorts each row by the mean place of what it is joined to in the row before.
  void order(bool down) {
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      auto& row = rows_[down ? r : rows_.size() - 1 - r];
      std::map<std::size_t, double> mean;
      for (const std::size_t i : row) {
        const auto& near = down ? items_[i].above : items_[i].below;
        double sum = 0;
        for (const std::size_t n : near)
          sum += (static_cast<double>(items_[n].at) + 0.5) /
                 static_cast<double>(rows_[static_cast<std::size_t>(items_[n].row)].size());
        mean[i] = near.empty()
                      ? (static_cast<double>(items_[i].at) + 0.5) / static_cast<double>(row.size())
                      : sum / static_cast<double>(near.size());
      }
      std::stable_sort(row.begin(), row.end(),
                       [&](std::size_t a, std::size_t b) { return mean[a] < mean[b]; });
      for (std::size_t i = 0; i < row.size(); ++i) items_[row[i]].at = i;
    }
  }

  double gap(std::size_t left, std::size_t right) const {
    return (items_[left].width + items_[right].width) / 2 + kItemGap;
  }

  void start(const std::vector<std::size_t>& row) {
    for (std::size_t i = 1; i < row.size(); ++i)
      items_[row[i]].x = items_[row[i - 1]].x + gap(row[i - 1], row[i]);
    const double middle = row.empty() ? 0 : items_[row.back()].x / 2;
    for (const std::size_t i : row) items_[i].x -= middle;
  }

  // Moves each row as near to its neighbours as the order and the gaps allow: least squares by
  // pooling adjacent violators.
  void place(bool down) {
    for (std::size_t r = 0; r < rows_.size(); ++r) {
      const auto& row = rows_[down ? r : rows_.size() - 1 - r];
      struct Pool {
        double sum, weight;
        std::size_t count;
      };
      std::vector<Pool> pools;
      std::vector<double> offset(row.size(), 0);
      for (std::size_t i = 0; i < row.size(); ++i) {
        if (i > 0) offset[i] = offset[i - 1] + gap(row[i - 1], row[i]);
        const Item& item = items_[row[i]];
        const auto& near = down ? item.above : item.below;
        double want = 0;
        for (const std::size_t n : near) want += items_[n].x;
        want = near.empty() ? item.x : want / (static_cast<double>(near.size()) + kCentrePull);
        const double weight = near.empty() ? 0.1 : item.is_node ? 1 : 4;  // lines stay straight
        pools.push_back({(want - offset[i]) * weight, weight, 1});
        while (pools.size() > 1 && pools[pools.size() - 2].sum / pools[pools.size() - 2].weight >
                                       pools.back().sum / pools.back().weight) {
          const Pool last = pools.back();
          pools.pop_back();
          pools.back().sum += last.sum;
          pools.back().weight += last.weight;
          pools.back().count += last.count;
        }
      }
      std::size_t i = 0;
      for (const Pool& pool : pools)
        for (std::size_t k = 0; k < pool.count; ++k, ++i)
          items_[row[i]].x = pool.sum / pool.weight + offset[i];
    }
  }

  Layout result() const {
    Layout out;
    double left = 0, right = 0;
    for (std::size_t i = 0; i < items_.size(); ++i) {
      const double low = items_[i].x - items_[i].width / 2;
      left = i == 0 ? low : std::min(left, low);
      right = std::max(i == 0 ? low : right, low + items_[i].width);
    }
    const auto centre = [&](const Item& item) {
      return Point{item.x - left, height_ / 2 + item.row * (height_ + kRowGap)};
    };
    for (std::size_t i = 0; i < graph_.num_nodes; ++i) out.nodes.push_back(centre(items_[i]));
    for (const Item& item : items_)
      for (const std::size_t n : item.below) {
        Segment s{centre(item), centre(items_[n]), items_[n].is_node};
        if (item.is_node) s.from.y += height_ / 2;
        if (s.arrives) s.to.y -= height_ / 2;
        out.segments.push_back(s);
      }
    out.jumps = jumps_;
    out.width = right - left;
    out.height = std::max(0.0, static_cast<double>(rows_.size()) * (height_ + kRowGap) - kRowGap);
    return out;
  }

  const LayoutGraph& graph_;
  const double width_, height_;
  std::vector<Item> items_;  // the graph's nodes first
  std::vector<std::vector<std::size_t>> rows_;
  std::vector<Jump> jumps_;
};

}  // namespace

Layout lay_out(const LayoutGraph& graph, double node_width, double node_height, int longest_edge) {
  return Drawing(graph, node_width, node_height, longest_edge).draw();
}

}  // namespace antiphon::report
