// Stages that an assistant was created without: every call says so.
#pragma once

#include <memory>

#include "pipeline/stages.h"

namespace antiphon {

// kUnsupported from every call; the message names the switch of AssistantConfig.
std::unique_ptr<Recognizer> absent_recognizer();
std::unique_ptr<Understander> absent_understander();
std::unique_ptr<Synthesizer> absent_synthesizer();

}  // namespace antiphon
