// Depth-wise taps around every row, as the layers of the vocoder and of its pitch network begin.
#pragma once

#include "engine/network.h"

namespace antiphon::tts {

// Three taps and a bias a channel. around: x [1, T, C] with the two rows before it, [1, 2 + T, C];
// taps [4, C]: of t - 1, t, t + 1, then the bias. -> [1, T, C], one row late.
Value depth_wise(Network& net, Value around, Value taps);

}  // namespace antiphon::tts
