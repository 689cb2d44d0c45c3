// ONNX models written byte by byte, for tests of what the importer refuses.
#pragma once

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

namespace antiphon::test {

// One protobuf message under construction: fields in the order they are added.
class Message {
 public:
  Message& number(int field, std::uint64_t value) {
    varint(static_cast<std::uint64_t>(field) << 3);
    varint(value);
    return *this;
  }
  Message& text(int field, const std::string& value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 2);
    varint(value.size());
    bytes_ += value;
    return *this;
  }
  Message& real(int field, float value) {
    varint(static_cast<std::uint64_t>(field) << 3 | 5);
    bytes_.append(reinterpret_cast<const char*>(&value), sizeof value);
    return *this;
  }
  Message& add(int field, const Message& message) { return text(field, message.bytes_); }
  const std::string& bytes() const { return bytes_; }

 private:
  void varint(std::uint64_t value) {
    for (; value >= 128; value >>= 7) bytes_ += static_cast<char>(value | 128);
    bytes_ += static_cast<char>(value);
  }
  std::string bytes_;
};

constexpr int kFloat = 1, kInt64 = 7;  // element types

inline Message tensor_type(int element, const std::vector<std::int64_t>& dims) {
  Message shape;
  for (const std::int64_t d : dims)
    shape.add(1, Message().number(1, static_cast<std::uint64_t>(d)));
  return Message().add(1, Message().number(1, static_cast<std::uint64_t>(element)).add(2, shape));
}
inline Message value_info(const std::string& name, int element,
                          const std::vector<std::int64_t>& dims) {
  return Message().text(1, name).add(2, tensor_type(element, dims));
}
inline Message node(const std::string& name, const std::string& op,
                    const std::vector<std::string>& inputs, const std::vector<std::string>& outputs,
                    const std::vector<Message>& attributes = {}) {
  Message out;
  for (const std::string& input : inputs) out.text(1, input);
  for (const std::string& output : outputs) out.text(2, output);
  out.text(3, name).text(4, op);
  for (const Message& attribute : attributes) out.add(5, attribute);
  return out;
}
inline Message microsoft(Message node) { return node.text(7, "com.microsoft"); }
inline Message tensor(const std::string& name, int element, const std::vector<std::int64_t>& dims,
                      const std::string& raw) {
  Message out;
  for (const std::int64_t d : dims) out.number(1, static_cast<std::uint64_t>(d));
  return out.number(2, static_cast<std::uint64_t>(element)).text(8, name).text(9, raw);
}
inline Message int_attr(const std::string& name, std::int64_t value) {
  return Message().text(1, name).number(3, static_cast<std::uint64_t>(value)).number(20, 2);
}
inline Message float_attr(const std::string& name, float value) {
  return Message().text(1, name).real(2, value).number(20, 1);
}
inline Message string_attr(const std::string& name, const std::string& value) {
  return Message().text(1, name).text(4, value).number(20, 3);
}
// A model of opset 17 with input x [2, 3] and output y.
inline std::string model(const std::vector<Message>& nodes,
                         const std::vector<Message>& tensors = {}, std::uint64_t opset = 17) {
  Message graph;
  for (const Message& n : nodes) graph.add(1, n);
  graph.text(2, "test");
  for (const Message& t : tensors) graph.add(5, t);
  graph.add(11, value_info("x", kFloat, {2, 3})).add(12, value_info("y", kFloat, {2, 3}));
  return Message().number(1, 8).add(7, graph).add(8, Message().number(2, opset)).bytes();
}

}  // namespace antiphon::test
