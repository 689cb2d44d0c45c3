// The activations that a recurrent node names.
#pragma once

#include <string>

#include "engine/import/op.h"

namespace antiphon::onnx {

struct Activation {
  std::string name;  // in small letters
  double alpha = 0, beta = 0;
};

// With the numbers that ONNX gives where the node has none.
Activation activation_of(const std::string& given, double alpha, double beta, bool has_alpha,
                         bool has_beta);

// Fails the node where the name is none of ONNX's.
ValueRef activate(Op& op, const Activation& f, ValueRef x);

}  // namespace antiphon::onnx
