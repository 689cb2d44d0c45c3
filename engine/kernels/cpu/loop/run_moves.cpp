// Tasks that move data: embedding, repeat, reverse, pad.
#include <cstring>

#include "engine/kernels/cpu/loop/tasks.h"

namespace antiphon::loop {
namespace {

template <typename T, typename F>
void move_elements(const Task& task, const Frame& frame, F&& from_index) {
  const Place& from = task.in[0];
  const Place& to = task.out[0];
  const int axis = task.op->axis;
  const bool shifted = !task.whole && task.op->part.axis == axis;
  const std::int64_t origin = shifted ? task.origin : 0;
  const std::int64_t n = to.dim(axis), extent = from.dim(axis);
  for_each_row<2>({&to, &from}, axis, [&](const auto& offset) {
    T* y = at<T>(frame, to) + offset[0];
    const T* x = at<T>(frame, from) + offset[1];
    for (std::int64_t i = 0; i < n; ++i) {
      const std::int64_t j = from_index(i + origin, extent);
      y[i * to.stride(axis)] =
          j >= 0 && j < extent ? x[j * from.stride(axis)] : static_cast<T>(task.op->pad_value);
    }
  });
}

template <typename F>
void move_any(const Task& task, const Frame& frame, F&& from_index) {
  switch (task.out[0].dtype) {
    case DType::kF32: move_elements<float>(task, frame, from_index); break;
    case DType::kI32: move_elements<std::int32_t>(task, frame, from_index); break;
    case DType::kI64: move_elements<std::int64_t>(task, frame, from_index); break;
    case DType::kF16: move_elements<std::uint16_t>(task, frame, from_index); break;
    default: move_elements<std::uint8_t>(task, frame, from_index); break;
  }
}

}  // namespace

void run_repeat(const Task& task, const Frame& frame) {
  const std::int64_t times = task.op->numbers[0];
  move_any(task, frame, [times](std::int64_t i, std::int64_t) { return i / times; });
}

void run_reverse(const Task& task, const Frame& frame) {
  move_any(task, frame, [](std::int64_t i, std::int64_t extent) { return extent - 1 - i; });
}

void run_pad(const Task& task, const Frame& frame) {
  const std::int64_t before = task.op->numbers[0];
  move_any(task, frame, [before](std::int64_t i, std::int64_t) { return i - before; });
}

// ids, table [rows, width], [scale [rows]]
void run_embedding(const Task& task, const Frame& frame) {
  const Place& to = task.out[0];
  const Place& table = task.in[1];
  const int last = to.rank - 1;
  Place ids = task.in[0];  // seen with the last axis of the result
  ids.rank = to.rank;
  ids.strides[static_cast<std::size_t>(last)] = 0;
  const std::int64_t column = !task.whole && task.op->part.axis == last ? task.origin : 0;
  const std::int64_t n = to.dim(last);
  for_each_row<2>({&to, &ids}, last, [&](const auto& offset) {
    std::int64_t id = at<std::int32_t>(frame, ids)[offset[1]];
    if (id < 0 || id >= table.dim(0)) {
      frame.failed->store(task.op, std::memory_order_relaxed);
      id = 0;
      if (table.dim(0) == 0) return;
    }
    float* y = at<float>(frame, to) + offset[0];
    const std::int64_t first = id * table.stride(0) + column * table.stride(1);
    if (table.dtype == DType::kF32) {
      const float* row = at<float>(frame, table) + first;
      for (std::int64_t i = 0; i < n; ++i) y[i * to.stride(last)] = row[i * table.stride(1)];
      return;
    }
    const std::int8_t* row = at<std::int8_t>(frame, table) + first;
    const float scale = task.in.size() > 2 ? at<float>(frame, task.in[2])[id] : 1.0f;
    for (std::int64_t i = 0; i < n; ++i)
      y[i * to.stride(last)] = static_cast<float>(row[i * table.stride(1)]) * scale;
  });
}

}  // namespace antiphon::loop
