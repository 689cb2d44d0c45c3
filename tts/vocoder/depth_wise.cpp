// Builds the taps from slices, products and sums.
#include "tts/vocoder/depth_wise.h"

#include "tts/stream/delays.h"

namespace antiphon::tts {

Value depth_wise(Network& net, Value around, Value taps) {
  const auto tap = [&](int k) { return net.slice(taps, 0, k, k + 1); };  // [1, C]
  const Value left = net.mul(rows_ago(net, around, 2, 2), tap(0));
  const Value middle = net.mul(rows_ago(net, around, 2, 1), tap(1));
  const Value right = net.mul(rows_ago(net, around, 2, 0), tap(2));
  return net.add(net.add(net.add(left, middle), right), tap(3));
}

}  // namespace antiphon::tts
