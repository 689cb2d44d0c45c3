#include "asr/piece_beam.h"

#include <algorithm>
#include <utility>

namespace antiphon::asr {
namespace {

struct Beginning {
  SpelledText text;
  std::int32_t node = -1;
};

struct Step {
  std::size_t from = 0;  // of the beginnings
  std::int32_t piece = 0;
  float log_prob = 0;
};

bool better(const SpelledText& a, const SpelledText& b) { return a.log_prob > b.log_prob; }

// The `width` most probable ways on of all beginnings; rows: log-probabilities of each.
std::vector<Step> best_steps(const std::vector<Beginning>& alive, std::span<const float> rows,
                             std::size_t width) {
  const std::size_t pieces = rows.size() / alive.size();
  std::vector<Step> steps;
  for (std::size_t from = 0; from < alive.size(); ++from) {
    const auto row = rows.subspan(from * pieces, pieces);
    for (std::size_t piece = kNumMarks; piece < pieces; ++piece) {
      const float log_prob = alive[from].text.log_prob + row[piece];
      if (steps.size() == width && log_prob <= steps.back().log_prob) continue;
      const Step step = {from, static_cast<std::int32_t>(piece), log_prob};
      const auto at =
          std::upper_bound(steps.begin(), steps.end(), step,
                           [](const Step& a, const Step& b) { return a.log_prob > b.log_prob; });
      steps.insert(at, step);
      if (steps.size() > width) steps.pop_back();
    }
  }
  return steps;
}

class Search {
 public:
  Search(Speller& speller, const PieceBeamConfig& config)
      : speller_(speller), width_(static_cast<std::size_t>(config.width)), most_(config.most) {}

  Result<std::vector<SpelledText>> run() {
    const SpelledNode lead[] = {{kBeginMark, -1}, {kTextMark, speller_.num_nodes()}};
    ANTIPHON_ASSIGN_OR_RETURN(std::span<const float> rows, speller_.grow(lead));
    rows = rows.last(rows.size() / 2);
    alive_.push_back({.text = {}, .node = speller_.num_nodes() - 1});
    for (int length = 0;; ++length) {
      end_texts(rows);
      if (length == most_ || !worth_going_on()) break;
      go_on(best_steps(alive_, rows, width_));
      ANTIPHON_ASSIGN_OR_RETURN(rows, speller_.grow(nodes_));
    }
    return std::move(ended_);
  }

 private:
  // Every beginning is also a text, if it ends here; the best `width_` of them are kept.
  void end_texts(std::span<const float> rows) {
    const std::size_t pieces = rows.size() / alive_.size();
    for (std::size_t i = 0; i < alive_.size(); ++i) {
      SpelledText text = alive_[i].text;
      if (text.pieces.empty()) continue;  // nothing was said is not for a speller to tell
      text.log_prob += rows[i * pieces + kEndMark];
      ended_.insert(std::upper_bound(ended_.begin(), ended_.end(), text, better), std::move(text));
    }
    if (ended_.size() > width_) ended_.resize(width_);
  }

  // More pieces never make a text more probable.
  bool worth_going_on() const {
    return ended_.size() < width_ || better(alive_.front().text, ended_.back());
  }

  void go_on(const std::vector<Step>& steps) {
    std::vector<Beginning> next;
    nodes_.clear();
    for (const Step& step : steps) {
      const Beginning& from = alive_[step.from];
      Beginning on = {from.text, speller_.num_nodes() + static_cast<std::int32_t>(nodes_.size())};
      on.text.pieces.push_back(step.piece);
      on.text.log_prob = step.log_prob;
      nodes_.push_back({step.piece, from.node});
      next.push_back(std::move(on));
    }
    alive_ = std::move(next);
  }

  Speller& speller_;
  std::size_t width_;
  int most_;
  std::vector<Beginning> alive_;  // best first
  std::vector<SpelledText> ended_;
  std::vector<SpelledNode> nodes_;
};

}  // namespace

Result<std::vector<SpelledText>> most_probable_texts(Speller& speller,
                                                     const PieceBeamConfig& config) {
  if (config.width < 1 || config.most < 1)
    return invalid_argument("piece beam: width and most must be at least 1");
  return Search(speller, config).run();
}

}  // namespace antiphon::asr
