// Cosine to the nearest example, evidence from slots, and a regression that tells intents apart.
#include "nlu/intent_examples.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "nlu/phrases.h"
#include "nlu/slot_matcher.h"

namespace antiphon::nlu {
namespace {

// A slot that was found speaks for its intent, each further one less; an example whose slots are
// all missing speaks against it.
constexpr float kSlotBonus[] = {0.0f, 0.06f, 0.09f, 0.11f, 0.12f};
constexpr float kNoSlotMalus = 0.08f;

// What an intent loses for each nat that the regression holds against it, and the most nats.
constexpr float kPerNat = 0.2f, kMostNats = 2;

std::vector<float> unit_length(std::span<const float> vector) {
  std::vector<float> out(vector.begin(), vector.end());
  const float norm = std::sqrt(std::inner_product(out.begin(), out.end(), out.begin(), 0.0f));
  if (norm > 0)
    for (float& x : out) x /= norm;
  return out;
}

// Numbers and free text are in too many sentences to speak for an intent.
bool is_evidence(const IntentSpec& intent, const Slot& slot) {
  return std::any_of(intent.slots.begin(), intent.slots.end(), [&](const SlotSpec& s) {
    return s.name == slot.name && (s.type == SlotType::kList || s.type == SlotType::kTime);
  });
}

}  // namespace

bool has_evidence(const IntentScore& score) {
  return std::any_of(score.slots.begin(), score.slots.end(),
                     [&](const Slot& s) { return is_evidence(*score.intent, s); });
}

void IntentExamples::add(const IntentSpec* intent, int num_slots, std::span<const float> vector,
                         bool plain) {
  examples_.push_back({intent, num_slots, plain, unit_length(vector)});
}

std::string IntentExamples::plain_text(std::string_view text) const {
  std::vector<Slot> most;
  for (const IntentSpec& intent : assistant_->intents) {
    std::vector<Slot> slots = match_slots(intent, text, "");
    const bool telling = std::any_of(slots.begin(), slots.end(), [&](const Slot& s) {
      return std::any_of(intent.slots.begin(), intent.slots.end(), [&](const SlotSpec& spec) {
        return spec.name == s.name && spec.type != SlotType::kNumber;
      });
    });
    if (telling && slots.size() > most.size()) most = std::move(slots);
  }
  std::string out;
  std::size_t at = 0;
  for (const Slot& slot : most) {
    out += text.substr(at, static_cast<std::size_t>(slot.start) - at);
    out += said_name(slot.name);
    at = static_cast<std::size_t>(slot.end);
  }
  if (!most.empty()) out += text.substr(at);
  return out;
}

void IntentExamples::learn() {
  if (examples_.empty()) return;
  const std::size_t width = examples_.front().vector.size();
  std::vector<float> vectors;
  std::vector<std::size_t> classes;
  for (const Example& example : examples_) {
    if (example.vector.size() != width) continue;
    vectors.insert(vectors.end(), example.vector.begin(), example.vector.end());
    classes.push_back(static_cast<std::size_t>(example.intent - assistant_->intents.data()));
  }
  regression_ = ExampleRegression::fit(vectors, width, classes, assistant_->intents.size());
}

float IntentExamples::nearest(const IntentSpec& intent, bool plain, std::span<const float> query,
                              float malus) const {
  float most = -1;
  for (const Example& example : examples_)
    if (example.intent == &intent && example.plain == plain &&
        example.vector.size() == query.size())
      most = std::max(most,
                      std::inner_product(query.begin(), query.end(), example.vector.begin(), 0.0f) -
                          (example.num_slots > 0 ? malus : 0));
  return most;
}

std::vector<IntentScore> IntentExamples::rank(std::span<const float> sentence,
                                              std::string_view text,
                                              std::span<const float> plain) const {
  const std::vector<float> as_said = unit_length(sentence), named = unit_length(plain);
  const std::vector<float> log_p = regression_.log_probabilities(named.empty() ? as_said : named);
  const float most = log_p.empty() ? 0 : *std::max_element(log_p.begin(), log_p.end());
  std::vector<IntentScore> ranked;
  for (std::size_t i = 0; i < assistant_->intents.size(); ++i) {
    const IntentSpec& intent = assistant_->intents[i];
    IntentScore entry{&intent, -1, match_slots(intent, text, "")};
    const auto found = static_cast<std::size_t>(
        std::count_if(entry.slots.begin(), entry.slots.end(),
                      [&](const Slot& s) { return is_evidence(intent, s); }));
    const float malus = entry.slots.empty() ? kNoSlotMalus : 0;
    const float near =
        std::max(nearest(intent, false, as_said, malus), nearest(intent, true, named, malus));
    if (near <= -1) continue;
    const float against = log_p.empty() ? 0 : std::min(most - log_p[i], kMostNats);
    const float bonus = kSlotBonus[std::min(found, std::size(kSlotBonus) - 1)];
    entry.score = std::min(near + bonus - kPerNat * against, 1.0f);
    ranked.push_back(std::move(entry));
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const IntentScore& a, const IntentScore& b) { return a.score > b.score; });
  return ranked;
}

const IntentScore* accepted(const std::vector<IntentScore>& ranked,
                            const ExampleThresholds& thresholds) {
  if (ranked.empty() || ranked[0].score < thresholds.accept) return nullptr;
  const bool apart = ranked.size() < 2 || ranked[0].score - ranked[1].score >= thresholds.margin;
  return apart || ranked[0].score >= thresholds.sure ? &ranked[0] : nullptr;
}

}  // namespace antiphon::nlu
