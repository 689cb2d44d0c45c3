// The synthesis stage: text normalisation, phonemes, Tacotron 2 and the streamed WaveGlow behind
// pipeline's Synthesizer.
#pragma once

#include <memory>
#include <string>

#include "engine/engine.h"
#include "pipeline/stages.h"

namespace antiphon::tts {

struct SynthesizerConfig {
  std::string tts_dir;      // models/tts-en: manifest.toml, weights.safetensors, lexicon.tsv.zst,
                            // g2p.safetensors
  std::string vocoder_dir;  // models/vocoder-en: manifest.toml, weights.safetensors, adapters
  Precision precision = Precision::kInt8;
  int max_streams = 16;  // state slots; open() refuses more
  int num_lanes = 1;     // streams that may run next() at the same time; others wait
  PlanFolder plans;
  std::string max_isa;  // empty: what the CPU has
  ThreadTeam* team =
      nullptr;  // of the first lane, may be null; must outlive the synthesiser and its streams
  Logger* logger = nullptr;  // may be null
};

// Speed and SSML rates stretch the mel frames in time by linear interpolation: the pitch stays, and
// consonants stretch like vowels. Word times are those of the attention's walk, on the stretched
// time.
//
// Streams share the models and may outlive the synthesiser; each holds a state slot until it is
// destroyed. Any thread may open(); one thread at a time uses a stream.
//
// A voice with an adapter in vocoder_dir has a vocoder of its own; others share the pack's, and an
// utterance is spoken by the vocoder of its voice.
//
// kNotFound, kInvalidArgument: a file, key or tensor of a pack, named.
Result<std::unique_ptr<Synthesizer>> create_synthesizer(const SynthesizerConfig& config);

}  // namespace antiphon::tts
