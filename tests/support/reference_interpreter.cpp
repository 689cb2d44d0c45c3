// Reference interpreter: graphs, loops, and the choice of operator.
#include "tests/support/reference_interpreter.h"

#include <cstring>
#include <iterator>
#include <random>

#include "engine/ir/half.h"
#include "engine/ir/op_enums.h"
#include "engine/ir/schema.h"
#include "tests/support/reference_ops.h"

namespace antiphon::test {

std::int64_t num_elements(const std::vector<std::int64_t>& dims) {
  std::int64_t n = 1;
  for (const std::int64_t d : dims) n *= d;
  return n;
}

namespace {

template <typename T>
double read_as(const char* data, std::size_t i) {
  T value;
  std::memcpy(&value, data + i * sizeof(T), sizeof(T));
  return static_cast<double>(value);
}

double read_element(const TensorView& view, std::size_t i) {
  const auto* data = static_cast<const char*>(view.data);
  switch (view.dtype) {
    case DType::kF32: return read_as<float>(data, i);
    case DType::kF16:
      return ir::half_to_float(static_cast<std::uint16_t>(read_as<std::uint16_t>(data, i)));
    case DType::kI8: return read_as<std::int8_t>(data, i);
    case DType::kU8:
    case DType::kBool: return read_as<std::uint8_t>(data, i);
    case DType::kI32: return read_as<std::int32_t>(data, i);
    case DType::kI64: return read_as<std::int64_t>(data, i);
  }
  return 0;
}

ir::ValueType type_of(const RefTensor& t) {
  ir::ValueType type{t.dtype, {}};
  for (const std::int64_t d : t.dims) type.shape.emplace_back(d);
  return type;
}

using Operator = Outs (*)(const ir::Node&, const Ins&);

// In the order of op_enums.h.
constexpr Operator kImported[] = {ref_reshape_to,
                                  ref_expand,
                                  ref_extents,
                                  ref_strided_slice,
                                  ref_range,
                                  ref_conv_nd,
                                  ref_conv_transpose,
                                  ref_pool,
                                  ref_resample,
                                  ref_grid_sample,
                                  ref_gather,
                                  ref_gather_nd,
                                  ref_gather_elements,
                                  ref_scatter_elements,
                                  ref_scatter_nd,
                                  ref_top_k,
                                  ref_cum_sum,
                                  ref_trilu,
                                  ref_reverse_sequence,
                                  ref_math,
                                  ref_math_binary,
                                  ref_conv_last,
                                  ref_pool_last,
                                  ref_conv_transpose_last,
                                  ref_place,
                                  ref_rotary};
static_assert(std::size(kImported) == ir::kNumAllOpKinds - ir::kNumOpKinds);

Operator operator_of(ir::OpKind op) {
  if (static_cast<int>(op) >= ir::kNumOpKinds)
    return kImported[static_cast<int>(op) - ir::kNumOpKinds];
  switch (op) {
    case ir::OpKind::kIdentity:
      return [](const ir::Node&, const Ins& in) -> Outs { return only(*in[0]); };
    case ir::OpKind::kUnary: return ref_unary;
    case ir::OpKind::kBinary: return ref_binary;
    case ir::OpKind::kClamp: return ref_clamp;
    case ir::OpKind::kWhere: return ref_where;
    case ir::OpKind::kPointwise: return ref_pointwise;
    case ir::OpKind::kLinear: return ref_linear;
    case ir::OpKind::kConv: return ref_conv;
    case ir::OpKind::kMatMul: return ref_matmul;
    case ir::OpKind::kEmbedding: return ref_embedding;
    case ir::OpKind::kSoftmax:
    case ir::OpKind::kLogSoftmax: return ref_softmax;
    case ir::OpKind::kLayerNorm: return ref_layer_norm;
    case ir::OpKind::kReduce: return ref_reduce;
    case ir::OpKind::kCast: return ref_cast;
    case ir::OpKind::kTranspose: return ref_transpose;
    case ir::OpKind::kReshape: return ref_reshape;
    case ir::OpKind::kSlice: return ref_slice;
    case ir::OpKind::kConcat: return ref_concat;
    case ir::OpKind::kRepeat: return ref_repeat;
    case ir::OpKind::kReverse: return ref_reverse;
    case ir::OpKind::kPad: return ref_pad;
    case ir::OpKind::kZeros: return ref_zeros;
    case ir::OpKind::kAttention: return ref_attention;
    case ir::OpKind::kDequantize: return ref_dequantize;
    case ir::OpKind::kQuantize: return ref_quantize;
    case ir::OpKind::kLoop: return ref_loop;
  }
  return nullptr;
}

// Runs the nodes; `values` holds the inputs and states, by ValueId, and gets the rest.
Status run_nodes(const ir::Graph& graph, std::map<ir::ValueId, RefTensor>& values) {
  for (std::size_t i = 0; i < graph.values.size(); ++i)
    if (graph.values[i].kind == ir::ValueKind::kConstant)
      values[static_cast<ir::ValueId>(i)] =
          ref_tensor(constant_view(graph, static_cast<ir::ValueId>(i)));
  for (const ir::Node& node : graph.nodes) {
    Ins in;
    for (const ir::ValueId id : node.inputs) {
      if (id != ir::kNoValue && !values.contains(id))
        return internal_error(node.name + ": an input is not made yet");
      in.push_back(id == ir::kNoValue ? nullptr : &values[id]);
    }
    auto out = run_reference_node(node, in);
    if (!out.ok()) return out.status().with_context(node.name);
    for (std::size_t i = 0; i < node.outputs.size(); ++i)
      values[node.outputs[i]] = std::move((*out)[i]);
  }
  return {};
}

}  // namespace

RefTensor ref_tensor(const TensorView& view) {
  RefTensor out{view.dtype, view.dims, {}};
  const auto count = static_cast<std::size_t>(num_elements(view.dims));
  out.values.reserve(count);
  for (std::size_t i = 0; i < count; ++i) out.values.push_back(read_element(view, i));
  return out;
}

RefTensor random_ref(std::vector<std::int64_t> dims, std::uint64_t seed, double low, double high) {
  RefTensor out{DType::kF32, std::move(dims), {}};
  std::mt19937_64 engine(seed);
  const auto count = static_cast<std::size_t>(num_elements(out.dims));
  for (std::size_t i = 0; i < count; ++i) {
    const double unit = static_cast<double>(engine() >> 11) * 0x1p-53;
    out.values.push_back(static_cast<double>(static_cast<float>(low + unit * (high - low))));
  }
  return out;
}

Result<std::vector<RefTensor>> run_reference_node(const ir::Node& node,
                                                  const std::vector<const RefTensor*>& inputs) {
  std::vector<ir::ValueType> types(inputs.size());
  std::vector<const ir::ValueType*> pointers;
  for (std::size_t i = 0; i < inputs.size(); ++i) {
    if (inputs[i]) types[i] = type_of(*inputs[i]);
    pointers.push_back(inputs[i] ? &types[i] : nullptr);
  }
  ANTIPHON_ASSIGN_OR_RETURN(const auto wanted, ir::infer_outputs(node, pointers));
  ANTIPHON_ASSIGN_OR_RETURN(auto out, operator_of(node.op)(node, inputs));
  if (out.size() != wanted.size())
    return internal_error("number of outputs differs from the shape rule");
  for (std::size_t i = 0; i < out.size(); ++i) {
    const ir::ValueType got = type_of(out[i]);
    if (got.dtype != wanted[i].dtype || got.shape != wanted[i].shape)
      return internal_error("output " + std::to_string(i) + " differs from the shape rule");
  }
  return out;
}

Outs ref_loop(const ir::Node& node, const Ins& in) {
  const ir::Graph& body = *node.body;
  const auto carried = static_cast<std::size_t>(node.attrs.i("num_carried"));
  const auto scanned = static_cast<std::size_t>(node.attrs.i("num_scanned"));
  const auto emitted = static_cast<std::size_t>(node.attrs.i("num_emitted"));
  const std::int64_t axis = node.attrs.i("scan_axis");
  const bool has_stop = node.attrs.i("has_stop") != 0, reverse = node.attrs.i("reverse") != 0;
  const std::int64_t trips =
      scanned ? in[carried]->dims[static_cast<std::size_t>(axis)] : node.attrs.i("trip_limit");
  std::vector<RefTensor> state;
  for (std::size_t i = 0; i < carried; ++i) state.push_back(*in[i]);
  std::vector<std::vector<RefTensor>> steps(emitted);  // by iteration
  std::int64_t iterations = 0;
  for (bool stopped = false; iterations < trips && !stopped; ++iterations) {
    std::map<ir::ValueId, RefTensor> values;
    for (std::size_t i = 0; i < in.size(); ++i) {
      RefTensor value = i < carried ? state[i] : *in[i];
      if (i >= carried && i < carried + scanned) {
        const AxisSplit s = split_at(value.dims, axis);
        const std::int64_t step = reverse ? trips - 1 - iterations : iterations;
        std::vector<double> slice;
        for (std::int64_t b = 0; b < s.before; ++b)
          for (std::int64_t a = 0; a < s.after; ++a)
            slice.push_back(
                value.values[static_cast<std::size_t>((b * s.extent + step) * s.after + a)]);
        value.dims.erase(value.dims.begin() + axis);
        value.values = std::move(slice);
      }
      values[body.inputs[i]] = std::move(value);
    }
    if (Status status = run_nodes(body, values); !status.ok()) return status;
    for (std::size_t i = 0; i < carried; ++i) state[i] = values[body.outputs[i].value];
    for (std::size_t i = 0; i < emitted; ++i)
      steps[i].push_back(values[body.outputs[carried + i].value]);
    if (has_stop) stopped = values[body.outputs.back().value].values[0] > 0;
  }
  std::vector<RefTensor> out = std::move(state);
  // The shape of one step, also when none was run.
  std::vector<ir::ValueType> types;
  std::vector<const ir::ValueType*> pointers;
  for (const RefTensor* t : in) types.push_back(type_of(*t));
  for (const ir::ValueType& type : types) pointers.push_back(&type);
  ANTIPHON_ASSIGN_OR_RETURN(const auto wanted, ir::infer_outputs(node, pointers));
  for (std::size_t i = 0; i < emitted; ++i) {
    RefTensor all{wanted[carried + i].dtype, {}, {}};
    for (const Dim& dim : wanted[carried + i].shape) all.dims.push_back(dim.extent);
    all.values.assign(static_cast<std::size_t>(num_elements(all.dims)), 0.0);
    const AxisSplit s = split_at(all.dims, axis);
    for (std::size_t k = 0; k < steps[i].size(); ++k) {
      const std::int64_t step =
          reverse ? trips - 1 - static_cast<std::int64_t>(k) : static_cast<std::int64_t>(k);
      for (std::int64_t b = 0; b < s.before; ++b)
        for (std::int64_t a = 0; a < s.after; ++a)
          all.values[static_cast<std::size_t>((b * s.extent + step) * s.after + a)] =
              steps[i][k].values[static_cast<std::size_t>(b * s.after + a)];
    }
    out.push_back(std::move(all));
  }
  if (has_stop) out.push_back({DType::kI32, {1}, {static_cast<double>(iterations)}});
  return out;
}

Result<RefTensors> run_reference(const ir::Graph& graph, const RefTensors& inputs,
                                 RefTensors* states) {
  std::map<ir::ValueId, RefTensor> values;
  std::map<std::string, std::int64_t> symbols;
  const auto info = [&](ir::ValueId id) -> const ir::ValueInfo& {
    return graph.values[static_cast<std::size_t>(id)];
  };
  for (const ir::ValueId id : graph.inputs) {
    const auto found = inputs.find(info(id).name);
    if (found == inputs.end()) return invalid_argument("no input '" + info(id).name + "'");
    if (found->second.dims.size() != info(id).shape.size())
      return invalid_argument("rank of '" + info(id).name + "'");
    for (std::size_t i = 0; i < info(id).shape.size(); ++i)
      if (!info(id).shape[i].is_static()) symbols[info(id).shape[i].symbol] = found->second.dims[i];
    values[id] = found->second;
  }
  for (const ir::ValueId id : graph.states) {
    if (states && states->contains(info(id).name)) {
      values[id] = states->at(info(id).name);
      continue;
    }
    RefTensor zero;
    for (const Dim& dim : info(id).shape)
      zero.dims.push_back(dim.is_static() ? dim.extent : symbols[dim.symbol]);
    zero.values.assign(static_cast<std::size_t>(num_elements(zero.dims)), 0.0);
    values[id] = std::move(zero);
  }
  if (Status status = run_nodes(graph, values); !status.ok()) return status;
  for (const ir::ValueId id : graph.states)
    if (states) (*states)[info(id).name] = values[info(id).next];
  RefTensors out;
  for (const ir::NamedOutput& output : graph.outputs) out[output.name] = values[output.value];
  return out;
}

}  // namespace antiphon::test
