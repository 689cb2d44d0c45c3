// How sure a recognised word is.
#pragma once

namespace antiphon::asr {

// What speaks for a word.
struct WordEvidence {
  float mean = 0, least = 0;  // [0, 1]: probability of its letters, on average and of the least
  float sentence = 0;         // [0, 1]: of all letters of the text
  float language = 0;         // log P(word | the words before); 0 without a model
  int num_letters = 0;
  bool unknown = false;  // not in the model's vocabulary
};

// Weights of a logistic regression, fitted by training/asr/confidence.py on development data.
// Probabilities enter by their log odds. As they stand here the confidence is the letters' mean.
struct ConfidenceWeights {
  float bias = 0, mean = 1, least = 0, sentence = 0, language = 0, unknown = 0, letters = 0;
};

// [0, 1]: the probability that the word was said.
float word_confidence(const WordEvidence& evidence, const ConfidenceWeights& weights);

}  // namespace antiphon::asr
