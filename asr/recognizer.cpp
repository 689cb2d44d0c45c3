// Batches the streams' runs of the acoustic model.
#include "asr/recognizer.h"

#include <algorithm>
#include <vector>

#include "asr/stream.h"

namespace antiphon::asr {
namespace {

class RecognizerImpl final : public Recognizer {
 public:
  explicit RecognizerImpl(std::shared_ptr<SharedModels> models) : models_(std::move(models)) {}

  Result<std::unique_ptr<RecognizerStream>> open(const RecognizerOptions& options) override {
    ANTIPHON_ASSIGN_OR_RETURN(std::unique_ptr<Stream> stream, Stream::create(models_, options));
    return std::unique_ptr<RecognizerStream>(std::move(stream));
  }

  Status advance(std::span<RecognizerStream* const> streams) override {
    busy_.clear();
    for (RecognizerStream* s : streams) {
      auto* stream = static_cast<Stream*>(s);
      ANTIPHON_RETURN_IF_ERROR(stream->listen());
      busy_.push_back(stream);
    }
    for (AcousticModel* model : {models_->acoustic.get(), models_->final_acoustic.get()}) {
      for (bool ran = model != nullptr; ran;) {
        ANTIPHON_ASSIGN_OR_RETURN(ran, run_batch(*model));
      }
      for (bool ran = model != nullptr; ran;) {
        ANTIPHON_ASSIGN_OR_RETURN(ran, flush_batch(*model));
      }
    }
    for (Stream* stream : busy_) stream->settle();
    return {};
  }

 private:
  // Runs one batch of the streams that have most to run; false: nothing is waiting.
  Result<bool> run_batch(AcousticModel& model) {
    const auto length = [&](const Stream& stream) {
      return run_length(stream.steps_waiting(model), model.max_steps(), stream.ending());
    };
    int steps = 0;
    for (const Stream* stream : busy_) steps = std::max(steps, length(*stream));
    if (steps == 0) return false;
    items_.clear();
    members_.clear();
    for (Stream* stream : busy_) {
      if (static_cast<int>(items_.size()) == model.max_batch()) break;
      if (length(*stream) != steps) continue;
      items_.push_back(stream->take(model, steps));
      members_.push_back(stream);
    }
    ANTIPHON_ASSIGN_OR_RETURN(const std::span<const float> log_probs, model.run(items_, steps));
    give(model, log_probs, steps);
    return true;
  }

  // The same of streams that have nothing more to run.
  Result<bool> flush_batch(AcousticModel& model) {
    slots_.clear();
    members_.clear();
    for (Stream* stream : busy_) {
      if (static_cast<int>(slots_.size()) == model.max_batch()) break;
      if (!stream->flush_waiting(model)) continue;
      slots_.push_back(stream->take_flush(model));
      members_.push_back(stream);
    }
    if (slots_.empty()) return false;
    ANTIPHON_ASSIGN_OR_RETURN(const std::span<const float> log_probs, model.flush(slots_));
    give(model, log_probs, model.config().lookahead);
    return true;
  }

  // Each member its share of a run of `steps`.
  void give(const AcousticModel& model, std::span<const float> log_probs, int steps) {
    const auto share = [&](std::span<const float> all, std::size_t i) {
      const std::size_t each = all.size() / members_.size();
      return all.subspan(i * each, each);
    };
    for (std::size_t i = 0; i < members_.size(); ++i)
      members_[i]->give(model, share(log_probs, i), share(model.heard(), i), steps);
  }

  std::shared_ptr<SharedModels> models_;  // shared with the streams, which may outlive us
  std::vector<Stream*> busy_, members_;
  std::vector<AcousticItem> items_;
  std::vector<int> slots_;
};

constexpr int kMostPieces = 100;  // of hasty speech in HybridDecoder::kMostFrames

// The attention decoder of a pack that has one, with its language network if there is one.
Result<std::unique_ptr<HybridDecoder>> create_hybrid(const PackManifest& manifest,
                                                     const Weights& weights,
                                                     const RecognizerConfig& config) {
  ANTIPHON_ASSIGN_OR_RETURN(Pieces pieces,
                            Pieces::load(manifest.pieces_path, manifest.decoder.alphabet));
  SpellerOptions options;
  options.config = {.pieces = pieces.size(),
                    .layers = manifest.speller_layers,
                    .channels = manifest.acoustic.channels,
                    .heads = manifest.acoustic.heads,
                    .inner = manifest.acoustic.inner,
                    .language = manifest.language};
  options.max_frames = HybridDecoder::kMostFrames;
  options.max_nodes = kMostPieces * (manifest.hybrid.beam + manifest.hybrid.texts);
  options.precision = config.precision;
  options.max_isa = config.max_isa;
  options.plans = config.plans;
  options.team = config.team;
  options.logger = config.logger;
  std::shared_ptr<const Weights> language;
  if (manifest.language.layers > 0) {
    ANTIPHON_ASSIGN_OR_RETURN(language, Weights::load(manifest.language_path));
  }
  ANTIPHON_ASSIGN_OR_RETURN(std::unique_ptr<Speller> speller,
                            Speller::create(weights, options, language.get()));
  return std::make_unique<HybridDecoder>(std::move(speller), std::move(pieces),
                                         manifest.decoder.alphabet, manifest.hybrid, config.logger);
}

}  // namespace

std::unique_ptr<Recognizer> make_recognizer(std::shared_ptr<SharedModels> models) {
  return std::make_unique<RecognizerImpl>(std::move(models));
}

Result<std::unique_ptr<Recognizer>> create_recognizer(const RecognizerConfig& config) {
  auto models = std::make_shared<SharedModels>();
  ANTIPHON_ASSIGN_OR_RETURN(models->manifest, read_pack(config.pack_dir));
  ANTIPHON_ASSIGN_OR_RETURN(const std::shared_ptr<const Weights> weights,
                            Weights::load(models->manifest.weights_path));
  AcousticModelOptions options;
  options.config = models->manifest.acoustic;
  options.precision = config.precision;
  options.max_streams = config.max_streams;
  options.max_batch = config.max_batch;
  options.max_isa = config.max_isa;
  options.plans = config.plans;
  options.team = config.team;
  options.logger = config.logger;
  options.flush = models->manifest.final_ahead == 0;  // partials end unheard where it is not
  ANTIPHON_ASSIGN_OR_RETURN(models->acoustic, AcousticModel::create(*weights, options));
  if (models->manifest.final_ahead > 0) {
    options.config = models->manifest.final_acoustic();
    options.plan_name = "acoustic_final";
    options.spare = true;
    options.max_steps = 32;
    options.flush = true;
    options.frames = models->manifest.speller_layers > 0;
    ANTIPHON_ASSIGN_OR_RETURN(models->final_acoustic, AcousticModel::create(*weights, options));
  }
  ANTIPHON_ASSIGN_OR_RETURN(models->voice, VoiceActivity::create({.pack_dir = config.vad_dir,
                                                                  .max_streams = config.max_streams,
                                                                  .max_isa = config.max_isa,
                                                                  .plans = config.plans,
                                                                  .logger = config.logger}));
  if (models->manifest.speller_layers > 0) {
    ANTIPHON_ASSIGN_OR_RETURN(models->hybrid, create_hybrid(models->manifest, *weights, config));
  }
  if (!models->manifest.lm_path.empty()) {
    ANTIPHON_ASSIGN_OR_RETURN(models->lm, LanguageModel::load(models->manifest.lm_path));
  }
  models->phrases = PhraseModel::create(config.assistant, models->manifest.decoder.alphabet);
  return make_recognizer(std::move(models));
}

}  // namespace antiphon::asr
