// Samples of a network's inputs in files.
#pragma once

#include <string>
#include <vector>

#include "engine/calibrate.h"

namespace antiphon::cli {

// Of .npy files (networks of one input), .npz files (arrays by the inputs' names) and folders of
// them, in order of name. kNotFound: a path that is not there. kInvalidArgument: no samples; a file
// of another kind; a .npy for a network of several inputs.
Result<SampleSource> open_samples(const std::vector<std::string>& paths,
                                  const std::vector<TensorSpec>& inputs);

}  // namespace antiphon::cli
