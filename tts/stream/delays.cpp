// Builds delay lines from states.
#include "tts/stream/delays.h"

#include <limits>

namespace antiphon::tts {
namespace {

constexpr std::int64_t kEnd = std::numeric_limits<std::int64_t>::max();

}  // namespace

Value rows_with_history(Network& net, std::string_view name, Value x, int channels, int history) {
  if (history == 0) return x;
  // As Network::delay_line(), which counts time on the last axis; here channels are last.
  const Value past = net.state(name, {1, history, channels});
  const Value all = net.concat({past, x}, 1);
  net.update(past, net.slice(all, 1, -history, kEnd));
  return all;
}

Value delayed_rows(Network& net, std::string_view name, Value x, int channels, int rows) {
  return rows == 0 ? x : net.slice(rows_with_history(net, name, x, channels, rows), 1, 0, -rows);
}

Value rows_ago(Network& net, Value with_history, int history, int rows) {
  if (history == 0) return with_history;
  return net.slice(with_history, 1, history - rows, rows == 0 ? kEnd : -rows);
}

Validity::Validity(Network& net, std::string_view name, Value mask, int max_delay)
    : net_(net),
      history_(rows_with_history(net, name, mask, 1, max_delay)),
      max_delay_(max_delay) {}

Value Validity::delayed(int rows) const { return rows_ago(net_, history_, max_delay_, rows); }

Value Validity::apply(Value x, int rows) const { return net_.mul(x, delayed(rows)); }

}  // namespace antiphon::tts
