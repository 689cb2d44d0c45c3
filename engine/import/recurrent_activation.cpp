// Activations of recurrent nodes by name, composed of the engine's functions.
#include "engine/import/recurrent_activation.h"

#include <algorithm>
#include <cctype>

namespace antiphon::onnx {

Activation activation_of(const std::string& given, double alpha, double beta, bool has_alpha,
                         bool has_beta) {
  std::string name = given;
  std::transform(name.begin(), name.end(), name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  double a = alpha, b = beta;
  if (!has_alpha) a = name == "leakyrelu" ? 0.01 : name == "hardsigmoid" ? 0.2 : 1;
  if (!has_beta) b = name == "hardsigmoid" ? 0.5 : 1;
  return {name, a, b};
}

ValueRef activate(Op& op, const Activation& f, ValueRef x) {
  if (f.name == "sigmoid") return op.unary(Unary::kSigmoid, x);
  if (f.name == "tanh") return op.unary(Unary::kTanh, x);
  if (f.name == "relu") return op.unary(Unary::kRelu, x);
  const auto times = [&](ValueRef v, double factor) { return op.binary(Binary::kMul, v, factor); };
  const auto plus = [&](ValueRef v, double term) { return op.binary(Binary::kAdd, v, term); };
  if (f.name == "affine") return plus(times(x, f.alpha), f.beta);
  if (f.name == "hardsigmoid") return op.clamp(plus(times(x, f.alpha), f.beta), 0, 1);
  if (f.name == "scaledtanh") return times(op.unary(Unary::kTanh, times(x, f.beta)), f.alpha);
  const ValueRef positive = op.binary(Binary::kGreater, x, 0.0);
  if (f.name == "leakyrelu") return op.where(positive, x, times(x, f.alpha));
  if (f.name == "thresholdedrelu")
    return op.where(op.binary(Binary::kGreater, x, f.alpha), x, op.number(DType::kF32, 0));
  if (f.name == "softsign") return op.binary(Binary::kDiv, x, plus(op.unary(Unary::kAbs, x), 1));
  const ValueRef low = op.binary(Binary::kMin, x, 0.0);
  if (f.name == "elu")
    return op.where(positive, x, times(plus(op.unary(Unary::kExp, low), -1), f.alpha));
  if (f.name == "softplus") {
    const ValueRef e = op.unary(Unary::kExp, op.unary(Unary::kNeg, op.unary(Unary::kAbs, x)));
    return op.binary(Binary::kAdd, op.unary(Unary::kRelu, x), op.unary(Unary::kLog, plus(e, 1)));
  }
  op.unsupported("activation '" + f.name + "' is not supported");
  return x;
}

}  // namespace antiphon::onnx
