// Element-wise tasks: point-wise programs a chunk at a time, copies, and single ops on other types.
#include <cmath>
#include <cstring>
#include <limits>

#include "engine/kernels/cpu/loop/body_shapes.h"
#include "engine/kernels/cpu/loop/tasks.h"

namespace antiphon::loop {
namespace {

using Step = ir::PointwiseStep;

std::size_t u(std::int64_t i) { return static_cast<std::size_t>(i); }

// n elements of a row as contiguous memory: where they lie, or copied to `buffer`.
const float* load_row(const float* x, std::int64_t stride, std::int64_t n, float* buffer) {
  if (stride == 1) return x;
  for (std::int64_t i = 0; i < n; ++i) buffer[i] = x[i * stride];
  return buffer;
}

void run_step(const Step& s, const VectorMath& math, const float* const* registers, float* y,
              std::int64_t n) {
  switch (s.kind) {
    case Step::Kind::kUnary: math.unary[s.op](registers[s.a], y, n); break;
    case Step::Kind::kBinary: math.binary[s.op](registers[s.a], registers[s.b], y, n); break;
    case Step::Kind::kClamp: math.clamp(registers[s.a], s.low, s.high, y, n); break;
    case Step::Kind::kWhere:
      math.where(registers[s.a], registers[s.b], registers[s.c], y, n);
      break;
    case Step::Kind::kScalar:
      for (std::int64_t i = 0; i < n; ++i) y[i] = s.low;
      break;
    case Step::Kind::kFromBytes:
    case Step::Kind::kToBytes: break;  // no body has them (body_shapes.cpp)
  }
}

// One chunk of one row. in, out: at the chunk's first element.
void run_chunk(const Task& task, const Frame& frame, const float* const* in, float* const* out,
               std::int64_t n) {
  const ir::PointwiseProgram& program = task.op->pointwise;
  const std::size_t num_in = task.in.size();
  const float* registers[kMaxRegisters];
  float* temp = reinterpret_cast<float*>(frame.temp);
  const int inner = task.out[0].rank - 1;
  for (std::size_t i = 0; i < num_in; ++i, temp += kChunk)
    registers[i] = load_row(in[i], task.in[i].stride(inner), n, temp);
  for (std::size_t s = 0; s < program.steps.size(); ++s, temp += kChunk) {
    float* y = temp;
    for (std::size_t o = 0; o < task.out.size(); ++o)
      if (u(program.results[o]) == num_in + s && task.out[o].stride(inner) == 1) y = out[o];
    run_step(program.steps[s], *frame.math, registers, y, n);
    registers[num_in + s] = y;
  }
  for (std::size_t o = 0; o < task.out.size(); ++o) {
    const float* from = registers[program.results[o]];
    const std::int64_t stride = task.out[o].stride(inner);
    if (from == out[o]) continue;
    for (std::int64_t i = 0; i < n; ++i) out[o][i * stride] = from[i];
  }
}

template <typename F>
void for_each_index(const Place& shape, int num_axes, F&& f) {
  std::array<std::int64_t, kMaxRank> index{};
  while (true) {
    f(index);
    int axis = num_axes - 1;
    for (; axis >= 0; --axis) {
      if (++index[u(axis)] < shape.dim(axis)) break;
      index[u(axis)] = 0;
    }
    if (axis < 0) return;
  }
}

std::int64_t offset_at(const Place& place, const std::array<std::int64_t, kMaxRank>& index,
                       int num_axes) {
  std::int64_t offset = 0;
  for (int i = 0; i < num_axes; ++i) offset += index[u(i)] * place.stride(i);
  return offset;
}

double load(const Frame& frame, const Place& place, std::int64_t offset) {
  switch (place.dtype) {
    case DType::kF32: return static_cast<double>(at<float>(frame, place)[offset]);
    case DType::kI32: return at<std::int32_t>(frame, place)[offset];
    case DType::kI64: return static_cast<double>(at<std::int64_t>(frame, place)[offset]);
    case DType::kI8: return at<std::int8_t>(frame, place)[offset];
    default: return at<std::uint8_t>(frame, place)[offset];
  }
}

// Towards zero; what does not fit becomes the nearest that does, NaN 0.
template <typename T>
T to_whole(double x) {
  constexpr double kLow = static_cast<double>(std::numeric_limits<T>::min());
  constexpr double kHigh = static_cast<double>(std::numeric_limits<T>::max());
  if (!(x > kLow)) return x <= kLow ? std::numeric_limits<T>::min() : T{0};
  return x >= kHigh ? std::numeric_limits<T>::max() : static_cast<T>(x);
}

void store(const Frame& frame, const Place& place, std::int64_t offset, double x) {
  switch (place.dtype) {
    case DType::kF32: at<float>(frame, place)[offset] = static_cast<float>(x); break;
    case DType::kI32: at<std::int32_t>(frame, place)[offset] = to_whole<std::int32_t>(x); break;
    case DType::kI64: at<std::int64_t>(frame, place)[offset] = to_whole<std::int64_t>(x); break;
    case DType::kI8: at<std::int8_t>(frame, place)[offset] = to_whole<std::int8_t>(x); break;
    case DType::kBool: at<std::uint8_t>(frame, place)[offset] = x != 0 ? 1 : 0; break;
    default: at<std::uint8_t>(frame, place)[offset] = to_whole<std::uint8_t>(x); break;
  }
}

double unary(Unary op, double x) {
  switch (op) {
    case Unary::kNeg: return -x;
    case Unary::kAbs: return std::abs(x);
    case Unary::kNot: return x == 0 ? 1 : 0;
    default: return x;  // the schema gives the others to f32 alone
  }
}

double binary(Binary op, double a, double b, bool whole_numbers) {
  switch (op) {
    case Binary::kAdd: return a + b;
    case Binary::kSub: return a - b;
    case Binary::kMul: return a * b;
    case Binary::kDiv: return whole_numbers ? (b == 0 ? 0 : std::trunc(a / b)) : a / b;
    case Binary::kMax: return a > b ? a : b;
    case Binary::kMin: return a < b ? a : b;
    case Binary::kPow: return std::pow(a, b);
    case Binary::kEqual: return a == b ? 1 : 0;
    case Binary::kLess: return a < b ? 1 : 0;
    case Binary::kGreater: return a > b ? 1 : 0;
    case Binary::kAnd: return a != 0 && b != 0 ? 1 : 0;
    case Binary::kOr: return a != 0 || b != 0 ? 1 : 0;
  }
  return 0;
}

double scalar_op(const ir::Node& node, const double* x, bool whole_numbers) {
  const std::int64_t op = node.attrs.i("op");
  switch (node.op) {
    case ir::OpKind::kUnary: return unary(static_cast<Unary>(op), x[0]);
    case ir::OpKind::kBinary: return binary(static_cast<Binary>(op), x[0], x[1], whole_numbers);
    case ir::OpKind::kWhere: return x[0] != 0 ? x[1] : x[2];
    default: return x[0];  // cast
  }
}

}  // namespace

void run_pointwise(const Task& task, const Frame& frame) {
  const Place& shape = task.out[0];
  const int inner = shape.rank - 1;
  const std::int64_t n = shape.dim(inner);
  const float* in[kMaxRegisters];
  float* out[kMaxRegisters];
  for_each_index(shape, inner, [&](const auto& index) {
    for (std::int64_t begin = 0; begin < n; begin += kChunk) {
      for (std::size_t i = 0; i < task.in.size(); ++i) {
        const Place& p = task.in[i];
        in[i] = at<float>(frame, p) + offset_at(p, index, inner) + begin * p.stride(inner);
      }
      for (std::size_t i = 0; i < task.out.size(); ++i) {
        const Place& p = task.out[i];
        out[i] = at<float>(frame, p) + offset_at(p, index, inner) + begin * p.stride(inner);
      }
      run_chunk(task, frame, in, out, n - begin < kChunk ? n - begin : kChunk);
    }
  });
}

void run_copy(const Task& task, const Frame& frame) {
  const Place& to = task.out[0];
  const Place& from = task.in[0];
  const int inner = to.rank - 1;
  const std::size_t bytes = dtype_bytes(to.dtype);
  const std::int64_t n = to.dim(inner);
  const auto step = [bytes](std::int64_t count) {
    return count * static_cast<std::int64_t>(bytes);
  };
  const std::byte* x = reinterpret_cast<const std::byte*>(at<std::byte>(frame, from)) -
                       from.offset + step(from.offset);
  std::byte* y = at<std::byte>(frame, to) - to.offset + step(to.offset);
  for_each_index(to, inner, [&](const auto& index) {
    const std::byte* row_x = x + step(offset_at(from, index, inner));
    std::byte* row_y = y + step(offset_at(to, index, inner));
    if (from.stride(inner) == 1 && to.stride(inner) == 1) {
      std::memcpy(row_y, row_x, u(n) * bytes);
      return;
    }
    for (std::int64_t i = 0; i < n; ++i)
      std::memcpy(row_y + step(i * to.stride(inner)), row_x + step(i * from.stride(inner)), bytes);
  });
}

void run_scalar(const Task& task, const Frame& frame) {
  const Place& to = task.out[0];
  const bool whole_numbers = task.in[0].dtype != DType::kF32;
  for_each_index(to, to.rank, [&](const auto& index) {
    double x[3] = {0, 0, 0};
    for (std::size_t i = 0; i < task.in.size(); ++i)
      x[i] = load(frame, task.in[i], offset_at(task.in[i], index, to.rank));
    store(frame, to, offset_at(to, index, to.rank), scalar_op(*task.op->node, x, whole_numbers));
  });
}

}  // namespace antiphon::loop
