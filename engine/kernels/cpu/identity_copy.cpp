// Identity and reshape: one copy. Where memory allows, the planner makes them views instead.
#include "engine/kernels/cpu/kernels.h"
#include "engine/kernels/cpu/move_axis.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView& view) {
  return view.inputs[0].bytes() == view.outputs[0].bytes() ? nullptr : "needs equal sizes";
}

Status run(const NodeView& view, const LaunchArgs&) {
  if (view.inputs[0].data == view.outputs[0].data) return {};
  copy_bytes(writable_bytes_of(view.outputs[0]), bytes_of(view.inputs[0]),
             static_cast<std::int64_t>(view.outputs[0].bytes()));
  return {};
}

bool in_place(const NodeView&) { return true; }

}  // namespace

constinit const Kernel kIdentityCopy = {
    ir::OpKind::kIdentity, "cpu/identity_copy", refuse, nullptr, run, nullptr, nullptr, in_place};
constinit const Kernel kReshapeCopy = {
    ir::OpKind::kReshape, "cpu/reshape_copy", refuse, nullptr, run, nullptr, nullptr, in_place};

}  // namespace antiphon::cpu
