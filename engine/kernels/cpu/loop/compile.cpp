// From a loop body to phases of tasks: places every value, chooses how each op is split, and cuts
// the result into tasks.
#include "engine/kernels/cpu/loop/compile.h"

#include <algorithm>
#include <string>
#include <utility>

#include "engine/ir/last_step.h"
#include "engine/kernels/cpu/loop/compiler.h"
#include "engine/kernels/cpu/loop/places.h"

namespace antiphon::loop {
namespace {

std::size_t u(std::int64_t i) { return static_cast<std::size_t>(i); }

// The step of a sequence along `axis`: its place without that axis.
Place step_place(std::int32_t base, const Tensor& sequence, int axis) {
  Place place = dense_place(base, sequence);
  for (int i = axis; i + 1 < place.rank; ++i) {
    place.dims[u(i)] = place.dims[u(i + 1)];
    place.strides[u(i)] = place.strides[u(i + 1)];
  }
  --place.rank;
  return place;
}

}  // namespace

Compiler::Compiler(const NodeView& view, BodyShapes shapes, const LoopPacked* packed)
    : view_(view),
      body_(*view.node->body),
      shapes_(std::move(shapes)),
      packed_(packed),
      program_(std::make_unique<LoopProgram>()) {
  program_->members = view.num_threads < 1 ? 1 : view.num_threads;
  program_->trips = shapes_.trips;
  program_->num_emitted = shapes_.num_emitted;
  program_->scan_axis = shapes_.scan_axis;
  program_->reverse = shapes_.reverse;
  program_->has_stop = shapes_.has_stop;
  values_.resize(body_.values.size());
}

std::int32_t Compiler::add_base(Base base) {
  program_->bases.push_back(base);
  return static_cast<std::int32_t>(program_->bases.size()) - 1;
}

// A sequence moves by one step of its axis an iteration, from the end when reversed.
Base Compiler::sequence_base(Base::Kind kind, int index, const Tensor& sequence) const {
  std::int64_t step = static_cast<std::int64_t>(dtype_bytes(sequence.dtype));
  for (int i = shapes_.scan_axis + 1; i < sequence.rank; ++i) step *= sequence.dims[u(i)];
  Base base{kind, index, nullptr, {0, 0}, step};
  if (!shapes_.reverse) return base;
  const std::int64_t last = shapes_.trips > 0 ? (shapes_.trips - 1) * step : 0;
  base.offset = {last, last};
  base.step = -step;
  return base;
}

std::int64_t Compiler::allocate(const Tensor& shape, bool is_private) {
  std::size_t& used = is_private ? program_->private_bytes : program_->scratch_bytes;
  const std::size_t at = used;
  used += round_up(shape.bytes());
  return static_cast<std::int64_t>(at);
}

void Compiler::place_inputs() {
  add_base({Base::Kind::kScratch, 0, nullptr, {0, 0}, 0});  // kSharedBase
  add_base({Base::Kind::kScratch, 1, nullptr, {0, 0}, 0});  // kPrivateBase
  for (std::size_t i = 0; i < body_.values.size(); ++i) {
    if (body_.values[i].kind != ir::ValueKind::kConstant) continue;
    const Tensor& t = shapes_.values[i];
    values_[i].place = dense_place(add_base({Base::Kind::kConstant, 0, t.data, {0, 0}, 0}), t);
  }
  for (int i = 0; i < static_cast<int>(body_.inputs.size()); ++i) {
    const Tensor& outer = view_.inputs[u(i)];
    Source& value = values_[u(body_.inputs[u(i)])];
    if (i < shapes_.num_carried) {
      const std::int64_t even = allocate(outer, false), odd = allocate(outer, false);
      program_->reserved_bytes += 2 * round_up(outer.bytes());
      program_->carried.push_back({{even, odd}, outer.bytes()});
      value.place =
          dense_place(add_base({Base::Kind::kScratch, 0, nullptr, {even, odd}, 0}), outer);
      const std::int32_t write = add_base({Base::Kind::kScratch, 0, nullptr, {odd, even}, 0});
      next_places_.push_back(dense_place(write, outer));
    } else if (i < shapes_.num_carried + shapes_.num_scanned) {
      const std::int32_t base = add_base(sequence_base(Base::Kind::kInput, i, outer));
      value.place = step_place(base, outer, shapes_.scan_axis);
    } else {
      value.place = dense_place(add_base({Base::Kind::kInput, i, nullptr, {0, 0}, 0}), outer);
    }
  }
  next_taken_.assign(next_places_.size(), false);
}

// Where an op writes its result: straight into the carried buffer that it becomes, or a place of
// its own.
Place Compiler::result_place(ir::ValueId id, const Tensor& shape, const Partition& part) {
  program_->reserved_bytes += static_cast<std::size_t>(program_->members) * round_up(shape.bytes());
  const bool is_private = part.kind == Partition::Kind::kPrivate && program_->members > 1;
  if (!is_private && id != ir::kNoValue)
    for (int i = 0; i < shapes_.num_carried; ++i)
      if (body_.outputs[u(i)].value == id && !next_taken_[u(i)]) {
        next_taken_[u(i)] = true;
        return next_places_[u(i)];
      }
  Place place = dense_place(is_private ? kPrivateBase : kSharedBase, shape);
  place.offset = allocate(shape, is_private) / static_cast<std::int64_t>(dtype_bytes(shape.dtype));
  return place;
}

// [B, O, T] that lies as [B, T, O]: what comes out of matrix panels.
Place Compiler::channels_last_place(const Tensor& shape, const Partition& part) {
  Tensor moved = shape;
  std::swap(moved.dims[1], moved.dims[2]);
  return transposed(result_place(ir::kNoValue, moved, part), {0, 2, 1});
}

Source Compiler::add_copy(const Source& from, OpShape shape, const Place* to) {
  shape.kind = ir::OpKind::kIdentity;
  shape.out = from.place;
  shape.cost = from.place.num_elements() / 2;
  const Chosen chosen = choose(shape, {from}, program_->members);
  auto op = std::make_unique<Op>();
  op->run = run_copy;
  op->in = {from.place};
  op->needs = chosen.choice.needs;
  op->part = chosen.choice.part;
  op->phase = chosen.phase;
  Tensor tensor;
  tensor.dtype = from.place.dtype;
  tensor.rank = from.place.rank;
  tensor.dims = from.place.dims;
  op->out = {to ? *to : result_place(ir::kNoValue, tensor, op->part)};
  const Source made{op->out[0], op->part, op->phase};
  program_->ops.push_back(std::move(op));
  return made;
}

// Next carried values, emitted steps and the stop flag.
void Compiler::finish_outputs() {
  OpShape shape;
  for (int i = 0; i < shapes_.num_carried; ++i) {
    if (next_taken_[u(i)]) continue;
    const Source& value = values_[u(body_.outputs[u(i)].value)];
    add_copy_into(value, next_places_[u(i)]);
  }
  for (int i = 0; i < shapes_.num_emitted; ++i) {
    const int output = shapes_.num_carried + i;
    const Tensor& outer = view_.outputs[u(output)];
    const Source& value = values_[u(body_.outputs[u(output)].value)];
    const std::int32_t base = add_base(sequence_base(Base::Kind::kOutput, output, outer));
    add_copy_into(value, step_place(base, outer, shapes_.scan_axis));
  }
  if (!shapes_.has_stop) return;
  shape.private_only = true;
  const Source& value = values_[u(body_.outputs.back().value)];
  program_->stop = add_copy(value, shape, nullptr).place;
}

// A copy into shared memory: with a single member all of it, else a slice a member; what cannot be
// sliced is written by member 0.
void Compiler::add_copy_into(const Source& from, const Place& to) { add_copy(from, {}, &to); }

Status Compiler::compile_body() {
  place_inputs();
  for (std::size_t i = 0; i < body_.nodes.size(); ++i) {
    const Status status = add_node(body_.nodes[i], i);
    if (!status.ok()) return status.with_context("body: " + body_.nodes[i].name);
  }
  finish_outputs();
  return {};
}

// Copies that the compiler added are left in: what they then read is of an earlier step.
void Compiler::mark_unread() {
  const std::vector<bool> made = ir::made_in_last_step(*view_.node);
  for (const auto& op : program_->ops)
    op->unread_last = op->node && std::ranges::none_of(op->node->outputs, [&](ir::ValueId id) {
                        return id != ir::kNoValue && made[u(id)];
                      });
}

Result<std::unique_ptr<LoopProgram>> Compiler::take() {
  ANTIPHON_RETURN_IF_ERROR(compile_body());
  mark_unread();
  // Private memory of member 0 lies behind the shared.
  program_->bases[kPrivateBase].offset.fill(static_cast<std::int64_t>(program_->scratch_bytes));
  for (const auto& op : program_->ops)
    program_->temp_bytes = std::max(program_->temp_bytes, round_up(op->temp_bytes));
  int num_phases = 0;
  for (const auto& op : program_->ops) num_phases = std::max(num_phases, op->phase + 1);
  program_->phases.assign(u(num_phases), std::vector<std::vector<Task>>(u(program_->members)));
  for (const auto& op : program_->ops)
    for (int member = 0; member < program_->members; ++member)
      cut(*op, *program_, member, program_->phases[u(op->phase)][u(member)]);
  program_->bound.resize(program_->bases.size());
  return std::move(program_);
}

Result<std::unique_ptr<LoopProgram>> compile(const NodeView& view, const LoopPacked* packed) {
  ANTIPHON_ASSIGN_OR_RETURN(BodyShapes shapes, body_shapes(view));
  Compiler compiler(view, std::move(shapes), packed);
  return compiler.take();
}

}  // namespace antiphon::loop
