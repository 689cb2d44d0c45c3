// Operators that move data: joined, cut, repeated, padded, rearranged.
#include <algorithm>
#include <limits>

#include "engine/import/op.h"
#include "engine/import/ops.h"

namespace antiphon::onnx {

using ir::OpKind;

void lower_concat(Op& op) {
  std::vector<ValueRef> parts;
  for (std::size_t i = 0; i < op.num_inputs(); ++i) parts.push_back(op.value(i));
  if (op.failed() || parts.empty()) return op.invalid("nothing to join");
  op.set(op.concat(parts, op.axis(op.attr_i("axis", 0), op.rank(parts[0]))));
}

void lower_split(Op& op) {
  const ValueRef x = op.value(0);
  const std::int64_t axis = op.axis(op.attr_i("axis", 0), op.rank(x));
  const std::optional<Dims> given = op.ints_of("split", 1, 13);
  if (op.failed()) return;
  const auto parts = static_cast<std::int64_t>(op.num_outputs());
  Wholes widths;
  if (given) {
    widths.assign(given->begin(), given->end());
  } else {
    const Whole extent = op.extent(x, axis);
    const std::int64_t count = op.attr_i("num_outputs", parts);
    if (count != parts || count < 1) return op.invalid("num_outputs: wanted one for each output");
    const Whole width = Whole::combine('/', extent + (count - 1), count);
    for (std::int64_t i = 0; i + 1 < count; ++i) widths.push_back(width);
    widths.push_back(extent - width * (count - 1));
  }
  if (static_cast<std::int64_t>(widths.size()) != parts)
    return op.invalid("split: wanted " + std::to_string(parts) + " parts, got " +
                      std::to_string(widths.size()));
  Whole begin = 0;
  for (std::size_t i = 0; i < widths.size(); ++i) {
    const Whole end = begin + widths[i];
    if (op.wants_output(i)) op.set(i, op.slice(x, axis, begin, end), op.element(0));
    begin = end;
  }
  const auto total = begin.number(), extent = op.extent(x, axis).number();
  if (total && extent && *total != *extent)
    op.invalid("split: the parts make " + std::to_string(*total) + " of " +
               std::to_string(*extent));
}

void lower_slice(Op& op) {
  ValueRef x = op.value(0);
  Wholes starts, ends;
  std::optional<Dims> axes;
  Dims steps;
  if (op.opset() < 10) {
    for (const std::int64_t v : op.attr_ints("starts")) starts.emplace_back(v);
    for (const std::int64_t v : op.attr_ints("ends")) ends.emplace_back(v);
    if (op.has_attr("axes")) axes = op.attr_ints("axes");
  } else {
    starts = op.wholes(1, "starts");
    ends = op.wholes(2, "ends");
    if (op.has(3)) axes = op.ints(3, "axes");
    if (op.has(4)) steps = op.ints(4, "steps");
  }
  if (op.failed()) return;
  if (steps.empty()) steps.assign(starts.size(), 1);
  if (!axes) {
    axes.emplace();
    for (std::size_t i = 0; i < starts.size(); ++i) axes->push_back(static_cast<std::int64_t>(i));
  }
  if (ends.size() != starts.size() || axes->size() != starts.size() ||
      steps.size() != starts.size())
    return op.invalid("starts, ends, axes and steps: wanted equally many");
  for (std::size_t i = 0; i < starts.size(); ++i) {
    const std::int64_t axis = op.axis((*axes)[i], op.rank(x));
    if (steps[i] == 0) return op.invalid("steps: 0");
    x = op.slice(x, axis, starts[i], ends[i], steps[i]);
    if (op.failed()) return;
  }
  op.set(x);
}

namespace {

// Each axis `times` times behind itself.
ValueRef tiled(Op& op, ValueRef x, const Wholes& times) {
  for (std::size_t i = 0; i < times.size() && !op.failed(); ++i) {
    if (times[i].number() == 1) continue;
    Wholes shape = op.extents(x);
    Whole before = 1, after = 1;
    for (std::size_t k = 0; k < shape.size(); ++k)
      (k < i ? before : after) = (k < i ? before : after) * shape[k];
    const ValueRef rows = op.reshape(x, {before, 1, after});
    const ValueRef wide = op.expand(rows, {before, times[i], after});
    shape[i] = shape[i] * times[i];
    x = op.reshape(wide, shape);
  }
  return x;
}

}  // namespace

void lower_tile(Op& op) {
  const ValueRef x = op.value(0);
  const Wholes times = op.wholes(1, "repeats");
  if (op.failed()) return;
  if (static_cast<int>(times.size()) != op.rank(x))
    return op.invalid("repeats: wanted one for each of " + std::to_string(op.rank(x)) + " axes");
  op.set(tiled(op, x, times));
}

namespace {

struct Padding {
  std::string mode;
  double value = 0;
};

// `count` steps beside the axis, at its front or back, as the mode says.
ValueRef margin(Op& op, ValueRef x, std::int64_t axis, std::int64_t count, bool front,
                const std::string& mode) {
  const Whole n = op.extent(x, axis);
  if (mode == "edge") {
    const ValueRef edge = front ? op.slice(x, axis, 0, 1) : op.slice(x, axis, n - 1, n);
    Wholes dims = op.extents(x);
    dims[static_cast<std::size_t>(axis)] = count;
    return op.expand(edge, dims);
  }
  if (mode == "wrap") return front ? op.slice(x, axis, n - count, n) : op.slice(x, axis, 0, count);
  const ValueRef part =
      front ? op.slice(x, axis, 1, count + 1) : op.slice(x, axis, n - (count + 1), n - 1);
  return op.node(OpKind::kReverse, {part}, {{"axis", axis}});
}

ValueRef padded(Op& op, ValueRef x, std::int64_t axis, std::int64_t before, std::int64_t after,
                const Padding& padding) {
  const std::int64_t cut_front = std::max<std::int64_t>(-before, 0);
  const std::int64_t cut_back = std::max<std::int64_t>(-after, 0);
  if (cut_front + cut_back > 0) x = op.slice(x, axis, cut_front, op.extent(x, axis) - cut_back);
  before = std::max<std::int64_t>(before, 0);
  after = std::max<std::int64_t>(after, 0);
  if (before + after == 0) return x;
  if (padding.mode == "constant")
    return op.node(
        OpKind::kPad, {x},
        {{"axis", axis}, {"before", before}, {"after", after}, {"value", padding.value}});
  const auto n = op.extent(x, axis).number();
  const std::int64_t most = padding.mode == "reflect" ? n.value_or(0) - 1 : n.value_or(0);
  if (n && padding.mode != "edge" && std::max(before, after) > most) {
    op.unsupported("pads: " + std::to_string(std::max(before, after)) + " on an axis of " +
                   std::to_string(*n) + " in mode " + padding.mode);
    return x;
  }
  std::vector<ValueRef> parts;
  if (before > 0) parts.push_back(margin(op, x, axis, before, true, padding.mode));
  parts.push_back(x);
  if (after > 0) parts.push_back(margin(op, x, axis, after, false, padding.mode));
  return op.concat(parts, axis);
}

}  // namespace

void lower_pad(Op& op) {
  ValueRef x = op.value(0);
  const Dims pads = op.opset() < 11 ? op.attr_ints("pads") : op.ints(1, "pads");
  Padding padding{op.attr_s("mode", "constant"), op.attr_f("value", 0)};
  if (op.opset() >= 11 && op.has(2)) {
    const std::vector<double> value = op.reals(2, "constant_value");
    if (!op.failed() && value.size() == 1) padding.value = value[0];
  }
  if (op.failed()) return;
  Dims axes;
  if (op.has(3)) {
    axes = op.ints(3, "axes");
  } else {
    for (int i = 0; i < op.rank(x); ++i) axes.push_back(i);
  }
  if (pads.size() != 2 * axes.size())
    return op.invalid("pads: wanted " + std::to_string(2 * axes.size()) + " numbers, got " +
                      std::to_string(pads.size()));
  constexpr std::int64_t kMostPad = std::int64_t{1} << 40;
  for (const std::int64_t pad : pads)
    if (pad < -kMostPad || pad > kMostPad)
      return op.invalid("pads: wanted numbers within 2^40, got " + std::to_string(pad));
  const std::string& mode = padding.mode;
  if (mode != "constant" && mode != "edge" && mode != "reflect" && mode != "wrap")
    return op.unsupported("mode '" + mode + "' is not supported");
  for (std::size_t i = 0; i < axes.size() && !op.failed(); ++i)
    x = padded(op, x, op.axis(axes[i], op.rank(x)), pads[i], pads[axes.size() + i], padding);
  op.set(x);
}

void lower_depth_to_space(Op& op) {
  const ValueRef x = op.value(0);
  const std::int64_t b = op.attr_i("blocksize", 0);
  const Wholes s = op.extents(x);
  if (op.failed() || s.size() != 4 || b < 1 || b > 1 << 16)
    return op.invalid("wanted [B, C, H, W] and a blocksize of 1 or more");
  const Whole c = Whole::combine('/', s[1], b * b);
  const bool columns_first = op.attr_s("mode", "DCR") == "CRD";
  ValueRef y = columns_first ? op.reshape(x, {s[0], c, b, b, s[2], s[3]})
                             : op.reshape(x, {s[0], b, b, c, s[2], s[3]});
  y = op.transpose(y, columns_first ? Dims{0, 1, 4, 2, 5, 3} : Dims{0, 3, 4, 1, 5, 2});
  op.set(op.reshape(y, {s[0], c, s[2] * b, s[3] * b}));
}

void lower_space_to_depth(Op& op) {
  const ValueRef x = op.value(0);
  const std::int64_t b = op.attr_i("blocksize", 0);
  const Wholes s = op.extents(x);
  if (op.failed() || s.size() != 4 || b < 1 || b > 1 << 16)
    return op.invalid("wanted [B, C, H, W] and a blocksize of 1 or more");
  const Whole h = Whole::combine('/', s[2], b), w = Whole::combine('/', s[3], b);
  ValueRef y = op.reshape(x, {s[0], s[1], h, b, w, b});
  const bool columns_first = op.attr_s("mode", "DCR") == "CRD";
  y = op.transpose(y, columns_first ? Dims{0, 1, 3, 5, 2, 4} : Dims{0, 3, 5, 1, 2, 4});
  op.set(op.reshape(y, {s[0], s[1] * (b * b), h, w}));
}

void lower_trilu(Op& op) {
  const ValueRef x = op.value(0);
  const Dims k = op.has(1) ? op.ints(1, "k") : Dims{0};
  if (op.failed() || k.size() != 1) return;
  op.set(op.node(ir::kOpTrilu, {x}, {{"upper", op.attr_i("upper", 1)}, {"k", k[0]}}));
}

void lower_reverse_sequence(Op& op) {
  const ValueRef x = op.value(0), lengths = op.value(1);
  op.set(op.node(
      ir::kOpReverseSequence, {x, lengths},
      {{"batch_axis", op.attr_i("batch_axis", 1)}, {"time_axis", op.attr_i("time_axis", 0)}}));
}

void lower_center_crop_pad(Op& op) {
  ValueRef x = op.value(0);
  const Dims shape = op.ints(1, "shape");
  Dims axes = op.attr_ints("axes");
  if (!op.has_attr("axes"))
    for (int i = 0; i < op.rank(x); ++i) axes.push_back(i);
  if (op.failed() || axes.size() != shape.size()) return op.invalid("shape: wrong number of axes");
  for (std::size_t i = 0; i < axes.size() && !op.failed(); ++i) {
    const std::int64_t axis = op.axis(axes[i], op.rank(x));
    const auto n = op.extent(x, axis).number();
    if (!n) return op.unsupported("axis " + std::to_string(axis) + " has no fixed extent");
    const std::int64_t change = shape[i] - *n;
    const std::int64_t before = change >= 0 ? change / 2 : -(-change / 2);
    x = padded(op, x, axis, before, change - before, {"constant", 0});
  }
  op.set(x);
}

}  // namespace antiphon::onnx
