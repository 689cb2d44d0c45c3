// Plans and runs of the acoustic network.
#include "asr/acoustic_model.h"

#include <algorithm>

#include "asr/acoustic_network.h"

namespace antiphon::asr {
namespace {

constexpr std::int64_t kBlockFrames = AcousticConfig::kBlockFramesPerStep;

BuildOptions build_options(const AcousticModelOptions& options) {
  BuildOptions build;
  build.precision = options.precision;
  const std::int64_t steps = options.max_steps, usual = std::min(2, options.max_steps);
  const auto range = [&](std::int64_t each, std::int64_t more) {
    return DimRange{each + more, usual * each + more, steps * each + more};
  };
  build.profile["B"] = {1, 1, options.max_batch};
  build.profile["T"] = range(AcousticConfig::kFramesPerStep, 0);
  if (options.config.blocks > 0) {
    build.profile["F"] = range(kBlockFrames, 0);
    build.profile["K"] = range(kBlockFrames, options.config.past + options.config.ahead);
  } else {
    build.profile["N"] = range(1, 0);
  }
  build.max_isa = options.max_isa;
  build.num_threads = options.team ? options.team->num_threads() : 1;
  build.logger = options.logger;
  return build;
}

}  // namespace

Result<std::unique_ptr<AcousticModel>> AcousticModel::create(const Weights& weights,
                                                             const AcousticModelOptions& options) {
  if (options.max_batch < 1 || options.max_steps < 1 || options.max_streams < 1)
    return invalid_argument(
        "acoustic model: max_batch, max_steps and max_streams must be at least 1");
  if (options.frames && options.config.blocks < 1)
    return invalid_argument("acoustic model: only a network with blocks tells frames");
  ANTIPHON_RETURN_IF_ERROR(check_acoustic_weights(weights, options.config));
  std::unique_ptr<AcousticModel> model(new AcousticModel);
  model->options_ = options;
  auto plan = load_or_build(acoustic_network(weights, options.config, options.frames),
                            build_options(options), options.plans, options.plan_name);
  if (!plan.ok()) return plan.status().with_context(weights.path());
  model->plan_ = std::move(plan).value();
  const int slots = options.max_streams + (options.spare ? 1 : 0);
  ANTIPHON_ASSIGN_OR_RETURN(model->pool_, StatePool::create(model->plan_, slots));
  ANTIPHON_ASSIGN_OR_RETURN(model->context_, Context::create(model->plan_, options.team));
  model->slots_.reserve(static_cast<std::size_t>(options.max_batch));
  model->progress_.resize(static_cast<std::size_t>(slots));
  if (options.spare) {
    ANTIPHON_ASSIGN_OR_RETURN(model->spare_, model->acquire());
  }
  for (int k = 0; k < options.config.blocks; ++k)
    model->window_names_.push_back("window." + std::to_string(k));
  if (options.flush && options.config.blocks > 0)
    ANTIPHON_RETURN_IF_ERROR(model->create_flush(weights));
  return model;
}

Status AcousticModel::create_flush(const Weights& weights) {
  BuildOptions build = build_options(options_);
  std::erase_if(build.profile, [](const auto& range) { return range.first != "B"; });
  auto plan = load_or_build(flush_network(weights, options_.config, options_.frames), build,
                            options_.plans, options_.plan_name + "_flush");
  if (!plan.ok()) return plan.status().with_context(weights.path());
  ANTIPHON_ASSIGN_OR_RETURN(flush_, Context::create(std::move(plan).value(), options_.team));
  return {};
}

Result<int> AcousticModel::acquire() {
  ANTIPHON_ASSIGN_OR_RETURN(const int slot, pool_->acquire());
  progress_[static_cast<std::size_t>(slot)] = {};
  return slot;
}

void AcousticModel::reset(int slot) {
  pool_->reset(slot);
  progress_[static_cast<std::size_t>(slot)] = {};
}

void AcousticModel::copy(int from, int to) {
  pool_->copy(from, to);
  progress_[static_cast<std::size_t>(to)] = progress_[static_cast<std::size_t>(from)];
}

// Where the frames of this run stand in the table of positions; streams end that have fewer.
Status AcousticModel::write_places(std::span<const AcousticItem> items, std::int64_t frames) {
  const std::int64_t dims[] = {static_cast<std::int64_t>(items.size()), frames};
  ANTIPHON_ASSIGN_OR_RETURN(void* place_at, context_->input("place", dims));
  auto* place = static_cast<std::int32_t*>(place_at);
  for (const AcousticItem& item : items) {
    Progress& at = progress_[static_cast<std::size_t>(item.slot)];
    const std::int64_t heard = static_cast<std::int64_t>(item.frames.size()) /
                               options_.config.mel_bins * kBlockFrames /
                               AcousticConfig::kFramesPerStep;
    if (heard < frames && at.end < 0) at.end = at.frames + heard;
    for (std::int64_t i = 0; i < frames; ++i)
      *place++ = static_cast<std::int32_t>((at.frames + i) % kPlaces);
  }
  return {};
}

// 0 for what the last block tells in this run of what was before a stream.
Status AcousticModel::write_begun(Context& context, std::int64_t frames) {
  const std::int64_t late = options_.config.blocks * options_.config.ahead;
  const std::int64_t dims[] = {static_cast<std::int64_t>(slots_.size()), frames, 1};
  ANTIPHON_ASSIGN_OR_RETURN(void* begun_at, context.input("begun", dims));
  auto* begun = static_cast<float*>(begun_at);
  for (const int slot : slots_) {
    const Progress& at = progress_[static_cast<std::size_t>(slot)];
    for (std::int64_t i = 0; i < frames; ++i) *begun++ = at.frames + i >= late ? 1.0f : 0.0f;
  }
  return {};
}

// Which keys each frame hears that a block tells in this run.
Status AcousticModel::write_window(Context& context, int block, const Extents& extents) {
  const AcousticConfig& c = options_.config;
  const std::int64_t reach = c.past + c.ahead, keys = extents.keys;
  const std::int64_t dims[] = {static_cast<std::int64_t>(slots_.size()), extents.queries, keys};
  ANTIPHON_ASSIGN_OR_RETURN(void* window_at,
                            context.input(window_names_[static_cast<std::size_t>(block)], dims));
  auto* row = static_cast<float*>(window_at);
  for (const int slot : slots_) {
    const Progress& at = progress_[static_cast<std::size_t>(slot)];
    // Frame of the stream whose key is first; before 0 and from the end on there is none.
    const std::int64_t first = at.frames - block * c.ahead - reach;
    const std::int64_t low = -first, high = at.end < 0 ? keys : at.end - first;
    for (std::int64_t i = 0; i < extents.queries; ++i, row += keys) {
      const std::int64_t last = std::min(i + reach + 1, keys);
      const std::int64_t from = std::clamp(low, i, last);
      std::fill_n(row, keys, kOutside);
      std::fill(row + from, row + std::clamp(high, from, last), 0.0f);
    }
  }
  return {};
}

Status AcousticModel::check_not_flushed() const {
  for (const int slot : slots_)
    if (progress_[static_cast<std::size_t>(slot)].flushed)
      return invalid_argument("acoustic model: slot " + std::to_string(slot) +
                              " was flushed; it must be reset first");
  return {};
}

Result<std::span<const float>> AcousticModel::run(std::span<const AcousticItem> items, int steps) {
  const std::int64_t batch = static_cast<std::int64_t>(items.size()),
                     bins = options_.config.mel_bins;
  const std::int64_t frames = static_cast<std::int64_t>(steps) * AcousticConfig::kFramesPerStep;
  slots_.clear();
  for (const AcousticItem& item : items) slots_.push_back(item.slot);
  ANTIPHON_RETURN_IF_ERROR(check_not_flushed());
  const std::int64_t mel_dims[] = {batch, bins, frames};
  ANTIPHON_ASSIGN_OR_RETURN(void* mel_at, context_->input("mel", mel_dims));
  auto* mel = static_cast<float*>(mel_at);
  for (const AcousticItem& item : items) {
    const auto heard = static_cast<std::int64_t>(item.frames.size()) / bins;
    ANTIPHON_CHECK(heard <= frames && heard % AcousticConfig::kFramesPerStep == 0);
    for (std::int64_t bin = 0; bin < bins; ++bin) {
      for (std::int64_t t = 0; t < heard; ++t)
        *mel++ = item.frames[static_cast<std::size_t>(t * bins + bin)];
      mel = std::fill_n(mel, frames - heard, 0.0f);
    }
  }
  ANTIPHON_RETURN_IF_ERROR(options_.config.blocks > 0 ? write_stream(items, steps * kBlockFrames)
                                                      : write_valid(items, steps));
  ANTIPHON_RETURN_IF_ERROR(context_->run(pool_.get(), slots_));
  last_ = context_.get();
  return context_->output("log_probs")->f32();
}

Result<std::span<const float>> AcousticModel::flush(std::span<const int> slots) {
  const AcousticConfig& c = options_.config;
  ANTIPHON_CHECK(flushes());
  slots_.assign(slots.begin(), slots.end());
  ANTIPHON_RETURN_IF_ERROR(check_not_flushed());
  for (const int slot : slots_) {
    Progress& at = progress_[static_cast<std::size_t>(slot)];
    if (at.end < 0) at.end = at.frames;
  }
  ANTIPHON_RETURN_IF_ERROR(write_begun(*flush_, c.blocks * c.ahead));
  for (int k = 0; k < c.blocks; ++k) {
    const std::int64_t queries = (k + 1) * c.ahead;
    ANTIPHON_RETURN_IF_ERROR(write_window(*flush_, k, {queries, c.past + queries}));
  }
  for (const int slot : slots_) progress_[static_cast<std::size_t>(slot)].flushed = true;
  ANTIPHON_RETURN_IF_ERROR(flush_->run(pool_.get(), slots_));
  last_ = flush_.get();
  return flush_->output("log_probs")->f32();
}

std::span<const float> AcousticModel::heard() const {
  const TensorView* frames = options_.frames && last_ ? last_->output("heard") : nullptr;
  return frames ? frames->f32() : std::span<const float>();
}

// Of a network with blocks: what it must know of the streams, which move on.
Status AcousticModel::write_stream(std::span<const AcousticItem> items, std::int64_t frames) {
  const AcousticConfig& c = options_.config;
  ANTIPHON_RETURN_IF_ERROR(write_places(items, frames));
  ANTIPHON_RETURN_IF_ERROR(write_begun(*context_, frames));
  for (int k = 0; k < c.blocks; ++k)
    ANTIPHON_RETURN_IF_ERROR(write_window(*context_, k, {frames, c.past + c.ahead + frames}));
  for (const int slot : slots_) progress_[static_cast<std::size_t>(slot)].frames += frames;
  return {};
}

// 0 for the steps of the flush.
Status AcousticModel::write_valid(std::span<const AcousticItem> items, std::int64_t steps) {
  const std::int64_t dims[] = {static_cast<std::int64_t>(items.size()), 1, steps};
  ANTIPHON_ASSIGN_OR_RETURN(void* valid_at, context_->input("valid", dims));
  auto* valid = static_cast<float*>(valid_at);
  for (const AcousticItem& item : items) {
    const std::int64_t heard = static_cast<std::int64_t>(item.frames.size()) /
                               options_.config.mel_bins / AcousticConfig::kFramesPerStep;
    valid = std::fill_n(valid, heard, 1.0f);
    valid = std::fill_n(valid, steps - heard, 0.0f);
  }
  return {};
}

}  // namespace antiphon::asr
