// The machine that plans are built for and run on, for reports.
#pragma once

#include <string>
#include <string_view>

#include "engine/base/status.h"

namespace antiphon {

// The processor's name and the number of its cores: "Intel(R) Xeon(R) Processor, 2 cores".
std::string machine_name();

// The ISA of plans under `max_isa`: the machine's, or less. kInvalidArgument: an unknown name.
Result<std::string> isa_under(std::string_view max_isa);

}  // namespace antiphon
