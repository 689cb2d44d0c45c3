#!/usr/bin/env python3
"""Makes the golden cases of domain com.microsoft: NAME.onnx, and NAME.safetensors with in.X and out.Y by ONNX Runtime.

    python tests/golden/microsoft/make_microsoft_golden.py [CASE...]

Seeded: single nodes that ONNX Runtime's transformer optimiser writes, with every form of input and attribute that they may have
on a CPU; bert: the network of tests/golden/onnx as the optimiser leaves it; bert_dynamic: what quantize_dynamic() makes of that,
its out.Y by the network with the numbers that its weights stand for, and theirs.Y as it is. Written with onnx 1.23.2,
onnxruntime 1.32.0 and numpy 2.4.6.
"""
import os
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import QuantType, quantize_dynamic
from onnxruntime.transformers import optimizer
from safetensors.numpy import load_file, save_file

HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "../quantized"))
from make_quantized_golden import with_rounded_weights
MICROSOFT = "com.microsoft"
B, S, N, D = 2, 4, 2, 2  # sequences, steps, heads, width of a head
H = N * D

random = np.random.default_rng()  # main() seeds it


def real(*dims):
    return random.standard_normal(dims).astype(np.float32)


def small(*dims):
    return (0.5 * random.standard_normal(dims)).astype(np.float32)


def bytes_of(dtype, *dims):
    limits = np.iinfo(dtype)
    return random.integers(limits.min, limits.max + 1, dims).astype(dtype)


def whole(values):
    return np.array(values, np.int32)


def write(name, nodes, given, constants, outputs, symbols, meaning=None, opset=17):
    """`meaning`: nodes that say the same, where ONNX Runtime has the operator on other devices alone."""
    types = {np.dtype(k): v for k, v in (("float32", TensorProto.FLOAT), ("int32", TensorProto.INT32), ("int64", TensorProto.INT64),
                                         ("uint8", TensorProto.UINT8), ("int8", TensorProto.INT8))}
    value = lambda key, v: helper.make_tensor_value_info(key, types[v.dtype], symbols.get(key, v.shape))

    def model_of(nodes):
        graph = helper.make_graph(nodes, name, [value(key, v) for key, v in given.items()],
                                  [helper.make_tensor_value_info(key, t, None) for key, t in outputs],
                                  [numpy_helper.from_array(v, key) for key, v in constants.items()])
        opsets = [helper.make_opsetid("", opset), helper.make_opsetid(MICROSOFT, 1)]
        return helper.make_model(graph, ir_version=8, opset_imports=opsets).SerializeToString()

    model = model_of(nodes)
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    run = model_of(meaning) if meaning else model
    session = onnxruntime.InferenceSession(run, options, providers=["CPUExecutionProvider"])
    tensors = {"in." + key: np.ascontiguousarray(v).reshape(v.shape) for key, v in given.items()}
    for info, v in zip(session.get_outputs(), session.run(None, given)):
        tensors["out." + info.name] = np.ascontiguousarray(v)
    with open(os.path.join(HERE, name + ".onnx"), "wb") as file:
        file.write(model)
    save_file(tensors, os.path.join(HERE, name + ".safetensors"))
    print(name, len(model))


def single(name, op, inputs, constants, outputs=("y",), domain=MICROSOFT, symbols=None, whole_outputs=(), opset=17, unread=(), **attributes):
    """One node: inputs in their order, None where one is absent; those named in `constants` are initialisers, outputs named in `unread`
    none of the model."""
    node = helper.make_node(op, [key if v is not None else "" for key, v in inputs], list(outputs), name="node", domain=domain,
                            **attributes)
    present = {key: v for key, v in inputs if v is not None}
    write(name, [node], {k: v for k, v in present.items() if k not in constants}, {k: v for k, v in present.items() if k in constants},
          [(k, TensorProto.INT32 if k in whole_outputs else TensorProto.FLOAT) for k in outputs if k and k not in unread], symbols or {},
          opset=opset)


def norms():
    beside = [("gamma", real(H)), ("beta", real(H)), ("bias", real(H))]
    names = {"gamma", "beta", "bias"}
    single("skip_layer_norm", "SkipLayerNormalization", [("x", real(B, S, H)), ("skip", real(B, S, H)), *beside], names,
           ["y", "", "", "sum"], symbols={"x": ["B", "S", H], "skip": ["B", "S", H]}, epsilon=1e-5)
    single("skip_layer_norm_plain", "SkipLayerNormalization", [("x", real(B, S, H)), ("skip", real(S, H)), beside[0]], names)
    single("skip_simplified", "SkipSimplifiedLayerNormalization",
           [("x", real(B, S, H)), ("skip", real(B, S, H)), beside[0], beside[2]], names, ["y", "", "", "sum"], epsilon=1e-3)
    single("skip_simplified_plain", "SkipSimplifiedLayerNormalization", [("x", real(S, H)), ("skip", real(S, H)), beside[0]], names)
    single("simplified", "SimplifiedLayerNormalization", [("x", real(B, S, H)), beside[0]], names, ["y"], domain="")
    single("simplified_axis", "SimplifiedLayerNormalization", [("x", real(B, S, H)), ("gamma", real(S, H))], names, ["y", "inverse"],
           domain="", axis=1, epsilon=1e-2)


