// Beginnings, their ways on, and the texts that ended.
#include "asr/piece_beam.h"

#include <algorithm>
#include <cmath>
#include <optional>
#include <utility>

namespace antiphon::asr {
namespace {

struct Beginning {
  SpelledText text;
  std::int32_t node = -1;
  // Meaningless without CTC.
  CtcPrefixScorer::Prefix heard;
  std::int32_t letters = CtcDecoder::kNoText;
};

struct Step {
  std::size_t from = 0;  // of the beginnings
  std::int32_t piece = 0;
  float log_prob = 0, score = 0;
  CtcPrefixScorer::Prefix heard;
  std::int32_t letters = CtcDecoder::kNoText;
};

// The `count` most probable pieces of a row, and the end.
std::vector<std::int32_t> probable_pieces(std::span<const float> row, std::size_t count) {
  std::vector<std::int32_t> pieces;
  for (std::size_t k = kNumMarks; k < row.size(); ++k) {
    if (pieces.size() == count && row[k] <= row[static_cast<std::size_t>(pieces.back())]) continue;
    const auto at = std::upper_bound(
        pieces.begin(), pieces.end(), row[k],
        [&](float p, std::int32_t other) { return p > row[static_cast<std::size_t>(other)]; });
    pieces.insert(at, static_cast<std::int32_t>(k));
    if (pieces.size() > count) pieces.pop_back();
  }
  pieces.push_back(kEndMark);
  return pieces;
}

class Search {
 public:
  Search(Speller& speller, const PieceBeamConfig& config, const CtcEvidence& ctc)
      : speller_(speller), config_(config), ctc_(ctc) {}

  Result<std::vector<SpelledText>> run() {
    const SpelledNode lead[] = {{kBeginMark, -1}, {kTextMark, speller_.num_nodes()}};
    ANTIPHON_ASSIGN_OR_RETURN(std::span<const float> rows, speller_.grow(lead));
    rows = rows.last(rows.size() / 2);
    alive_.push_back({.text = {},
                      .node = speller_.num_nodes() - 1,
                      .heard = {},
                      .letters = CtcDecoder::kNoText});
    if (ctc_.scorer) {
      alive_.front().heard = ctc_.scorer->empty();
      alive_.front().text.score =
          static_cast<float>(config_.ctc_weight * alive_.front().heard.log_begun);
    }
    for (int length = 0;; ++length) {
      go_on(best_steps(rows, length == config_.most));
      if (alive_.empty() || ended_.size() >= width()) break;
      ANTIPHON_ASSIGN_OR_RETURN(rows, speller_.grow(nodes_));
    }
    std::stable_sort(ended_.begin(), ended_.end(),
                     [](const SpelledText& a, const SpelledText& b) { return a.score > b.score; });
    return std::move(ended_);
  }

 private:
  // The best ways on of all beginnings, as many as have room and are near enough to the best;
  // rows: log-probabilities of each.
  std::vector<Step> best_steps(std::span<const float> rows, bool only_ends) {
    const std::size_t pieces = rows.size() / alive_.size(), room = width() - ended_.size();
    const std::size_t tried = only_ends ? 0
                              : ctc_.scorer
                                  ? std::max(room, static_cast<std::size_t>(config_.tried))
                                  : room;
    float top = -HUGE_VALF;  // of what has ended or goes on
    for (const SpelledText& text : ended_) top = std::max(top, text.score);
    std::vector<Step> steps;
    for (std::size_t from = 0; from < alive_.size(); ++from) {
      const auto row = rows.subspan(from * pieces, pieces);
      for (const std::int32_t piece : probable_pieces(row, tried)) {
        const float log_p = row[static_cast<std::size_t>(piece)];
        const float least =
            std::max(steps.size() == room ? steps.back().score : -HUGE_VALF, top - config_.margin);
        if (most(from, log_p) <= least) continue;
        std::optional<Step> step = step_of(from, piece, log_p, least);
        if (!step || step->score <= least) continue;
        const auto at =
            std::upper_bound(steps.begin(), steps.end(), *step,
                             [](const Step& a, const Step& b) { return a.score > b.score; });
        steps.insert(at, *std::move(step));
        if (steps.size() > room) steps.pop_back();
        top = std::max(top, steps.front().score);
      }
    }
    while (!steps.empty() && steps.back().score < top - config_.margin) steps.pop_back();
    return steps;
  }

