// The state of a Network under construction: its graph, and the loop bodies that are open.
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "engine/ir/graph.h"
#include "engine/ir/schema.h"
#include "engine/network.h"

namespace antiphon {

struct Network::Impl {
  // Where a Value lives. Handles number the values of all scopes; a graph numbers its own.
  struct Handle {
    int scope = 0;  // serial number of the scope
    ir::ValueId id = ir::kNoValue;
  };
  // The outermost graph, or a loop body that is being defined.
  struct Scope {
    int serial = 0;
    ir::Graph* graph = nullptr;
    ir::Node loop;                                // bodies only; owns the graph
    std::map<ir::ValueId, ir::ValueId> captured;  // of the graph around -> here
    std::vector<ir::ValueId> next, emitted;       // ids here
    ir::ValueId stop = ir::kNoValue;
  };

  explicit Impl(std::string name);

  // The first error sticks, with the names of the network and of the operation.
  void fail(std::string_view operation, const Status& error);
  bool failed() const { return !status.ok(); }

  Scope& scope() { return scopes.back(); }
  std::string unique_name(std::string_view base);
  Value handle_of(ir::ValueId id);
  // The id of `value` in the scope at `depth`, captured from the graphs around where needed.
  // kNoValue after fail() when the value belongs to a body that is closed.
  ir::ValueId local_id(Value value, std::size_t depth);
  ir::ValueId local_id(Value value) { return local_id(value, scopes.size() - 1); }
  // Type of a value where it was made; null for an invalid one.
  const ir::ValueInfo* info_of(Value value) const;
  // The axis counted from the front; -1 after fail().
  int axis_of(Value value, int axis, std::string_view operation);

  // Adds a node to the innermost scope. Invalid inputs are absent ones.
  std::vector<Value> add_node(ir::Node node, std::string_view base,
                              const std::vector<Value>& inputs);
  Value add(ir::OpKind op, std::string_view base, const std::vector<Value>& inputs,
            ir::Attrs attrs = {});
  Value constant(std::string name, DType dtype, std::vector<std::int64_t> dims, const void* data);

  ir::Graph graph;
  Status status;
  std::vector<Scope> scopes;
  std::vector<Handle> handles;
  std::map<std::string, int, std::less<>> counters;
  int num_scopes = 0;

 private:
  ir::ValueId capture(std::size_t depth, ir::ValueId outer);
};

}  // namespace antiphon