def activations():
    x = 2 * real(B, S, H)
    single("gelu", "Gelu", [("x", x)], set())
    single("bias_gelu", "BiasGelu", [("x", x), ("bias", real(H))], {"bias"})
    single("fast_gelu", "FastGelu", [("x", x)], set())
    single("fast_gelu_bias", "FastGelu", [("x", x), ("bias", real(H))], {"bias"})
    single("quick_gelu", "QuickGelu", [("x", x)], set())
    single("quick_gelu_alpha", "QuickGelu", [("x", x)], set(), alpha=0.7)
    node = lambda op, inputs, outputs, domain="", **more: helper.make_node(op, inputs, outputs, domain=domain, **more)
    write("bias_split_gelu", [node("BiasSplitGelu", ["x", "bias"], ["y"], MICROSOFT)], {"x": x}, {"bias": real(H)},
          [("y", TensorProto.FLOAT)], {},
          [node("Add", ["x", "bias"], ["sum"]), node("Split", ["sum"], ["left", "right"], axis=-1),
           node("Gelu", ["right"], ["gelu"], MICROSOFT), node("Mul", ["left", "gelu"], ["y"])])


def embeddings():
    ids, segments = random.integers(0, 11, (B, S)).astype(np.int32), random.integers(0, 2, (B, S)).astype(np.int32)
    mask = whole([[1, 1, 1, 1], [1, 1, 1, 0]])
    tables = [("words", real(11, H)), ("positions", real(9, H)), ("kinds", real(2, H)), ("gamma", real(H)), ("beta", real(H))]
    names = {name for name, _ in tables}
    bare = tables[:2] + [("kinds", None)] + tables[3:]
    open_extents = {key: ["B", "S"] for key in ("ids", "segments", "mask", "at")}
    single("embed", "EmbedLayerNormalization", [("ids", ids), ("segments", segments), *tables, ("mask", mask)], names,
           ["y", "lengths", "sum"], symbols=open_extents, whole_outputs={"lengths"}, epsilon=1e-5)
    single("embed_positions", "EmbedLayerNormalization",
           [("ids", ids), ("segments", None), *bare, ("mask", None), ("at", whole([[4, 2, 8, 0]]))], names, ["y", "lengths"],
           whole_outputs={"lengths"})

    def quantized(name, dtype, segments, mask):
        zero = np.array(0 if dtype == np.int8 else 117, dtype)
        keys = [key for key, _ in tables if segments is not None or key != "kinds"]
        find = lambda make: [(key + make[0], make[1](v) if key in keys else None) for key, v in tables]
        inputs = [("ids", ids), ("segments", segments), *find(("", lambda v: bytes_of(dtype, *v.shape))), ("mask", mask),
                  *find(("_scale", lambda v: np.float32(random.uniform(0.005, 0.02)))), *find(("_zero", lambda v: zero))]
        single(name, "QEmbedLayerNormalization", [(k, np.asarray(v) if v is not None else None) for k, v in inputs],
               {k + end for k in keys for end in ("", "_scale", "_zero")}, ["y", "lengths"], symbols=open_extents,
               whole_outputs={"lengths"})

    quantized("qembed", np.uint8, segments, mask)
    quantized("qembed_bare", np.int8, None, None)


RAW = whole([[1, 1, 1, 1], [1, 1, 0, 0]])
BY_QUERY = whole([np.tril(np.ones((S, S))), np.eye(S)[::-1] + np.eye(S)])
OPEN = {"x": ["B", "S", H]}


