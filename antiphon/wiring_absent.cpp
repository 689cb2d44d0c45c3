// In place of wiring.cpp in a build without the engine: nothing to wire.
#include "antiphon/assistant.h"

namespace antiphon {

Result<std::unique_ptr<Assistant>> Assistant::create(const AssistantConfig& config) {
  return unsupported(config.models_dir + ": this build has no engine to run models with");
}

}  // namespace antiphon
