// Feeds the post-net block by block and drops what lies outside the utterance.
#include "tts/acoustic/postnet_stream.h"

#include <algorithm>

namespace antiphon::tts {

void PostnetStream::begin() {
  fed_ = given_ = 0;
  skip_ = geometry_.post_delay_frames();
}

Status PostnetStream::run_block(NetRunner& postnet, int slot, std::span<const float> mel,
                                std::vector<float>& out) {
  const auto bins = static_cast<std::size_t>(geometry_.mel_bins);
  const auto block = static_cast<std::size_t>(block_frames_);
  const std::size_t inside = mel.size() / bins;
  padded_.assign(block * bins, 0.0f);
  std::copy(mel.begin(), mel.end(), padded_.begin());
  mask_.assign(block, 0.0f);
  std::fill_n(mask_.begin(), inside, 1.0f);
  const std::int64_t mel_dims[] = {1, block_frames_, geometry_.mel_bins};
  const std::int64_t mask_dims[] = {1, block_frames_, 1};
  ANTIPHON_RETURN_IF_ERROR(set_input(postnet, "mel", mel_dims, padded_));
  ANTIPHON_RETURN_IF_ERROR(set_input(postnet, "mask", mask_dims, mask_));
  ANTIPHON_RETURN_IF_ERROR(postnet.run(slot));
  ANTIPHON_ASSIGN_OR_RETURN(const auto made, postnet.output("out"));
  fed_ += static_cast<std::int64_t>(inside);
  const std::int64_t skipped = std::min<std::int64_t>(skip_, block_frames_);
  skip_ -= skipped;
  const std::int64_t ready = std::min<std::int64_t>(block_frames_ - skipped, fed_ - given_);
  if (ready > 0) {
    const auto first =
        made.begin() + static_cast<std::ptrdiff_t>(skipped) * static_cast<std::ptrdiff_t>(bins);
    out.insert(out.end(), first,
               first + static_cast<std::ptrdiff_t>(ready) * static_cast<std::ptrdiff_t>(bins));
    given_ += ready;
  }
  return {};
}

Status PostnetStream::push(NetRunner& postnet, int slot, std::vector<float>& mel, bool last,
                           std::vector<float>& out) {
  const auto bins = static_cast<std::size_t>(geometry_.mel_bins);
  const std::size_t block = static_cast<std::size_t>(block_frames_) * bins;
  std::size_t at = 0;
  for (; mel.size() - at >= block; at += block) {
    ANTIPHON_RETURN_IF_ERROR(
        run_block(postnet, slot, std::span<const float>(mel).subspan(at, block), out));
  }
  if (last && at < mel.size()) {
    ANTIPHON_RETURN_IF_ERROR(
        run_block(postnet, slot, std::span<const float>(mel).subspan(at), out));
    at = mel.size();
  }
  mel.erase(mel.begin(), mel.begin() + static_cast<std::ptrdiff_t>(at));
  while (last && given_ < fed_) ANTIPHON_RETURN_IF_ERROR(run_block(postnet, slot, {}, out));
  return {};
}

}  // namespace antiphon::tts
