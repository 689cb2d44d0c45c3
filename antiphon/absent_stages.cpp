// Errors in the place of recognition, understanding and synthesis.
#include "antiphon/absent_stages.h"

namespace antiphon {
namespace {

class AbsentRecognizer final : public Recognizer {
 public:
  Result<std::unique_ptr<RecognizerStream>> open(const RecognizerOptions&) override {
    return unsupported("this assistant was created with recognize = false");
  }
  Status advance(std::span<RecognizerStream* const>) override { return {}; }
};

class AbsentUnderstander final : public Understander {
 public:
  Result<Understanding> understand(const UnderstandRequest&) override {
    return unsupported("this assistant was created with understand = false");
  }
};

class AbsentSynthesizer final : public Synthesizer {
 public:
  int rate_hz() const override { return 0; }
  std::vector<std::string> voices() const override { return {}; }
  Result<std::unique_ptr<SynthesisStream>> open(std::string_view,
                                                const SynthesisOptions&) override {
    return unsupported("this assistant was created with synthesize = false");
  }
};

}  // namespace

std::unique_ptr<Recognizer> absent_recognizer() { return std::make_unique<AbsentRecognizer>(); }
std::unique_ptr<Understander> absent_understander() {
  return std::make_unique<AbsentUnderstander>();
}
std::unique_ptr<Synthesizer> absent_synthesizer() { return std::make_unique<AbsentSynthesizer>(); }

}  // namespace antiphon
