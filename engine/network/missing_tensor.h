// The error for a tensor that weights do not have.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "engine/base/status.h"

namespace antiphon {

// kNotFound: "PATH: no tensor 'NAME'; the nearest is 'KNOWN'".
Status missing_tensor(const std::string& path, std::string_view name,
                      const std::vector<std::string>& known);

}  // namespace antiphon
