// A tensor of zeros.
#include <cstring>

#include "engine/kernels/cpu/kernels.h"

namespace antiphon::cpu {
namespace {

const char* refuse(const NodeView&) { return nullptr; }

Status run(const NodeView& view, const LaunchArgs&) {
  if (view.outputs[0].bytes() > 0) std::memset(view.outputs[0].data, 0, view.outputs[0].bytes());
  return {};
}

}  // namespace

constinit const Kernel kZerosFill = {ir::OpKind::kZeros, "cpu/zeros_fill", refuse, nullptr, run};

}  // namespace antiphon::cpu
