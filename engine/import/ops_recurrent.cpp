// LSTM, GRU and RNN as structured loops: one product over all steps for what comes from the input,
// the recurrence in the body. Weights of bytes stay bytes, inside loops and before them.
#include <algorithm>

#include "engine/import/op.h"
#include "engine/import/ops.h"
#include "engine/import/quantized.h"
#include "engine/import/recurrent_activation.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

constexpr const char* kDynamicLstm = "DynamicQuantizeLSTM";
constexpr QuantizedInput kWeights{1, 8, 9}, kRecurrent{2, 10, 11};  // of DynamicQuantizeLSTM

// What all directions of one node share.
struct Cell {
  std::int64_t gates = 1, hidden = 0, directions = 1;
  bool batch_first = false, has_clip = false;
  double clip = 0;
  std::string direction;
  std::vector<Activation> activations;  // of each direction, one after the other
  ValueRef x, lengths;                  // x [T, B, I]
  Whole steps, batch;
};

// What one direction works with. Weights [gates * H, ...] in the order of ONNX, or of bytes
// [..., gates * H].
struct Direction {
  ValueRef w, r, wb, rb, h0, c0, peepholes;
  QuantizedValues w_bytes, r_bytes;
  bool reverse = false;
  std::vector<Activation> activations;
};

// The state after a step, and what is carried beside it.
struct Step {
  ValueRef h, c;
};

void read_activations(Op& op, Cell& cell, const std::vector<std::string>& defaults) {
  const std::vector<std::string> names = op.attr_strings("activations");
  std::vector<double> alphas = op.attr_floats("activation_alpha");
  std::vector<double> betas = op.attr_floats("activation_beta");
  const std::size_t wanted = defaults.size() * static_cast<std::size_t>(cell.directions);
  if (!names.empty() && names.size() != wanted)
    return op.invalid("activations: wanted " + std::to_string(wanted) + ", got " +
                      std::to_string(names.size()));
  for (std::size_t i = 0; i < wanted; ++i) {
    const std::string& name = names.empty() ? defaults[i % defaults.size()] : names[i];
    cell.activations.push_back(take_activation(name, alphas, betas));
  }
}

// `width_axis`: the axis of R that is as wide as the state.
Cell read_cell(Op& op, std::int64_t gates, const std::vector<std::string>& defaults,
               std::int64_t width_axis = 2) {
  Cell cell;
  cell.gates = gates;
  cell.direction = op.attr_s("direction", "forward");
  cell.directions = cell.direction == "bidirectional" ? 2 : 1;
  cell.batch_first = op.attr_i("layout", 0) != 0;
  cell.has_clip = op.has_attr("clip") && op.attr_f("clip", 0) > 0;
  cell.clip = op.attr_f("clip", 0);
  read_activations(op, cell, defaults);
  cell.x = op.value(0);
  const ValueRef r = op.value(2);
  if (op.failed()) return cell;
  if (op.rank(cell.x) != 3 || op.rank(r) != 3 || op.rank(op.value(1)) != 3) {
    op.invalid("X, W and R: wanted three axes each");
    return cell;
  }
  const auto hidden = op.extent(r, width_axis).number();
  if (!hidden || *hidden < 1) op.unsupported("the width of R must be fixed");
  cell.hidden = hidden.value_or(1);
  if (cell.batch_first) cell.x = op.transpose(cell.x, {1, 0, 2});
  cell.steps = op.extent(cell.x, 0);
  cell.batch = op.extent(cell.x, 1);
  // Lengths that are all as long as the sequence say nothing.
  const Known* lengths = op.known(4);
  const bool full =
      !op.has(4) ||
      (lengths && std::all_of(lengths->values.begin(), lengths->values.end(),
                              [&](const Number& n) { return n.whole.same(cell.steps); }));
  if (!full) cell.lengths = op.cast(op.value(4), DType::kI32);
  return cell;
}

// Part `i` of axis 0 without that axis; invalid when the input is absent.
ValueRef part_of(Op& op, std::size_t input, std::int64_t i) {
  if (!op.has(input)) return {};
  const ValueRef all = op.value(input);
  Wholes dims = op.extents(all);
  if (op.failed() || dims.empty()) return {};
  dims.erase(dims.begin());
  return op.reshape(op.slice(all, 0, i, i + 1), dims);
}

QuantizedValues bytes_of(Op& op, const QuantizedInput& w, std::int64_t i) {
  return {part_of(op, w.values, i), part_of(op, w.scale, i), part_of(op, w.zero, i)};
}

