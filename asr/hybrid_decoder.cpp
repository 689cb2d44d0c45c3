// Candidates of both beams, their scores, the choice.
#include "asr/hybrid_decoder.h"

#include <algorithm>
#include <cmath>
#include <map>

#include "asr/piece_beam.h"

namespace antiphon::asr {
namespace {

// The end of a part of a turn, and the pause that it lies in; steps of CTC.
struct Cut {
  std::size_t at = 0, begin = 0, end = 0;
};

// Where the part that begins at `from` ends: in the longest pause between words of its second half,
// or when it is full. words: of the turn.
Cut cut_of(const std::vector<DecodedWord>& words, std::size_t from, std::size_t steps,
           std::size_t most) {
  if (steps - from <= most) return {steps, steps, steps};
  Cut cut = {from + most, from + most, from + most};
  for (std::size_t i = 1; i < words.size(); ++i) {
    const auto begin = static_cast<std::size_t>(words[i - 1].last_step) + 1,
               end = static_cast<std::size_t>(words[i].first_step);
    if (begin < from + most / 2 || end > from + most || end - begin < cut.end - cut.begin) continue;
    cut = {(begin + end) / 2, begin, end};
  }
  return cut;
}

// A text neither begins nor ends with a space: around a cut it is as if a pause had none.
void silence(std::span<float> row, std::size_t space) {
  const float high = std::max(row[0], row[space]), low = std::min(row[0], row[space]);
  row[0] = high + std::log1p(std::exp(low - high));
  row[space] = -HUGE_VALF;
}

}  // namespace

HybridDecoder::HybridDecoder(std::unique_ptr<Speller> speller, Pieces pieces,
                             std::string_view alphabet, const HybridConfig& config, Logger* logger)
    : speller_(std::move(speller)),
      pieces_(std::move(pieces)),
      letters_(static_cast<std::size_t>(pieces_.size())),
      space_(static_cast<std::uint8_t>(alphabet.find(' ') + 1)),
      config_(config),
      logger_(logger) {
  for (std::int32_t k = kNumMarks; k < pieces_.size(); ++k)
    for (const char c : pieces_.name(k))
      letters_[static_cast<std::size_t>(k)].push_back(
          static_cast<std::uint8_t>(alphabet.find(c) + 1));
}

std::vector<DecodedText> HybridDecoder::decode(CtcDecoder& ctc, std::span<const float> heard,
                                               int count) {
  const std::size_t frames = heard.size() / static_cast<std::size_t>(speller_->config().channels);
  return frames > kMostFrames ? decode_long(ctc, heard) : decode_part(ctc, heard, count);
}

std::vector<DecodedText> HybridDecoder::decode_long(const CtcDecoder& ctc,
                                                    std::span<const float> heard) {
  const auto channels = static_cast<std::size_t>(speller_->config().channels);
  const std::size_t steps = static_cast<std::size_t>(ctc.num_steps()),
                    frames = heard.size() / channels, classes = ctc.num_classes();
  const auto frame_of = [&](std::size_t step) { return step * frames / steps; };
  const std::vector<DecodedText> own = ctc.finish(1);
  std::vector<float> rows(ctc.log_probs().begin(), ctc.log_probs().end());
  DecodedText whole;
  CtcDecoder part = ctc;
  for (std::size_t from = 0; from < steps;) {
    const Cut cut = cut_of(own.front().words, from, steps, kMostFrames * steps / frames);
    for (std::size_t step = cut.begin; step < cut.end; ++step)
      silence(std::span(rows).subspan(step * classes, classes), space_);
    part.reset();
    part.advance(std::span(rows).subspan(from * classes, (cut.at - from) * classes),
                 static_cast<int>(cut.at - from));
    const std::size_t first = frame_of(from), last = frame_of(cut.at);
    const std::vector<DecodedText> texts =
        decode_part(part, heard.subspan(first * channels, (last - first) * channels), 1);
    from = cut.at;
    if (texts.empty() || texts.front().text.empty()) continue;
    whole.text += (whole.text.empty() ? "" : " ") + texts.front().text;
    whole.log_score += texts.front().log_score;
  }
  whole.share = 1;
  whole.words = ctc.words_of(whole.text);
  if (whole.words.empty()) return own;  // CTC can't say when they were said
  return {std::move(whole)};
}

std::vector<DecodedText> HybridDecoder::decode_part(CtcDecoder& ctc, std::span<const float> heard,
                                                    int count) {
  const Result<Spelled> found = candidates(ctc, heard);
  if (!found.ok() && logger_)
    logger_->log(LogLevel::kWarning, "asr",
                 "a final is spelled by CTC alone: " + found.status().message());
  if (!found.ok() || found->empty()) return ctc.finish(count);
  std::vector<std::string> names;
  for (const auto& [text, log_prob] : *found) names.push_back(text);
  const std::vector<TextScore> scores = ctc.scores(names);
  std::vector<DecodedText> texts;
  for (std::size_t i = 0; i < names.size(); ++i) {
    DecodedText text;
    text.text = names[i];
    text.log_score = (*found)[i].second + config_.ctc_weight * scores[i].heard +
                     config_.language_weight * scores[i].language;
    if (std::isfinite(text.log_score)) texts.push_back(std::move(text));
  }
  if (texts.empty()) return ctc.finish(count);
  std::stable_sort(texts.begin(), texts.end(), [](const DecodedText& a, const DecodedText& b) {
    return a.log_score > b.log_score;
  });
  const float top = texts.front().log_score;
  float total = 0;
  for (DecodedText& text : texts) total += text.share = std::exp(text.log_score - top);
  for (DecodedText& text : texts) text.share /= total;
  texts.resize(std::min(texts.size(), static_cast<std::size_t>(std::max(count, 1))));
  texts.front().words = ctc.words_of(texts.front().text);
  return texts;
}

// None: nothing was said, as far as CTC heard.
Result<HybridDecoder::Spelled> HybridDecoder::candidates(CtcDecoder& ctc,
                                                         std::span<const float> heard) {
  const std::vector<DecodedText> own = ctc.best_texts(config_.texts);
  if (own.empty() || own.front().text.empty()) return Spelled();
  ANTIPHON_RETURN_IF_ERROR(speller_->hear(heard));
  const CtcPrefixScorer scorer(ctc.log_probs(), ctc.num_classes());
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<SpelledText> spelled,
                            most_probable_texts(*speller_,
                                                {.width = config_.beam,
                                                 .margin = config_.margin,
                                                 .ctc_weight = config_.ctc_weight,
                                                 .language_weight = config_.language_weight},
                                                {&ctc, &scorer, &letters_, space_}));
  Spelled texts, unspelled;
  const auto is_new = [&](const std::string& text) {
    return std::none_of(texts.begin(), texts.end(), [&](const auto& t) { return t.first == text; });
  };
  // The same letters in other pieces come behind, and count for nothing.
  for (const SpelledText& text : spelled)
    if (std::string letters = pieces_.text(text.pieces); is_new(letters))
      texts.emplace_back(std::move(letters), text.log_prob);
  for (const DecodedText& text : own)
    if (!text.text.empty() && is_new(text.text)) unspelled.emplace_back(text.text, 0.0f);
  ANTIPHON_RETURN_IF_ERROR(judge(unspelled));
  texts.insert(texts.end(), unspelled.begin(), unspelled.end());
  return texts;
}

