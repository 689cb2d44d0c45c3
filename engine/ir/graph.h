// The graph: one type for whole networks and for loop bodies. Plain data; passes change it freely.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "engine/base/status.h"
#include "engine/network.h"
#include "engine/tensor.h"

namespace antiphon::ir {

using ValueId = std::int32_t;
constexpr ValueId kNoValue = -1;  // an optional input that is absent

// Inputs by position; [x] is optional (kNoValue, or left off at the end).
enum class OpKind : std::uint8_t {
  kIdentity,   // x
  kUnary,      // x; attr op (antiphon::Unary)
  kBinary,     // a, b; attr op (antiphon::Binary); NumPy broadcasting
  kClamp,      // x; attrs low, high
  kWhere,      // condition, a, b
  kPointwise,  // f32 inputs, broadcast to one shape; `pointwise` program; several outputs, all of
               // that shape; truth values are 0 and 1 in registers; attrs parts, part_width
  kLinear,  // x [..., K], w [N, K], [w_scale [N]], [bias [N]], [residual [..., N]]; epilogue attrs;
            // attr x_bytes: rounding a row of x to 255 levels costs no more than the model does
  kConv,    // x [B, C, T], w [O, C/g, k], [w_scale [O]], [bias [O]], [residual [B, O, T']];
            // attrs stride, dilation, groups, pad_left, pad_right; epilogue attrs
  kMatMul,  // a [..., M, K], b [..., K, N]; attrs transpose_a, transpose_b (0/1), alpha
  kEmbedding,   // ids i32, table [rows, width], [table_scale [rows]]
  kSoftmax,     // x; attr axis
  kLogSoftmax,  // x; attr axis
  kLayerNorm,   // x, gamma, beta, [residual]: norm(x + residual); attrs epsilon, rms: no mean, beta
  kReduce,      // x; attrs op (antiphon::Reduce), axis, keep_dim
  kCast,        // x; attr dtype
  kTranspose,   // x; attr order
  kReshape,     // x; attr dims (0: keep, -1: infer)
  kSlice,      // x; attrs axis, begin, end: negative from the end, INT64_MAX to it; inside the axis
  kConcat,     // any number; attr axis
  kRepeat,     // x; attrs times, axis
  kReverse,    // x; attr axis
  kPad,        // x; attrs axis, before, after, value
  kZeros,      // [like...]; attr shape_text: "2,0:1,80" is [2, extent of axis 1 of input 0, 80]
  kAttention,  // softmax(q k' / sqrt(d) + mask_bias) v a head: q, k, v, [mask_bias [B, T]]; or qkv
               // [B, T, 3 * heads * d], -, -, [mask_bias], attr packed = 1; attrs heads, kv_heads
  kDequantize,  // x i8 or u8, scale [extent of axis] or [1]; attrs axis, zero
  kQuantize,  // x f32, scale; attrs axis, zero, low -127, -128 or 0: u8 -> round(x / scale) + zero
  kLoop,      // carried..., scanned..., invariants...; `body`; attrs num_carried, num_scanned,
          // scan_axis, trip_limit, has_stop, num_emitted, reverse (scan from the last step to the
          // first), unread (of carried values: their finals nobody reads, so the last step need not
          // make them) body inputs: carried, scanned slices, invariants; body outputs: next,
          // emitted, [stop] outputs: final carried, emitted stacked on scan_axis, [iterations i32
          // [1]] reverse: iteration i reads and emits step length - 1 - i
  kCustom,  // an operator of a plug-in: Node::custom says what it takes; attr operator: its name,
            // and what else the plug-in reads
};
constexpr int kNumOpKinds = static_cast<int>(OpKind::kCustom) + 1;

// Epilogue of kLinear and kConv: y = act2(act(x w + bias) + residual).
// attrs act, act2: antiphon::Unary of the activation, absent: none.
// Both may say how their input becomes bytes (input_quantizer.h).

using Attr = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>>;

// Attributes by name. Missing ones give the default of the call.
class Attrs {
 public:
  std::int64_t i(std::string_view name, std::int64_t fallback = 0) const;
  double f(std::string_view name, double fallback = 0) const;
  std::string s(std::string_view name, std::string_view fallback = {}) const;
  std::vector<std::int64_t> ints(std::string_view name) const;
  bool has(std::string_view name) const { return map_.contains(std::string(name)); }
  void set(std::string_view name, Attr value) { map_[std::string(name)] = std::move(value); }
  void erase(std::string_view name) { map_.erase(std::string(name)); }
  const std::map<std::string, Attr>& all() const { return map_; }
  bool operator==(const Attrs&) const = default;

