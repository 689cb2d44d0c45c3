// How each kind of node becomes a view, or an op with its choice of split.
#include <algorithm>
#include <limits>
#include <utility>

#include "engine/kernels/cpu/loop/compiler.h"
#include "engine/kernels/cpu/loop/places.h"

namespace antiphon::loop {
namespace {

using ir::OpKind;

std::size_t u(std::int64_t i) { return static_cast<std::size_t>(i); }

int axis_attr(const ir::Node& node, int rank, std::int64_t fallback = -1) {
  const std::int64_t axis = node.attrs.i("axis", fallback);
  return static_cast<int>(axis < 0 ? axis + rank : axis);
}

Tensor shape_from(const Place& place) {
  Tensor t;
  t.dtype = place.dtype;
  t.rank = place.rank;
  t.dims = place.dims;
  return t;
}

std::int64_t leading_rows(const Place& place) {
  const std::int64_t last = place.rank > 0 ? place.dim(place.rank - 1) : 1;
  return last == 0 ? 0 : place.num_elements() / last;
}

bool is_view(OpKind kind) {
  return kind == OpKind::kIdentity || kind == OpKind::kReshape || kind == OpKind::kSlice ||
         kind == OpKind::kTranspose;
}

// The single op as a point-wise program of one step; false: not of f32 throughout.
bool as_program(const ir::Node& node, bool all_f32, ir::PointwiseProgram& program) {
  using Step = ir::PointwiseStep;
  if (node.op == OpKind::kPointwise) {
    program = node.pointwise;
    return true;
  }
  if (!all_f32) return false;
  Step step;
  step.op = static_cast<std::uint8_t>(node.attrs.i("op"));
  step.a = 0;
  switch (node.op) {
    case OpKind::kUnary: step.kind = Step::Kind::kUnary; break;
    case OpKind::kBinary:
      step.kind = Step::Kind::kBinary;
      step.b = 1;
      break;
    case OpKind::kClamp:
      step.kind = Step::Kind::kClamp;
      step.low = static_cast<float>(node.attrs.f("low", -std::numeric_limits<double>::infinity()));
      step.high = static_cast<float>(node.attrs.f("high", std::numeric_limits<double>::infinity()));
      break;
    case OpKind::kWhere:
      step.kind = Step::Kind::kWhere;
      step.b = 1;
      step.c = 2;
      break;
    default: return false;
  }
  program.steps = {step};
  program.results = {static_cast<std::int16_t>(node.inputs.size())};
  return true;
}

}  // namespace

bool Compiler::user_wants_whole(const ir::Node& user, std::size_t input, int depth) const {
  const Tensor& x = shape_of(user.inputs[input]);
  const std::int64_t n = x.num_elements();
  const auto extent = [&](int axis) { return x.dims[u(axis)]; };
  switch (user.op) {
    case OpKind::kLinear: return input == 0 && n <= 8 * extent(x.rank - 1);
    case OpKind::kConv: return input == 0;
    case OpKind::kEmbedding: return true;
    case OpKind::kSoftmax:
    case OpKind::kLogSoftmax:
    case OpKind::kReduce: return n == extent(axis_attr(user, x.rank));
    case OpKind::kLayerNorm: return n == extent(x.rank - 1);
    case OpKind::kMatMul: {
      const bool transposed = user.attrs.i(input == 0 ? "transpose_a" : "transpose_b") != 0;
      const bool columns = (input == 1) != transposed;  // the axis of the result is the last
      return extent(columns ? x.rank - 1 : x.rank - 2) < 2;
    }
    case OpKind::kRepeat:
    case OpKind::kReverse:
    case OpKind::kPad: return false;
    default: break;
  }
  if (depth == 8) return false;
  // Element by element, or a view: as its own users do.
  for (const ir::ValueId out : user.outputs)
    if (wants_whole(out, depth + 1)) return true;
  return false;
}

bool Compiler::wants_whole(ir::ValueId id, int depth) const {
  if (id == ir::kNoValue) return false;
  for (const ir::Node& node : body_.nodes)
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      if (node.inputs[i] == id && user_wants_whole(node, i, depth)) return true;
  return false;
}

Source Compiler::contiguous(const Source& source) {
  const int last = source.place.rank - 1;
  if (last < 0 || source.place.dim(last) < 2 || source.place.stride(last) == 1) return source;
  return add_copy(source, {}, nullptr);
}

void Compiler::add_view(const ir::Node& node) {
  const Source from = source(node, 0);
  Source& to = values_[u(node.outputs[0])];
  to = from;
  switch (node.op) {
    case OpKind::kIdentity: return;
    case OpKind::kTranspose: {
      const auto order = node.attrs.ints("order");
      to.place = transposed(from.place, order);
      to.part = transpose_partition(from.part, order);
      return;
    }
    case OpKind::kSlice: {
      const int axis = axis_attr(node, from.place.rank, 0);
      std::int64_t begin = node.attrs.i("begin");
      if (begin < 0) begin += from.place.dim(axis);
      const std::int64_t count = shape_of(node.outputs[0]).dims[u(axis)];
      to.place = narrow(from.place, axis, begin, count);
      to.part = slice_partition(from.part, from.place, axis, begin, count);
      return;
    }
    default: break;
  }
  const Tensor& shape = shape_of(node.outputs[0]);
  std::optional<Place> place = reshaped(from.place, shape);
  Source dense = from;
  if (!place) {
    dense = add_copy(from, {}, nullptr);
    place = reshaped(dense.place, shape);
  }
  to = dense;
  to.place = *place;
  to.part = reshape_partition(dense.part, dense.place, *place);
}

void Compiler::add_op(const ir::Node& node, OpShape shape, std::vector<Source> in,
                      std::unique_ptr<Op> op) {
  shape.kind = node.op;
  shape.out = dense_place(kSharedBase, shape_of(node.outputs[0]));
  for (const ir::ValueId id : node.outputs)
    shape.wants_whole = shape.wants_whole || wants_whole(id);
  const Chosen chosen = choose(shape, in, program_->members);
  op->kind = node.op;
  op->node = &node;
  op->residual = shape.residual;
  op->transpose_a = shape.transpose_a;
  op->transpose_b = shape.transpose_b;
  op->act = static_cast<int>(node.attrs.i("act", -1));
  op->act2 = static_cast<int>(node.attrs.i("act2", -1));
  op->part = chosen.choice.part;
  op->needs = chosen.choice.needs;
  op->phase = chosen.phase;
  for (const Source& s : in) op->in.push_back(s.place);
  for (const ir::ValueId id : node.outputs) {
    const Tensor& t = id == ir::kNoValue ? shape_from(shape.out) : shape_of(id);
    op->out.push_back(shape.panels ? channels_last_place(t, op->part)
                                   : result_place(id, t, op->part));
    if (id != ir::kNoValue) values_[u(id)] = {op->out.back(), op->part, op->phase};
  }
  program_->ops.push_back(std::move(op));
}

void Compiler::add_elementwise(const ir::Node& node) {
  std::vector<Source> in;
  bool all_f32 = shape_of(node.outputs[0]).dtype == DType::kF32;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    in.push_back(source(node, i));
    all_f32 = all_f32 && in.back().place.dtype == DType::kF32;
  }
  auto op = std::make_unique<Op>();
  const bool program = as_program(node, all_f32, op->pointwise);
  op->run = program ? run_pointwise : run_scalar;
  const std::int64_t num_steps = static_cast<std::int64_t>(op->pointwise.steps.size());
  op->temp_bytes = u(num_steps + static_cast<std::int64_t>(in.size())) * kChunk * sizeof(float);
  OpShape shape;
  shape.cost = shape_of(node.outputs[0]).num_elements() * std::max<std::int64_t>(4, 2 * num_steps);
  add_op(node, shape, std::move(in), std::move(op));
}