  // What a beginning scores at most with a piece of this probability: what is told longer is never
  // more probable to CTC, and one piece seldom makes the words so much better. Hot words may.
  float most(std::size_t from, float log_p) const {
    constexpr float kBetterWords = 4;
    if (ctc_.decoder && ctc_.decoder->has_hot_words()) return HUGE_VALF;
    return alive_[from].text.score + log_p + config_.language_weight * kBetterWords;
  }

  // None: CTC says that it was not said, a text does not begin so, it is an end of nothing, which
  // is not for a speller to tell, or it scores no more than `least`.
  std::optional<Step> step_of(std::size_t from, std::int32_t piece, float log_p,
                              float least) const {
    const Beginning& begun = alive_[from];
    if (piece == kEndMark && begun.text.pieces.empty()) return std::nullopt;
    Step step = {from, piece, begun.text.log_prob + log_p, begun.text.log_prob + log_p, {}};
    if (!ctc_.scorer) return step;
    double heard = 0, language = 0;
    if (piece == kEndMark) {
      heard = ctc_.scorer->log_whole(begun.heard);
      language = ctc_.decoder->whole_language_score(begun.letters);
    } else {
      std::span<const std::uint8_t> letters = (*ctc_.letters)[static_cast<std::size_t>(piece)];
      if (begun.text.pieces.empty()) {  // the space before the first word is not heard
        if (letters.front() != ctc_.space) return std::nullopt;
        letters = letters.subspan(1);
      }
      step.letters = begun.letters;
      for (const std::uint8_t letter : letters)
        step.letters = ctc_.decoder->longer(step.letters, letter);
      language = ctc_.decoder->language_score(step.letters);
      // With every letter a beginning is less probable: one may tell that it is of no use.
      const double wanted = least - step.score - config_.language_weight * language;
      step.heard = begun.heard;
      for (const std::uint8_t letter : letters) {
        step.heard = ctc_.scorer->extended(step.heard, letter);
        if (config_.ctc_weight * step.heard.log_begun <= wanted) return std::nullopt;
      }
      heard = step.heard.log_begun;
    }
    if (!std::isfinite(heard)) return std::nullopt;
    step.score +=
        static_cast<float>(config_.ctc_weight * heard + config_.language_weight * language);
    return step;
  }

  void go_on(std::vector<Step> steps) {
    std::vector<Beginning> next;
    nodes_.clear();
    for (Step& step : steps) {
      const Beginning& from = alive_[step.from];
      SpelledText text = from.text;
      text.log_prob = step.log_prob;
      text.score = step.score;
      if (step.piece == kEndMark) {
        ended_.push_back(std::move(text));
        continue;
      }
      text.pieces.push_back(step.piece);
      const auto node = speller_.num_nodes() + static_cast<std::int32_t>(nodes_.size());
      nodes_.push_back({step.piece, from.node});
      next.push_back({std::move(text), node, std::move(step.heard), step.letters});
    }
    alive_ = std::move(next);
  }

  std::size_t width() const { return static_cast<std::size_t>(config_.width); }

  Speller& speller_;
  PieceBeamConfig config_;
  CtcEvidence ctc_;
  std::vector<Beginning> alive_;  // best first
  std::vector<SpelledText> ended_;
  std::vector<SpelledNode> nodes_;
};

}  // namespace

Result<std::vector<SpelledText>> most_probable_texts(Speller& speller,
                                                     const PieceBeamConfig& config,
                                                     const CtcEvidence& ctc) {
  if (config.width < 1 || config.most < 1)
    return invalid_argument("piece beam: width and most must be at least 1");
  return Search(speller, config, ctc).run();
}

}  // namespace antiphon::asr
