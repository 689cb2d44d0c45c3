// Delay lines for networks that run block by block: rows [1, T, C], oldest first.
#pragma once

#include <string_view>

#include "engine/network.h"

namespace antiphon::tts {

// [1, history + T, C]: the last `history` rows of earlier runs (zeros at first), then x [1, T, C].
Value rows_with_history(Network& net, std::string_view name, Value x, int channels, int history);

// x [1, T, C] as it was `rows` rows ago.
Value delayed_rows(Network& net, std::string_view name, Value x, int channels, int rows);

// The rows of rows_with_history(..., history) as they were `rows` ago; 0 <= rows <= history.
Value rows_ago(Network& net, Value with_history, int history, int rows);

// Which rows lie inside the utterance, seen with any delay: every layer of a streamed network must
// see zeros before the start and after the end, as padding gives them to the whole utterance.
class Validity {
 public:
  // mask [1, T, 1]: 1 inside, 0 outside.
  Validity(Network& net, std::string_view name, Value mask, int max_delay);
  Value delayed(int rows) const;         // [1, T, 1]
  Value apply(Value x, int rows) const;  // x [1, T, C] times the mask of `rows` ago

 private:
  Network& net_;
  Value history_;
  int max_delay_;
};

}  // namespace antiphon::tts