// The parts are copied into one value; each in its own way when the whole is too much to repeat.
void Compiler::add_concat(const ir::Node& node) {
  const Tensor& shape = shape_of(node.outputs[0]);
  const int axis = axis_attr(node, shape.rank, 0);
  const bool repeat = shape.num_elements() / 2 <= kRepeatCost || program_->members == 1;
  const Partition part{repeat ? Partition::Kind::kPrivate : Partition::Kind::kMixed, 0, 1};
  Source& result = values_[u(node.outputs[0])];
  result = {result_place(node.outputs[0], shape, part), part, 0};
  std::int64_t begin = 0;
  for (std::size_t i = 0; i < node.inputs.size(); ++i) {
    const Source& from = source(node, i);
    const std::int64_t count = from.place.dim(axis);
    const Place to = narrow(result.place, axis, begin, count);
    begin += count;
    OpShape copy;
    copy.private_only = repeat;
    result.phase = std::max(result.phase, add_copy(from, copy, &to).phase);
  }
}

void Compiler::add_zeros(const ir::Node& node) {
  const Tensor& shape = shape_of(node.outputs[0]);
  const std::size_t words = shape.bytes() / sizeof(double) + 1;
  program_->zeros.push_back(std::vector<double>(words, 0.0));
  const Base base{Base::Kind::kConstant, 0, program_->zeros.back().data(), {0, 0}, 0};
  values_[u(node.outputs[0])] = {dense_place(add_base(base), shape), {}, 0};
}