 private:
  std::map<std::string, Attr> map_;
};

// One instruction of a point-wise program. Registers 0..inputs-1 are the inputs; instruction i
// writes register inputs + i.
struct PointwiseStep {
  // kFromBytes: a is an input of u8, (a - high) * low; kToBytes: a result of u8, round(a / low) +
  // high within a byte.
  enum class Kind : std::uint8_t { kUnary, kBinary, kClamp, kWhere, kScalar, kFromBytes, kToBytes };
  Kind kind = Kind::kScalar;
  std::uint8_t op = 0;  // antiphon::Unary or Binary
  std::int16_t a = -1, b = -1, c = -1;
  float low = 0, high = 0;  // kClamp; kScalar: the value is `low`; bytes: scale and zero point
  bool operator==(const PointwiseStep&) const = default;
};
struct PointwiseProgram {
  std::vector<PointwiseStep> steps;
  std::vector<std::int16_t> results;  // registers, one an output
  bool operator==(const PointwiseProgram&) const = default;
};

struct Graph;
struct CustomOp;

struct Node {
  OpKind op = OpKind::kIdentity;
  std::string name;             // unique in its graph: "conv1d_3"
  std::vector<ValueId> inputs;  // kNoValue: absent
  std::vector<ValueId> outputs;
  Attrs attrs;
  PointwiseProgram pointwise;              // kPointwise
  std::unique_ptr<Graph> body;             // kLoop
  std::shared_ptr<const CustomOp> custom;  // kCustom; shared by the nodes of one operator
};

enum class ValueKind : std::uint8_t { kTemp, kInput, kState, kConstant };

// Bytes of a constant: owned, or borrowed from a memory map that `owner` keeps alive.
struct ConstantData {
  std::shared_ptr<const void> owner;
  const void* data = nullptr;
  std::size_t bytes = 0;
};

struct ValueInfo {
  std::string name;
  ValueKind kind = ValueKind::kTemp;
  DType dtype = DType::kF32;
  Shape shape;
  ConstantData constant;    // kConstant
  ValueId next = kNoValue;  // kState: what it holds after the run
};

struct NamedOutput {
  std::string name;
  ValueId value = kNoValue;
};

// Nodes are in topological order. Values are referred to by index and never removed, only orphaned.
// A loop body is closed: what it reads of the outer graph comes in as an invariant input, but for
// constants (and the Dequantize of a constant), which the body holds itself, sharing their memory.
struct Graph {
  std::string name;
  std::vector<ValueInfo> values;
  std::vector<Node> nodes;
  std::vector<ValueId> inputs;  // in order of declaration
  std::vector<ValueId> states;
  std::vector<NamedOutput> outputs;

  ValueId add_value(ValueInfo info);
  Graph clone() const;
};

Node clone(const Node& node);  // with its body
bool is_constant(const Graph& graph, ValueId id);
TensorView constant_view(const Graph& graph, ValueId id);
ValueId add_constant(Graph& graph, std::string name, DType dtype, std::vector<std::int64_t> dims,
                     const void* data);  // copies

std::string_view op_name(OpKind op);  // "linear"

// The whole graph as text, one node a line, bodies indented; stable: tests compare it.
std::string to_text(const Graph& graph);

}  // namespace antiphon::ir
