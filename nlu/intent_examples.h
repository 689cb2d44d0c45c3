// A user's own intents by example: sentence vectors of their phrases, and how near a text comes.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "nlu/example_regression.h"
#include "pipeline/assistant_spec.h"
#include "pipeline/messages.h"

namespace antiphon::nlu {

// How near a text is to one intent. `slots` are those found in the text.
struct IntentScore {
  const IntentSpec* intent = nullptr;
  // Cosine to the nearest example, raised by slots that were found; less where the regression
  // thinks more of another intent.
  float score = 0;
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

  // vector: any length but zero; kept with length 1. plain: of the phrase with the names of its
  // slots for their values (plain_phrase()).
  void add(const IntentSpec* intent, int num_slots, std::span<const float> vector,
           bool plain = false);

  // Fits the regression to what was added; without it the cosines alone decide.
  void learn();

  // Best first; one for each intent that has examples. plain: the vector of plain_text(), which is
  // compared with plain phrases; empty: there is none.
  std::vector<IntentScore> rank(std::span<const float> sentence, std::string_view text,
                                std::span<const float> plain = {}) const;

  // The text with the names of slots for the values that an intent found in it, so that which drink
  // it is does not weigh more than what is wanted of it; the intent that found most decides. Empty:
  // nothing was found.
  std::string plain_text(std::string_view text) const;

 private:
  struct Example {
    const IntentSpec* intent;
    int num_slots;
    bool plain;
    std::vector<float> vector;
  };
  // Cosine to the nearest example of one intent and kind; -1: there is none.
  float nearest(const IntentSpec& intent, bool plain, std::span<const float> query,
                float malus) const;

  const AssistantSpec* assistant_;
  std::vector<Example> examples_;
  ExampleRegression regression_;
};

// Whether slots that only this assistant knows were found: values of lists, and times.
bool has_evidence(const IntentScore& score);

// The first of `ranked` where it is near enough and apart from the second; null: none is.
const IntentScore* accepted(const std::vector<IntentScore>& ranked,
                            const ExampleThresholds& thresholds);

}  // namespace antiphon::nlu
