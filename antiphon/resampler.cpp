// Resampling by soxr; equal rates are copied.
#include "antiphon/resampler.h"

#include <soxr.h>

#include <cmath>
#include <string>

namespace antiphon {

struct Resampler::State {
  ~State() { soxr_delete(soxr); }
  soxr_t soxr = nullptr;  // null: the rates are equal
  double ratio = 1;
};

Resampler::Resampler(std::unique_ptr<State> state) : state_(std::move(state)) {}
Resampler::Resampler(Resampler&&) noexcept = default;
Resampler& Resampler::operator=(Resampler&&) noexcept = default;
Resampler::~Resampler() = default;

Result<Resampler> Resampler::create(int from_hz, int to_hz) {
  for (const int rate_hz : {from_hz, to_hz}) {
    if (rate_hz < 1000 || rate_hz > 384000)
      return invalid_argument("rate is " + std::to_string(rate_hz) + " Hz, wanted 1000 to 384000");
  }
  auto state = std::make_unique<State>();
  state->ratio = static_cast<double>(to_hz) / from_hz;
  if (from_hz != to_hz) {
    soxr_error_t error = nullptr;
    const soxr_io_spec_t io = soxr_io_spec(SOXR_FLOAT32_I, SOXR_FLOAT32_I);
    const soxr_quality_spec_t quality = soxr_quality_spec(SOXR_MQ, 0);
    const soxr_runtime_spec_t runtime = soxr_runtime_spec(1);
    state->soxr = soxr_create(from_hz, to_hz, 1, &error, &io, &quality, &runtime);
    if (error) return internal_error(std::string("resampler: ") + error);
  }
  return Resampler(std::move(state));
}

Status Resampler::push(std::span<const float> pcm, std::vector<float>& out) {
  if (!state_->soxr) {
    out.insert(out.end(), pcm.begin(), pcm.end());
    return {};
  }
  while (!pcm.empty()) {
    const std::size_t before = out.size();
    const auto room =
        static_cast<std::size_t>(static_cast<double>(pcm.size()) * state_->ratio) + 64;
    out.resize(before + room);
    std::size_t used = 0, made = 0;
    const soxr_error_t error =
        soxr_process(state_->soxr, pcm.data(), pcm.size(), &used, out.data() + before, room, &made);
    out.resize(before + made);
    if (error) return internal_error(std::string("resampler: ") + error);
    pcm = pcm.subspan(used);
    if (used == 0 && made == 0) break;
  }
  return {};
}

Status Resampler::flush(std::vector<float>& out) {
  if (!state_->soxr) return {};
  std::size_t made = 0;
  do {
    const std::size_t before = out.size();
    out.resize(before + 1024);
    const soxr_error_t error =
        soxr_process(state_->soxr, nullptr, 0, nullptr, out.data() + before, 1024, &made);
    out.resize(before + made);
    if (error) return internal_error(std::string("resampler: ") + error);
  } while (made > 0);
  if (const soxr_error_t error = soxr_clear(state_->soxr))
    return internal_error(std::string("resampler: ") + error);
  return {};
}

Result<std::vector<float>> resample(std::span<const float> pcm, int from_hz, int to_hz) {
  ANTIPHON_ASSIGN_OR_RETURN(Resampler resampler, Resampler::create(from_hz, to_hz));
  std::vector<float> out;
  ANTIPHON_RETURN_IF_ERROR(resampler.push(pcm, out));
  ANTIPHON_RETURN_IF_ERROR(resampler.flush(out));
  return out;
}

}  // namespace antiphon
