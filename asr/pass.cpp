// What of a stream's frames was run, and which outputs count.
#include "asr/pass.h"

#include <algorithm>

namespace antiphon::asr {

int Pass::steps_waiting(std::span<const float> frames, bool ended) const {
  const int bins = model->config().mel_bins;
  const auto waiting = static_cast<int>((frames.size() - begin) / static_cast<std::size_t>(bins));
  return waiting / AcousticConfig::kFramesPerStep + (ended && !model->flushes() ? flush_left : 0);
}

bool Pass::flush_waiting(std::span<const float> frames) const {
  return model->flushes() && flush_left > 0 && steps_waiting(frames, false) == 0;
}

// Behind steps that the last run was longer than the audio, so many of the flush mean nothing.
void Pass::take_flush() {
  surplus = model->config().lookahead - flush_left;
  flush_left = 0;
}

AcousticItem Pass::take(std::span<const float> frames, int steps) {
  const int of_audio = std::min(steps, steps_waiting(frames, false));
  const int flushed = std::min(steps - of_audio, flush_left);
  flush_left -= flushed;
  surplus = steps - of_audio - flushed;
  const auto count = static_cast<std::size_t>(of_audio * AcousticConfig::kFramesPerStep *
                                              model->config().mel_bins);
  const std::span<const float> taken = frames.subspan(begin, count);
  begin += count;
  return {slot, taken};
}

void Pass::give(std::span<const float> log_probs, std::span<const float> encoded, int steps) {
  const int dropped = std::min(skip, steps - surplus), used = steps - surplus - dropped;
  skip -= dropped;
  const AcousticConfig& net = model->config();
  const std::size_t floats = net.step_floats();
  decoder.advance(log_probs.subspan(static_cast<std::size_t>(dropped) * floats,
                                    static_cast<std::size_t>(used) * floats),
                  used * net.outputs_per_step);
  const std::size_t encoded_floats = encoded.size() / static_cast<std::size_t>(steps);
  const std::span<const float> kept =
      encoded.subspan(static_cast<std::size_t>(dropped) * encoded_floats,
                      static_cast<std::size_t>(used) * encoded_floats);
  heard.insert(heard.end(), kept.begin(), kept.end());
  changed = changed || used > 0;
}

Status Pass::run_to_end(std::span<const float> frames) {
  while (const int waiting = steps_waiting(frames, true)) {
    const int steps = run_length(waiting, model->max_steps(), true);
    const AcousticItem item = take(frames, steps);
    ANTIPHON_ASSIGN_OR_RETURN(const auto log_probs, model->run(std::span(&item, 1), steps));
    give(log_probs, model->heard(), steps);
  }
  if (!flush_waiting(frames)) return {};
  take_flush();
  ANTIPHON_ASSIGN_OR_RETURN(const auto log_probs, model->flush(std::span(&slot, 1)));
  give(log_probs, model->heard(), model->config().lookahead);
  return {};
}

void Pass::restart() {
  decoder.reset();
  heard.clear();
  begin = 0;
  flush_left = surplus = 0;
  skip = model->config().lookahead;
  changed = false;
}

int run_length(int waiting, int most, bool ended) {
  constexpr int kStepsOfARun = 3;
  waiting = std::min(waiting, most);
  if (waiting == 0) return 0;
  int steps = 1;
  while (steps * 2 <= waiting) steps *= 2;
  if (!ended || steps == waiting || steps * 2 > most) return steps;
  return steps * 2 - waiting <= kStepsOfARun ? steps * 2 : steps;
}

}  // namespace antiphon::asr
