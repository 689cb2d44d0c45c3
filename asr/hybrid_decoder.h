// The texts of a turn by CTC and the attention decoder together.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "asr/ctc_decoder.h"
#include "asr/pieces.h"
#include "asr/speller.h"
#include "engine/base/log.h"

namespace antiphon::asr {

struct HybridConfig {
  int beam = 6;    // texts that are spelled side by side
  int texts = 12;  // of CTC's beam that are judged as well
  // Texts are left whose beginnings score so much less than the best: their share would be below
  // 1 in 3000.
  float margin = 8;
  // Beside what the speller tells: of CTC's log-probabilities, and of the score of language model,
  // phrases and hot words.
  float ctc_weight = 0.2f, language_weight = 0.5f;
};

// After Watanabe et al. 2017, "Hybrid CTC/Attention Architecture for End-to-End Speech
// Recognition": texts are spelled piece by piece by what attention decoder, CTC and language think
// of their beginnings (piece_beam.h); these and the best of CTC's own beam are then scored by all
// three. A language network's say is part of the attention decoder's (speller.h). CTC tells when
// words were said, and how surely. Not thread-safe.
class HybridDecoder {
 public:
  // alphabet: of CTC, class i + 1 (CtcDecoderConfig).
  HybridDecoder(std::unique_ptr<Speller> speller, Pieces pieces, std::string_view alphabet,
                const HybridConfig& config, Logger* logger = nullptr);

  // Up to `count` texts, best first, as ctc.finish() gives them. heard: the encoder's frames
  // [frames, channels] of the steps that `ctc` advanced over. A turn that is longer than
  // kMostFrames is decoded in parts, cut where CTC hears the longest pauses; it has one text.
  static constexpr int kMostFrames = 800;  // 16 s: few longer ones are trained on
  std::vector<DecodedText> decode(CtcDecoder& ctc, std::span<const float> heard, int count);

 private:
  // A text and what the speller tells of its pieces and their end: log-probabilities, summed.
  using Spelled = std::vector<std::pair<std::string, float>>;

  std::vector<DecodedText> decode_part(CtcDecoder& ctc, std::span<const float> heard, int count);
  std::vector<DecodedText> decode_long(const CtcDecoder& ctc, std::span<const float> heard);
  Result<Spelled> candidates(CtcDecoder& ctc, std::span<const float> heard);
  Status judge(Spelled& texts);

  std::unique_ptr<Speller> speller_;
  Pieces pieces_;
  std::vector<std::vector<std::uint8_t>> letters_;  // classes of each piece
  std::uint8_t space_;
  HybridConfig config_;
  Logger* logger_;
};

}  // namespace antiphon::asr
