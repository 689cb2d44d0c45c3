// Looks for products of dynamically quantised values from their last node back.
#include "engine/import/join_dynamic.h"

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "engine/import/op_table.h"
#include "engine/import/parts.h"

namespace antiphon::onnx {
namespace {

using onnx_wire::GraphProto;
using onnx_wire::NodeProto;
using onnx_wire::TensorProto;

constexpr std::int64_t kFloatType = 1;

// A product of bytes on its way to real numbers.
struct Product {
  const NodeProto* quantize = nullptr;  // DynamicQuantizeLinear
  const NodeProto* integer = nullptr;   // MatMulInteger or ConvInteger
  std::string scale;                    // of the weights
};

class Joiner {
 public:
  explicit Joiner(GraphProto& graph) : graph_(graph) {
    for (const TensorProto& tensor : graph.initializer()) constants_[tensor.name()] = &tensor;
    for (const auto& output : graph.output()) ++readers_[output.name()];
    for (const NodeProto& node : graph.node()) {
      for (const std::string& name : names_read(node)) ++readers_[name];
      for (const std::string& name : node.output()) makers_[name] = &node;
    }
  }

  void run() {
    std::map<int, std::vector<NodeProto>> joined;
    for (int n = 0; n < graph_.node_size(); ++n)
      if (std::vector<NodeProto> nodes = join(graph_.node(n)); !nodes.empty())
        joined[n] = std::move(nodes);
    if (joined.empty()) return;
    google::protobuf::RepeatedPtrField<NodeProto> before;
    before.Swap(graph_.mutable_node());
    for (int n = 0; n < before.size(); ++n) {
      const auto found = joined.find(n);
      if (found == joined.end()) {
        graph_.add_node()->Swap(before.Mutable(n));
        continue;
      }
      for (NodeProto& node : found->second) graph_.add_node()->Swap(&node);
    }
  }

 private:
  // Nodes in place of the one that ends a product; none where it does not.
  std::vector<NodeProto> join(const NodeProto& node) const {
    if (is(&node, "MatMulIntegerToFloat", kMicrosoftDomain)) return to_float(node);
    if (is(&node, "QAttention", kMicrosoftDomain)) return attention(node);
    if (!is(&node, "Mul") || node.input_size() != 2) return {};
    for (const int side : {0, 1}) {
      const auto product = product_of(node.input(side), node.input(1 - side));
      if (!product) continue;
      return product->integer->op_type() == "MatMulInteger" ? matmul(*product, node)
                                                            : conv(*product, node);
    }
    return {};
  }

  const NodeProto* maker(const std::string& name) const {
    const auto found = makers_.find(name);
    return found == makers_.end() ? nullptr : found->second;
  }
  static bool is(const NodeProto* node, const char* type, const char* domain = "") {
    return node && node->op_type() == type && node->domain() == domain && node->output_size() > 0;
  }
  bool read_once(const NodeProto* node) const {
    const auto found = readers_.find(node->output(0));
    return found != readers_.end() && found->second == 1;
  }
  const TensorProto* constant(const std::string& name) const {
    const auto found = constants_.find(name);
    return found == constants_.end() ? nullptr : found->second;
  }
  static std::string input(const NodeProto& node, int i) {
    return i < node.input_size() ? node.input(i) : std::string();
  }

  std::optional<Product> product_of(const std::string& wide, const std::string& scales) const {
    Product out;
    const NodeProto* cast = maker(wide);
    if (!is(cast, "Cast") || !read_once(cast) || !casts_to_float(*cast)) return std::nullopt;
    out.integer = maker(input(*cast, 0));
    const bool matmul = is(out.integer, "MatMulInteger");
    if ((!matmul && !is(out.integer, "ConvInteger")) || !read_once(out.integer))
      return std::nullopt;
    out.quantize = maker(input(*out.integer, 0));
    if (!quantizes(out.quantize, input(*out.integer, 0), input(*out.integer, 2)))
      return std::nullopt;
    const NodeProto* both = maker(scales);
    if (!is(both, "Mul") || both->input_size() != 2) return std::nullopt;
    const bool first = both->input(0) == out.quantize->output(1);
    if (!first && both->input(1) != out.quantize->output(1)) return std::nullopt;
    out.scale = both->input(first ? 1 : 0);
    const TensorProto* weights = constant(input(*out.integer, 1));
    const TensorProto* scale = constant(out.scale);
    const std::string zero = input(*out.integer, 3);
    if (!weights || !scale || (!zero.empty() && !constant(zero))) return std::nullopt;
    return scales_fit(*weights, *scale, matmul) ? std::optional(out) : std::nullopt;
  }

