// Packing, quantisation, the portable tile, and what turns sums into results.
#include "engine/kernels/cpu/gemm_u8.h"

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>

#include "engine/kernels/cpu/gemm_u8_tiles.h"

namespace antiphon {
namespace {

void tile_portable(const std::int8_t* w, const TappedRows<std::uint8_t>& x, std::int32_t* out) {
  std::fill_n(out, kPanelRows, 0);
  for (int tap = 0; tap < x.taps; ++tap) {
    const std::uint8_t* row = x.x + tap * x.tap_stride;
    for (std::int64_t c = 0; c < x.tap_cols; c += 4, w += 4 * kPanelRows)
      for (std::int64_t o = 0; o < kPanelRows; ++o)
        for (std::int64_t i = 0; i < 4; ++i) out[o] += row[c + i] * w[4 * o + i];
  }
}

constexpr std::int64_t kFewRows = 8;  // for AMX

constexpr U8Tile kPortableTiles[] = {tile_portable};
constexpr U8Tiles kPortable = {1, kPortableTiles, finish_u8_portable};

const U8Tiles& tiles_for(const U8Matrix& w) {
#if defined(__x86_64__)
  if (w.isa >= Isa::kAvx512Vnni) return u8_tiles_vnni();
  if (w.isa == Isa::kAvxVnni) return u8_tiles_avx_vnni();
  if (w.isa == Isa::kAvx2) {
    if (w.pairs == U8Matrix::Pairs::kFit) return u8_tiles_avx2();
    return w.pairs == U8Matrix::Pairs::kCentred ? u8_tiles_avx2_centred() : u8_tiles_avx2_apart();
  }
#endif
  (void)w;
  return kPortable;
}

U8Matrix::Pairs pairs_of(const std::int8_t* panels, std::size_t bytes, int levels) {
  bool fit = true, least = false;
  for (std::size_t i = 0; i + 1 < bytes; i += 2) {
    const int a = panels[i], b = panels[i + 1];
    const int high = std::max(a, 0) + std::max(b, 0), low = std::min(a, 0) + std::min(b, 0);
    fit = fit && levels * high <= 32767 && levels * low >= -32768;
    least = least || a == -128 || b == -128;
  }
  if (fit) return U8Matrix::Pairs::kFit;
  return least ? U8Matrix::Pairs::kApart : U8Matrix::Pairs::kCentred;
}

// Sums [count][16] get what tiles took off: centre times the weights' sums.
void add_centre(std::int32_t centre, const std::int32_t* of_weights, std::int64_t count,
                std::int32_t* sums) {
  for (std::int64_t i = 0; i < count; ++i)
    for (std::int64_t o = 0; o < kPanelRows; ++o)
      sums[i * kPanelRows + o] += centre * of_weights[o];
}

void range_portable(const float* x, std::int64_t n, float* low, float* high) {
  for (std::int64_t i = 0; i < n; ++i) {
    *low = x[i] < *low ? x[i] : *low;
    *high = x[i] > *high ? x[i] : *high;
  }
}

void to_u8_portable(const float* x, std::int64_t n, float inverse, std::int32_t zero,
                    std::int32_t levels, std::uint8_t* values) {
  const float least = static_cast<float>(-zero), most = static_cast<float>(levels - zero);
  for (std::int64_t i = 0; i < n; ++i) {
    const float scaled = std::nearbyint(x[i] * inverse);
    const float kept = std::isnan(scaled) ? 0.0f : std::clamp(scaled, least, most);
    values[i] = static_cast<std::uint8_t>(static_cast<std::int32_t>(kept) + zero);
  }
}

void to_u8_static_portable(const float* x, std::int64_t n, const U8Row& row, std::int32_t levels,
                           std::uint8_t* values) {
  const float least = static_cast<float>(-row.zero), most = static_cast<float>(levels - row.zero);
  for (std::int64_t i = 0; i < n; ++i) {
    const float scaled = x[i] / row.scale;
    const float kept = std::isnan(scaled) ? 0.0f : std::clamp(scaled, least, most);
    values[i] =
        static_cast<std::uint8_t>(static_cast<std::int32_t>(std::nearbyint(kept)) + row.zero);
  }
}

// One product.
struct Product {
  const U8Matrix& w;
  const TappedRows<std::uint8_t>& x;
  const U8Row* rows;
  std::int64_t rows_stride, num_rows;
  const U8Sink& sink;
  const GemmFinish& finish;
};

// The largest |v|; NaN if one is.
float most_of(const float* values, std::int64_t n) {
  std::uint32_t most = 0;  // bits of positive floats are in their order, NaN above all
  for (std::int64_t i = 0; i < n; ++i)
    most = std::max(most, std::bit_cast<std::uint32_t>(values[i]) & 0x7fffffffu);
  return std::bit_cast<float>(most);
}

// True: bytes of sums need no care: no value is NaN or leaves 30 bits in steps of the bytes.
bool makes_plain_bytes(const Product& p, std::int64_t row_begin, std::int64_t row_end) {
  const U8Sink& to = p.sink;
  const bool relu = p.finish.relu || p.finish.relu_last;
  if (!to.bytes || to.more || to.levels != 255 || (relu && to.numbers.zero != 0) ||
      p.finish.residual || p.rows_stride != 0 || u8_inverse(to.numbers.scale) == 0)
    return false;
  const double sum = 2.0 * 255 * 128 * static_cast<double>(p.w.padded_cols());
  const float bias = p.finish.bias ? most_of(p.finish.bias + row_begin, row_end - row_begin) : 0.0f;
  return sum * double{p.w.most_scale} * std::abs(double{p.rows->scale}) + double{bias} <
         0x1p30 * double{to.numbers.scale};
}

// What results of all outputs and rows have in common.
U8Outputs common_outputs(const Product& p, std::int64_t row_begin, std::int64_t row_end) {
  U8Outputs to;
  to.rows_stride = p.rows_stride;
  to.residual_stride = p.finish.residual_stride;
  to.relu = p.finish.relu;
  to.relu_last = p.finish.relu_last;
  to.stride = p.sink.stride;
  if (!p.sink.bytes) return to;
  to.numbers = p.sink.numbers;
  to.inverse = u8_inverse(p.sink.numbers.scale);
  to.levels = p.sink.levels;
  to.plain_bytes = makes_plain_bytes(p, row_begin, row_end);
  return to;
}

// The same of the panel of outputs [r, r_end).
void take_panel(const Product& p, std::int64_t r, std::int64_t r_end, U8Outputs& to) {
  to.of_weights = p.w.sums.data() + r;
  to.scales = p.w.scales.data() + r;
  to.outputs = std::min(kPanelRows, r_end - r);
  to.bias = p.finish.bias ? p.finish.bias + r : nullptr;
}

// Sums [count][16] of rows [i, i + count) with the panel of outputs r and up to results.
void finish_rows(const Product& p, U8Finish finish, const std::int32_t* sums, std::int64_t i,
                 std::int64_t count, std::int64_t r, U8Outputs& to) {
  const GemmFinish& last = p.finish;
  // Places count from the first row's where it has none.
  const std::int64_t first = p.sink.places ? 0 : i;
  to.num_rows = count;
  to.rows = p.rows + i * p.rows_stride;
  to.places = p.sink.places ? p.sink.places + i : nullptr;
  to.more = p.sink.more ? p.sink.more + i : nullptr;
  to.residual = last.residual ? last.residual + first * last.residual_stride + r : nullptr;
  if (p.sink.bytes)
    to.bytes = p.sink.bytes + first * to.stride + r;
  else
    to.y = p.sink.y + first * to.stride + r;
  finish(sums, to);
}

#if defined(__x86_64__)
void multiply_amx(const Product& p, std::int64_t row_begin, std::int64_t row_end) {
  const U8Finish finish = tiles_for(p.w).finish;
  U8Outputs to = common_outputs(p, row_begin, row_end), beside = to;
  TappedRows<std::uint8_t> part = p.x;
  alignas(64) std::int32_t sums[2 * kAmxRows * kPanelRows];
  std::int64_t begun = 0;
  for (std::int64_t r = row_begin; r < row_end; r += 2 * kPanelRows) {
    const std::int64_t second = r + kPanelRows;
    take_panel(p, r, row_end, to);
    if (second < row_end) take_panel(p, second, row_end, beside);
    for (std::int64_t i = 0; i < p.num_rows; i += kAmxRows) {
      const std::int64_t count = std::min(kAmxRows, p.num_rows - i);
      if (count != begun) u8_amx_begin(begun = count);
      part.x = p.x.x + i * p.x.row_stride;
      u8_amx_block(p.w.panel(r / kPanelRows),
                   second < row_end ? p.w.panel(second / kPanelRows) : nullptr, part, count, sums);
      finish_rows(p, finish, sums, i, count, r, to);
      if (second < row_end)
        finish_rows(p, finish, sums + kAmxRows * kPanelRows, i, count, second, beside);
    }
  }
  u8_amx_end();
}
#endif

// One row to f32.
void multiply_row(const Product& p, const U8Tiles& tiles, std::int64_t row_begin,
                  std::int64_t row_end) {
  const U8Row row{p.rows->scale, p.rows->zero - tiles.centre};
  U8Outputs to = common_outputs(p, row_begin, row_end);
  take_panel(p, row_begin, row_end, to);
  to.outputs = row_end - row_begin;
  to.num_rows = 1;
  to.rows = &row;
  to.residual = p.finish.residual ? p.finish.residual + row_begin : nullptr;
  to.y = p.sink.y + row_begin;
  tiles.row(p.w.panel(row_begin / kPanelRows), p.w.padded_cols() * kPanelRows, p.x, to);
}

void multiply(const Product& p, std::int64_t row_begin, std::int64_t row_end) {
#if defined(__x86_64__)
  // Few rows leave most of a tile empty, and weights are read all the same.
  if (p.w.isa == Isa::kAmxInt8 && p.w.grain % kAmxGrain == 0 && p.num_rows >= kFewRows)
    return multiply_amx(p, row_begin, row_end);
#endif
  const U8Tiles& tiles = tiles_for(p.w);
  if (p.num_rows == 1 && tiles.row && !p.sink.bytes && !p.sink.places && !p.sink.more)
    return multiply_row(p, tiles, row_begin, row_end);
  U8Outputs to = common_outputs(p, row_begin, row_end), beside = to;
  TappedRows<std::uint8_t> part = p.x;
  alignas(64) std::int32_t sums[2 * kMostU8WideRows * kPanelRows];
  for (std::int64_t r = row_begin; r < row_end;) {
    const std::int8_t* panel = p.w.panel(r / kPanelRows);
    const std::int64_t second = r + kPanelRows;
    const bool wide = tiles.wide && second < row_end && p.num_rows >= tiles.least_wide;
    take_panel(p, r, row_end, to);
    if (wide) take_panel(p, second, row_end, beside);
    const std::int64_t most = wide ? tiles.most_wide : tiles.most_rows;
    const std::int64_t num_tiles = (p.num_rows + most - 1) / most;
    const std::int64_t least = p.num_rows / std::max<std::int64_t>(1, num_tiles);
    const std::int64_t larger = p.num_rows - least * num_tiles;  // tiles of a row more
    for (std::int64_t i = 0, t = 0; i < p.num_rows; ++t) {
      const std::int64_t count = least + (t < larger ? 1 : 0);
      part.x = p.x.x + i * p.x.row_stride;
      if (wide) {
        tiles.wide[count - tiles.least_wide](panel, p.w.panel(second / kPanelRows), part, sums);
        finish_rows(p, tiles.finish, sums + count * kPanelRows, i, count, second, beside);
      } else {
        tiles.tile[count - 1](panel, part, sums);
        if (tiles.centre != 0) add_centre(tiles.centre, to.of_weights, count, sums);
      }
      finish_rows(p, tiles.finish, sums, i, count, r, to);
      i += count;
    }
    r += wide ? 2 * kPanelRows : kPanelRows;
  }
}

}  // namespace

float u8_inverse(float scale) {
  return scale > 0x1p-100f && scale < 0x1p100f ? 1.0f / scale : 0.0f;
}

// The zero point's share goes off, then the scales.
void finish_u8_portable(const std::int32_t* sums, const U8Outputs& to) {
  float values[kPanelRows];
  for (std::int64_t i = 0; i < to.num_rows; ++i, sums += kPanelRows) {
    const std::int64_t place = to.place(i);
    if (place < 0) continue;
    const U8Row& row = to.rows[i * to.rows_stride];
    const float* residual = to.residual_of(place);
    const std::int32_t more = to.more ? to.more[i] : 0;
    float* y = to.bytes ? values : to.y + place * to.stride;
    for (std::int64_t o = 0; o < to.outputs; ++o) {
      const std::int32_t sum = sums[o] - row.zero * to.of_weights[o] + more;
      float v = static_cast<float>(sum) * (to.scales[o] * row.scale);
      if (to.bias) v += to.bias[o];
      if (to.relu) v = std::max(v, 0.0f);
      if (residual) v += residual[o];
      y[o] = to.relu_last ? std::max(v, 0.0f) : v;
    }
    if (to.bytes)
      to_u8_static_portable(values, to.outputs, to.numbers, to.levels,
                            to.bytes + place * to.stride);
  }
}

U8Matrix pack_u8(std::int64_t rows, std::int64_t cols, const std::int8_t* w, const float* scale,
                 Isa isa, int taps, int levels, int grain) {
  U8Matrix m;
  m.rows = rows;
  m.cols = cols;
  m.taps = taps;
  m.grain = grain;
  m.isa = isa;
  const std::int64_t num_panels = (rows + kPanelRows - 1) / kPanelRows;
  m.panels.resize(static_cast<std::size_t>(num_panels * kPanelRows * m.padded_cols()) + 64);
  m.offset = (64 - reinterpret_cast<std::uintptr_t>(m.panels.data()) % 64) % 64;
  m.scales.assign(static_cast<std::size_t>(num_panels * kPanelRows), 0.0f);
  m.sums.assign(m.scales.size(), 0);
  std::copy_n(scale, rows, m.scales.begin());
  m.most_scale = most_of(scale, rows);
  const std::int64_t tap_cols = taps > 0 ? cols / taps : 0;
  for (std::int64_t r = 0; r < rows; ++r) {
    std::int8_t* panel = m.panels.data() + m.offset + r / kPanelRows * kPanelRows * m.padded_cols();
    for (std::int64_t c = 0; c < cols; ++c) {
      const std::int64_t at = c / tap_cols * m.padded_tap_cols() + c % tap_cols;
      panel[(at / 4 * kPanelRows + r % kPanelRows) * 4 + at % 4] = w[r * cols + c];
      m.sums[static_cast<std::size_t>(r)] += w[r * cols + c];
    }
  }
  if (isa == Isa::kAvx2)
    m.pairs = pairs_of(m.panel(0), m.panels.size() - 64, levels > 0 ? levels : u8_levels(isa));
  return m;
}

void range_of(Isa isa, const float* x, std::int64_t n, float* low, float* high) {
#if defined(__x86_64__)
  if (isa != Isa::kPortable) return range_avx2(x, n, low, high);
#endif
  (void)isa;
  range_portable(x, n, low, high);
}

U8Row range_u8(Isa isa, const float* x, std::int64_t n) {
  float low = 0, high = 0;
  range_of(isa, x, n, &low, &high);
  const float scale = (high - low) / 255.0f;
  if (u8_inverse(scale) == 0) return {};
  return {scale, static_cast<std::int32_t>(std::nearbyint(std::min(-low / scale, 255.0f)))};
}

U8Row quantize_u8(Isa isa, const float* x, std::int64_t n, std::uint8_t* values) {
  const std::int32_t levels = u8_levels(isa);
  float low = 0, high = 0;
#if defined(__x86_64__)
  const auto to_u8 = isa == Isa::kPortable ? to_u8_portable : to_u8_avx2;
#else
  const auto to_u8 = to_u8_portable;
#endif
  range_of(isa, x, n, &low, &high);
  const float width = high - low, inverse = static_cast<float>(levels) / width;
  // Rows of zeros, so tiny that the inverse would overflow, or not finite.
  if (!(width > 0 && std::isfinite(inverse) && inverse > 0)) {
    std::fill_n(values, n, std::uint8_t{0});
    return {};
  }
  const auto zero = static_cast<std::int32_t>(std::nearbyint(-low * inverse));
  to_u8(x, n, inverse, zero, levels, values);
  return {width / static_cast<float>(levels), zero};
}

void quantize_u8_static(Isa isa, const float* x, std::int64_t n, const U8Row& row,
                        std::int32_t levels, std::uint8_t* values) {
#if defined(__x86_64__)
  if (isa != Isa::kPortable && u8_inverse(row.scale) != 0)
    return to_u8_static_avx2(x, n, row, levels, values);
#endif
  (void)isa;
  to_u8_static_portable(x, n, row, levels, values);
}

void dequantize_u8(Isa isa, const std::uint8_t* values, std::int64_t n, const U8Row& row,
                   float* y) {
  std::int64_t done = 0;
#if defined(__x86_64__)
  if (isa != Isa::kPortable) done = from_u8_avx2(values, n, row, y);
#endif
  (void)isa;
  for (std::int64_t i = done; i < n; ++i)
    y[i] = static_cast<float>(values[i] - row.zero) * row.scale;
}

void gemm_u8(const U8Matrix& w, const TappedRows<std::uint8_t>& x, const U8Row* rows,
             std::int64_t rows_stride, std::int64_t num_rows, float* y, std::int64_t y_stride,
             std::int64_t row_begin, std::int64_t row_end, const GemmFinish* finish) {
  U8Sink sink;
  sink.y = y;
  sink.stride = y_stride;
  multiply({w, x, rows, rows_stride, num_rows, sink, finish ? *finish : GemmFinish()}, row_begin,
           row_end);
}

void gemm_u8(const U8Matrix& w, const TappedRows<std::uint8_t>& x, const U8Row& row,
             std::int64_t num_rows, const U8Sink& sink, std::int64_t row_begin,
             std::int64_t row_end, const GemmFinish& finish) {
  multiply({w, x, &row, 0, num_rows, sink, finish}, row_begin, row_end);
}

}  // namespace antiphon
