// Reading a node's attributes and inputs; setting its outputs.
#include "engine/import/op.h"

#include "engine/import/importer.h"
#include "engine/import/onnx.pb.h"

namespace antiphon::onnx {
namespace {

using onnx_wire::AttributeProto;

// AttributeProto.AttributeType
constexpr int kFloat = 1, kInt = 2, kString = 3, kFloats = 6, kInts = 7, kStrings = 8;

bool is_type(const AttributeProto& attr, int type) {
  return attr.type() == type || attr.type() == 0;
}

}  // namespace

Op::Op(Importer& importer, Frame& frame, const onnx_wire::NodeProto& node, int opset)
    : importer_(importer), frame_(frame), node_(node), opset_(opset) {
  for (const std::string& name : node.input()) {
    const Item* found = name.empty() ? nullptr : frame.find(name);
    inputs_.push_back(found ? *found : Item());
  }
}

const std::string& Op::type() const { return node_.op_type(); }
std::size_t Op::num_outputs() const { return static_cast<std::size_t>(node_.output_size()); }

bool Op::wants_output(std::size_t i) const {
  return i < num_outputs() && !node_.output(static_cast<int>(i)).empty();
}

const AttributeProto* Op::attr(const char* name) const {
  for (const AttributeProto& attr : node_.attribute()) {
    if (attr.name() != name) continue;
    if (!attr.has_ref_attr_name() || attr.ref_attr_name().empty()) return &attr;
    const auto found = frame_.attributes.find(attr.ref_attr_name());
    return found == frame_.attributes.end() ? nullptr : found->second;
  }
  return nullptr;
}

std::int64_t Op::attr_i(const char* name, std::int64_t fallback) const {
  const AttributeProto* found = attr(name);
  return found && is_type(*found, kInt) && found->has_i() ? found->i() : fallback;
}

double Op::attr_f(const char* name, double fallback) const {
  const AttributeProto* found = attr(name);
  return found && is_type(*found, kFloat) && found->has_f() ? static_cast<double>(found->f())
                                                            : fallback;
}

std::string Op::attr_s(const char* name, const std::string& fallback) const {
  const AttributeProto* found = attr(name);
  return found && is_type(*found, kString) && found->has_s() ? found->s() : fallback;
}

Dims Op::attr_ints(const char* name) const {
  const AttributeProto* found = attr(name);
  if (!found || !is_type(*found, kInts)) return {};
  return {found->ints().begin(), found->ints().end()};
}

std::vector<double> Op::attr_floats(const char* name) const {
  const AttributeProto* found = attr(name);
  if (!found || !is_type(*found, kFloats)) return {};
  return {found->floats().begin(), found->floats().end()};
}

std::vector<std::string> Op::attr_strings(const char* name) const {
  const AttributeProto* found = attr(name);
  if (!found || !is_type(*found, kStrings)) return {};
  return {found->strings().begin(), found->strings().end()};
}

const Item& Op::item(std::size_t i) const {
  static const Item kAbsent;
  return i < inputs_.size() ? inputs_[i] : kAbsent;
}

ValueRef Op::value(std::size_t i) {
  if (!has(i)) {
    invalid("input " + std::to_string(i) + " is absent");
    return {};
  }
  return to_value(inputs_[i]);
}

ValueRef Op::to_value(const Item& item) const { return importer_.to_value(item); }

std::shared_ptr<const Constant> Op::constant(const onnx_wire::TensorProto& tensor) const {
  auto made = importer_.constant(tensor);
  if (made.ok()) return std::move(made).value();
  graph().fail(made.status());
  return nullptr;
}

Wholes Op::wholes(std::size_t i, const char* what) {
  Wholes out;
  const Known* found = known(i);
  if (!found || is_real(found->type)) {
    unsupported(std::string(what) + " (input " + std::to_string(i) +
                ") is computed at run time; it must be a constant, follow from extents, or be "
                "frozen");
    return out;
  }
  for (const Number& n : found->values) out.push_back(n.whole);
  return out;
}

Dims Op::ints(std::size_t i, const char* what) {
  Dims out;
  for (const Whole& whole : wholes(i, what)) {
    if (!whole.is_number())
      unsupported(std::string(what) + " (input " + std::to_string(i) +
                  ") depends on an extent that is not fixed");
    out.push_back(whole.number().value_or(0));
  }
  return out;
}

std::vector<double> Op::reals(std::size_t i, const char* what) {
  std::vector<double> out;
  const Known* found = known(i);
  if (!found || !found->all_numbers()) {
    unsupported(std::string(what) + " (input " + std::to_string(i) +
                ") is computed at run time; it must be a constant or be frozen");
    return out;
  }
  for (std::size_t k = 0; k < found->values.size(); ++k) out.push_back(found->as_real(k));
  return out;
}

std::optional<Dims> Op::ints_of(const char* name, std::size_t input, int since) {
  if (opset_ >= since) {
    if (!has(input)) return std::nullopt;
    return ints(input, name);
  }
  return has_attr(name) ? std::optional(attr_ints(name)) : std::nullopt;
}

void Op::set(std::size_t i, Item item) {
  if (!wants_output(i)) return;
  frame_.items[node_.output(static_cast<int>(i))] = std::move(item);
}

void Op::set(std::size_t i, ValueRef value, Element type) { set(i, Item::of(value, type)); }

bool Op::failed() const { return graph().failed(); }
void Op::unsupported(std::string what) { graph().fail(antiphon::unsupported(std::move(what))); }
void Op::invalid(std::string what) { graph().fail(invalid_argument(std::move(what))); }
GraphBuilder& Op::graph() const { return importer_.graph(); }

}  // namespace antiphon::onnx
