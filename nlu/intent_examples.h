// A user's own intents by example: sentence vectors of their phrases, and how near a text comes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "pipeline/assistant_spec.h"
#include "pipeline/messages.h"

namespace antiphon::nlu {

// How near a text is to one intent. `slots` are those found in the text.
struct IntentScore {
  const IntentSpec* intent = nullptr;
  float score = 0;  // cosine to the nearest example, raised by slots that were found
  std::vector<Slot> slots;
};

struct ExampleThresholds {
  float accept = 0.55f;  // less: none of the intents
  float sure = 0.75f;    // wins over a trained intent, and over another of the user's by any margin
  float margin = 0.03f;  // between the best and the second, below `sure`
};

// Borrows the assistant. Immutable once filled: any thread.
class IntentExamples {
 public:
  explicit IntentExamples(const AssistantSpec* assistant) : assistant_(assistant) {}

  // vector: any length but zero; kept with length 1.
  void add(const IntentSpec* intent, int num_slots, std::span<const float> vector);

  // Best first; one for each intent that has examples.
  std::vector<IntentScore> rank(std::span<const float> sentence, std::string_view text) const;

 private:
  struct Example {
    const IntentSpec* intent;
    int num_slots;
    std::vector<float> vector;
  };
  const AssistantSpec* assistant_;
  std::vector<Example> examples_;
};

// The first of `ranked` where it is near enough and apart from the second; null: none is.
const IntentScore* accepted(const std::vector<IntentScore>& ranked,
                            const ExampleThresholds& thresholds);

}  // namespace antiphon::nlu
