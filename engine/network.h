// The network-definition API: how the stages describe their networks to the engine.
//
//   Network net("acoustic");
//   Value mel = net.input("mel", DType::kF32, {"B", 80, "T"});
//   Value h = net.conv1d(mel, net.weight(w, "conv1.weight"), net.weight(w, "conv1.bias"), {.stride
//   = 2}); net.output("logits", net.linear(h, ...)); ANTIPHON_ASSIGN_OR_RETURN(auto plan,
//   build(net, options));
#pragma once

#include <cstdint>
#include <initializer_list>
#include <map>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "engine/base/status.h"
#include "engine/tensor.h"
#include "engine/weights.h"

namespace antiphon {

namespace ir {
struct CustomOp;
struct Graph;
}  // namespace ir

// A static extent, or the name of one that is bound at run time.
struct Dim {
  std::int64_t extent = -1;  // >= 0: static
  std::string symbol;        // else its name; empty: not known before run time, of no fixed name

  Dim() = default;
  Dim(std::int64_t extent_in) : extent(extent_in) {}  // NOLINT: implicit on purpose
  Dim(int extent_in) : extent(extent_in) {}           // NOLINT: implicit on purpose
  Dim(const char* name) : symbol(name) {}             // NOLINT: implicit on purpose
  Dim(std::string name) : symbol(std::move(name)) {}  // NOLINT: implicit on purpose
  bool is_static() const { return extent >= 0; }
  bool operator==(const Dim&) const = default;
};
using Shape = std::vector<Dim>;

// Attributes of a plug-in's operator by name.
using Attribute = std::variant<std::int64_t, double, std::string, std::vector<std::int64_t>>;
using Attributes = std::map<std::string, Attribute>;

// A handle on a value of one Network (or of one loop body of it). Cheap to copy.
struct Value {
  std::int32_t id = -1;
  bool valid() const { return id >= 0; }
};

enum class Unary {
  kNeg,
  kAbs,
  kExp,
  kLog,
  kSqrt,
  kRsqrt,
  kReciprocal,
  kTanh,
  kSigmoid,
  kRelu,
  kGelu /* erf form */,
  kErf,
  kSin,
  kCos,
  kFloor,
  kNot,
  kRelu6,     // min(max(x, 0), 6)
  kSilu,      // x sigmoid(x)
  kHardSwish  // x min(max(x / 6 + 1 / 2, 0), 1)
};
enum class Binary { kAdd, kSub, kMul, kDiv, kMax, kMin, kPow, kEqual, kLess, kGreater, kAnd, kOr };
enum class Reduce { kSum, kMean, kMax, kArgMax };

struct Conv1dOptions {
  int stride = 1;
  int dilation = 1;
  int groups = 1;
  int pad_left = 0;  // zeros
  int pad_right = 0;
};

// Inside a loop body: what the body sees, and what it gives back (see Network::loop).
class LoopBody;

// A graph under construction. The first error sticks: later calls return invalid values and build()
// reports it, with the name of the network and of the operation. Not thread-safe. Copies constants.
//
// Shapes: row-major. Broadcasting of binary operations is NumPy's. Axes may be negative.
class Network {
 public:
  explicit Network(std::string name);
  ~Network();
  Network(Network&&) noexcept;
  Network& operator=(Network&&) noexcept;

  // -- edges --
  Value input(std::string_view name, DType dtype, Shape shape);
  // Memory that lives from one run to the next, one copy a state slot, zero after a reset. With a
  // leading dimension "B" it is gathered from the slots of a batch; the rest must be static.
  Value state(std::string_view name, Shape shape);
  // What `state` holds after the run. Exactly once for every state. Same shape; the state itself
  // where it stays as it was.
  void update(Value state, Value next);
  void output(std::string_view name, Value value);

  // -- constants --
  Value constant(std::string_view name, const TensorView& tensor);
  Value scalar(float value);
  // A tensor of a weights file. I8 with NAME.scale becomes an int8 constant with an explicit
  // Dequantize (per output channel, axis 0); F16 is expanded to F32. Missing: error that names it.
  Value weight(const Weights& weights, std::string_view name);

  // -- dense --
  // x [..., K], w [N, K] (or int8 through weight()), bias [N] or invalid -> [..., N]
  Value linear(Value x, Value w, Value bias = {});
  // a [..., M, K], b [..., K, N], batch dimensions broadcast -> [..., M, N]
  Value matmul(Value a, Value b);
  // x [B, C, T], w [O, C / groups, k], bias [O] or invalid -> [B, O, T']
  Value conv1d(Value x, Value w, Value bias = {}, const Conv1dOptions& options = {});
  // ids (i32) [...], table [rows, width] -> [..., width]. Ids outside are an error of the run.
  Value embedding(Value ids, Value table);

