// Matrix-vector tasks: up to 16 rows of x share one pass over the weights.
#include <algorithm>

#include "engine/kernels/cpu/loop/linear_weights.h"
#include "engine/kernels/cpu/loop/tasks.h"

namespace antiphon::loop {
namespace {

// Outputs that are computed before the direction matters: whole pairs of panels, of bytes more as
// they are soon read.
constexpr std::int64_t kPartRows = 8 * kPanelRows, kBytePartRows = 16 * kPanelRows;

// Up to kMaxRows rows at equal distances.
constexpr int kMaxRows = 16;
struct Rows {
  int count = 0;
  const float* x = nullptr;
  float* y = nullptr;
  const float* residual = nullptr;
  std::int64_t x_step = 0, y_step = 0, residual_step = 0;

  // False: the row lies elsewhere.
  bool take(const float* next_x, float* next_y, const float* next_residual) {
    if (count == 0) {
      x = next_x;
      y = next_y;
      residual = next_residual;
    } else if (count == 1) {
      x_step = next_x - x;
      y_step = next_y - y;
      residual_step = next_residual - residual;
    } else if (count >= kMaxRows || next_x - x != count * x_step || next_y - y != count * y_step ||
               next_residual - residual != count * residual_step) {
      return false;
    }
    ++count;
    return true;
  }
};

// A product of panels of f32, 24 bits or bytes may add bias and residual, and apply relu, while it
// is in registers.
bool finishes_in_registers(const Op& op) {
  const auto relu = static_cast<int>(Unary::kRelu);
  const LinearWeights* w = op.weights;
  return w && (!w->f32.empty() || !w->i24.empty() || !w->u8.empty()) &&
         (op.act < 0 || op.act == relu) && (op.act2 < 0 || op.act2 == relu);
}

// begin: of the weights' rows.
void epilogue(const Task& task, const VectorMath& math, const Rows& rows, std::int64_t begin,
              std::int64_t n) {
  const Op& op = *task.op;
  const float* bias = op.weights ? op.weights->bias : nullptr;
  const auto& add = math.binary[static_cast<std::size_t>(Binary::kAdd)];
  for (int r = 0; r < rows.count; ++r) {
    float* y = rows.y + r * rows.y_step + begin;
    if (bias) add(y, bias + begin, y, n);
    if (op.act >= 0) math.unary[static_cast<std::size_t>(op.act)](y, y, n);
    if (op.residual) add(y, rows.residual + r * rows.residual_step + begin, y, n);
    if (op.act2 >= 0) math.unary[static_cast<std::size_t>(op.act2)](y, y, n);
  }
}

// Row-major weights: very few rows of constants, or what an earlier node made.
void multiply_plain(const Task& task, const Frame& frame, const Rows& rows, std::int64_t begin,
                    std::int64_t end) {
  const LinearWeights* weights = task.op->weights;
  const bool constant = weights && !weights->plain.empty();
  const Place& made = task.in.back();
  const float* w = constant ? weights->plain.data() : at<float>(frame, made);
  const std::int64_t k = task.in[0].dim(task.in[0].rank - 1);
  const std::int64_t step = constant ? k : made.stride(0);
  for (std::int64_t n = begin; n < end; ++n)
    for (int r = 0; r < rows.count; ++r)
      rows.y[r * rows.y_step + n] = frame.math->dot(rows.x + r * rows.x_step, w + n * step, k);
}

// x as bytes: [rows of it][stride], what lies behind a row meets no weights.
struct ByteRows {
  std::uint8_t* values = nullptr;
  std::int64_t stride = 0;
  U8Row numbers[kMaxRows];
};

// x for int8 weights: words or bytes, or neither.
struct QuantizedX {
  QuantizedRows words;
  ByteRows bytes;
};

std::int64_t byte_stride(std::int64_t k) { return (k + 3) / 4 * 4; }

void quantize_bytes(const LinearWeights& weights, const Rows& rows, ByteRows& bytes) {
  const Isa isa = weights.u8[0].isa;
  for (int r = 0; r < rows.count; ++r) {
    const float* x = rows.x + r * rows.x_step;
    std::uint8_t* values = bytes.values + r * bytes.stride;
    bytes.numbers[r] = range_u8(isa, x, weights.k);
    if (bytes.numbers[r].scale > 0)
      quantize_u8_static(isa, x, weights.k, bytes.numbers[r], 255, values);
    else
      std::fill_n(values, weights.k, std::uint8_t{0});
  }
}

void quantize(const Task& task, const Frame& frame, const Rows& rows, QuantizedX& x) {
  const LinearWeights& weights = *task.op->weights;
  if (!weights.u8.empty()) {
    x.bytes.values = reinterpret_cast<std::uint8_t*>(frame.temp);
    x.bytes.stride = byte_stride(weights.k);
    quantize_bytes(weights, rows, x.bytes);
  } else if (!weights.i8.empty()) {
    x.words = quantized_rows_at(frame.temp, rows.count, weights.k);
    quantize_rows(weights.i8[0]->isa, rows.x, rows.x_step, weights.k, weights.q_max, x.words);
  }
}

// Part of one group's outputs, which begin at `first` of all: a few panels of its weights.
void multiply(const Task& task, const Frame& frame, const Rows& rows, const QuantizedX& x,
              std::int64_t group, std::int64_t first, const Range& part) {
  const Op& op = *task.op;
  const LinearWeights* weights = op.weights;
  const auto g = static_cast<std::size_t>(group);
  float* y = rows.y + first;
  GemmFinish finish;
  if (weights && weights->bias) finish.bias = weights->bias + first;
  if (op.residual) finish.residual = rows.residual + first;
  finish.residual_stride = rows.residual_step;
  finish.relu = op.act >= 0;
  finish.relu_last = op.act2 >= 0;
  const GemmFinish* in_registers = finishes_in_registers(op) ? &finish : nullptr;
  if (x.words.values) {
    gemv_int8(*weights->i8[g], x.words, y, rows.y_step, part.begin, part.end);
  } else if (x.bytes.values) {
    gemm_u8(weights->u8[g], {x.bytes.values, x.bytes.stride, 1, 0, x.bytes.stride}, x.bytes.numbers,
            1, rows.count, y, rows.y_step, part.begin, part.end, in_registers);
  } else if (weights && !weights->i24.empty()) {
    gemm_i24(weights->i24[g], rows.x, rows.x_step, rows.count, y, rows.y_step, part.begin, part.end,
             in_registers);
  } else if (weights && !weights->f32.empty()) {
    gemm_f32(weights->f32[g], {rows.x, rows.x_step, 1, 0, weights->k}, rows.count, y, rows.y_step,
             part.begin, part.end, in_registers);
  } else {
    multiply_plain(task, frame, rows, part.begin, part.end);
  }
}

// Every other iteration walks the weights from their end: of weights somewhat larger than a core's
// cache it finds there what the last one read last, where the same order each time finds nothing.
void run_rows(const Task& task, const Frame& frame, const Rows& rows) {
  const LinearWeights* weights = task.op->weights;
  const std::int64_t groups = weights ? weights->groups : 1;
  const std::int64_t width = task.out[0].dim(task.out[0].rank - 1) / groups;
  const Range range = task.by_rows ? task.range : Range{0, width};
  const std::int64_t part_rows = weights && !weights->u8.empty() ? kBytePartRows : kPartRows;
  const std::int64_t num_parts = (range.end - range.begin + part_rows - 1) / part_rows;
  const bool from_end = frame.iteration % 2 != 0;
  QuantizedX x;
  if (weights) quantize(task, frame, rows, x);
  for (std::int64_t i = 0; i < groups; ++i) {
    const std::int64_t g = from_end ? groups - 1 - i : i;
    for (std::int64_t p = 0; p < num_parts; ++p) {
      const std::int64_t begin = range.begin + (from_end ? num_parts - 1 - p : p) * part_rows;
      multiply(task, frame, rows, x, g, g * width, {begin, std::min(begin + part_rows, range.end)});
    }
    if (finishes_in_registers(*task.op)) continue;
    epilogue(task, *frame.math, rows, g * width + range.begin, range.end - range.begin);
  }
}

}  // namespace

std::size_t linear_temp_bytes(std::int64_t num_rows, std::int64_t k) {
  const std::int64_t rows = num_rows < kMaxRows ? num_rows : kMaxRows;
  return std::max(quantized_rows_bytes(rows, k), static_cast<std::size_t>(rows * byte_stride(k)));
}

void run_linear(const Task& task, const Frame& frame) {
  const Place& from = task.in[0];
  const Place& to = task.out[0];
  const Place& residual = task.in[task.op->residual ? 1 : 0];
  float* y = at<float>(frame, to);
  const float* x = at<float>(frame, from);
  const float* added = at<float>(frame, residual);
  // Batches of rows begin anew with the innermost axis of rows, so that they are the same ones for
  // every split.
  const std::int64_t run = to.rank > 1 ? to.dim(to.rank - 2) : 1;
  std::int64_t done = 0;
  Rows rows;
  for_each_row<3>({&to, &from, &residual}, to.rank - 1, [&](const auto& offset) {
    const bool first = done++ % run == 0;
    if ((!first || rows.count == 0) && rows.take(x + offset[1], y + offset[0], added + offset[2]))
      return;
    run_rows(task, frame, rows);
    rows = {};
    rows.take(x + offset[1], y + offset[0], added + offset[2]);
  });
  if (rows.count > 0) run_rows(task, frame, rows);
}

}  // namespace antiphon::loop
