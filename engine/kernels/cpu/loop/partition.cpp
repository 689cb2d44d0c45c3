// The ways an op can be split over the members, and the choice with the fewest barriers.
#include "engine/kernels/cpu/loop/partition.h"

#include <algorithm>
#include <tuple>

namespace antiphon::loop {
namespace {

using Kind = Partition::Kind;
constexpr Need kWhole{};

// Element-wise: every axis; inputs of that extent line up, broadcast ones are read whole.
void add_elementwise(const OpShape& op, const std::vector<Source>& in, int skip_axis,
                     std::vector<Choice>& out) {
  for (int axis = 0; axis < op.out.rank; ++axis) {
    const std::int64_t extent = op.out.dim(axis);
    if (axis == skip_axis || extent < 2) continue;
    std::vector<std::int64_t> groups = {1};
    std::vector<Need> needs;
    for (const Source& s : in) {
      const int a = axis - (op.out.rank - s.place.rank);
      const bool aligned = a >= 0 && s.place.dim(a) == extent;
      needs.push_back(aligned ? Need{true, a} : kWhole);
      if (aligned && s.part.kind == Kind::kSliced && s.part.axis == a && s.part.groups > 1)
        groups.push_back(s.part.groups);
    }
    for (const std::int64_t g : groups) out.push_back({{Kind::kSliced, axis, g}, needs});
  }
}

// Reductions: axes of the result, which are axes of x but for the one that goes.
void add_reduce(const OpShape& op, const std::vector<Source>& in, std::vector<Choice>& out) {
  for (int axis = 0; axis < op.out.rank; ++axis) {
    if (op.out.dim(axis) < 2) continue;
    const int a = op.keep_dim || axis < op.axis ? axis : axis + 1;
    if (a == op.axis) continue;
    out.push_back({{Kind::kSliced, axis, 1}, std::vector<Need>(in.size(), Need{true, a})});
  }
}

// x, [residual], [weights]. Rows of x are split only where slices begin at whole batches of them
// (see run_linear): the sums of a row depend on how many rows are computed together.
void add_linear(const OpShape& op, const std::vector<Source>& in, std::vector<Choice>& out) {
  const int last = op.out.rank - 1;
  for (int axis = 0; axis <= last; ++axis) {
    const std::int64_t least = axis == last       ? op.groups * kSlicedRows
                               : axis == last - 1 ? kSlicedRows
                                                  : 2;
    if (op.out.dim(axis) < least) continue;
    Choice c{{Kind::kSliced, axis, axis == last ? op.groups : 1}, {}};
    for (std::size_t i = 0; i < in.size(); ++i) {
      const bool aligned = i == 0 ? axis != last : i == 1 && op.residual;
      c.needs.push_back(aligned ? Need{true, axis} : kWhole);
    }
    out.push_back(std::move(c));
  }
}

// x [B, C, T], [residual]
void add_conv(const OpShape& op, const std::vector<Source>& in, std::vector<Choice>& out) {
  for (int axis = 0; axis < 3; ++axis) {
    if (op.out.dim(axis) < (op.panels && axis > 0 ? kSlicedRows : 2)) continue;
    const bool aligned = axis == 0 || (axis == 2 && op.pointwise_conv);
    Choice c{{Kind::kSliced, axis, 1}, {aligned ? Need{true, axis} : kWhole}};
    for (std::size_t i = 1; i < in.size(); ++i) c.needs.push_back({true, axis});
    out.push_back(std::move(c));
  }
}

void add_matmul(const OpShape& op, const std::vector<Source>& in, std::vector<Choice>& out) {
  const int last = op.out.rank - 1;
  const Place& a = in[0].place;
  const Place& b = in[1].place;
  for (int axis = 0; axis <= last; ++axis) {
    if (op.out.dim(axis) < 2) continue;
    Choice c{{Kind::kSliced, axis, 1}, {kWhole, kWhole}};
    if (axis == last) {
      c.needs[1] = {true, op.transpose_b ? b.rank - 2 : b.rank - 1};
    } else if (axis == last - 1) {
      c.needs[0] = {true, op.transpose_a ? a.rank - 1 : a.rank - 2};
    } else {
      const int in_a = axis - (op.out.rank - a.rank), in_b = axis - (op.out.rank - b.rank);
      if (in_a >= 0 && a.dim(in_a) == op.out.dim(axis)) c.needs[0] = {true, in_a};
      if (in_b >= 0 && b.dim(in_b) == op.out.dim(axis)) c.needs[1] = {true, in_b};
    }
    out.push_back(std::move(c));
  }
}

// Rank of x does not change; only the axes before and after `op.axis` can be split and line up. The
// axis itself can be split when all of the input is read.
void add_along_axis(const OpShape& op, const std::vector<Source>& in, bool axis_too,
                    std::vector<Choice>& out) {
  add_elementwise(op, in, op.axis, out);
  if (axis_too && op.out.dim(op.axis) >= 2)
    out.push_back({{Kind::kSliced, op.axis, 1}, std::vector<Need>(in.size(), kWhole)});
}

// ids [...], result [..., width]
void add_embedding(const OpShape& op, const std::vector<Source>& in, std::vector<Choice>& out) {
  for (int axis = 0; axis < op.out.rank; ++axis) {
    if (op.out.dim(axis) < 2) continue;
    Choice c{{Kind::kSliced, axis, 1}, std::vector<Need>(in.size(), kWhole)};
    if (axis < op.out.rank - 1) c.needs[0] = {true, axis};
    out.push_back(std::move(c));
  }
}

std::vector<Choice> choices_of(const OpShape& op, const std::vector<Source>& in, int members) {
  std::vector<Choice> out;
  out.push_back({{Kind::kPrivate, 0, 1}, std::vector<Need>(in.size(), kWhole)});
  if (members == 1 || op.private_only) return out;
  switch (op.kind) {
    case ir::OpKind::kLinear: add_linear(op, in, out); break;
    case ir::OpKind::kConv: add_conv(op, in, out); break;
    case ir::OpKind::kMatMul: add_matmul(op, in, out); break;
    case ir::OpKind::kReduce: add_reduce(op, in, out); break;
    case ir::OpKind::kEmbedding: add_embedding(op, in, out); break;
    case ir::OpKind::kSoftmax:
    case ir::OpKind::kLogSoftmax: add_along_axis(op, in, false, out); break;
    case ir::OpKind::kLayerNorm: add_elementwise(op, in, op.out.rank - 1, out); break;
    case ir::OpKind::kRepeat:
    case ir::OpKind::kReverse:
    case ir::OpKind::kPad: add_along_axis(op, in, true, out); break;
    case ir::OpKind::kReshape:
    case ir::OpKind::kZeros:
      for (int axis = 0; axis < op.out.rank; ++axis)
        if (op.out.dim(axis) >= 2)
          out.push_back({{Kind::kSliced, axis, 1}, std::vector<Need>(in.size(), kWhole)});
      break;
    default: add_elementwise(op, in, -1, out); break;
  }
  return out;
}

// Elements that the busiest member makes of every `members`: 1 is perfect balance.
std::int64_t widest_share(const OpShape& op, const Partition& part, int members) {
  if (part.kind != Kind::kSliced) return op.out.num_elements();
  const std::int64_t width = op.out.dim(part.axis) / part.groups;
  std::int64_t widest = 0;
  for (int m = 0; m < members; ++m) {
    const Range r = slice_of(width, members, m);
    widest = std::max(widest, r.end - r.begin);
  }
  return width == 0 ? 0 : op.out.num_elements() * widest / width;
}

}  // namespace

int ready_phase(const Source& source, const Need& need, const Partition& part) {
  switch (source.part.kind) {
    case Kind::kReady: return 0;
    case Kind::kPrivate: return source.phase;
    case Kind::kMixed: return source.phase + 1;
    case Kind::kSliced: break;
  }
  const bool same = need.aligned && part.kind == Kind::kSliced && need.axis == source.part.axis &&
                    part.groups == source.part.groups;
  return same ? source.phase : source.phase + 1;
}

Chosen choose(const OpShape& op, const std::vector<Source>& in, int members) {
  Chosen best;
  std::tuple<int, int, std::int64_t, int> best_score;
  bool first = true;
  const std::vector<Choice> choices = choices_of(op, in, members);
  for (const Choice& c : choices) {
    const bool is_private = c.part.kind == Kind::kPrivate;
    if (is_private && op.cost > kRepeatCost && choices.size() > 1) continue;
    int phase = 0;
    for (std::size_t i = 0; i < in.size(); ++i)
      phase = std::max(phase, ready_phase(in[i], c.needs[i], c.part));
    const int seen = op.wants_whole && !is_private ? phase + 1 : phase;
    // Among equals: balance; then the last axis, where runs are longest.
    const std::tuple score(seen, phase, widest_share(op, c.part, members), -c.part.axis);
    if (!first && !(score < best_score)) continue;
    best = {c, phase};
    best_score = score;
    first = false;
  }
  return best;
}

}  // namespace antiphon::loop
