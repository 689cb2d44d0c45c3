// Activations of recurrent nodes by name, composed of the engine's functions.
#include "engine/import/recurrent_activation.h"

#include <algorithm>
#include <cctype>

namespace antiphon::onnx {

namespace {

double taken_or(std::vector<double>& left, double fallback) {
  if (left.empty()) return fallback;
  const double first = left.front();
  left.erase(left.begin());
  return first;
}

}  // namespace

Activation take_activation(const std::string& given, std::vector<double>& alphas,
                           std::vector<double>& betas) {
  Activation f{given};
  std::transform(f.name.begin(), f.name.end(), f.name.begin(),
                 [](unsigned char c) { return static_cast<char>(std::tolower(c)); });
  const bool both = f.name == "affine" || f.name == "hardsigmoid" || f.name == "scaledtanh";
  const bool one = f.name == "leakyrelu" || f.name == "thresholdedrelu" || f.name == "elu";
  const bool hard = f.name == "hardsigmoid";
  if (both || one) f.alpha = taken_or(alphas, f.name == "leakyrelu" ? 0.01 : hard ? 0.2 : 1);
  if (both) f.beta = taken_or(betas, hard ? 0.5 : 1);
  return f;
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
