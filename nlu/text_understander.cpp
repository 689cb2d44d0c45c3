// One text through the encoder, then the readings in their order.
#include "nlu/text_understander.h"

#include <algorithm>

#include "nlu/answers.h"
#include "nlu/dialog_turn.h"
#include "nlu/phrases.h"

namespace antiphon::nlu {
namespace {

constexpr int kVariants = 3;           // of a phrase with slots
constexpr float kSideQuestion = 0.9f;  // a trained intent this sure is answered within a dialogue

Status check_size(std::string_view text, const char* name) {
  if (text.size() <= kMostTextBytes) return {};
  return invalid_argument(std::string(name) + ": " + std::to_string(text.size()) +
                          " bytes, wanted at most " + std::to_string(kMostTextBytes));
}

Understanding understood(const char* domain, const IntentScore& best) {
  Understanding u;
  u.domain = domain;
  u.intent = best.intent->name;
  u.confidence = best.score;
  u.in_scope = true;
  u.slots = best.slots;
  return u;
}

}  // namespace

Status TextUnderstander::check_parts(const UnderstanderParts& parts) {
  const EncoderShape& shape = parts.encoder->shape();
  const auto fits = [](const char* name, int head, std::size_t labels) -> Status {
    if (head == 0 || static_cast<std::size_t>(head) == labels) return {};
    return invalid_argument("labels." + std::string(name) + ": has " + std::to_string(labels) +
                            " names, the network's head has " + std::to_string(head) + " rows");
  };
  ANTIPHON_RETURN_IF_ERROR(fits("intents", shape.intents, parts.labels.intents.size()));
  ANTIPHON_RETURN_IF_ERROR(fits("slots", shape.tags, parts.labels.tags.size()));
  const std::size_t num_tags = parts.labels.tags.size();
  if (!parts.next_tags.empty() && parts.next_tags.size() != num_tags * num_tags)
    return invalid_argument("slot_next: has " + std::to_string(parts.next_tags.size()) +
                            " scores, wanted one for each pair of " + std::to_string(num_tags) +
                            " labels.slots");
  for (const std::string& name : parts.served)
    if (!parts.labels.domains.contains(name))
      return invalid_argument("domain '" + name + "' is not in the pack's labels");
  return {};
}

Result<std::unique_ptr<TextUnderstander>> TextUnderstander::create(UnderstanderParts parts) {
  ANTIPHON_RETURN_IF_ERROR(check_parts(parts));
  std::unique_ptr<TextUnderstander> made(new TextUnderstander(std::move(parts)));
  ANTIPHON_RETURN_IF_ERROR(made->embed_examples());
  return made;
}

Status TextUnderstander::embed_examples() {
  for (const IntentSpec& intent : parts_.assistant.intents) {
    const auto add = [&](const std::string& text, int num_slots, bool plain) -> Status {
      const auto pieces = parts_.tokenizer.encode(text);
      if (!pieces.ok()) return pieces.status().with_context("intent '" + intent.name + "'.phrases");
      if (pieces->empty()) return {};
      ANTIPHON_ASSIGN_OR_RETURN(const Encoded encoded, encode(*pieces));
      examples_.add(&intent, num_slots, encoded.sentence, plain);
      return {};
    };
    for (const Example& example : expand_phrases(intent, kVariants))
      ANTIPHON_RETURN_IF_ERROR(add(example.text, example.num_slots, false));
    for (const std::string& phrase : intent.phrases)
      ANTIPHON_RETURN_IF_ERROR(
          add(plain_phrase(phrase), phrase.find('{') == phrase.npos ? 0 : 1, true));
  }
  examples_.learn();
  return {};
}

// The user's own intents, best first. `sentence` may be the encoder's memory.
Result<std::vector<IntentScore>> TextUnderstander::rank_examples(std::string_view text,
                                                                 std::span<const float> sentence) {
  const std::string plain = examples_.plain_text(text);
  if (plain.empty()) return examples_.rank(sentence, text);
  const std::vector<float> kept(sentence.begin(), sentence.end());
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Piece> pieces, parts_.tokenizer.encode(plain));
  ANTIPHON_ASSIGN_OR_RETURN(const Encoded encoded, encode(pieces));
  return examples_.rank(kept, text, encoded.sentence);
}

Result<Encoded> TextUnderstander::encode(std::span<const Piece> pieces) {
  const auto room = static_cast<std::size_t>(parts_.encoder->shape().max_tokens - 2);
  ids_ = {parts_.tokenizer.cls()};
  for (const Piece& piece : pieces.first(std::min(pieces.size(), room))) ids_.push_back(piece.id);
  ids_.push_back(parts_.tokenizer.sep());
  types_.assign(ids_.size(), 0);
  return parts_.encoder->run(ids_, types_);
}

Result<Understanding> TextUnderstander::understand(const UnderstandRequest& request) {
  ANTIPHON_RETURN_IF_ERROR(check_size(request.text, "text"));
  ANTIPHON_RETURN_IF_ERROR(check_size(request.context, "context"));
  ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Piece> pieces, parts_.tokenizer.encode(request.text));
  const auto finished = [&](Understanding u) {
    u.text = std::string(request.text);
    return u;
  };
  if (pieces.empty()) return finished({});

  ANTIPHON_ASSIGN_OR_RETURN(const Encoded encoded, encode(pieces));
  const EncoderShape& shape = parts_.encoder->shape();
  TrainedIntent trained;
  if (shape.intents > 0) trained = classify(parts_.labels, parts_.served, encoded.intent);
  Understanding guess;
  guess.domain = trained.domain;
  guess.intent = trained.intent;
  guess.confidence = trained.confidence;
  guess.in_scope = trained.in_scope;
  if (trained.in_scope && shape.tags > 0) {
    const std::size_t seen = ids_.size() - 2;
    guess.slots = tagged_slots(parts_.labels, chain_, trained.domain, request.text,
                               std::span(pieces).first(seen), encoded.tags);
  }

  ANTIPHON_ASSIGN_OR_RETURN(const auto ranked, rank_examples(request.text, encoded.sentence));
  const IntentScore* own = accepted(ranked, parts_.thresholds);
  const bool pending = request.dialog && !request.dialog->pending_intent.empty();
  if (pending) {
    auto u =
        continue_dialog(parts_.assistant, *request.dialog, request.text, ranked, parts_.thresholds);
    if (u) return finished(*std::move(u));
    if (trained.confidence < kSideQuestion) guess = {};
  }
  const bool sure = own && (own->score >= parts_.thresholds.sure || has_evidence(*own));
  if (sure || (own && !guess.in_scope)) return finished(understood(kAssistantDomain, *own));
  if (!request.context.empty() && shape.answers) {
    ANTIPHON_ASSIGN_OR_RETURN(const std::vector<Piece> context,
                              parts_.tokenizer.encode(request.context));
    ANTIPHON_ASSIGN_OR_RETURN(
        const AnswerSpan answer,
        find_answer(parts_.labels.question, parts_.tokenizer, *parts_.encoder, pieces, context));
    guess.answer_confidence = answer.confidence;
    if (answer.found) {
      guess.answer =
          std::string(request.context.substr(static_cast<std::size_t>(answer.start),
                                             static_cast<std::size_t>(answer.end - answer.start)));
      guess.in_scope = true;
    }
  }
  if (guess.answer.empty() && own) {
    // Both claim the text: the user's own unless the trained one is surer.
    if (own->score >= guess.confidence) return finished(understood(kAssistantDomain, *own));
  }
  return finished(std::move(guess));
}

}  // namespace antiphon::nlu
