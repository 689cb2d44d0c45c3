// What a kernel is: an entry of an ordered table that can say whether, and run, one node.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <span>

#include "engine/base/status.h"
#include "engine/ir/graph.h"

namespace antiphon {

// A tensor at run time: concrete extents, contiguous row-major.
struct Tensor {
  static constexpr int kMaxRank = 6;
  DType dtype = DType::kF32;
  std::int32_t rank = 0;
  std::array<std::int64_t, kMaxRank> dims{};
  void* data = nullptr;      // null while only shapes are known
  bool is_constant = false;  // data is there from packing on, and never changes

  std::int64_t num_elements() const {
    std::int64_t n = 1;
    for (int i = 0; i < rank; ++i) n *= dims[i];
    return n;
  }
  std::size_t bytes() const {
    return static_cast<std::size_t>(num_elements()) * dtype_bytes(dtype);
  }
  float* f32() const { return static_cast<float*>(data); }
};

// Levels of our SIMD paths and of oneDNN. Ordered, but a machine of a higher level may lack
// kAvxVnni (supports(), isa.h).
enum class Isa : std::uint8_t { kPortable, kAvx2, kAvxVnni, kAvx512Vnni, kAmxInt8 };
inline constexpr std::array<const char*, 5> kIsaNames = {"portable", "avx2", "avx_vnni",
                                                         "avx512_vnni", "amx_int8"};

// The threads that run phases; the caller is member 0. One run() at a time.
class Team {
 public:
  virtual ~Team() = default;
  virtual int size() const = 0;
  // Calls task(context, member) on every member and returns when all are done.
  virtual void run(void (*task)(void* context, int member), void* context) = 0;
  // Inside a task: all members meet. The fast path spins.
  virtual void barrier() = 0;

  template <typename F>
  void run(F&& f) {
    run([](void* c, int member) { (*static_cast<std::remove_reference_t<F>*>(c))(member); }, &f);
  }
};

// A node with the tensors of one binding of extents. Absent optional inputs have rank -1.
struct NodeView {
  const ir::Node* node = nullptr;
  std::span<const Tensor> inputs;
  std::span<const Tensor> outputs;
  Isa isa = Isa::kPortable;
  int num_threads = 1;
  const void* self = nullptr;  // Kernel::self of the kernel that is called
};

// Weights in the layout of one kernel. Made once when a plan is loaded; shared by contexts;
// immutable.
struct Packed {
  virtual ~Packed() = default;
  virtual std::size_t bytes() const { return 0; }
};
// What one context needs for one binding of extents (a oneDNN primitive, a compiled loop program).
struct Prepared {
  virtual ~Prepared() = default;
};

struct LaunchArgs {
  std::byte* workspace = nullptr;  // workspace_bytes(), 64-byte aligned
  Team* team = nullptr;            // never null
  const Packed* packed = nullptr;
  Prepared* prepared = nullptr;
};

// Plain data. refuse() gives a reason or null. Optional functions may be null.
// run() must not allocate, lock, or fail for shapes that refuse() accepted, but for data it checks
// (an embedding id outside its table).
struct Kernel {
  ir::OpKind op;
  const char* name;  // "cpu/softmax_plain"
  const char* (*refuse)(const NodeView&);
  std::size_t (*workspace_bytes)(const NodeView&);
  Status (*run)(const NodeView&, const LaunchArgs&);
  Result<std::unique_ptr<Packed>> (*pack)(const NodeView&) = nullptr;  // constants are readable
  Result<std::unique_ptr<Prepared>> (*prepare)(const NodeView&, const Packed*) = nullptr;
  // True: output 0 may share the memory of input `in_place_input` when it is the last use.
  bool (*in_place)(const NodeView&) = nullptr;
  const void* self = nullptr;  // what one set of functions needs to stand for many kernels
  // True: results differ from f32's by more than rounding (activations as bytes). Only the tuner
  // takes it, and only where the build allows it.
  bool coarse = false;
  // True: the library that it calls allocates a few small blocks a run. Only the tuner takes it,
  // and only where it wins clearly.
  bool allocates = false;
  std::size_t in_place_input = 0;
  // True: f32 weights lose some bits, fewer than the rounding of f32 sums costs (gemm_i24.h). Only
  // the tuner takes it, and only where it wins clearly.
  bool rounds_weights = false;
};

// The view as `kernel`'s functions are to see it.
inline NodeView view_for(NodeView view, const Kernel& kernel) {
  view.self = kernel.self;
  return view;
}

// A back end: its ordered table, best first.
struct Backend {
  const char* name;  // "cpu"
  std::span<const Kernel* const> kernels;
};

}  // namespace antiphon