void Compiler::add_linear(const ir::Node& node, std::size_t index) {
  auto op = std::make_unique<Op>();
  op->run = run_linear;
  op->weights = packed_ ? packed_->by_node[index].get() : nullptr;
  std::vector<Source> in = {contiguous(source(node, 0))};
  if (has(node, 4)) in.push_back(source(node, 4));
  const bool dynamic = !ir::is_constant(body_, node.inputs[1]);
  if (dynamic) in.push_back(contiguous(source(node, 1)));
  const std::int64_t k = in[0].place.dim(in[0].place.rank - 1);
  OpShape shape;
  shape.residual = has(node, 4);
  shape.groups = dynamic ? 1 : gate_groups(body_, node);
  shape.cost = shape_of(node.outputs[0]).num_elements() * k;
  op->temp_bytes = linear_temp_bytes(leading_rows(in[0].place), k);
  add_op(node, shape, std::move(in), std::move(op));
}

void Compiler::add_conv(const ir::Node& node, std::size_t index) {
  auto op = std::make_unique<Op>();
  op->numbers = {node.attrs.i("stride", 1), node.attrs.i("dilation", 1), node.attrs.i("groups", 1),
                 node.attrs.i("pad_left")};
  op->weights = packed_ ? packed_->by_node[index].get() : nullptr;
  OpShape shape;
  shape.panels = op->numbers[2] == 1;
  op->run = shape.panels ? run_conv_panels : run_conv;
  std::vector<Source> in = {shape.panels ? source(node, 0) : contiguous(source(node, 0))};
  shape.residual = has(node, 4);
  if (shape.residual) in.push_back(source(node, 4));
  const Tensor& w = shape_of(node.inputs[1]);
  const Tensor& y = shape_of(node.outputs[0]);
  shape.cost = y.num_elements() * w.dims[1] * w.dims[2];
  shape.pointwise_conv = w.dims[2] == 1 && op->numbers[0] == 1 && op->numbers[3] == 0 &&
                         node.attrs.i("pad_right") == 0;
  op->temp_bytes = shape.panels ? conv_temp_bytes(*op, y.dims[2], w.dims[1], w.dims[2]) : 0;
  op->code = static_cast<int>(w.dims[2]);
  add_op(node, shape, std::move(in), std::move(op));
}

void Compiler::add_matmul(const ir::Node& node) {
  auto op = std::make_unique<Op>();
  op->run = run_matmul;
  op->alpha = static_cast<float>(node.attrs.f("alpha", 1.0));
  OpShape shape;
  shape.transpose_a = node.attrs.i("transpose_a") != 0;
  shape.transpose_b = node.attrs.i("transpose_b") != 0;
  std::vector<Source> in = {source(node, 0), source(node, 1)};
  const Place& a = in[0].place;
  const std::int64_t k = a.dim(shape.transpose_a ? a.rank - 2 : a.rank - 1);
  shape.cost = shape_of(node.outputs[0]).num_elements() * k;
  op->temp_bytes = u(k) * sizeof(float);
  add_op(node, shape, std::move(in), std::move(op));
}