ValueRef state_of(Op& op, const Cell& cell, std::size_t input, std::int64_t i) {
  if (!op.has(input)) return op.expand(op.number(DType::kF32, 0), {cell.batch, Whole(cell.hidden)});
  if (!cell.batch_first) return part_of(op, input, i);
  const ValueRef all = op.value(input);  // [B, directions, H]
  return op.reshape(op.slice(all, 1, i, i + 1), {cell.batch, Whole(cell.hidden)});
}

Direction read_direction(Op& op, const Cell& cell, std::int64_t i, bool has_c) {
  Direction d;
  d.reverse = cell.direction == "reverse" || i == 1;
  if (op.type() == kDynamicLstm) {
    d.w_bytes = bytes_of(op, kWeights, i);
    d.r_bytes = bytes_of(op, kRecurrent, i);
  } else {
    d.w = part_of(op, 1, i);
    d.r = part_of(op, 2, i);
  }
  if (const ValueRef both = part_of(op, 3, i); both.valid()) {
    const std::int64_t width = cell.gates * cell.hidden;
    d.wb = op.slice(both, 0, 0, width);
    d.rb = op.slice(both, 0, width, 2 * width);
  }
  d.h0 = state_of(op, cell, 5, i);
  if (has_c) d.c0 = state_of(op, cell, 6, i);
  if (has_c) d.peepholes = part_of(op, 7, i);
  const auto each = static_cast<std::ptrdiff_t>(cell.activations.size()) / cell.directions;
  d.activations.assign(cell.activations.begin() + i * each,
                       cell.activations.begin() + (i + 1) * each);
  return d;
}

ValueRef clipped(Op& op, const Cell& cell, ValueRef x) {
  return cell.has_clip ? op.clamp(x, -cell.clip, cell.clip) : x;
}

ValueRef gate(Op& op, const Cell& cell, ValueRef gates, std::int64_t i) {
  return op.slice(gates, 1, i * cell.hidden, (i + 1) * cell.hidden);
}

ValueRef linear(Op& op, ValueRef x, ValueRef w, ValueRef bias) {
  return op.node(OpKind::kLinear, {x, w, {}, bias});
}

// The same of bytes [..., N] in f32. A kernel may round x to bytes, as the model does.
ValueRef byte_linear(Op& op, ValueRef x, const QuantizedValues& w, ValueRef bias) {
  ValueRef y = byte_product(op, x, w, false, true);
  if (!y.valid() && !op.failed()) y = product(op, x, dequantized(op, w, 1));
  return bias.valid() ? op.binary(Binary::kAdd, y, bias) : y;
}

// The recurrence of one direction. `step` is called in the body with the step's product of the
// input [B, gates * H] and the state before it. Y [T, B, H] and the last states.
template <typename MakeStep>
std::vector<ValueRef> run_direction(Op& op, const Cell& cell, const Direction& d, ValueRef from_x,
                                    MakeStep step) {
  GraphBuilder& graph = op.graph();
  GraphBuilder::Loop loop;
  loop.carried = {d.h0};
  if (d.c0.valid()) loop.carried.push_back(d.c0);
  loop.scanned = {from_x};
  loop.reverse = d.reverse;
  ValueRef inside;
  if (cell.lengths.valid()) {
    // 1 for the steps inside a sequence, [T, B, 1].
    std::vector<ValueRef> like;
    const std::string text = "0," + cell.steps.text(like) + ",1";
    const ValueRef steps = op.node(
        ir::kOpRange, like, {{"extents", text}, {"dtype", static_cast<std::int64_t>(DType::kI32)}});
    inside = op.binary(Binary::kLess, op.reshape(steps, {cell.steps, 1, 1}),
                       op.reshape(cell.lengths, {1, cell.batch, 1}));
    loop.scanned.push_back(op.cast(inside, DType::kF32));
  }
  if (op.failed()) return {};
  graph.begin_loop(loop);
  const std::size_t num_carried = loop.carried.size();
  const Step before{graph.loop_input(0), d.c0.valid() ? graph.loop_input(1) : ValueRef{}};
  Step after = step(graph.loop_input(num_carried), before);
  ValueRef emitted = after.h;
  if (inside.valid()) {
    const ValueRef keep = graph.loop_input(num_carried + 1);
    emitted = op.binary(Binary::kMul, after.h, keep);
    after.h = op.where(keep, after.h, before.h);
    if (before.c.valid()) after.c = op.where(keep, after.c, before.c);
  }
  if (op.failed()) {
    graph.abandon_loop();
    return {};
  }
  std::vector<ValueRef> next = {after.h};
  if (before.c.valid()) next.push_back(after.c);
  std::vector<ValueRef> out = graph.end_loop(next, {emitted}, {});
  return {out.back(), out[0], before.c.valid() ? out[1] : ValueRef{}};
}