def attention():
    weights = [("w", small(H, 3 * H)), ("b", small(3 * H))]
    past_steps = 3
    past = real(2, B, N, past_steps, D)

    def case(name, *more, x=None, constants=("w", "b"), parts=weights, outputs=("y",), symbols=None, **attributes):
        single("attention_" + name, "Attention", [("x", real(B, S, H) if x is None else x), *parts, *more], set(constants), outputs,
               symbols=symbols, num_heads=N, **attributes)

    case("plain", symbols=OPEN)
    case("no_bias", parts=[weights[0], ("b", None)])
    case("weights_of_run_time", constants=())
    case("mask", ("mask", RAW), symbols=OPEN | {"mask": ["B", "S"]}, mask_filter_value=-3.0)
    case("lengths", ("mask", whole([4, 2])), symbols=OPEN | {"mask": ["B"]})
    case("ends_starts", ("mask", whole([4, 3, 2, 0])))
    case("by_query", ("mask", BY_QUERY))
    case("causal", symbols=OPEN, unidirectional=1)
    case("causal_mask", ("mask", RAW), unidirectional=1)
    case("scale", scale=0.2)
    case("sizes", parts=[("w", small(H, 2 * H + 6)), ("b", small(2 * H + 6))], qkv_hidden_sizes=[H, H, 6])
    case("bias_by_head", ("mask", None), ("past", None), ("more", real(1, N, S, S)))
    case("bias_once", ("mask", RAW), ("past", None), ("more", real(B, 1, S, S)), unidirectional=1)
    case("past", ("mask", None), ("past", past), outputs=("y", "present"), unidirectional=1,
         symbols=OPEN | {"past": [2, "B", N, "P", D]})
    total = past_steps + S
    mask = np.ones((B, total), np.int32)
    mask[1, :2] = 0
    case("past_mask", ("mask", mask), ("past", past), outputs=("y", "present"))


def quantized_attention():
    past = real(2, B, N, 3, D)

    def case(name, weights_type, count, *more, zero=None, input_type=np.uint8, outputs=("y",), constant=True, **attributes):
        w = bytes_of(weights_type, H, 3 * H)
        if weights_type == np.uint8 and zero is not None:
            w = np.clip(w, 40, 240).astype(np.uint8)
        w_zero = None if zero is None else np.full(count, zero, weights_type)
        more = list(more) + [(None, None)] * (2 - len(more))
        inputs = [("x", bytes_of(input_type, B, S, H)), ("w", w), ("b", small(3 * H)), ("xs", np.float32(0.02)),
                  ("ws", random.uniform(0.004, 0.008, count).astype(np.float32)), ("mask", more[0][1]),
                  ("xz", np.array(120 if input_type == np.uint8 else 3, input_type)), ("wz", w_zero), ("past", more[1][1])]
        names = {"b", "xs", "ws", "xz", "wz"} | ({"w"} if constant else set())
        single("qattention_" + name, "QAttention", [(k, np.asarray(v) if v is not None else None) for k, v in inputs], names, outputs,
               num_heads=N, **attributes)

    case("signed", np.int8, (3 * H,), ("mask", RAW))
    case("unsigned", np.uint8, (), ("mask", whole([4, 2])), zero=131)
    case("past", np.int8, (), (None, None), ("past", past), zero=0, outputs=("y", "present"), unidirectional=1)
    case("of_run_time", np.int8, (), constant=False)


def multi_head():
    other = 5

    def case(name, key, value, *more, q=None, outputs=("y",), constants=("bias",), symbols=None, **attributes):
        single("heads_" + name, "MultiHeadAttention", [("q", real(B, S, H) if q is None else q), ("k", key), ("v", value), *more],
               set(constants), outputs, symbols=symbols, num_heads=N, **attributes)

    own = lambda: (real(B, S, H), real(B, S, H))
    across = lambda: (real(B, other, H), real(B, other, H))
    bias = ("bias", small(3 * H))
    open_extents = {key: ["B", "S", H] for key in ("q", "k", "v")} | {"mask": ["B", "S"]}
    case("plain", *own(), symbols=open_extents)
    case("mask", *own(), bias, ("mask", RAW), symbols=open_extents)
    case("lengths", *across(), bias, ("mask", whole([3, 5])))
    case("by_query", *own(), bias, ("mask", BY_QUERY))
    case("sizes", real(B, other, H), real(B, other, 6), ("bias", small(2 * H + 6)), scale=0.3)
    case("bias_once", *own(), bias, ("mask", RAW), ("more", real(1, 1, S, S)))
    case("bias_by_head", *own(), ("bias", None), ("mask", None), ("more", real(B, N, S, S)))
    case("causal", *own(), bias, ("mask", None), unidirectional=1)
    case("by_head", real(B, N, other, D), real(B, N, other, D))
    case("past", *own(), bias, ("mask", None), ("more", None), ("past_k", real(B, N, 3, D)), ("past_v", real(B, N, 3, D)),
         outputs=("y", "present_k", "present_v"), unidirectional=1)
    case("present", *own(), bias, outputs=("y", "present_k", "present_v"))


