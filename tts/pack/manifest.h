// The manifests of the packs tts-en and vocoder-en.
#pragma once

#include <string>
#include <vector>

#include "engine/base/status.h"
#include "tts/acoustic/guard.h"
#include "tts/acoustic/networks.h"
#include "tts/phonemes/g2p_network.h"
#include "tts/vocoder/vocoder_network.h"

namespace antiphon::tts {

struct TtsManifest {
  std::string name;
  // In the order of the speakers in the weights; one where there are none.
  std::vector<std::string> voices = {"default"};
  Phonemes symbols;  // id 1 is the first
  int rate_hz = 22050;
  int hop_samples = 256;
  int mel_bins = 80;
  float alignment_width = 0.5f;
  int sentence_pause_ms = 120;  // between sentences, beside what the voice itself leaves
  DecoderConfig decoder;
  GuardConfig guard;
  std::string weights_path, lexicon_path;
  std::string g2p_path;  // empty: the pack has none
};

// [voices.NAME] of a vocoder: what the weights become for a voice of the pack tts-en.
struct VocoderVoice {
  std::string name;
  std::string adapter_path;  // for Weights::adapted()
  // The pack's, but for the pitch: that is the section's, none where it has no such keys.
  VocoderConfig network;
};

struct VocoderManifest {
  std::string name;
  int rate_hz = 22050;
  float sigma = 0;  // of the noise; 0: none
  VocoderConfig network;
  std::string weights_path;
  std::vector<VocoderVoice> voices;  // by name, 64 at most; others have the weights as they are
};

// Read DIR/manifest.toml. kNotFound, kInvalidArgument: names file, line or key, with what was
// wanted.
Result<TtsManifest> read_tts_manifest(const std::string& dir);
Result<VocoderManifest> read_vocoder_manifest(const std::string& dir);

// A string of the metadata in a safetensors header; empty: none, or no such file.
std::string safetensors_metadata(const std::string& path, const std::string& key);

}  // namespace antiphon::tts
