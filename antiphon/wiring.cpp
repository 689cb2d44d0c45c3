// The one place where concrete stages are made.
#include "antiphon/assistant.h"

namespace antiphon {

Result<std::unique_ptr<Assistant>> Assistant::create(const AssistantConfig& config) {
  return unsupported("this build holds no models for " + config.models_dir);
}

}  // namespace antiphon
