// Speaking rate: mel frames resampled in time, linearly. The pitch stays: frames carry no phase.
#pragma once

#include <cstddef>
#include <vector>

namespace antiphon::tts {

// speed 2 keeps every other frame. Streaming; frames after begin() start at time 0.
class TimeScale {
 public:
  explicit TimeScale(std::size_t mel_bins) : bins_(mel_bins) {}
  void begin(float speed);
  // Takes all of `mel` ([n, mel_bins]); appends what is ready to `out`. last: the end, nothing more
  // comes.
  void push(std::vector<float>& mel, bool last, std::vector<float>& out);
  // Where input frame `frame` lies in the output, in frames.
  double output_frame(double frame) const { return frame / speed_; }

 private:
  std::size_t bins_;
  double speed_ = 1;
  std::size_t made_ = 0;   // output frames so far
  std::size_t first_ = 0;  // number of the first held input frame
  std::vector<float> held_;
};

}  // namespace antiphon::tts
