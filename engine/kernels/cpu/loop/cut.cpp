// Cuts an op into the tasks of one member: operands narrowed to its slice.
#include "engine/kernels/cpu/loop/compiler.h"
#include "engine/kernels/cpu/loop/places.h"

namespace antiphon::loop {
namespace {

using Kind = Partition::Kind;

// Element-wise tasks get operands of one shape and few axes.
void flatten(Task& task) {
  const bool elementwise =
      task.run == run_pointwise || task.run == run_copy || task.run == run_scalar;
  if (!elementwise) return;
  for (Place& in : task.in) in = broadcast_to(in, task.out[0]);
  std::vector<Place*> places;
  for (Place& out : task.out) places.push_back(&out);
  for (Place& in : task.in) places.push_back(&in);
  coalesce(places);
}

void move_private(Place& place, const LoopProgram& program, int member) {
  if (place.base != kPrivateBase) return;
  const std::size_t step = program.private_bytes / dtype_bytes(place.dtype);
  place.offset += static_cast<std::int64_t>(step) * member;
}

// The member's range of group `group`, as operands of their own.
Task narrowed(const Op& op, const Task& whole, std::int64_t begin, std::int64_t count) {
  Task task = whole;
  task.origin = begin;
  for (Place& out : task.out) out = narrow(out, op.part.axis, begin, count);
  for (std::size_t i = 0; i < task.in.size(); ++i)
    if (op.needs[i].aligned) task.in[i] = narrow(task.in[i], op.needs[i].axis, begin, count);
  return task;
}

}  // namespace

void cut(const Op& op, const LoopProgram& program, int member, std::vector<Task>& tasks) {
  Task task;
  task.run = op.run;
  task.op = &op;
  task.in = op.in;
  task.out = op.out;
  for (Place& in : task.in) move_private(in, program, member);
  for (Place& out : task.out) move_private(out, program, member);
  if (task.out[0].num_elements() == 0) return;
  if (op.part.kind != Kind::kSliced) {
    // What is not sliced but lies in shared memory is written once.
    if (member > 0 && op.out[0].base != kPrivateBase) return;
    flatten(task);
    tasks.push_back(std::move(task));
    return;
  }
  task.whole = false;
  const std::int64_t width = op.out[0].dim(op.part.axis) / op.part.groups;
  const Range range = slice_of(width, program.members, member);
  if (range.begin == range.end) return;
  const bool by_rows = op.kind == ir::OpKind::kLinear && op.part.axis == op.out[0].rank - 1;
  if (by_rows) {
    task.range = range;
    task.by_rows = true;
    tasks.push_back(std::move(task));
    return;
  }
  for (std::int64_t g = 0; g < op.part.groups; ++g) {
    Task part = narrowed(op, task, g * width + range.begin, range.end - range.begin);
    flatten(part);
    tasks.push_back(std::move(part));
  }
}

}  // namespace antiphon::loop
