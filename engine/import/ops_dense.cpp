// Matrix products: MatMul, Gemm, Einsum.
#include <algorithm>
#include <cstring>
#include <map>

#include "engine/import/op.h"
#include "engine/import/ops.h"
#include "engine/import/tensors.h"

namespace antiphon::onnx {

using ir::OpKind;

namespace {

// A constant f32 matrix [K, N] as [N, K], the layout of linear's weights; invalid: it is none.
ValueRef transposed_constant(Op& op, ValueRef w) {
  const ir::ValueInfo* info = op.graph().constant_info(w);
  if (!info || info->dtype != DType::kF32 || info->shape.size() != 2) return {};
  const std::int64_t k = info->shape[0].extent, n = info->shape[1].extent;
  if (k == 0 || n == 0) return {};
  const std::shared_ptr<void> memory = aligned_memory(info->constant.bytes);
  if (!memory) return {};
  const auto* from = static_cast<const float*>(info->constant.data);
  auto* to = static_cast<float*>(memory.get());
  for (std::int64_t i = 0; i < k; ++i)
    for (std::int64_t j = 0; j < n; ++j) to[j * k + i] = from[i * n + j];
  return op.graph().constant(DType::kF32, {Dim(n), Dim(k)},
                             {memory, memory.get(), info->constant.bytes});
}

// Constant bytes [K, N] behind a Dequantize with a scale for each column, or one for all, as the
// weights [N, K] of a linear; invalid: it is none. `turned`: they are [N, K] already, a scale a
// row.
ValueRef turned_bytes(Op& op, ValueRef w, bool turned) {
  const ir::Node* expand = op.graph().maker(w);
  if (!expand || expand->op != OpKind::kDequantize || expand->attrs.i("zero") != 0) return {};
  const int scope = op.graph().scope();
  const ValueRef bytes{scope, expand->inputs[0]}, scale{scope, expand->inputs[1]};
  const ir::ValueInfo* info = op.graph().constant_info(bytes);
  if (!info || info->dtype != DType::kI8 || info->shape.size() != 2) return {};
  const std::int64_t k = info->shape[0].extent, n = info->shape[1].extent;
  const bool one = op.extent(scale, 0).number() == 1;
  if (k == 0 || n == 0 || (!one && expand->attrs.i("axis") != (turned ? 0 : 1))) return {};
  if (turned) return w;
  const std::shared_ptr<void> memory = aligned_memory(info->constant.bytes);
  if (!memory) return {};
  const auto* from = static_cast<const std::int8_t*>(info->constant.data);
  auto* to = static_cast<std::int8_t*>(memory.get());
  for (std::int64_t i = 0; i < k; ++i)
    for (std::int64_t j = 0; j < n; ++j) to[j * k + i] = from[i * n + j];
  const ValueRef rows = op.graph().constant(DType::kI8, {Dim(n), Dim(k)},
                                            {memory, memory.get(), info->constant.bytes});
  return op.node(OpKind::kDequantize, {rows, scale}, {{"axis", std::int64_t{0}}});
}

}  // namespace

ValueRef product(Op& op, ValueRef a, ValueRef b, bool transpose_b, double alpha, bool a_bytes) {
  if (!transpose_b && alpha == 1 && op.rank(a) >= 1) {
    const ValueRef w = transposed_constant(op, b);
    if (w.valid()) return op.node(OpKind::kLinear, {a, w});
  }
  if (alpha == 1 && op.rank(a) >= 1) {
    const ValueRef w = turned_bytes(op, b, transpose_b);
    AttrList attrs;
    if (a_bytes) attrs.emplace_back("x_bytes", std::int64_t{1});
    if (w.valid()) return op.node(OpKind::kLinear, {a, w}, std::move(attrs));
  }
  AttrList attrs;
  if (transpose_b) attrs.emplace_back("transpose_b", std::int64_t{1});
  if (alpha != 1) attrs.emplace_back("alpha", alpha);
  return op.node(OpKind::kMatMul, {a, b}, std::move(attrs));
}

namespace {

ValueRef with_axis(Op& op, ValueRef x, std::size_t at) {
  Wholes dims = op.extents(x);
  dims.insert(dims.begin() + static_cast<std::ptrdiff_t>(at), Whole(1));
  return op.reshape(x, dims);
}

ValueRef without_axis(Op& op, ValueRef x, std::int64_t from_end) {
  if (op.failed()) return x;
  Wholes dims = op.extents(x);
  dims.erase(dims.end() - from_end);
  return op.reshape(x, dims);
}

}  // namespace

ValueRef matmul(Op& op, ValueRef a, ValueRef b) {
  const int left = op.rank(a), right = op.rank(b);
  if (left < 1 || right < 1) {
    op.invalid("a product wants one axis or more on both sides");
    return {};
  }
  const bool real = op.dtype(a) == DType::kF32;
  if (!real) {
    a = op.cast(a, DType::kI32);
    b = op.cast(b, DType::kI32);
  }
  if (right == 1) b = with_axis(op, b, 1);
  if (left == 1) a = with_axis(op, a, 0);
  ValueRef y = product(op, a, b);
  if (right == 1) y = without_axis(op, y, 1);
  if (left == 1) y = without_axis(op, y, right == 1 ? 1 : 2);
  return y;
}

void lower_matmul(Op& op) {
  const ValueRef a = op.value(0), b = op.value(1);
  op.set(op.cast(matmul(op, a, b), op.dtype(a)));
}

// ONNX Runtime's product with what stands around it.
void lower_fused_matmul(Op& op) {
  ValueRef a = op.value(0);
  const ValueRef b = op.value(1);
  const int rank = op.failed() ? 0 : op.rank(a);
  if (op.failed() || rank < 2 || op.rank(b) < 2 || op.dtype(a) != DType::kF32)
    return op.invalid("a, b: wanted real numbers along two axes or more");
  if (op.attr_i("transBatchA", 0) != 0 || op.attr_i("transBatchB", 0) != 0)
    return op.unsupported("transBatchA, transBatchB: wanted 0");
  if (op.attr_i("transA", 0) != 0) {
    Dims order;
    for (int i = 0; i < rank; ++i) order.push_back(i);
    std::swap(order[order.size() - 1], order[order.size() - 2]);
    a = op.transpose(a, order);
  }
  op.set(product(op, a, b, op.attr_i("transB", 0) != 0, op.attr_f("alpha", 1)));
}

void lower_gemm(Op& op) {
  ValueRef a = op.value(0), b = op.value(1);
  if (op.failed()) return;
  if (op.rank(a) != 2 || op.rank(b) != 2) return op.invalid("a, b: wanted two axes each");
  const double alpha = op.attr_f("alpha", 1), beta = op.attr_f("beta", 1);
  const DType dtype = op.dtype(a);
  if (op.attr_i("transA", 0) != 0) a = op.transpose(a, {1, 0});
  const bool transposed = op.attr_i("transB", 0) != 0;
  ValueRef y;
  if (dtype != DType::kF32) {
    if (alpha != 1 || beta != 1) return op.unsupported("alpha or beta on whole numbers");
    y = op.cast(matmul(op, a, transposed ? op.transpose(b, {1, 0}) : b), dtype);
  } else if (transposed && alpha == 1 && op.graph().constant_info(b)) {
    y = op.node(OpKind::kLinear, {a, b});
  } else {
    y = product(op, a, b, transposed, alpha);
  }
  if (!op.has(2) || beta == 0) return op.set(y);
  ValueRef c = op.value(2);
  if (beta != 1) c = op.binary(Binary::kMul, c, beta);
  op.set(op.binary(Binary::kAdd, y, c));
}

namespace {

// The subscripts of an einsum: one word for each input, and the output's.
struct Subscripts {
  std::vector<std::string> inputs;
  std::string output;
};

Subscripts parse_subscripts(Op& op, std::string text) {
  Subscripts out;
  text.erase(std::remove(text.begin(), text.end(), ' '), text.end());
  const std::size_t arrow = text.find("->");
  std::string left = text.substr(0, arrow);
  for (std::size_t comma = 0; comma != std::string::npos;) {
    comma = left.find(',');
    out.inputs.push_back(left.substr(0, comma));
    left = comma == std::string::npos ? "" : left.substr(comma + 1);
  }
  // An ellipsis becomes capital letters from the back: Z is its last axis.
  std::size_t most = 0;
  for (std::size_t i = 0; i < out.inputs.size() && i < op.num_inputs(); ++i) {
    const std::size_t dots = out.inputs[i].find("...");
    if (dots == std::string::npos) continue;
    const auto rank = static_cast<std::size_t>(op.rank(op.value(i)));
    const std::size_t named = out.inputs[i].size() - 3;
    const std::size_t count = rank > named ? std::min<std::size_t>(rank - named, 6) : 0;
    most = std::max(most, count);
    out.inputs[i].replace(dots, 3, std::string("UVWXYZ").substr(6 - count));
  }
  if (arrow != std::string::npos) {
    out.output = text.substr(arrow + 2);
    const std::size_t dots = out.output.find("...");
    if (dots != std::string::npos)
      out.output.replace(dots, 3, std::string("UVWXYZ").substr(6 - most));
    return out;
  }
  std::map<char, int> counts;
  for (const std::string& word : out.inputs)
    for (const char c : word) ++counts[c];
  out.output = std::string("UVWXYZ").substr(6 - most);
  for (const auto& [c, count] : counts)
    if (count == 1 && out.output.find(c) == std::string::npos) out.output += c;
  return out;
}

// Axes that are named twice become their diagonal.
ValueRef diagonal(Op& op, ValueRef x, std::string& word) {
  for (std::size_t i = 0; i < word.size(); ++i) {
    const std::size_t j = word.find(word[i], i + 1);
    if (j == std::string::npos) continue;
    Dims order;
    for (std::size_t k = 0; k < word.size(); ++k)
      if (k != i && k != j) order.push_back(static_cast<std::int64_t>(k));
    order.push_back(static_cast<std::int64_t>(i));
    order.push_back(static_cast<std::int64_t>(j));
    x = op.transpose(x, order);
    if (op.failed()) return x;  // it has no extents
    // [..., n, n] flat: every (n + 1)-th element of the last n * n.
    Wholes dims = op.extents(x);
    const std::optional<std::int64_t> n = dims.back().number();
    if (!n) {
      op.unsupported("a diagonal of an extent that is not fixed");
      return x;
    }
    dims.pop_back();
    dims.back() = *n * *n;
    x = op.reshape(x, dims);
    x = op.slice(x, op.rank(x) - 1, 0, *n * *n, *n + 1);
    const char name = word[i];
    word.erase(j, 1);
    word.erase(i, 1);
    word += name;
    return diagonal(op, x, word);
  }
  return x;
}

// x with axes in the order of `letters`; those it lacks have extent 1.
ValueRef arranged(Op& op, ValueRef x, const std::string& word, const std::string& letters) {
  Dims order;
  Wholes dims;
  for (const char c : letters) {
    const std::size_t at = word.find(c);
    if (at == std::string::npos) {
      dims.emplace_back(1);
    } else {
      order.push_back(static_cast<std::int64_t>(at));
      dims.push_back(op.extent(x, static_cast<std::int64_t>(at)));
    }
  }
  return op.reshape(op.transpose(x, order), dims);
}

// Sums over the axes whose letters nobody needs any more.
ValueRef summed(Op& op, ValueRef x, std::string& word, const std::string& needed) {
  for (std::size_t i = word.size(); i-- > 0;) {
    if (needed.find(word[i]) != std::string::npos) continue;
    x = op.reduce(Reduce::kSum, x, static_cast<std::int64_t>(i), false);
    word.erase(i, 1);
  }
  return x;
}

struct Operand {
  ValueRef value;
  std::string word;
};

// Two operands as one batched product: [batch, left, both] x [batch, both, right].
Operand contract(Op& op, Operand a, Operand b, const std::string& needed) {
  const auto in = [](const std::string& word, char c) { return word.find(c) != std::string::npos; };
  a.value = summed(op, a.value, a.word, b.word + needed);
  b.value = summed(op, b.value, b.word, a.word + needed);
  std::string batch, left, right, both;
  for (const char c : a.word) {
    if (!in(b.word, c))
      left += c;
    else
      (in(needed, c) ? batch : both) += c;
  }
  for (const char c : b.word)
    if (!in(a.word, c)) right += c;
  if (both.empty()) {
    const std::string all = batch + left + right;
    return {op.binary(Binary::kMul, arranged(op, a.value, a.word, all),
                      arranged(op, b.value, b.word, all)),
            all};
  }
  const auto product_of = [&](const Operand& x, const std::string& letters) {
    Whole out = 1;
    for (const char c : letters)
      out = out * op.extent(x.value, static_cast<std::int64_t>(x.word.find(c)));
    return out;
  };
  Wholes dims, left_dims = {product_of(a, left), product_of(a, both)},
               right_dims = {product_of(b, both), product_of(b, right)};
  for (const char c : batch) {
    const Whole x = op.extent(a.value, static_cast<std::int64_t>(a.word.find(c)));
    const Whole y = op.extent(b.value, static_cast<std::int64_t>(b.word.find(c)));
    dims.push_back(x.number() == 1 ? y : x);
  }
  Wholes result = dims;
  const auto lay = [&](const Operand& x, const std::string& letters, const Wholes& matrix) {
    Wholes shape;
    for (const char c : batch)
      shape.push_back(op.extent(x.value, static_cast<std::int64_t>(x.word.find(c))));
    shape.insert(shape.end(), matrix.begin(), matrix.end());
    return op.reshape(arranged(op, x.value, x.word, letters), shape);
  };
  for (const char c : left)
    result.push_back(op.extent(a.value, static_cast<std::int64_t>(a.word.find(c))));
  for (const char c : right)
    result.push_back(op.extent(b.value, static_cast<std::int64_t>(b.word.find(c))));
  const ValueRef y = op.node(OpKind::kMatMul, {lay(a, batch + left + both, left_dims),
                                               lay(b, batch + both + right, right_dims)});
  return {op.reshape(y, result), batch + left + right};
}

}  // namespace

void lower_einsum(Op& op) {
  Subscripts subscripts = parse_subscripts(op, op.attr_s("equation", ""));
  if (op.failed()) return;
  if (subscripts.inputs.size() != op.num_inputs())
    return op.invalid("equation: wanted " + std::to_string(op.num_inputs()) + " terms");
  if (op.dtype(op.value(0)) != DType::kF32) return op.unsupported("wanted real numbers");
  std::vector<Operand> operands;
  for (std::size_t i = 0; i < op.num_inputs(); ++i) {
    Operand operand{op.value(i), subscripts.inputs[i]};
    if (static_cast<int>(operand.word.size()) != op.rank(operand.value))
      return op.invalid("equation: '" + operand.word + "' for " +
                        std::to_string(op.rank(operand.value)) + " axes");
    operand.value = diagonal(op, operand.value, operand.word);
    if (op.failed()) return;
    operands.push_back(std::move(operand));
  }
  Operand total = operands[0];
  for (std::size_t i = 1; i < operands.size(); ++i) {
    std::string needed = subscripts.output;
    for (std::size_t k = i + 1; k < operands.size(); ++k) needed += operands[k].word;
    total = contract(op, total, operands[i], needed);
    if (op.failed()) return;
  }
  total.value = summed(op, total.value, total.word, subscripts.output);
  for (const char c : subscripts.output)
    if (total.word.find(c) == std::string::npos)
      return op.invalid(std::string("equation: '") + c + "' is not an axis of any input");
  op.set(arranged(op, total.value, total.word, subscripts.output));
}

}  // namespace antiphon::onnx
