// Evaluates nodes of constants alone: cheap ones, as sums of biases, reshaped, cut or joined
// constants, masks that compare positions; later also layers of constants, as the first step of a
// recurrence has them.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <vector>

#include "engine/passes/passes.h"
#include "engine/passes/rewrite.h"

namespace antiphon::passes {
namespace {

using ir::OpKind;
using Dims = std::vector<std::int64_t>;

constexpr std::int64_t kMostProducts = 1 << 26;  // multiply-adds of a layer: a tenth of a second

constexpr std::int64_t kMostOfMask = 1 << 20;  // elements: 1024 queries by as many keys

std::int64_t product(const Dims& dims, std::size_t from = 0) {
  std::int64_t n = 1;
  for (std::size_t i = from; i < dims.size(); ++i) n *= dims[i];
  return n;
}

std::optional<float> evaluate(Binary op, float a, float b) {
  switch (op) {
    case Binary::kAdd: return a + b;
    case Binary::kSub: return a - b;
    case Binary::kMul: return a * b;
    case Binary::kDiv: return a / b;
    case Binary::kMax: return std::max(a, b);
    case Binary::kMin: return std::min(a, b);
    default: return std::nullopt;
  }
}

// What roll_recurrence must still find as a node of the first step.
std::optional<float> evaluate_activation(Unary op, float x) {
  switch (op) {
    case Unary::kRelu: return std::max(x, 0.0f);
    case Unary::kTanh: return std::tanh(x);
    case Unary::kSigmoid: return static_cast<float>(1.0 / (1.0 + std::exp(-double{x})));
    default: return std::nullopt;
  }
}

std::optional<float> evaluate(Unary op, float x) {
  switch (op) {
    case Unary::kNeg: return -x;
    case Unary::kAbs: return std::fabs(x);
    case Unary::kExp: return std::exp(x);
    case Unary::kSqrt: return std::sqrt(x);
    case Unary::kRsqrt: return 1.0f / std::sqrt(x);
    case Unary::kReciprocal: return 1.0f / x;
    default: return std::nullopt;
  }
}

// Offset of the element of a tensor `dims` that is broadcast to the element `index` of `out`.
std::int64_t broadcast_offset(const Dims& dims, const Dims& out, std::int64_t index) {
  std::int64_t offset = 0, stride = 1;
  for (std::size_t i = 0; i < out.size(); ++i) {
    const std::int64_t coordinate = index % out[out.size() - 1 - i];
    index /= out[out.size() - 1 - i];
    if (i >= dims.size()) break;
    const std::int64_t extent = dims[dims.size() - 1 - i];
    if (extent != 1) offset += coordinate * stride;
    stride *= extent;
  }
  return offset;
}

// Bytes of the result, or nothing where this pass does not evaluate the node.
using Bytes = std::optional<std::vector<char>>;

// A comparison or logic of whole numbers or bools.
std::optional<bool> evaluate(Binary op, std::int64_t a, std::int64_t b) {
  switch (op) {
    case Binary::kEqual: return a == b;
    case Binary::kLess: return a < b;
    case Binary::kGreater: return a > b;
    case Binary::kAnd: return a != 0 && b != 0;
    case Binary::kOr: return a != 0 || b != 0;
    default: return std::nullopt;
  }
}

Bytes fold_comparison(Binary op, const TensorView& a, const TensorView& b, const Dims& out) {
  const auto number = [](const TensorView& x, std::int64_t i) {
    if (x.dtype == DType::kBool) return std::int64_t{static_cast<const char*>(x.data)[i] != 0};
    if (x.dtype == DType::kI32) return std::int64_t{static_cast<const std::int32_t*>(x.data)[i]};
    return static_cast<const std::int64_t*>(x.data)[i];
  };
  if (product(out) > kMostOfMask) return std::nullopt;
  std::vector<char> bytes;
  for (std::int64_t i = 0; i < product(out); ++i) {
    const auto v = evaluate(op, number(a, broadcast_offset(a.dims, out, i)),
                            number(b, broadcast_offset(b.dims, out, i)));
    if (!v) return std::nullopt;
    bytes.push_back(*v ? 1 : 0);
  }
  return bytes;
}

Bytes fold_where(const TensorView& given, const TensorView& a, const TensorView& b,
                 const Dims& out) {
  if (given.dtype != DType::kBool || product(out) > kMostOfMask) return std::nullopt;
  const std::size_t width = dtype_bytes(a.dtype);
  std::vector<char> bytes;
  for (std::int64_t i = 0; i < product(out); ++i) {
    const bool first =
        static_cast<const char*>(given.data)[broadcast_offset(given.dims, out, i)] != 0;
    const TensorView& x = first ? a : b;
    const char* from = static_cast<const char*>(x.data) +
                       static_cast<std::size_t>(broadcast_offset(x.dims, out, i)) * width;
    bytes.insert(bytes.end(), from, from + width);
  }
  return bytes;
}

Bytes fold_binary(const ir::Node& node, const TensorView& a, const TensorView& b, const Dims& out) {
  if (a.dtype == b.dtype &&
      (a.dtype == DType::kI64 || a.dtype == DType::kI32 || a.dtype == DType::kBool))
    return fold_comparison(static_cast<Binary>(node.attrs.i("op")), a, b, out);
  if (a.dtype != DType::kF32) return std::nullopt;
  std::vector<char> bytes(static_cast<std::size_t>(product(out)) * sizeof(float));
  for (std::int64_t i = 0; i < product(out); ++i) {
    const float x = a.f32()[static_cast<std::size_t>(broadcast_offset(a.dims, out, i))];
    const float y = b.f32()[static_cast<std::size_t>(broadcast_offset(b.dims, out, i))];
    const std::optional<float> v = evaluate(static_cast<Binary>(node.attrs.i("op")), x, y);
    if (!v) return std::nullopt;
    std::memcpy(bytes.data() + static_cast<std::size_t>(i) * sizeof(float), &*v, sizeof(float));
  }
  return bytes;
}

Bytes fold_unary(const ir::Node& node, const TensorView& x, bool layers) {
  if (x.dtype != DType::kF32) return std::nullopt;
  std::vector<char> bytes(static_cast<std::size_t>(x.num_elements()) * sizeof(float));
  for (std::size_t i = 0; i < static_cast<std::size_t>(x.num_elements()); ++i) {
    const auto op = static_cast<Unary>(node.attrs.i("op"));
    std::optional<float> v = evaluate(op, x.f32()[i]);
    if (!v && layers) v = evaluate_activation(op, x.f32()[i]);
    if (!v) return std::nullopt;
    std::memcpy(bytes.data() + i * sizeof(float), &*v, sizeof(float));
  }
  return bytes;
}

// x [..., K], w [N, K], [bias [N]]: no scales, no residual, nothing behind. The result may not take
// more room than the weights.
Bytes fold_linear(const ir::Graph& graph, const ir::Node& node, const Dims& out) {
  const TensorView x = constant_view(graph, node.inputs[0]);
  const TensorView w = constant_view(graph, node.inputs[1]);
  const ir::ValueId bias_id = input_at(node, kBias);
  if (x.dtype != DType::kF32 || w.dtype != DType::kF32 || !node.attrs.all().empty() ||
      input_at(node, kScale) != ir::kNoValue || input_at(node, kResidual) != ir::kNoValue ||
      product(out) > product(w.dims) || product(out) * w.dims[1] > kMostProducts)
    return std::nullopt;
  const float* bias =
      bias_id == ir::kNoValue ? nullptr : constant_view(graph, bias_id).f32().data();
  const std::int64_t n = w.dims[0], k = w.dims[1];
  std::vector<char> bytes(static_cast<std::size_t>(product(out)) * sizeof(float));
  for (std::int64_t i = 0; i < product(out); ++i) {
    const float* row = x.f32().data() + i / n * k;
    const float* column = w.f32().data() + i % n * k;
    double sum = bias ? bias[i % n] : 0.0;
    for (std::int64_t j = 0; j < k; ++j) sum += double{row[j]} * double{column[j]};
    const auto rounded = static_cast<float>(sum);
    std::memcpy(bytes.data() + static_cast<std::size_t>(i) * sizeof(float), &rounded,
                sizeof(float));
  }
  return bytes;
}

Bytes fold_transpose(const ir::Node& node, const TensorView& x, const Dims& out) {
  const std::size_t width = dtype_bytes(x.dtype);
  const Dims order = node.attrs.ints("order");
  Dims strides(x.dims.size(), 1);
  for (std::size_t i = x.dims.size(); i-- > 1;) strides[i - 1] = strides[i] * x.dims[i];
  std::vector<char> bytes(static_cast<std::size_t>(product(out)) * width);
  for (std::int64_t i = 0; i < product(out); ++i) {
    std::int64_t rest = i, offset = 0;
    for (std::size_t a = out.size(); a-- > 0;) {
      offset += rest % out[a] * strides[static_cast<std::size_t>(order[a])];
      rest /= out[a];
    }
    std::memcpy(bytes.data() + static_cast<std::size_t>(i) * width,
                static_cast<const char*>(x.data) + static_cast<std::size_t>(offset) * width, width);
  }
  return bytes;
}

// Rows of `inner` bytes: the steps [begin, begin + out extent) of each of `before` blocks.
Bytes fold_slice(const ir::Node& node, const TensorView& x, const Dims& out) {
  const auto rank = static_cast<std::int64_t>(x.dims.size());
  const std::int64_t given = node.attrs.i("axis");
  const auto axis = static_cast<std::size_t>(given < 0 ? given + rank : given);
  const std::int64_t begin = node.attrs.i("begin");
  const std::int64_t first = begin < 0 ? begin + x.dims[axis] : begin;
  const std::size_t inner =
      static_cast<std::size_t>(product(x.dims, axis + 1)) * dtype_bytes(x.dtype);
  const std::size_t block = inner * static_cast<std::size_t>(x.dims[axis]);
  const std::size_t cut = inner * static_cast<std::size_t>(out[axis]);
  std::vector<char> bytes;
  for (std::int64_t b = 0;
       b < product(Dims(x.dims.begin(), x.dims.begin() + static_cast<std::ptrdiff_t>(axis))); ++b) {
    const char* from = static_cast<const char*>(x.data) + static_cast<std::size_t>(b) * block +
                       static_cast<std::size_t>(first) * inner;
    bytes.insert(bytes.end(), from, from + cut);
  }
  return bytes;
}

Bytes fold_concat(const ir::Graph& graph, const ir::Node& node) {
  const TensorView first = constant_view(graph, node.inputs[0]);
  const auto rank = static_cast<std::int64_t>(first.dims.size());
  const std::int64_t given = node.attrs.i("axis");
  const auto axis = static_cast<std::ptrdiff_t>(given < 0 ? given + rank : given);
  std::vector<char> bytes;
  for (std::int64_t b = 0; b < product(Dims(first.dims.begin(), first.dims.begin() + axis)); ++b)
    for (const ir::ValueId id : node.inputs) {
      const TensorView part = constant_view(graph, id);
      const std::size_t block =
          static_cast<std::size_t>(product(part.dims, static_cast<std::size_t>(axis))) *
          dtype_bytes(part.dtype);
      const char* from = static_cast<const char*>(part.data) + static_cast<std::size_t>(b) * block;
      bytes.insert(bytes.end(), from, from + block);
    }
  return bytes;
}

Bytes fold(const ir::Graph& graph, const ir::Node& node, const Dims& out, bool layers) {
  const TensorView x = constant_view(graph, node.inputs[0]);
  switch (node.op) {
    case OpKind::kBinary: return fold_binary(node, x, constant_view(graph, node.inputs[1]), out);
    case OpKind::kWhere:
      return fold_where(x, constant_view(graph, node.inputs[1]),
                        constant_view(graph, node.inputs[2]), out);
    case OpKind::kUnary: return fold_unary(node, x, layers);
    case OpKind::kLinear: return layers ? fold_linear(graph, node, out) : std::nullopt;
    case OpKind::kTranspose: return fold_transpose(node, x, out);
    case OpKind::kSlice: return fold_slice(node, x, out);
    case OpKind::kConcat: return fold_concat(graph, node);
    case OpKind::kReshape: {
      const char* data = static_cast<const char*>(x.data);
      return std::vector<char>(
          data, data + static_cast<std::size_t>(product(out)) * dtype_bytes(x.dtype));
    }
    default: return std::nullopt;
  }
}

bool try_node(ir::Graph& graph, int index, bool layers) {
  const ir::Node& node = node_at(graph, index);
  if (node.inputs.empty() || node.outputs.size() != 1) return false;
  for (const ir::ValueId id : node.inputs)
    if (id != ir::kNoValue && !is_constant(graph, id)) return false;
  if (node.inputs[0] == ir::kNoValue) return false;
  const ir::ValueInfo info = info_of(graph, node.outputs[0]);
  Dims out;
  for (const Dim& dim : info.shape) {
    if (!dim.is_static()) return false;
    out.push_back(dim.extent);
  }
  const Bytes bytes = fold(graph, node, out, layers);
  if (!bytes) return false;
  const ir::ValueId from = node.outputs[0];
  remove_node(graph, index);
  replace_uses(graph, from, add_constant(graph, info.name, info.dtype, out, bytes->data()));
  return true;
}

bool try_cheap(ir::Graph& graph, const Uses&, int index) { return try_node(graph, index, false); }
bool try_any(ir::Graph& graph, const Uses&, int index) { return try_node(graph, index, true); }

}  // namespace

Result<bool> fold_constants(ir::Graph& graph) { return rewrite_all(graph, try_cheap); }

Result<bool> fold_layers(ir::Graph& graph) { return rewrite_all(graph, try_any); }

}  // namespace antiphon::passes