// Y [T, directions, B, H], Y_h and Y_c [directions, B, H], or batch first.
void set_results(Op& op, const Cell& cell, const std::vector<std::vector<ValueRef>>& results) {
  const Whole hidden = cell.hidden;
  std::vector<ValueRef> sequences, lasts[2];
  for (const std::vector<ValueRef>& r : results) {
    const Wholes dims = cell.batch_first ? Wholes{cell.batch, cell.steps, 1, hidden}
                                         : Wholes{cell.steps, 1, cell.batch, hidden};
    const ValueRef y = cell.batch_first ? op.transpose(r[0], {1, 0, 2}) : r[0];
    sequences.push_back(op.reshape(y, dims));
    for (std::size_t i = 0; i < 2; ++i)
      if (r[i + 1].valid())
        lasts[i].push_back(op.reshape(r[i + 1], cell.batch_first ? Wholes{cell.batch, 1, hidden}
                                                                 : Wholes{1, cell.batch, hidden}));
  }
  const std::int64_t axis = cell.batch_first ? 2 : 1;
  if (op.wants_output(0)) op.set(0, op.concat(sequences, axis), Element::kFloat);
  for (std::size_t i = 0; i < 2; ++i)
    if (op.wants_output(i + 1) && !lasts[i].empty())
      op.set(i + 1, op.concat(lasts[i], cell.batch_first ? 1 : 0), Element::kFloat);
}

Step lstm_step(Op& op, const Cell& cell, const Direction& d, ValueRef from_x, const Step& s,
               bool coupled) {
  const bool bytes = d.r_bytes.values.valid();
  const ValueRef from_h = bytes ? byte_linear(op, s.h, d.r_bytes, {}) : linear(op, s.h, d.r, {});
  const ValueRef gates = op.binary(Binary::kAdd, from_h, from_x);
  const auto peep = [&](ValueRef g, std::int64_t i, ValueRef c) {
    if (!d.peepholes.valid()) return g;
    const ValueRef p = op.slice(d.peepholes, 0, i * cell.hidden, (i + 1) * cell.hidden);
    return op.binary(Binary::kAdd, g, op.binary(Binary::kMul, c, p));
  };
  const auto f = [&](std::size_t i, ValueRef g) {
    return activate(op, d.activations[i], clipped(op, cell, g));
  };
  // Gates in the order i, o, f, c; peepholes i, o, f.
  const ValueRef i = f(0, peep(gate(op, cell, gates, 0), 0, s.c));
  const ValueRef keep = coupled ? op.binary(Binary::kSub, op.number(DType::kF32, 1), i)
                                : f(0, peep(gate(op, cell, gates, 2), 2, s.c));
  const ValueRef written = f(1, gate(op, cell, gates, 3));
  const ValueRef c = op.binary(Binary::kAdd, op.binary(Binary::kMul, keep, s.c),
                               op.binary(Binary::kMul, i, written));
  const ValueRef o = f(0, peep(gate(op, cell, gates, 1), 1, c));
  return {op.binary(Binary::kMul, o, activate(op, d.activations[2], c)), c};
}

Step gru_step(Op& op, const Cell& cell, const Direction& d, ValueRef from_x, const Step& s,
              bool linear_before_reset) {
  // Gates in the order z, r, h.
  const std::int64_t h = cell.hidden;
  const auto f = [&](std::size_t i, ValueRef g) {
    return activate(op, d.activations[i], clipped(op, cell, g));
  };
  ValueRef zr, candidate;
  if (linear_before_reset) {
    const ValueRef all = linear(op, s.h, d.r, d.rb);
    zr = op.binary(Binary::kAdd, op.slice(all, 1, 0, 2 * h), op.slice(from_x, 1, 0, 2 * h));
    const ValueRef r = f(0, gate(op, cell, zr, 1));
    candidate = op.binary(Binary::kAdd, op.binary(Binary::kMul, r, gate(op, cell, all, 2)),
                          gate(op, cell, from_x, 2));
  } else {
    zr = op.binary(Binary::kAdd, linear(op, s.h, op.slice(d.r, 0, 0, 2 * h), {}),
                   op.slice(from_x, 1, 0, 2 * h));
    const ValueRef r = f(0, gate(op, cell, zr, 1));
    const ValueRef reset = op.binary(Binary::kMul, r, s.h);
    candidate = op.binary(Binary::kAdd, linear(op, reset, op.slice(d.r, 0, 2 * h, 3 * h), {}),
                          gate(op, cell, from_x, 2));
  }
  const ValueRef z = f(0, gate(op, cell, zr, 0));
  const ValueRef n = f(1, candidate);
  // (1 - z) n + z h
  const ValueRef kept = op.binary(Binary::kMul, z, op.binary(Binary::kSub, s.h, n));
  return {op.binary(Binary::kAdd, n, kept), {}};
}

