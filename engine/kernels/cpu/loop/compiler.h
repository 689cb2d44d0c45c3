// The state of a compilation: where every value of the body lies, who makes it, and when.
#pragma once

#include <memory>
#include <vector>

#include "engine/kernels/cpu/loop/body_shapes.h"
#include "engine/kernels/cpu/loop/linear_weights.h"
#include "engine/kernels/cpu/loop/partition.h"
#include "engine/kernels/cpu/loop/program.h"
#include "engine/kernels/cpu/loop/tasks.h"

namespace antiphon::loop {

constexpr std::int32_t kSharedBase = 0;   // scratch that all members see
constexpr std::int32_t kPrivateBase = 1;  // a copy a member

// Used once: construct, take().
class Compiler {
 public:
  Compiler(const NodeView& view, BodyShapes shapes, const LoopPacked* packed);
  Result<std::unique_ptr<LoopProgram>> take();

 private:
  // compile.cpp
  std::int32_t add_base(Base base);
  Base sequence_base(Base::Kind kind, int index, const Tensor& sequence) const;
  std::int64_t allocate(const Tensor& shape, bool is_private);
  void place_inputs();
  Place result_place(ir::ValueId id, const Tensor& shape, const Partition& part);
  Place channels_last_place(const Tensor& shape, const Partition& part);
  Source add_copy(const Source& from, OpShape shape, const Place* to);
  void add_copy_into(const Source& from, const Place& to);
  void finish_outputs();
  Status compile_body();
  void mark_unread();

  // compile_nodes.cpp
  Status add_node(const ir::Node& node, std::size_t index);
  void add_view(const ir::Node& node);
  void add_concat(const ir::Node& node);
  void add_zeros(const ir::Node& node);
  void add_op(const ir::Node& node, OpShape shape, std::vector<Source> in, std::unique_ptr<Op> op);
  void add_elementwise(const ir::Node& node);
  void add_linear(const ir::Node& node, std::size_t index);
  void add_conv(const ir::Node& node, std::size_t index);
  void add_matmul(const ir::Node& node);
  void add_rows(const ir::Node& node);
  void add_moves(const ir::Node& node);
  Source contiguous(const Source& source);  // copied where the last axis is not
  bool wants_whole(ir::ValueId id, int depth = 0) const;
  bool user_wants_whole(const ir::Node& user, std::size_t input, int depth) const;

  const Source& source(const ir::Node& node, std::size_t i) const {
    return values_[static_cast<std::size_t>(node.inputs[i])];
  }
  const Tensor& shape_of(ir::ValueId id) const {
    return shapes_.values[static_cast<std::size_t>(id)];
  }
  static bool has(const ir::Node& node, std::size_t i) {
    return i < node.inputs.size() && node.inputs[i] != ir::kNoValue;
  }

  const NodeView& view_;
  const ir::Graph& body_;
  BodyShapes shapes_;
  const LoopPacked* packed_;
  std::unique_ptr<LoopProgram> program_;
  std::vector<Source> values_;      // by id
  std::vector<Place> next_places_;  // of carried values: what the iteration writes
  std::vector<bool> next_taken_;    // written by the op that makes the value
};

// Appends the tasks of one member.
void cut(const Op& op, const LoopProgram& program, int member, std::vector<Task>& tasks);

}  // namespace antiphon::loop
