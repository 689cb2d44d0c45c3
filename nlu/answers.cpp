// The span search is over all pairs of start and end within the longest answer.
#include "nlu/answers.h"

#include <algorithm>
#include <cmath>
#include <limits>

namespace antiphon::nlu {

AnswerSpan best_span(const QuestionRules& rules, std::size_t num_question_pieces,
                     std::span<const Piece> context, std::span<const float> logits) {
  const std::size_t offset = num_question_pieces + 2;
  const auto start_logit = [&](std::size_t i) { return logits[(offset + i) * 2]; };
  const auto end_logit = [&](std::size_t i) { return logits[(offset + i) * 2 + 1]; };
  AnswerSpan best;
  best.score = -std::numeric_limits<float>::infinity();
  const auto longest = static_cast<std::size_t>(rules.max_answer_pieces);
  for (std::size_t i = 0; i < context.size(); ++i)
    for (std::size_t j = i; j < std::min(context.size(), i + longest); ++j) {
      const float score = start_logit(i) + end_logit(j) - logits[0] - logits[1];
      if (score <= best.score) continue;
      best.score = score;
      best.start = context[i].start;
      best.end = context[j].end;
    }
  best.found = !context.empty() && best.score >= rules.min_score;
  best.confidence = 1 / (1 + std::exp(rules.min_score - best.score));
  return best;
}

Result<AnswerSpan> find_answer(const QuestionRules& rules, const WordPiece& tokenizer,
                               TextEncoder& encoder, std::span<const Piece> question,
                               std::span<const Piece> context) {
  AnswerSpan best;
  if (question.empty() || context.empty()) return best;
  const auto most = static_cast<std::size_t>(rules.max_question_pieces);
  question = question.first(std::min(question.size(), most));
  const auto window =
      static_cast<std::size_t>(std::min(rules.window_pieces, encoder.shape().max_tokens));
  if (window < question.size() + 4) return best;
  const std::size_t room = window - question.size() - 3;
  std::vector<std::int32_t> ids, types;
  for (std::size_t at = 0;;
       at += std::min<std::size_t>(room, static_cast<std::size_t>(rules.stride_pieces))) {
    const auto part = context.subspan(at, std::min(room, context.size() - at));
    ids = {tokenizer.cls()};
    for (const Piece& p : question) ids.push_back(p.id);
    ids.push_back(tokenizer.sep());
    types.assign(ids.size(), 0);
    for (const Piece& p : part) ids.push_back(p.id);
    ids.push_back(tokenizer.sep());
    types.resize(ids.size(), 1);
    ANTIPHON_ASSIGN_OR_RETURN(const Encoded encoded, encoder.run(ids, types));
    const AnswerSpan span = best_span(rules, question.size(), part, encoded.answer);
    if (at == 0 || span.score > best.score) best = span;
    if (at + room >= context.size()) break;
  }
  return best;
}

}  // namespace antiphon::nlu
