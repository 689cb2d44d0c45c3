// The activations that a recurrent node names.
#pragma once

#include <string>
#include <vector>

#include "engine/import/op.h"

namespace antiphon::onnx {

struct Activation {
  std::string name;  // in small letters
  double alpha = 0, beta = 0;
};

// Takes the function's numbers from those that are left, the first one, as ONNX Runtime does: a
// function without alpha takes none. ONNX's own where there are none left.
Activation take_activation(const std::string& given, std::vector<double>& alphas,
                           std::vector<double>& betas);

// Fails the node where the name is none of ONNX's.
ValueRef activate(Op& op, const Activation& f, ValueRef x);

}  // namespace antiphon::onnx
