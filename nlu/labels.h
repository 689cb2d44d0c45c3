// labels.json of an understanding pack: the classes of its heads and which of them are served.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "engine/base/status.h"

namespace antiphon::nlu {

struct LabelDomain {
  std::vector<int> intents;     // rows of the intent head, the out-of-scope row among them
  std::vector<int> tags;        // rows of the slot head, "O" among them
  float min_confidence = 0.3f;  // less: out of scope
};

struct QuestionRules {
  float min_score = 0;  // best span's logits less those of "no answer"
  int max_answer_pieces = 30;
  int window_pieces = 320;
  int stride_pieces = 128;
  int max_question_pieces = 40;
};

struct Labels {
  std::vector<std::string> intents;  // "DOMAIN/NAME", or out_of_scope
  std::vector<std::string> tags;     // "O", "B-DOMAIN/NAME", "I-DOMAIN/NAME"
  std::string out_of_scope = "oos";
  std::string default_domain;
  std::map<std::string, LabelDomain> domains;
  QuestionRules question;
};

// kNotFound; kInvalidArgument: names file, key, wanted and got.
Result<Labels> read_labels(const std::string& path);
Result<Labels> parse_labels(const std::string& json, const std::string& name);

}  // namespace antiphon::nlu
