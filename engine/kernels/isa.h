// Which SIMD level this machine has, and the cap that an operator may put on it.
#pragma once

#include <string_view>

#include "engine/base/status.h"
#include "engine/kernels/kernel.h"

namespace antiphon {

// The highest level that both the CPU and this build have. Any thread. Asks the system for the tile
// registers of AMX, once for the process.
Isa detect_isa();

// Whether this machine runs that level's code.
bool supports(Isa isa);
// The highest level of this machine up to `cap`.
Isa highest_under(Isa cap);

// "portable", "avx2", "avx_vnni", "avx512_vnni", "amx_int8". kInvalidArgument: another word; the
// message lists these.
Result<Isa> parse_isa(std::string_view text);
std::string_view isa_name(Isa isa);

// True: oneDNN's f32 code could use more than `isa` in this process. Settles oneDNN's level: cap it
// before.
bool onednn_beyond(Isa isa);

// Tells oneDNN to stay at or below `isa`. Call it in main, before the first primitive is made;
// kInternal: oneDNN was used before, and goes beyond it.
Status cap_onednn(Isa isa);

}  // namespace antiphon
