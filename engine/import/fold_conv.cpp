// A batch normalisation folded into the convolution before it.
#include <algorithm>

#include "engine/import/importer.h"
#include "engine/import/op.h"
#include "engine/import/tensors.h"

namespace antiphon::onnx {
namespace {

const float* floats(const ir::ValueInfo& info) {
  return static_cast<const float*>(info.constant.data);
}

}  // namespace

bool Op::fold_into_conv(ValueRef x, ValueRef factor, ValueRef shift) {
  if (failed() || frame_.depth != 0 || importer_.num_readers(node_.input(0)) != 1) return false;
  const ir::Node* conv = graph().maker(x);
  if (!conv || (conv->op != ir::OpKind::kConv && conv->op != ir::kOpConvNd)) return false;
  const int scope = graph().scope();
  const ir::ValueInfo* w = graph().constant_info({scope, conv->inputs[1]});
  if (!w || w->dtype != DType::kF32) return false;
  const ValueRef old_bias = conv->inputs.size() > 3 ? ValueRef{scope, conv->inputs[3]} : ValueRef{};
  const ir::ValueInfo* b = old_bias.valid() ? graph().constant_info(old_bias) : nullptr;
  if (old_bias.valid() && !b) return false;
  const std::int64_t outputs = w->shape[0].extent;
  const ir::ValueInfo &f = graph().info(factor), &s = graph().info(shift);
  if (outputs < 1 || f.shape != Shape{Dim(outputs)}) return false;
  const std::size_t row = w->constant.bytes / sizeof(float) / static_cast<std::size_t>(outputs);
  const std::shared_ptr<void> memory = aligned_memory(w->constant.bytes);
  if (!memory) return false;
  auto* scaled = static_cast<float*>(memory.get());
  std::vector<float> bias;
  for (std::size_t o = 0; o < static_cast<std::size_t>(outputs); ++o) {
    for (std::size_t i = 0; i < row; ++i)
      scaled[o * row + i] = floats(*w)[o * row + i] * floats(f)[o];
    bias.push_back((b ? floats(*b)[o] * floats(f)[o] : 0.0f) + floats(s)[o]);
  }
  ir::Node copy = ir::clone(*conv);
  const ir::ConstantData data{memory, memory.get(), w->constant.bytes};
  const ValueRef weights = graph().constant(DType::kF32, Shape(w->shape), data);
  const ValueRef new_bias = graph().constant(DType::kF32, {outputs}, bias.data());
  AttrList attrs;
  for (const auto& [name, value] : copy.attrs.all()) attrs.emplace_back(name.c_str(), value);
  set(node(copy.op, {{scope, copy.inputs[0]}, weights, {}, new_bias}, std::move(attrs)));
  return true;
}

}  // namespace antiphon::onnx