  static bool casts_to_float(const NodeProto& cast) {
    return std::any_of(cast.attribute().begin(), cast.attribute().end(), [](const auto& attr) {
      return attr.name() == "to" && attr.i() == kFloatType;
    });
  }

  static bool quantizes(const NodeProto* node, const std::string& bytes, const std::string& zero) {
    return is(node, "DynamicQuantizeLinear") && node->output_size() == 3 &&
           node->input_size() == 1 && node->output(0) == bytes && node->output(2) == zero;
  }

  // A scale for all, or one for each column of a matrix.
  static bool scales_fit(const TensorProto& weights, const TensorProto& scale, bool matmul) {
    if (scale.dims_size() > 1) return false;
    const bool one = scale.dims_size() == 0 || scale.dims(0) == 1;
    if (!matmul) return one && weights.dims_size() >= 3;
    return weights.dims_size() == 2 && (one || scale.dims(0) == weights.dims(1));
  }

  static NodeProto replacement(const NodeProto& node, const char* type) {
    NodeProto out;
    out.set_name(node.name());
    out.set_op_type(type);
    out.add_output(node.output(0));
    return out;
  }

  static NodeProto matmul_node(const NodeProto& node, const std::vector<std::string>& inputs) {
    NodeProto out = replacement(node, "DynamicQuantizeMatMul");
    out.set_domain(kMicrosoftDomain);
    for (const std::string& name : inputs) out.add_input(name);
    return out;
  }

  static std::vector<NodeProto> matmul(const Product& product, const NodeProto& node) {
    return {matmul_node(node, {product.quantize->input(0), product.integer->input(1), product.scale,
                               input(*product.integer, 3)})};
  }

  // Inputs: bytes, weights, both scales, both zero points, a bias.
  std::vector<NodeProto> to_float(const NodeProto& node) const {
    const NodeProto* quantize = maker(input(node, 0));
    if (!quantizes(quantize, input(node, 0), input(node, 4)) ||
        input(node, 2) != quantize->output(1) || !constant(input(node, 1)))
      return {};
    return {matmul_node(
        node, {quantize->input(0), node.input(1), input(node, 3), input(node, 5), input(node, 6)})};
  }

  // The same node of x itself, without the scale and zero point of its bytes (inputs 3 and 6).
  std::vector<NodeProto> attention(const NodeProto& node) const {
    const NodeProto* quantize = maker(input(node, 0));
    const std::string zero = input(node, 7);
    if (!quantizes(quantize, input(node, 0), input(node, 6)) ||
        input(node, 3) != quantize->output(1) || !constant(input(node, 1)) ||
        !constant(input(node, 4)) || (!zero.empty() && !constant(zero)))
      return {};
    NodeProto out = node;
    out.clear_input();
    for (int i = 0; i < node.input_size(); ++i)
      out.add_input(i == 0 ? quantize->input(0) : i == 3 || i == 6 ? "" : node.input(i));
    return {out};
  }

  static std::vector<NodeProto> conv(const Product& product, const NodeProto& node) {
    NodeProto out = replacement(node, kDynamicConv);
    out.set_domain(kOwnDomain);
    for (const std::string& name : {product.quantize->input(0), product.integer->input(1),
                                    product.scale, input(*product.integer, 3)})
      out.add_input(name);
    *out.mutable_attribute() = product.integer->attribute();
    return {out};
  }

  GraphProto& graph_;
  std::map<std::string, const TensorProto*> constants_;
  std::map<std::string, const NodeProto*> makers_;
  std::map<std::string, int> readers_;
};

}  // namespace

void join_dynamic_quantization(onnx_wire::ModelProto& model) {
  if (model.has_graph()) Joiner(*model.mutable_graph()).run();
}

}  // namespace antiphon::onnx
