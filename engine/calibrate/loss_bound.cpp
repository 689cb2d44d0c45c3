// Plans that must not lose more accuracy than they may.
#include <charconv>
#include <cmath>
#include <cstdio>

#include "engine/calibrate.h"

namespace antiphon {
namespace {

std::string number(double value) {
  char buffer[32];
  std::snprintf(buffer, sizeof buffer, "%.6g", value);
  return buffer;
}

std::string loss_text(double loss, bool relative) {
  return relative ? number(100 * loss) + "%" : number(loss);
}

Result<double> accuracy_of(const Plan& plan, const char* precision,
                           const std::function<Result<double>(const Plan&)>& evaluate) {
  auto accuracy = evaluate(plan);
  if (!accuracy.ok())
    return accuracy.status().with_context("evaluation of the " + std::string(precision) + " plan");
  if (!std::isfinite(*accuracy))
    return invalid_argument("evaluation of the " + std::string(precision) + " plan: got " +
                            number(*accuracy) + ", wanted a finite number");
  return accuracy;
}

}  // namespace

Result<LossBound> parse_loss_bound(const std::string& text) {
  LossBound out;
  out.relative = text.ends_with('%');
  const char* end = text.data() + text.size() - (out.relative ? 1 : 0);
  const auto read = std::from_chars(text.data(), end, out.most);
  if (read.ec != std::errc() || read.ptr != end || !std::isfinite(out.most) || out.most < 0)
    return invalid_argument("'" + text + "': wanted a share like 0.6%, or a difference like 0.006");
  if (out.relative) out.most /= 100;
  return out;
}

Result<CheckedPlan> build_within(const OnnxNetwork& network, BuildOptions options,
                                 const LossBound& bound,
                                 const std::function<Result<double>(const Plan&)>& evaluate) {
  CheckedPlan out;
  if (options.precision != Precision::kInt8)
    return invalid_argument("build: a bound on the loss is given for precision f32, wanted int8");
  ANTIPHON_ASSIGN_OR_RETURN(out.plan, build(network, options));
  options.precision = Precision::kF32;
  options.calibration = nullptr;
  ANTIPHON_ASSIGN_OR_RETURN(const auto plain, build(network, options));
  ANTIPHON_ASSIGN_OR_RETURN(out.f32, accuracy_of(*plain, "f32", evaluate));
  ANTIPHON_ASSIGN_OR_RETURN(out.int8, accuracy_of(*out.plan, "int8", evaluate));
  if (bound.relative && out.f32 <= 0)
    return invalid_argument("evaluation of the f32 plan: got " + number(out.f32) +
                            ": a share of it is wanted, so it must be more than 0");
  const double loss = (out.f32 - out.int8) / (bound.relative ? out.f32 : 1);
  if (loss > bound.most)
    return unsupported("int8 loses too much: " + number(out.int8) + " in int8, " + number(out.f32) +
                       " in f32, a loss of " + loss_text(loss, bound.relative) + ", at most " +
                       loss_text(bound.most, bound.relative) +
                       " is allowed: keep the most sensitive layers in f32");
  return out;
}

}  // namespace antiphon
