// Walks an ONNX model and lowers it node by node.
#pragma once

#include <map>
#include <set>
#include <string>
#include <vector>

#include "engine/import/graph_builder.h"
#include "engine/import/import.h"
#include "engine/import/item.h"
#include "engine/import/onnx.pb.h"

namespace antiphon::onnx {

class Op;

// The names that a graph, a sub-graph or a function sees.
struct Frame {
  std::map<std::string, Item> items;
  Frame* around = nullptr;  // sub-graphs see the names around them, functions do not
  // Attributes of the call, in a function.
  std::map<std::string, const onnx_wire::AttributeProto*> attributes;
  std::map<std::string, int> opsets;  // by domain
  std::string path;                   // before node names in errors
  int depth = 0;

  const Item* find(const std::string& name) const;
};

class Importer {
 public:
  Importer(const onnx_wire::ModelProto& model, const ImportOptions& options);
  Result<ir::Graph> run();

  GraphBuilder& graph() { return builder_; }
  ValueRef to_value(const Item& item);
  Result<std::shared_ptr<const Constant>> constant(const onnx_wire::TensorProto& tensor);
  // Runs a sub-graph in the scope that is open, with its inputs given; its outputs.
  std::vector<Item> run_subgraph(const onnx_wire::GraphProto& graph, Frame& around,
                                 const std::vector<Item>& inputs, const std::string& part);
  // Nodes lowered so far, all unrollings counted; fails above the limit.
  bool spend(std::size_t nodes);
  const ImportOptions& options() const { return options_; }
  // After run(): nodes of the main graph that alone, or with what is in them, are not supported;
  // empty where something else is wrong.
  std::set<const onnx_wire::NodeProto*> unsupported_nodes() const;
  // Readers of a name in the main graph, to see whether it may be changed in place.
  int num_readers(const std::string& name) const;

 private:
  Status check_model();
  Status add_inputs(Frame& frame);
  Status add_input(Frame& frame, const onnx_wire::ValueInfoProto& input);
  Status add_initializers(const onnx_wire::GraphProto& graph, Frame& frame);
  void run_nodes(const google::protobuf::RepeatedPtrField<onnx_wire::NodeProto>& nodes,
                 const std::set<std::string>& wanted, Frame& frame);
  void run_node(const onnx_wire::NodeProto& node, Frame& frame);
  void call_function(const onnx_wire::FunctionProto& function, const onnx_wire::NodeProto& node,
                     Frame& frame);
  void report(const onnx_wire::NodeProto& node, const Frame& frame, const Status& error);
  void set_outputs_failed(const onnx_wire::NodeProto& node, Frame& frame);
  Status add_outputs(Frame& frame);
  Status all_errors() const;

  const onnx_wire::ModelProto& model_;
  const ImportOptions& options_;
  GraphBuilder builder_;
  std::map<std::string, const onnx_wire::FunctionProto*> functions_;  // domain:name
  std::map<std::string, int> readers_;
  std::vector<std::string> errors_;
  std::set<std::string> reported_;
  bool any_invalid_ = false;
  const onnx_wire::NodeProto* outermost_ = nullptr;  // the main graph's node that is being lowered
  std::set<const onnx_wire::NodeProto*> unsupported_;
  std::size_t spent_ = 0;
};

}  // namespace antiphon::onnx
