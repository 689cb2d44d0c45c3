// The table of operators.
#pragma once

#include <string>
#include <vector>

namespace antiphon::onnx {

class Op;

struct Operator {
  const char* name;
  void (*lower)(Op&);
};

constexpr const char* kMicrosoftDomain = "com.microsoft";
// What join_dynamic_quantization() writes: x, bytes of weights, their scale, their zero point;
// attributes of Conv.
constexpr const char* kOwnDomain = "antiphon";
constexpr const char* kDynamicConv = "DynamicConv";

// Null: there is no such operator.
const Operator* find_operator(const std::string& domain, const std::string& name);
// Those of other domains than ONNX's own have it before their name: "com.microsoft.QGemm".
std::vector<std::string> operator_names();

// Computes the node on tensors that are known at import. False: it is to be lowered.
bool fold_known(Op& op);

}  // namespace antiphon::onnx
