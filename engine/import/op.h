// One ONNX node on its way into the graph: what the operators' functions read and write.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "engine/import/graph_builder.h"
#include "engine/import/item.h"
#include "engine/ir/op_enums.h"

namespace antiphon::onnx_wire {
class AttributeProto;
class NodeProto;
class TensorProto;
}  // namespace antiphon::onnx_wire

namespace antiphon::onnx {

class Importer;
struct Frame;

using Wholes = std::vector<Whole>;

// Errors stick: after fail() everything is a no-op that gives something harmless, and the node is
// reported with the first reason.
class Op {
 public:
  Op(Importer& importer, Frame& frame, const onnx_wire::NodeProto& node, int opset);

  // -- what the node says --
  int opset() const { return opset_; }
  const std::string& type() const;
  std::size_t num_inputs() const { return inputs_.size(); }
  std::size_t num_outputs() const;
  bool wants_output(std::size_t i) const;
  bool has_attr(const char* name) const { return attr(name) != nullptr; }
  std::int64_t attr_i(const char* name, std::int64_t fallback) const;
  double attr_f(const char* name, double fallback) const;
  std::string attr_s(const char* name, const std::string& fallback) const;
  Dims attr_ints(const char* name) const;
  std::vector<double> attr_floats(const char* name) const;
  std::vector<std::string> attr_strings(const char* name) const;
  const onnx_wire::AttributeProto* attr(const char* name) const;

  // -- inputs --
  bool has(std::size_t i) const { return i < inputs_.size() && inputs_[i].present(); }
  const Item& item(std::size_t i) const;  // an absent one when it is left off
  // As a value of the graph; constants and known numbers are put into it. Fails when absent.
  ValueRef value(std::size_t i);
  ValueRef value_or_none(std::size_t i) { return has(i) ? value(i) : ValueRef{}; }
  Element element(std::size_t i) const { return item(i).type; }
  // Small and known, else null.
  const Known* known(std::size_t i) const { return item(i).known.get(); }
  // Numbers that must be known at import. `what` names them in the error.
  Dims ints(std::size_t i, const char* what);
  std::vector<double> reals(std::size_t i, const char* what);
  // Whole numbers, known or expressions over extents.
  Wholes wholes(std::size_t i, const char* what);
  // Attribute before `since`, input from then on; nothing when absent.
  std::optional<Dims> ints_of(const char* name, std::size_t input, int since);

  // -- outputs --
  void set(std::size_t i, Item item);
  void set(std::size_t i, ValueRef value, Element type);
  void set(ValueRef value) { set(0, value, element(0)); }

  // True: x was made by a convolution for this node alone, and output 0 is now one with its
  // channels scaled and shifted. Both are f32 constants [C].
  bool fold_into_conv(ValueRef x, ValueRef factor, ValueRef shift);

  // -- errors --
  bool failed() const;
  void unsupported(std::string what);
  void invalid(std::string what);

  // -- building --
  GraphBuilder& graph() const;
  Importer& importer() const { return importer_; }
  Frame& frame() const { return frame_; }
  ValueRef to_value(const Item& item) const;
  // Null after fail().
  std::shared_ptr<const Constant> constant(const onnx_wire::TensorProto& tensor) const;
  ValueRef node(ir::OpKind op, const std::vector<ValueRef>& inputs, AttrList attrs = {}) const;
  ValueRef unary(Unary op, ValueRef x) const;
  ValueRef math(ir::Math op, ValueRef x) const;
  ValueRef binary(Binary op, ValueRef a, ValueRef b) const;
  ValueRef binary(Binary op, ValueRef a, double b) const;  // b in the type of a
  ValueRef where(ValueRef condition, ValueRef a, ValueRef b) const;
  ValueRef clamp(ValueRef x, double low, double high) const;
  ValueRef cast(ValueRef x, DType dtype) const;
  ValueRef number(DType dtype, double value) const;  // a scalar
  ValueRef reduce(Reduce op, ValueRef x, std::int64_t axis, bool keep) const;
  ValueRef transpose(ValueRef x, Dims order) const;
  // To extents that may be expressions.
  ValueRef reshape(ValueRef x, const Wholes& dims) const;
  ValueRef expand(ValueRef x, const Wholes& dims) const;
  // x[begin:end:step] on an axis, clamped as NumPy does.
  ValueRef slice(ValueRef x, std::int64_t axis, const Whole& begin, const Whole& end,
                 std::int64_t step = 1) const;
  ValueRef concat(const std::vector<ValueRef>& parts, std::int64_t axis) const;

  // -- shapes --
  int rank(ValueRef x) const { return static_cast<int>(graph().info(x).shape.size()); }
  DType dtype(ValueRef x) const { return graph().info(x).dtype; }
  Whole extent(ValueRef x, std::int64_t axis) const;
  Wholes extents(ValueRef x) const;
  // Counted from the front; fails when outside.
  std::int64_t axis(std::int64_t axis, std::int64_t rank) const;

 private:
  Importer& importer_;
  Frame& frame_;
  const onnx_wire::NodeProto& node_;
  int opset_;
  std::vector<Item> inputs_;
};

}  // namespace antiphon::onnx
