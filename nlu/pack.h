// What is in the folder of an understanding pack.
#pragma once

#include <string>

#include "engine/base/status.h"
#include "nlu/intent_examples.h"
#include "nlu/labels.h"

namespace antiphon::nlu {

struct PackManifest {
  std::string name;
  int width = 384, heads = 12, layers = 6, positions = 512, pieces = 0;
  double norm_epsilon = 1e-12;
  ExampleThresholds thresholds;  // [assistant] accept, sure, margin
  bool has_labels = false;
  Labels labels;
  std::string weights_path, vocab_path;
};

// kNotFound; kInvalidArgument: names file and key, with what was wanted.
Result<PackManifest> read_pack(const std::string& dir);

}  // namespace antiphon::nlu
