// Plans and runs of the attention decoder; its tree of texts.
#include "asr/speller.h"

#include <algorithm>
#include <utility>

#include "asr/acoustic_network.h"
#include "asr/speller_network.h"

namespace antiphon::asr {
namespace {

constexpr std::int64_t kFrameBlock = 64, kPastBlock = 32;  // so that few shapes are bound

std::int64_t filled(std::int64_t n, std::int64_t block) {
  return std::max<std::int64_t>(1, (n + block - 1) / block) * block;
}

// Nodes of a run: few sizes, little that means nothing.
std::int64_t run_of(std::int64_t n) {
  if (n > 4 && n <= 16) return filled(n, 4);
  if (n > 16 && n <= 32) return filled(n, 8);
  std::int64_t size = 1;
  while (size < n) size *= 2;
  return size;
}

BuildOptions build_options(const SpellerOptions& o) {
  BuildOptions build;
  build.precision = o.precision;
  const std::int64_t run = run_of(o.max_run), past = filled(o.max_nodes, kPastBlock);
  build.profile["S"] = {1, std::min<std::int64_t>(4, run), run};
  build.profile["P"] = {kPastBlock, std::min(2 * kPastBlock, past), past};
  build.profile["K"] = {kPastBlock + 1, std::min(2 * kPastBlock, past) + 4, past + run};
  build.profile["T"] = {kFrameBlock,
                        std::min<std::int64_t>(4 * kFrameBlock, filled(o.max_frames, kFrameBlock)),
                        filled(o.max_frames, kFrameBlock)};
  build.max_isa = o.max_isa;
  build.num_threads = o.team ? o.team->num_threads() : 1;
  build.logger = o.logger;
  return build;
}

}  // namespace

Result<std::unique_ptr<Speller>> Speller::create(const Weights& weights,
                                                 const SpellerOptions& options,
                                                 const Weights* language) {
  if (options.max_frames < 1 || options.max_nodes < 1 || options.max_run < 1)
    return invalid_argument("speller: max_frames, max_nodes and max_run must be at least 1");
  ANTIPHON_RETURN_IF_ERROR(check_speller_weights(weights, options.config));
  const PieceLanguageConfig& told = options.config.language;
  if ((told.layers > 0) != (language != nullptr))
    return invalid_argument("speller: a language network of " + std::to_string(told.layers) +
                            (language ? " layers with weights" : " layers without weights"));
  if (language)
    ANTIPHON_RETURN_IF_ERROR(
        check_piece_language(*language, told, options.config.pieces, SpellerConfig::kPlaces));
  std::unique_ptr<Speller> speller(new Speller);
  speller->options_ = options;
  BuildOptions build = build_options(options);
  auto texts = load_or_build(speller_network(weights, options.config, language), build,
                             options.plans, "speller");
  if (!texts.ok())
    return texts.status().with_context(weights.path() + (language ? ", " + language->path() : ""));
  ANTIPHON_ASSIGN_OR_RETURN(speller->texts_, Context::create(*texts, options.team));
  build.profile = {{"T", build.profile["T"]}};
  auto memory = load_or_build(speller_memory_network(weights, options.config), build, options.plans,
                              "speller_memory");
  if (!memory.ok()) return memory.status().with_context(weights.path());
  ANTIPHON_ASSIGN_OR_RETURN(speller->memory_, Context::create(*memory, options.team));
  speller->add_past("", options.config.layers, options.config.channels);
  speller->add_past(kLanguageKind, told.layers, told.channels);
  speller->tree_.reserve(static_cast<std::size_t>(options.max_nodes));
  return speller;
}

void Speller::add_past(const std::string& kind, int layers, int channels) {
  for (int layer = 0; layer < layers; ++layer)
    for (int part = 0; part < 2; ++part) {
      const std::string name = kept_name(kind, part, layer);
      past_.push_back({.input = "past_" + name, .output = name, .channels = channels});
    }
}

Status Speller::hear(std::span<const float> frames) {
  const auto channels = static_cast<std::size_t>(options_.config.channels);
  const auto count = static_cast<std::int64_t>(frames.size() / channels);
  tree_.clear();
  rows_.clear();
  frames_ = 0;  // until they are heard
  if (frames.empty() || frames.size() % channels != 0 || count > options_.max_frames)
    return invalid_argument("speller: " + std::to_string(count) +
                            " frames of a turn, wanted 1 to " +
                            std::to_string(options_.max_frames));
  padded_ = filled(count, kFrameBlock);
  const std::int64_t dims[] = {1, padded_, options_.config.channels};
  ANTIPHON_ASSIGN_OR_RETURN(void* at, memory_->input("heard", dims));
  auto* heard = std::copy(frames.begin(), frames.end(), static_cast<float*>(at));
  std::fill_n(heard, static_cast<std::size_t>(padded_ - count) * channels, 0.0f);
  ANTIPHON_RETURN_IF_ERROR(memory_->run());
  frames_ = count;
  told_ = false;
  return {};
}

Status Speller::check(std::span<const SpelledNode> nodes) const {
  if (frames_ == 0) return invalid_argument("speller: nothing was heard yet");
  if (nodes.empty() || nodes.size() > static_cast<std::size_t>(options_.max_run))
    return invalid_argument("speller: " + std::to_string(nodes.size()) +
                            " nodes a run, wanted 1 to " + std::to_string(options_.max_run));
  if (tree_.size() + nodes.size() > static_cast<std::size_t>(options_.max_nodes))
    return exhausted("speller: the tree has room for " + std::to_string(options_.max_nodes) +
                     " nodes");
  for (std::size_t i = 0; i < nodes.size(); ++i) {
    const auto number = static_cast<std::int64_t>(tree_.size() + i);
    if (nodes[i].piece < 0 || nodes[i].piece >= options_.config.pieces)
      return invalid_argument("speller: piece " + std::to_string(nodes[i].piece) + " of " +
                              std::to_string(options_.config.pieces));
    if (nodes[i].parent < -1 || nodes[i].parent >= number)
      return invalid_argument("speller: node " + std::to_string(number) + " has the parent " +
                              std::to_string(nodes[i].parent) + ", which is not before it");
  }
  return {};
}

// Pieces, their places, and who is whose ancestor. tree_ has the new nodes already.
Status Speller::write_tree(std::span<const SpelledNode> nodes, std::int64_t run,
                           std::int64_t past) {
  const auto before = static_cast<std::int64_t>(tree_.size() - nodes.size());
  const std::int64_t dims[] = {1, run}, seen_dims[] = {1, run, past + run};
  ANTIPHON_ASSIGN_OR_RETURN(void* numbers_at, texts_->input("numbers", dims));
  ANTIPHON_ASSIGN_OR_RETURN(void* places_at, texts_->input("places", dims));
  ANTIPHON_ASSIGN_OR_RETURN(void* seen_at, texts_->input("seen", seen_dims));
  auto *numbers = static_cast<std::int32_t*>(numbers_at),
       *places = static_cast<std::int32_t*>(places_at);
  auto* row = static_cast<float*>(seen_at);
  for (std::int64_t i = 0; i < run; ++i, row += past + run) {
    std::fill_n(row, past + run, kOutside);
    row[past + i] = 0;
    numbers[i] = places[i] = 0;
    if (i >= static_cast<std::int64_t>(nodes.size())) continue;
    const auto own = static_cast<std::size_t>(before + i);
    numbers[i] = nodes[static_cast<std::size_t>(i)].piece;
    places[i] = tree_[own].depth;
    for (std::int32_t up = tree_[own].parent; up >= 0;
         up = tree_[static_cast<std::size_t>(up)].parent)
      row[up < before ? up : past + up - before] = 0;
  }
  return {};
}

// Once a turn what its frames mean to every layer; a mask of them for every run.
Status Speller::write_memory() {
  const std::int64_t mask_dims[] = {1, padded_}, dims[] = {1, padded_, options_.config.channels};
  ANTIPHON_ASSIGN_OR_RETURN(void* mask, texts_->input("heard", mask_dims));
  std::fill(std::fill_n(static_cast<float*>(mask), frames_, 0.0f),
            static_cast<float*>(mask) + padded_, kOutside);
  for (int layer = 0; layer < options_.config.layers; ++layer)
    for (int part = 0; part < 2; ++part) {
      const std::string name = kept_name("heard_", part, layer);
      ANTIPHON_ASSIGN_OR_RETURN(void* at, texts_->input(name, dims));
      if (told_) continue;
      const auto values = memory_->output(name)->f32();
      std::copy(values.begin(), values.end(), static_cast<float*>(at));
    }
  return {};
}

// Rows of earlier nodes are there; those behind them mean nothing, but are numbers.
Status Speller::write_past(std::int64_t before, std::int64_t past) {
  for (Past& kept : past_) {
    const std::int64_t dims[] = {1, past, kept.channels};
    ANTIPHON_ASSIGN_OR_RETURN(void* at, texts_->input(kept.input, dims));
    kept.rows = static_cast<float*>(at);
    std::fill_n(kept.rows + before * kept.channels, (past - before) * kept.channels, 0.0f);
  }
  return {};
}

Status Speller::write_inputs(std::span<const SpelledNode> nodes) {
  const auto count = static_cast<std::int64_t>(nodes.size()),
             before = static_cast<std::int64_t>(tree_.size()) - count;
  const std::int64_t past = filled(before + count, kPastBlock);  // with room for what they tell
  ANTIPHON_RETURN_IF_ERROR(write_tree(nodes, run_of(count), past));
  ANTIPHON_RETURN_IF_ERROR(write_memory());
  return write_past(before, past);
}

Result<std::span<const float>> Speller::grow(std::span<const SpelledNode> nodes) {
  ANTIPHON_RETURN_IF_ERROR(check(nodes));
  const auto before = static_cast<std::int64_t>(tree_.size());
  const auto give_up = [&](Status status) {
    tree_.resize(static_cast<std::size_t>(before));
    return status;
  };
  for (const SpelledNode& node : nodes) {
    const std::int32_t depth =
        node.parent < 0 ? 0 : tree_[static_cast<std::size_t>(node.parent)].depth + 1;
    if (depth >= SpellerConfig::kPlaces)
      return give_up(exhausted("speller: a text has at most " +
                               std::to_string(SpellerConfig::kPlaces) + " pieces"));
    tree_.push_back({node.piece, node.parent, depth});
  }
  Status status = write_inputs(nodes);
  if (status.ok()) status = texts_->run();
  if (!status.ok()) return give_up(std::move(status));
  told_ = true;
  for (const Past& kept : past_) {
    const auto values = texts_->output(kept.output)->f32();
    std::copy_n(values.begin(), static_cast<std::int64_t>(nodes.size()) * kept.channels,
                kept.rows + before * kept.channels);
  }
  const auto rows = texts_->output("log_probs")
                        ->f32()
                        .first(nodes.size() * static_cast<std::size_t>(options_.config.pieces));
  rows_.insert(rows_.end(), rows.begin(), rows.end());
  return rows;
}

std::int32_t Speller::child(std::int32_t node, std::int32_t piece) const {
  const auto found = std::find_if(tree_.begin(), tree_.end(), [&](const Place& place) {
    return place.parent == node && place.piece == piece;
  });
  return found == tree_.end() ? -1 : static_cast<std::int32_t>(found - tree_.begin());
}

std::span<const float> Speller::row(std::int32_t node) const {
  const auto pieces = static_cast<std::size_t>(options_.config.pieces);
  return std::span(rows_).subspan(static_cast<std::size_t>(node) * pieces, pieces);
}

}  // namespace antiphon::asr