// Writes how probable each text is to the speller. Most begin as those that it spelled:
// only what is new of them is run, once.
Status HybridDecoder::judge(Spelled& texts) {
  const std::int32_t root = speller_->child(speller_->child(-1, kBeginMark), kTextMark);
  std::vector<std::vector<std::int32_t>> split;
  std::vector<SpelledNode> fresh;
  std::map<std::pair<std::int32_t, std::int32_t>, std::int32_t> numbers;  // by parent and piece
  for (const auto& [text, log_prob] : texts) {
    std::int32_t at = root;
    for (const std::int32_t piece : split.emplace_back(pieces_.split(text))) {
      const auto [known, is_new] = numbers.try_emplace({at, piece}, speller_->child(at, piece));
      if (known->second < 0) {
        known->second = speller_->num_nodes() + static_cast<std::int32_t>(fresh.size());
        fresh.push_back({piece, at});
      }
      at = known->second;
    }
  }
  const auto run = static_cast<std::size_t>(speller_->max_run());
  for (std::size_t from = 0; from < fresh.size(); from += run)
    ANTIPHON_RETURN_IF_ERROR(
        speller_->grow(std::span(fresh).subspan(from, std::min(run, fresh.size() - from)))
            .status());
  for (std::size_t i = 0; i < texts.size(); ++i) {
    std::int32_t at = root;
    for (const std::int32_t piece : split[i]) {
      texts[i].second += speller_->row(at)[static_cast<std::size_t>(piece)];
      at = numbers.at({at, piece});
    }
    texts[i].second += speller_->row(at)[kEndMark];
  }
  return {};
}

}  // namespace antiphon::asr
