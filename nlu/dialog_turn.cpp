// The order of readings: cancel, yes and no, a switch of intent, what was asked, what else fits.
#include "nlu/dialog_turn.h"

#include <algorithm>
#include <set>
#include <string>

#include "nlu/said_words.h"
#include "nlu/slot_matcher.h"

namespace antiphon::nlu {
namespace {

constexpr float kSwitchLead = 0.08f;     // of another intent over the pending one
constexpr std::size_t kShortAnswer = 3;  // words: free text so short is always the answer

Understanding reading(const char* domain, const std::string& intent, float confidence,
                      std::vector<Slot> slots = {}) {
  Understanding u;
  u.domain = domain;
  u.intent = intent;
  u.confidence = confidence;
  u.in_scope = true;
  u.slots = std::move(slots);
  return u;
}

const SlotSpec* find_slot(const IntentSpec& intent, const std::string& name) {
  const auto at = std::find_if(intent.slots.begin(), intent.slots.end(),
                               [&](const SlotSpec& s) { return s.name == name; });
  return at == intent.slots.end() ? nullptr : &*at;
}

bool has_slot(const std::vector<Slot>& slots, const std::string& name) {
  return std::any_of(slots.begin(), slots.end(), [&](const Slot& s) { return s.name == name; });
}

// "no make it large": the no is an answer, not a part of "no milk".
std::vector<Slot> slots_behind_no(const IntentSpec& intent, std::string_view text,
                                  const std::vector<SaidWord>& words) {
  std::int32_t skip = 0;
  for (const SaidWord& word : words) {
    if (word.text != "no" && word.text != "nope" && word.text != "nah") break;
    skip = word.end;
  }
  auto slots = match_slots(intent, text.substr(static_cast<std::size_t>(skip)), "");
  for (Slot& slot : slots) {
    slot.start += skip;
    slot.end += skip;
  }
  return slots;
}

// Values that change what was confirmed; a bare number beside a yes ("yes that one") is none.
bool corrects(const IntentSpec& intent, const DialogState& state, const std::vector<Slot>& slots,
              bool yes) {
  return std::any_of(slots.begin(), slots.end(), [&](const Slot& slot) {
    const bool known = std::any_of(state.filled.begin(), state.filled.end(), [&](const Slot& f) {
      return f.name == slot.name && f.value == slot.value;
    });
    const SlotSpec* spec = find_slot(intent, slot.name);
    return !known && !(yes && spec && spec->type != SlotType::kList);
  });
}

// Begins as questions do: no name or other free text is meant.
bool is_question(const std::vector<SaidWord>& words) {
  static const std::set<std::string> kFirst = {"what", "what's", "when",  "where", "who",
                                               "how",  "why",    "which", "do",    "does",
                                               "are",  "can",    "could"};
  return kFirst.contains(words.front().text);
}

// Another intent that is clearly meant.
const IntentScore* other_intent(const IntentSpec& pending, const std::vector<IntentScore>& ranked,
                                float wanted) {
  if (ranked.empty() || ranked[0].intent == &pending || ranked[0].score < wanted) return nullptr;
  for (const IntentScore& entry : ranked)
    if (entry.intent == &pending && ranked[0].score - entry.score < kSwitchLead) return nullptr;
  return &ranked[0];
}

std::optional<Understanding> confirmation(const IntentSpec& pending, const DialogState& state,
                                          std::string_view text,
                                          const std::vector<SaidWord>& words) {
  const Answer answer = answer_in(words);
  const bool yes = answer == Answer::kYes;
  std::vector<Slot> slots = slots_behind_no(pending, text, words);
  if (corrects(pending, state, slots, yes))
    return reading(kAssistantDomain, pending.name, 1, std::move(slots));
  if (yes) return reading(kDialogDomain, kAffirm, 1);
  if (answer == Answer::kNo) return reading(kDialogDomain, kDeny, 1);
  return std::nullopt;
}

}  // namespace

std::optional<Understanding> continue_dialog(const AssistantSpec& assistant,
                                             const DialogState& state, std::string_view text,
                                             const std::vector<IntentScore>& ranked,
                                             const ExampleThresholds& thresholds) {
  const IntentSpec* pending = assistant.find(state.pending_intent);
  const std::vector<SaidWord> words = said_words(text);
  if (!pending || words.empty()) return std::nullopt;
  if (is_cancel(words)) return reading(kDialogDomain, kCancel, 1);
  if (state.awaiting_confirmation) {
    if (auto u = confirmation(*pending, state, text, words)) return u;
  }

  const SlotSpec* asked = find_slot(*pending, state.asked_slot);
  const bool free_text = asked && asked->type == SlotType::kText;
  std::vector<Slot> slots = match_slots(*pending, text, state.asked_slot);
  const bool answered = asked && has_slot(slots, asked->name);
  const bool keeps = answered && (!free_text || words.size() <= kShortAnswer);
  // An answer that was asked for is given up only for another intent beyond doubt.
  const bool asks = free_text && is_question(words);
  const float wanted = asks       ? thresholds.accept
                       : answered ? std::max(0.85f, thresholds.sure)
                                  : thresholds.sure;
  if (const IntentScore* other = keeps ? nullptr : other_intent(*pending, ranked, wanted))
    return reading(kAssistantDomain, other->intent->name, other->score, other->slots);
  if (!slots.empty()) {
    const float confidence = answered ? 1.0f : 0.8f;
    return reading(kAssistantDomain, pending->name, confidence, std::move(slots));
  }
  return std::nullopt;
}

}  // namespace antiphon::nlu
