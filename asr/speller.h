// The attention decoder over the engine: spells texts of what the acoustic network heard, and tells
// how probable texts are, with a language network's say if there is one.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "asr/piece_language.h"
#include "engine/engine.h"
#include "engine/weights.h"

namespace antiphon::asr {

struct SpellerConfig {
  int pieces = 0;  // of the vocabulary
  int layers = 3;
  int channels = 384, heads = 6, inner = 1536;
  static constexpr int kPlaces = 224;  // pieces of a text at most
  PieceLanguageConfig language = {};
};

struct SpellerOptions {
  SpellerConfig config;
  Precision precision = Precision::kInt8;
  int max_frames = 1536;  // of a turn, 20 ms each
  int max_nodes = 1024;   // of a turn's tree
  int max_run = 64;       // nodes a run
  std::string max_isa;
  PlanFolder plans;
  ThreadTeam* team = nullptr;
  Logger* logger = nullptr;
};

// A piece of a text. Texts that begin alike share their nodes: they are a tree, and each of its
// nodes is run once (tree attention: Miao et al. 2023, arXiv 2305.09781).
struct SpelledNode {
  std::int32_t piece = 0;
  std::int32_t parent = -1;  // number of the node before it; -1: it begins a text
};

// Owns plans, contexts and one tree. One thread at a time.
class Speller {
 public:
  // language: of the language network, if options.config.language has layers. Both are only read.
  static Result<std::unique_ptr<Speller>> create(const Weights& weights,
                                                 const SpellerOptions& options,
                                                 const Weights* language = nullptr);

  // A turn's frames [n, channels]; the tree is empty again. kInvalidArgument: more than
  // max_frames, or none.
  Status hear(std::span<const float> frames);
  // Adds nodes, numbered on from num_nodes(); a parent comes before its children. Gives
  // log-probabilities [nodes, pieces] of what follows each, with a language network's times its
  // weight added, valid until the next call.
  // kInvalidArgument: more than max_run, a piece or parent that is not there. kExhausted: the tree
  // or a text is full; it stays as it was.
  Result<std::span<const float>> grow(std::span<const SpelledNode> nodes);
  int num_nodes() const { return static_cast<int>(tree_.size()); }
  // Of nodes of the tree: the one that says this piece behind another, -1: there is none yet; what
  // grow() gave of one, valid until the next call of it.
  std::int32_t child(std::int32_t node, std::int32_t piece) const;
  std::span<const float> row(std::int32_t node) const;
  const SpellerConfig& config() const { return options_.config; }
  int max_run() const { return options_.max_run; }

 private:
  struct Place {
    std::int32_t piece, parent, depth;
  };

  // Keys or values of a layer for pieces of the tree.
  struct Past {
    std::string input, output;
    std::int64_t channels;
    float* rows = nullptr;  // the input's, [1, past, channels]
  };

  Speller() = default;
  void add_past(const std::string& kind, int layers, int channels);
  Status write_inputs(std::span<const SpelledNode> nodes);
  Status check(std::span<const SpelledNode> nodes) const;
  Status write_tree(std::span<const SpelledNode> nodes, std::int64_t run, std::int64_t past);
  Status write_memory();
  Status write_past(std::int64_t before, std::int64_t past);

  SpellerOptions options_;
  std::unique_ptr<Context> memory_, texts_;
  std::vector<Place> tree_;
  std::int64_t frames_ = 0, padded_ = 0;  // of the turn; with those that fill its shape
  bool told_ = false;                     // what memory_ made of them is in texts_'s inputs
  std::vector<Past> past_;                // of both networks
  std::vector<float> rows_;               // what grow() gave of its nodes, [nodes, pieces]
};

}  // namespace antiphon::asr