// Ops that work along one axis: softmax, layer norm, reductions.
void Compiler::add_rows(const ir::Node& node) {
  auto op = std::make_unique<Op>();
  const Tensor& x = shape_of(node.inputs[0]);
  OpShape shape;
  shape.cost = x.num_elements() * 4;
  shape.axis = op->axis = node.op == OpKind::kLayerNorm ? x.rank - 1 : axis_attr(node, x.rank);
  shape.keep_dim = node.attrs.i("keep_dim") != 0;
  std::vector<Source> in = {source(node, 0)};
  op->temp_bytes = 2 * u(x.dims[u(op->axis)]) * sizeof(float);
  op->code = static_cast<int>(node.attrs.i("op"));
  op->epsilon = static_cast<float>(node.attrs.f("epsilon", 1e-5));
  op->run = node.op == OpKind::kReduce ? run_reduce : run_softmax;
  if (node.op == OpKind::kLayerNorm) {
    op->run = run_layer_norm;
    op->code = static_cast<int>(node.attrs.i("rms"));
    in.clear();
    for (std::size_t i = 0; i < node.inputs.size(); ++i)
      if (has(node, i)) in.push_back(contiguous(source(node, i)));
  }
  add_op(node, shape, std::move(in), std::move(op));
}

// Embedding, repeat, reverse, pad.
void Compiler::add_moves(const ir::Node& node) {
  auto op = std::make_unique<Op>();
  OpShape shape;
  shape.cost = shape_of(node.outputs[0]).num_elements() / 2;
  std::vector<Source> in;
  for (std::size_t i = 0; i < node.inputs.size(); ++i)
    if (has(node, i)) in.push_back(source(node, i));
  switch (node.op) {
    case OpKind::kEmbedding: op->run = run_embedding; break;
    case OpKind::kRepeat:
      op->run = run_repeat;
      op->numbers[0] = node.attrs.i("times", 1);
      break;
    case OpKind::kReverse: op->run = run_reverse; break;
    default:
      op->run = run_pad;
      op->numbers[0] = node.attrs.i("before");
      op->pad_value = static_cast<float>(node.attrs.f("value", 0.0));
      break;
  }
  if (node.op != OpKind::kEmbedding) shape.axis = op->axis = axis_attr(node, in[0].place.rank, 0);
  add_op(node, shape, std::move(in), std::move(op));
}

Status Compiler::add_node(const ir::Node& node, std::size_t index) {
  if (is_view(node.op)) {
    add_view(node);
    return {};
  }
  switch (node.op) {
    case OpKind::kUnary:
    case OpKind::kBinary:
    case OpKind::kClamp:
    case OpKind::kWhere:
    case OpKind::kCast:
    case OpKind::kPointwise: add_elementwise(node); break;
    case OpKind::kLinear: add_linear(node, index); break;
    case OpKind::kConv: add_conv(node, index); break;
    case OpKind::kMatMul:
      if (shape_of(node.outputs[0]).dtype != DType::kF32)
        return unsupported("a product of whole numbers is not run in loops");
      add_matmul(node);
      break;
    case OpKind::kSoftmax:
    case OpKind::kLogSoftmax:
    case OpKind::kLayerNorm:
    case OpKind::kReduce:
      if (node.attrs.i("op") > static_cast<int>(Reduce::kArgMax) ||
          shape_of(node.inputs[0]).dtype != DType::kF32)
        return unsupported("this reduction is not run in loops");
      add_rows(node);
      break;
    case OpKind::kEmbedding:
    case OpKind::kRepeat:
    case OpKind::kReverse:
    case OpKind::kPad: add_moves(node); break;
    case OpKind::kConcat: add_concat(node); break;
    case OpKind::kZeros: add_zeros(node); break;
    default: return unsupported(std::string(ir::op_name(node.op)) + " is not run in loops");
  }
  return {};
}

}  // namespace antiphon::loop