def tables(positions, pairs):
    by = np.arange(positions)[:, None] * 0.7 ** np.arange(1, pairs + 1)
    return [("cos", np.cos(by).astype(np.float32)), ("sin", np.sin(by).astype(np.float32))]


def rotary():
    """ONNX Runtime's operator and, as standard_..., that of ONNX."""
    d, at = 4, np.array([[3, 4, 5, 6], [0, 1, 2, 8]])
    flat, by_head = real(B, S, N * d), real(B, N, S, d)
    open_extents = {"x": ["B", "S", N * d], "at": ["B", "S"]}

    def case(name, x, positions, pairs, **more):
        single("rotary_" + name, "RotaryEmbedding", [("x", x), ("at", positions), *tables(9, pairs)], {"cos", "sin"}, **more)

    def standard(name, x, pairs, positions=None, **more):
        find = lambda table: table if positions is not None else table[at]
        angles = [(key, find(table)) for key, table in tables(9, pairs)]
        single("rotary_standard_" + name, "RotaryEmbedding", [("x", x), *angles, ("at", positions)], set(), domain="", opset=23, **more)

    case("plain", flat, at, 2, symbols=open_extents)
    case("by_head", by_head, at, 2, interleaved=1)
    case("offset", flat, np.array([3]), 2, symbols={"x": ["B", "S", N * d]})
    case("part", flat, at, 1, num_heads=N, rotary_embedding_dim=2)
    standard("plain", flat, 2, at, num_heads=N, symbols=open_extents)
    standard("angles", by_head, 2, interleaved=1)
    standard("part", flat, 1, num_heads=N, rotary_embedding_dim=2)


def grouped():
    """Four heads on two of keys and values. Of sequences that are shorter than the past only `y` is kept: ONNX Runtime leaves the rows
    of the present behind them as they are. Where it is not asked for the present it does not read the past."""
    heads, shared, d = 4, 2, 16
    present = ("y", "present_k", "present_v")

    def case(name, steps=S, past=0, lengths=None, batch=B, rotate=None, packed=False, bias=None, at=None, outputs=present, symbols=None,
             d=d, **attributes):
        widths = [heads * d, shared * d, shared * d]
        made = [real(batch, steps, sum(widths)), None, None] if packed else [real(batch, steps, w) for w in widths]
        cache = [small(batch, shared, past, d) if past else None for _ in range(2)]
        lengths = whole([past + steps - 1] * batch if lengths is None else lengths)
        inputs = [*zip(("q", "k", "v"), made), *zip(("past_k", "past_v"), cache), ("lengths", lengths),
                  ("total", np.array(past + steps, np.int32)), *(tables(9, rotate) if rotate else [("cos", None), ("sin", None)]),
                  ("at", at), ("bias", bias)]
        while inputs[-1][1] is None:
            inputs.pop()
        single("grouped_" + name, "GroupQueryAttention", inputs, {"cos", "sin"}, outputs, symbols=symbols, num_heads=heads,
               kv_num_heads=shared, do_rotary=int(rotate is not None), **attributes)

    open_extents = {"q": ["B", "S", heads * d], "k": ["B", "S", shared * d], "v": ["B", "S", shared * d], "lengths": ["B"]}
    open_past = {key: ["B", 1, *x[2:]] for key, x in open_extents.items() if len(x) > 1} | {"lengths": ["B"]} | {
        key: ["B", shared, "P", d] for key in ("past_k", "past_v")}
    case("plain", outputs=("y",), symbols=open_extents)
    case("rotary", rotate=8, symbols=open_extents)
    case("packed", rotate=8, packed=True, rotary_interleaved=1)
    case("past", steps=1, past=3, rotate=8, symbols=open_past)
    case("uneven", steps=1, past=3, lengths=[3, 1], rotate=8, symbols=open_past, unread=present[1:])
    case("chunk", steps=3, past=4, batch=1, rotate=8, symbols={k: [1, *x[1:]] for k, x in open_extents.items()} |
         {key: [1, shared, "P", d] for key in ("past_k", "past_v")})
    case("window", rotate=8, local_window_size=2, scale=0.3)
    case("window_past", steps=2, past=4, batch=1, local_window_size=3)
    case("bias", bias=real(1, heads, S, S), rotate=8)
    case("positions", rotate=8, at=np.array([[1, 2, 3, 4]] * 2))
    case("both_ways", causal=0)
    case("part", rotate=8, steps=2, d=32)
    grouped_layers("layers", B)
    grouped_layers("layers_of_one", 1)


