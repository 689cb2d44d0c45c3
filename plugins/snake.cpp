// A plug-in: Snake of domain antiphon.example, x + sin(alpha x)^2 / alpha with one alpha a channel.
//
// Ziyin, Hartwig and Ueda 2020 (arXiv 2006.08195); vocoders such as BigVGAN (arXiv 2206.04658) use
// it. Inputs: x [B, C, T] f32, alpha [C] f32 above 0. Output: [B, C, T] f32. Attribute log_scale
// (0 or 1): alpha holds its natural logarithm.
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <memory>
#include <vector>

#include "engine/kernels/plugin_abi.h"

namespace {

const antiphon_plugin_host* host = nullptr;

int fail(antiphon_plugin_call* call, const char* reason) {
  std::snprintf(call->message, call->message_bytes, "%s", reason);
  return 1;
}

std::int32_t infer(antiphon_plugin_call* call) {
  const antiphon_plugin_tensor& x = call->inputs[0];
  const antiphon_plugin_tensor& alpha = call->inputs[1];
  if (x.dtype != ANTIPHON_F32 || x.rank != 3) return fail(call, "x: wanted f32 [B, C, T]");
  if (alpha.dtype != ANTIPHON_F32 || alpha.rank != 1) return fail(call, "alpha: wanted f32 [C]");
  const bool known = x.extents[1] >= 0 && alpha.extents[0] >= 0;
  if (known && x.extents[1] != alpha.extents[0])
    return fail(call, "alpha: wanted one a channel of x");
  call->outputs[0].dtype = ANTIPHON_F32;
  call->outputs[0].rank = 3;
  std::copy_n(x.extents, 3, call->outputs[0].extents);
  return 0;
}

// Scales of the channels, and their reciprocals.
struct Scales {
  std::vector<float> alpha, reciprocal;
};

const char* refuse_packed(const antiphon_plugin_call* call) {
  return call->inputs[1].is_constant ? nullptr : "needs a constant alpha";
}

std::int32_t pack(antiphon_plugin_call* call) {
  const auto* alpha = static_cast<const float*>(call->inputs[1].data);
  const auto channels = static_cast<std::size_t>(call->inputs[1].extents[0]);
  const bool logs = host->attr_int(call->node, "log_scale", 0) != 0;
  auto scales = std::make_unique<Scales>();
  for (std::size_t c = 0; c < channels; ++c) {
    const float a = logs ? std::exp(alpha[c]) : alpha[c];
    if (!(a > 0)) return fail(call, "alpha: wanted values above 0");
    scales->alpha.push_back(a);
    scales->reciprocal.push_back(1.0f / a);
  }
  call->packed = scales.release();
  return 0;
}

void free_packed(void* packed) { delete static_cast<Scales*>(packed); }

void snake_row(const float* x, float* y, std::int64_t n, float alpha, float reciprocal) {
  for (std::int64_t t = 0; t < n; ++t) {
    const float s = std::sin(alpha * x[t]);
    y[t] = x[t] + reciprocal * s * s;
  }
}

// Rows are split over the team.
struct Rows {
  const antiphon_plugin_call* call;
  std::int32_t members;
};

void run_rows(void* context, std::int32_t member) {
  const Rows& rows = *static_cast<const Rows*>(context);
  const antiphon_plugin_tensor& x = rows.call->inputs[0];
  const auto& scales = *static_cast<const Scales*>(rows.call->packed);
  const std::int64_t count = x.extents[0] * x.extents[1], length = x.extents[2];
  const std::int64_t begin = count * member / rows.members;
  const std::int64_t end = count * (member + 1) / rows.members;
  for (std::int64_t row = begin; row < end; ++row) {
    const auto c = static_cast<std::size_t>(row % x.extents[1]);
    snake_row(static_cast<const float*>(x.data) + row * length,
              static_cast<float*>(rows.call->outputs[0].data) + row * length, length,
              scales.alpha[c], scales.reciprocal[c]);
  }
}

std::int32_t run_packed(antiphon_plugin_call* call) {
  Rows rows{call, host->team_size(call->team)};
  host->team_run(call->team, run_rows, &rows);
  return 0;
}

// Any alpha, one thread.
std::int32_t run_plain(antiphon_plugin_call* call) {
  const antiphon_plugin_tensor& x = call->inputs[0];
  const auto* alpha = static_cast<const float*>(call->inputs[1].data);
  const bool logs = host->attr_int(call->node, "log_scale", 0) != 0;
  const std::int64_t length = x.extents[2];
  for (std::int64_t row = 0; row < x.extents[0] * x.extents[1]; ++row) {
    const float given = alpha[row % x.extents[1]];
    const float a = logs ? std::exp(given) : given;
    if (!(a > 0)) return fail(call, "alpha: wanted values above 0");
    snake_row(static_cast<const float*>(x.data) + row * length,
              static_cast<float*>(call->outputs[0].data) + row * length, length, a, 1.0f / a);
  }
  return 0;
}

constexpr const char* kDomain = "antiphon.example";

constexpr antiphon_plugin_operator kOperators[] = {
    {sizeof(antiphon_plugin_operator), kDomain, "Snake", 2, 2, 1, infer}};

constexpr antiphon_plugin_kernel kKernels[] = {
    {sizeof(antiphon_plugin_kernel), kDomain, "Snake", "snake/packed_rows", "cpu", refuse_packed,
     nullptr, pack, free_packed, run_packed},
    {sizeof(antiphon_plugin_kernel), kDomain, "Snake", "snake/plain", "cpu", nullptr, nullptr,
     nullptr, nullptr, run_plain}};

constexpr antiphon_plugin kPlugin = {sizeof(antiphon_plugin),
                                     ANTIPHON_PLUGIN_MAJOR,
                                     ANTIPHON_PLUGIN_MINOR,
                                     "snake",
                                     "1.0.0",
                                     kOperators,
                                     1,
                                     kKernels,
                                     2,
                                     nullptr};

}  // namespace

extern "C" __attribute__((visibility("default"))) const antiphon_plugin* antiphon_plugin_entry(
    const antiphon_plugin_host* given) {
  host = given;
  return &kPlugin;
}
