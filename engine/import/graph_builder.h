// Builds an ir graph node by node: shapes by the schema table, loop bodies, captured values. The
// first error of a node sticks until take_error().
#pragma once

#include <map>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "engine/import/whole.h"
#include "engine/ir/graph.h"

namespace antiphon::onnx {

using AttrList = std::vector<std::pair<const char*, ir::Attr>>;

class GraphBuilder {
 public:
  explicit GraphBuilder(std::string name);

  // -- errors --
  bool failed() const { return !error_.ok(); }
  void fail(Status error);
  Status take_error();
  // What new nodes are named after.
  void set_label(std::string label) { label_ = std::move(label); }

  // -- values --
  ValueRef input(const std::string& name, DType dtype, Shape shape);
  void output(const std::string& name, ValueRef value);
  ValueRef constant(DType dtype, Shape shape, ir::ConstantData data);
  ValueRef constant(DType dtype, const std::vector<std::int64_t>& dims,
                    const void* data);  // copies
  ValueRef scalar(float value);
  // Invalid ones are absent inputs. An invalid result after fail().
  ValueRef node(ir::OpKind op, const std::vector<ValueRef>& inputs, AttrList attrs = {});
  std::vector<ValueRef> nodes(ir::OpKind op, const std::vector<ValueRef>& inputs, AttrList attrs,
                              std::size_t num_outputs);
  std::vector<ValueRef> custom(std::shared_ptr<const ir::CustomOp> op,
                               const std::vector<ValueRef>& inputs, ir::Attrs attrs);
  const ir::ValueInfo& info(ValueRef value) const;
  // Names a value that nodes make, once: the first name stays.
  void name(ValueRef value, const std::string& name);
  // The bytes, where the value is a constant.
  const ir::ValueInfo* constant_info(ValueRef value) const;
  // The node that made the value, in the scope that is open; null: none.
  const ir::Node* maker(ValueRef value) const;
  int scope() const { return scopes_.back().serial; }
  bool is_open(int serial) const;
  // The extent as a number or an expression.
  Whole extent(ValueRef value, int axis);

  // -- loops --
  struct Loop {
    std::vector<ValueRef> carried, scanned;  // of the scope around
    int scan_axis = 0;
    std::int64_t trip_limit = 0;
    bool reverse = false;
  };
  void begin_loop(const Loop& loop);
  ValueRef loop_input(std::size_t index) const;  // carried, then scanned slices
  // Closes the body. Final carried values, emitted sequences, then the iterations if stop is valid.
  std::vector<ValueRef> end_loop(const std::vector<ValueRef>& next,
                                 const std::vector<ValueRef>& emitted, ValueRef stop);
  const ir::Graph& innermost() const { return *scopes_.back().graph; }
  void abandon_loop();  // after an error inside

  ir::Graph take() { return std::move(graph_); }

 private:
  struct Scope {
    int serial = 0;
    ir::Graph* graph = nullptr;
    ir::Node loop;  // bodies only; owns the graph
    std::map<ir::ValueId, ir::ValueId> captured;
    Loop spec;
  };
  ir::Graph& graph() { return *scopes_.back().graph; }
  ir::ValueId local(ValueRef value, std::size_t depth);
  ir::ValueId capture(std::size_t depth, ir::ValueId outer);
  ir::Graph* graph_of(int serial) const;
  std::string unique_name(const std::string& base);
  std::vector<ValueRef> add(ir::Node node, const std::vector<ValueRef>& inputs,
                            std::size_t num_outputs);

  ir::Graph graph_;
  std::vector<Scope> scopes_;
  std::map<std::string, int> names_;
  std::set<std::pair<int, ir::ValueId>> named_;
  std::map<std::string, Whole> symbols_;
  std::string label_ = "node";
  Status error_;
  int num_scopes_ = 0;
};

}  // namespace antiphon::onnx
