// Extractive question answering: windows over a text, and the best span in each.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <vector>

#include "nlu/labels.h"
#include "nlu/text_encoder.h"
#include "nlu/wordpiece.h"

namespace antiphon::nlu {

// A span of the text, in bytes, and how sure it is.
struct AnswerSpan {
  std::int32_t start = 0, end = 0;
  float score = 0;       // logits of the span less those of "no answer"
  float confidence = 0;  // [0, 1]: 0.5 where the score is the pack's threshold
  bool found = false;    // the score reached the threshold
};

// The best answer of one window. logits: [2 + question + context + 1, 2], the row 0 of both columns
// says "no answer". context: the pieces in the window.
AnswerSpan best_span(const QuestionRules& rules, std::size_t num_question_pieces,
                     std::span<const Piece> context, std::span<const float> logits);

// Runs the encoder over every window of the text. An empty question or text has no answer.
Result<AnswerSpan> find_answer(const QuestionRules& rules, const WordPiece& tokenizer,
                               TextEncoder& encoder, std::span<const Piece> question,
                               std::span<const Piece> context);

}  // namespace antiphon::nlu