def grouped_layers(name, batch):
    """Two layers of one set of weights behind a past each; lengths are those of a mask, as in models for ONNX Runtime's generators."""
    width, heads, d, past = 8, 2, 16, 3
    node = lambda op, inputs, output, **more: helper.make_node(op, inputs, [output], **more)
    nodes = [node("ReduceSum", ["mask", "axis"], "tokens", keepdims=0), node("Sub", ["tokens", "one"], "before"),
             node("Cast", ["before"], "lengths", to=TensorProto.INT32), node("Shape", ["mask"], "extents"),
             node("Gather", ["extents", "second"], "all"), node("Cast", ["all"], "total", to=TensorProto.INT32)]
    constants = {"axis": np.array([1]), "one": np.array([1]), "second": np.array(1), "wq": small(width, heads * d),
                 "wk": small(width, d), "wv": small(width, d), "wo": small(heads * d, width), **dict(tables(9, 8))}
    given = {"x": real(batch, 1, width), "mask": np.ones((batch, past + 1), np.int64)}
    many = "B" if batch > 1 else 1
    symbols = {"x": [many, 1, width], "mask": [many, "T"]}
    outputs = []
    x = "x"
    for i in "01":
        for part in "kv":
            given[f"past_{part}{i}"] = small(batch, 1, past, d)
            symbols[f"past_{part}{i}"] = [many, 1, "P", d]
            outputs.append(f"present_{part}{i}")
        nodes += [node("MatMul", [x, "w" + part], part + i) for part in "qkv"]
        nodes.append(helper.make_node("GroupQueryAttention", ["q" + i, "k" + i, "v" + i, "past_k" + i, "past_v" + i, "lengths", "total",
                                                              "cos", "sin"], ["heard" + i, *outputs[-2:]], domain=MICROSOFT,
                                      num_heads=heads, kv_num_heads=1, do_rotary=1))
        nodes += [node("MatMul", ["heard" + i, "wo"], "made" + i), node("Add", [x, "made" + i], "x" + i)]
        x = "x" + i
    write("grouped_" + name, nodes, given, constants, [(key, TensorProto.FLOAT) for key in [x, *outputs]], symbols)


def bert():
    plain = os.path.join(HERE, "../onnx/bert")
    given = {key.removeprefix("in."): v for key, v in load_file(plain + ".safetensors").items() if key.startswith("in.")}

    def run(model):
        session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
        return {i.name: np.ascontiguousarray(v) for i, v in zip(session.get_outputs(), session.run(None, given))}

    def save(name, model, results):
        """With short names: they are most of the file else."""
        del model.metadata_props[:], model.graph.value_info[:]
        short = {v.name: v.name for v in [*model.graph.input, *model.graph.output]} | {"": ""}
        shortened = lambda names: [short.setdefault(key, f"v{len(short)}") for key in names]
        for i, node in enumerate(model.graph.node):
            node.doc_string, node.name = "", f"n{i}"
            del node.metadata_props[:]
            node.input[:], node.output[:] = shortened(node.input), shortened(node.output)
        for tensor in model.graph.initializer:
            tensor.name, = shortened([tensor.name])
        onnx.save(model, os.path.join(HERE, name + ".onnx"))
        tensors = {"in." + k: v for k, v in given.items()}
        tensors.update({f"{kind}.{k}": v for kind, values in results.items() for k, v in values.items()})
        save_file(tensors, os.path.join(HERE, name + ".safetensors"))
        print(name, model.ByteSize())

    with tempfile.TemporaryDirectory() as folder:
        path = lambda name: os.path.join(folder, name + ".onnx")
        optimizer.optimize_model(plain + ".onnx", model_type="bert", num_heads=2, hidden_size=16).save_model_to_file(path("fused"))
        fused = onnx.load(path("fused"))
        quantize_dynamic(path("fused"), path("bytes"), weight_type=QuantType.QInt8, per_channel=True,
                         extra_options={"DefaultTensorType": TensorProto.FLOAT})
        quantized = onnx.load(path("bytes"))
    kinds = {node.op_type for node in quantized.graph.node}
    assert {"QAttention", "QEmbedLayerNormalization", "SkipLayerNormalization", "BiasGelu"} <= kinds, kinds
    dynamic = {"out": run(with_rounded_weights(fused, quantized)), "theirs": run(quantized)}
    save("bert", fused, {"out": run(fused)})
    save("bert_dynamic", quantized, dynamic)


def main():
    global random
    for case in (norms, activations, embeddings, attention, quantized_attention, multi_head, rotary, grouped, bert):
        if len(sys.argv) < 2 or case.__name__ in sys.argv[1:]:
            random = np.random.default_rng(41)
            case()


if __name__ == "__main__":
    main()
