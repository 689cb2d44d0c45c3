// A compiled loop body: phases of tasks for every member of the team, and the memory they touch.
#pragma once

#include <array>
#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "engine/ir/graph.h"
#include "engine/kernels/cpu/gemv_f32.h"
#include "engine/kernels/cpu/split.h"
#include "engine/kernels/cpu/vector_math.h"
#include "engine/kernels/kernel.h"

namespace antiphon::loop {

constexpr int kMaxRank = Tensor::kMaxRank;

// A strided view into one of the program's bases. Offset and strides count elements.
struct Place {
  std::int32_t base = -1;
  DType dtype = DType::kF32;
  int rank = 0;
  std::int64_t offset = 0;
  std::array<std::int64_t, kMaxRank> dims{};
  std::array<std::int64_t, kMaxRank> strides{};

  std::int64_t num_elements() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[static_cast<std::size_t>(i)];
    return n;
  }
  std::int64_t dim(int axis) const { return dims[static_cast<std::size_t>(axis)]; }
  std::int64_t stride(int axis) const { return strides[static_cast<std::size_t>(axis)]; }
};

// Where a base lies at iteration t: memory + offset[t % 2] + t * step (bytes). Carried values have
// a base to read and one to write, with the two offsets exchanged.
struct Base {
  enum class Kind : std::uint8_t { kScratch, kConstant, kInput, kOutput };
  Kind kind = Kind::kScratch;
  int index = 0;  // of the input or output
  const void* constant = nullptr;
  std::array<std::int64_t, 2> offset{};
  std::int64_t step = 0;
};
struct BoundBase {
  std::array<std::byte*, 2> data{};
  std::int64_t step = 0;
};

// Who makes which part of a value.
// kReady: there before the iteration starts. kPrivate: every member makes a copy of its own.
// kSliced: `axis` is groups * width elements; member m makes the same range of every group.
// kMixed: parts of several members in no simple order.
struct Partition {
  enum class Kind : std::uint8_t { kReady, kPrivate, kSliced, kMixed };
  Kind kind = Kind::kReady;
  int axis = 0;
  std::int64_t groups = 1;
};

// The same for every value of equal width: slices of different values line up. From kSlicedRows on
// they begin at whole panels of packed weights; narrower linears are not split by their rows.
constexpr std::int64_t kSlicedRows = 2 * kPanelRows;
Range slice_of(std::int64_t width, int members, int member);

struct LinearWeights;
struct Op;

// What a member sees while it runs one iteration.
struct Frame {
  const BoundBase* bases = nullptr;
  std::int64_t iteration = 0;
  std::byte* temp = nullptr;  // the member's own
  const VectorMath* math = nullptr;
  std::atomic<const Op*>* failed = nullptr;  // an op whose data was wrong
};

// One member's part of an op: operands narrowed to it.
struct Task {
  void (*run)(const Task&, const Frame&) = nullptr;
  const Op* op = nullptr;
  std::vector<Place> in, out;
  std::int64_t origin = 0;  // where the slice begins on the sliced axis
  bool whole = true;        // not sliced
  // A linear split by its weights' rows: operands are not narrowed, `range` is meant of every
  // group.
  bool by_rows = false;
  Range range;
};

// What an op reads of an input: all of it, or the slice that lines up.
struct Need {
  bool aligned = false;
  int axis = 0;
};

// One operation of the body.
struct Op {
  ir::OpKind kind = ir::OpKind::kIdentity;
  const ir::Node* node = nullptr;  // null: a copy that the compiler added
  void (*run)(const Task&, const Frame&) = nullptr;
  std::vector<Place> in, out;
  std::vector<Need> needs;
  Partition part;
  int phase = 0;
  int axis = 0;
  int code = 0;       // Reduce, or log_softmax
  float epsilon = 0;  // layer_norm
  float alpha = 1;    // matmul
  float pad_value = 0;
  bool transpose_a = false, transpose_b = false;  // matmul
  int act = -1, act2 = -1;                        // antiphon::Unary; -1: none
  bool residual = false;                          // in[1] of a linear or conv
  bool unread_last = false;                       // leads to nothing that the last step must make
  std::array<std::int64_t, 4> numbers{};  // stride, dilation, groups, pad_left; times, before
  const LinearWeights* weights = nullptr;
  ir::PointwiseProgram pointwise;
  std::size_t temp_bytes = 0;
};

struct LoopProgram final : Prepared {
  int members = 1;
  std::int64_t trips = 0;
  std::vector<std::unique_ptr<Op>> ops;
  std::vector<Base> bases;
  std::vector<std::vector<std::vector<Task>>> phases;  // [phase][member]
  struct Carried {
    std::int64_t offset[2] = {0, 0};  // of the two buffers in the workspace
    std::size_t bytes = 0;
  };
  std::vector<Carried> carried;
  int num_emitted = 0;
  std::int64_t scan_axis = 0;
  bool reverse = false;
  bool has_stop = false;
  Place stop;  // member 0's copy
  std::size_t scratch_bytes = 0;
  std::size_t private_bytes = 0;           // of one member
  std::size_t temp_bytes = 0;              // of one member
  std::vector<std::vector<double>> zeros;  // what zeros nodes give
  std::vector<BoundBase> bound;            // written by run()
  std::atomic<const Op*> failed{nullptr};

  // As if every value were private: how values are split depends on the extents, and the bytes at a
  // profile's largest extents must be enough for all smaller ones.
  std::size_t reserved_bytes = 0;
  std::size_t workspace_bytes() const {
    return reserved_bytes + static_cast<std::size_t>(members) * temp_bytes;
  }
};

template <typename T>
T* at(const Frame& frame, const Place& place) {
  const BoundBase& base = frame.bases[place.base];
  std::byte* start = base.data[static_cast<std::size_t>(frame.iteration & 1)];
  return reinterpret_cast<T*>(start + frame.iteration * base.step) + place.offset;
}

constexpr std::size_t kLine = 128;  // two cache lines: neighbours prefetch in pairs
constexpr std::size_t round_up(std::size_t bytes) { return (bytes + kLine - 1) / kLine * kLine; }

}  // namespace antiphon::loop