template <typename MakeStep>
void lower_recurrent(Op& op, Cell& cell, bool has_c, bool keep_recurrent_bias, MakeStep step) {
  std::vector<std::vector<ValueRef>> results;
  for (std::int64_t i = 0; i < cell.directions && !op.failed(); ++i) {
    Direction d = read_direction(op, cell, i, has_c);
    if (op.failed()) return;
    ValueRef bias = d.wb;
    if (bias.valid() && !keep_recurrent_bias) bias = op.binary(Binary::kAdd, d.wb, d.rb);
    const ValueRef from_x = d.w_bytes.values.valid() ? byte_linear(op, cell.x, d.w_bytes, bias)
                                                     : linear(op, cell.x, d.w, bias);
    results.push_back(run_direction(op, cell, d, from_x,
                                    [&](ValueRef x, const Step& s) { return step(d, x, s); }));
  }
  if (!op.failed()) set_results(op, cell, results);
}

void lower_cell_of_lstm(Op& op, Cell& cell) {
  const bool coupled = op.attr_i("input_forget", 0) != 0;
  if (op.failed()) return;
  lower_recurrent(op, cell, true, false, [&](const Direction& d, ValueRef x, const Step& s) {
    return lstm_step(op, cell, d, x, s, coupled);
  });
}

}  // namespace

void lower_lstm(Op& op) {
  Cell cell = read_cell(op, 4, {"Sigmoid", "Tanh", "Tanh"});
  lower_cell_of_lstm(op, cell);
}

namespace {

// Bytes [directions, columns, 4 * H] with a scale and a zero point for each direction, or for each
// of its 4 * H outputs.
void check_bytes(Op& op, const Cell& cell, const QuantizedInput& w, const char* name) {
  const Whole directions = cell.directions, outputs = cell.gates * cell.hidden;
  const Wholes dims = op.extents(op.value(w.values));
  if (!op.failed() && !(dims[0].same(directions) && dims[2].same(outputs)))
    op.invalid(std::string(name) + ": wanted [" + std::to_string(cell.directions) + ", ..., " +
               std::to_string(cell.gates * cell.hidden) + "], columns by outputs");
  for (const std::size_t i : {w.scale, w.zero}) {
    if (op.failed() || !op.has(i)) continue;
    const Wholes given = op.extents(op.value(i));
    const bool one = given.size() == 1, each = given.size() == 2 && given[1].same(outputs);
    if (!(one || each) || !given[0].same(directions))
      op.invalid("scale or zero point of " + std::string(name) + " (input " + std::to_string(i) +
                 "): wanted one for each direction, or for each of its outputs");
  }
}

}  // namespace

// The model rounds h to bytes for each step's product: kernels may, where that is the faster. A
// row has a range of its own, as in ONNX Runtime one sequence has.
void lower_dynamic_quantize_lstm(Op& op) {
  check_quantized(op, kWeights);
  if (!op.failed()) check_quantized(op, kRecurrent);
  if (op.failed()) return;
  Cell cell = read_cell(op, 4, {"Sigmoid", "Tanh", "Tanh"}, 1);
  if (!op.failed()) check_bytes(op, cell, kWeights, "W");
  if (!op.failed()) check_bytes(op, cell, kRecurrent, "R");
  lower_cell_of_lstm(op, cell);
}

void lower_gru(Op& op) {
  Cell cell = read_cell(op, 3, {"Sigmoid", "Tanh"});
  const bool before_reset = op.attr_i("linear_before_reset", 0) != 0;
  if (op.failed()) return;
  lower_recurrent(op, cell, false, before_reset,
                  [&](const Direction& d, ValueRef x, const Step& s) {
                    return gru_step(op, cell, d, x, s, before_reset);
                  });
}

void lower_rnn(Op& op) {
  Cell cell = read_cell(op, 1, {"Tanh"});
  if (op.failed()) return;
  lower_recurrent(op, cell, false, false, [&](const Direction& d, ValueRef x, const Step& s) {
    const ValueRef sum = op.binary(Binary::kAdd, linear(op, s.h, d.r, {}), x);
    return Step{activate(op, d.activations[0], clipped(op, cell, sum)), {}};
  });
}

}  // namespace antiphon::onnx