  // -- point-wise, normalisation, reduction --
  Value unary(Unary op, Value x);
  Value binary(Binary op, Value a, Value b);
  Value add(Value a, Value b) { return binary(Binary::kAdd, a, b); }
  Value sub(Value a, Value b) { return binary(Binary::kSub, a, b); }
  Value mul(Value a, Value b) { return binary(Binary::kMul, a, b); }
  Value div(Value a, Value b) { return binary(Binary::kDiv, a, b); }
  Value tanh(Value x) { return unary(Unary::kTanh, x); }
  Value sigmoid(Value x) { return unary(Unary::kSigmoid, x); }
  Value relu(Value x) { return unary(Unary::kRelu, x); }
  Value gelu(Value x) { return unary(Unary::kGelu, x); }
  Value exp(Value x) { return unary(Unary::kExp, x); }
  Value clamp(Value x, float low, float high);
  Value where(Value condition, Value a, Value b);  // condition: bool or f32 != 0
  Value softmax(Value x, int axis = -1);
  Value log_softmax(Value x, int axis = -1);
  Value layer_norm(Value x, Value gamma, Value beta, float epsilon = 1e-5f);  // last axis
  Value reduce(Reduce op, Value x, int axis, bool keep_dim = false);
  Value cast(Value x, DType dtype);

  // -- moving data --
  Value transpose(Value x, std::vector<int> order);
  Value reshape(Value x, std::vector<std::int64_t> dims);  // 0: keep, -1: infer
  Value slice(Value x, int axis, std::int64_t begin,
              std::int64_t end);  // end INT64_MAX: to the end; negative: from it
  Value concat(std::span<const Value> parts, int axis);
  Value concat(std::initializer_list<Value> parts, int axis) {
    return concat(std::span<const Value>(parts.begin(), parts.size()), axis);
  }
  std::vector<Value> split(Value x, int parts, int axis);
  Value repeat(Value x, int times,
               int axis);  // each element `times` times: nearest-neighbour upsampling
  Value reverse(Value x, int axis);
  Value pad(Value x, int axis, int before, int after, float value = 0);

  // -- plug-ins --
  // A node of an operator that PluginSet::find() gave; null is an error of the network.
  std::vector<Value> custom(const std::shared_ptr<const ir::CustomOp>& op,
                            std::span<const Value> inputs, const Attributes& attributes = {});

  // -- blocks: built from the operations above; passes recognise and fuse them --
  // q [B, T, heads * d], k, v [B, keys, heads * d] -> [B, T, heads * d]; mask_bias [B, keys] or,
  // one row a query, [B, T, keys] is added to the scores; or invalid.
  Value attention(Value q, Value k, Value v, int heads, Value mask_bias = {});
  // Streaming history: [B, C, history + T] = state ++ x, and the state keeps the last `history`
  // steps.
  Value delay_line(std::string_view name, Value x, int history);
  // x [B, T, I]; w_ih [4H, I], w_hh [4H, H], biases [4H] or invalid; gate order i, f, g, o
  // (PyTorch). h0, c0 [B, H]. Emitted as a Loop over T. Returns {y [B, T, H], h_n, c_n}.
  struct LstmResult {
    Value y, h, c;
  };
  LstmResult lstm(Value x, Value h0, Value c0, Value w_ih, Value w_hh, Value b_ih, Value b_hh,
                  bool reverse = false);
  // A zero tensor of `shape`; symbols as in the inputs.
  Value zeros(Shape shape);

  // Structured loop. `carried`: initial values of the recurrent state. `scanned`: sequences, one
  // step of `scan_axis` an iteration (their length is the trip count). `trip_limit`: the trip count
  // when nothing is scanned. The body is built by `define`, which must call body.next() once for
  // each carried value, and body.emit() for each sequence output, and may call body.stop(): a
  // scalar or [1] value that ends the loop after the iteration in which it is > 0. Values of the
  // outer network may be used directly inside (loop invariants). Returns the final carried values,
  // then the emitted sequences stacked on `scan_axis`, then (if body.stop() was called) the number
  // of iterations run as i32 [1]; steps not run are zero.
  template <typename Define>
  std::vector<Value> loop(std::string_view name, std::span<const Value> carried,
                          std::span<const Value> scanned, int scan_axis, std::int64_t trip_limit,
                          Define define);

  const Status& status() const;
  const ir::Graph& graph() const;

  struct Impl;

 private:
  friend class LoopBody;
  Impl& begin_loop(std::string_view name, std::span<const Value> carried,
                   std::span<const Value> scanned, int scan_axis, std::int64_t trip_limit);
  std::vector<Value> end_loop(LoopBody& body);
  std::unique_ptr<Impl> impl_;
};

// Operations inside a body are called on the same Network: it knows that a loop is open.
class LoopBody {
 public:
  Value carried(int index) const;  // its value at the start of the iteration
  Value scanned(int index) const;  // this iteration's slice, without the scan axis
  void next(int index, Value value);
  void emit(Value value);
  void stop(Value value);

 private:
  friend class Network;
  explicit LoopBody(Network& network) : network_(network) {}
  Network& network_;
};

template <typename Define>
std::vector<Value> Network::loop(std::string_view name, std::span<const Value> carried,
                                 std::span<const Value> scanned, int scan_axis,
                                 std::int64_t trip_limit, Define define) {
  begin_loop(name, carried, scanned, scan_axis, trip_limit);
  LoopBody body(*this);
  define(body);
  return end_loop(body);
}

}  // namespace antiphon
