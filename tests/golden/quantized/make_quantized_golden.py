#!/usr/bin/env python3
"""Makes the networks that ONNX Runtime's quantizers write, and what ONNX Runtime makes of inputs with them.

    python tests/golden/quantized/make_quantized_golden.py [NAME...]

NAME.onnx: a small network as quantize_static() writes it in QOperator form (cnn_*, filters_3d_uneven, block_u8, separable_u8) or in QDQ
form (*_pairs_*), or quantize_dynamic() (mlp_*, other filters_*, *_dynamic), also as ONNX Runtime's optimiser leaves it (*_fused); lstm_node_*: one DynamicQuantizeLSTM with all it may have; lstm_state_*: the same on inputs that
bytes hold as they are, so that nothing but the state between steps is rounded. NAME.safetensors: in.x.N, inputs; out.y.N, what ONNX
Runtime makes of them with every node as it stands; real.y.N, of dynamic ones, what it makes with the weights' bytes where
nothing else is rounded. Written with onnx 1.23.2, onnxruntime 1.32.0 and numpy 2.4.6.
"""
import os
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
NUM_INPUTS = 2


class Network:
    """Nodes and seeded weights, in the order that they are written."""

    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants = [], []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def node(self, op, name, inputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def weights(self, name, *shape):
        filters = len(shape) >= 4
        fan_in = int(np.prod(shape[1:])) if filters else shape[0]
        # Columns and channels of different sizes, not centred.
        size = self.random.uniform(0.6, 1.6, shape[0] if filters else shape[1])
        size = size.reshape(-1, *[1] * (len(shape) - 1)) if filters else size
        value = (self.random.normal(0.15, 1, shape) * size / np.sqrt(fan_in)).astype(np.float32)
        return self.constant(name, value)

    def bias(self, name, count):
        return self.constant(name, self.random.normal(0, 0.3, count).astype(np.float32))

    def conv(self, name, x, channels, outputs, width, relu=True, axes=2, **attributes):
        inputs = [x, self.weights(name + "_w", outputs, channels, *[width] * axes), self.bias(name + "_b", outputs)]
        y = self.node("Conv", name, inputs, kernel_shape=[width] * axes, **attributes)
        return self.node("Relu", name + "_relu", [y]) if relu else y

    def linear(self, name, x, columns, outputs):
        y = self.node("MatMul", name, [x, self.weights(name + "_w", columns, outputs)])
        return self.node("Add", name + "_sum", [y, self.bias(name + "_b", outputs)])

    def model(self, y, shape_in, shape_out):
        value = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
        self.node("Identity", "y", [y])
        graph = helper.make_graph(self.nodes, "quantized", [value("x", shape_in)], [value("y", shape_out)], self.constants)
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
        onnx.checker.check_model(model, full_check=True)
        return model


def cnn():
    """Convolutions, a residual, maxima, averages, a join of channels, a gate, and a layer on the mean."""
    n = Network(31)
    a = n.conv("first", "x", 3, 16, 3, pads=[1, 1, 1, 1], strides=[2, 2])
    a = n.node("MaxPool", "maxima", [a], kernel_shape=[2, 2], strides=[2, 2])
    b = n.conv("left", a, 16, 16, 3, pads=[1, 1, 1, 1])
    b = n.conv("right", b, 16, 16, 3, relu=False, pads=[1, 1, 1, 1])
    c = n.node("LeakyRelu", "leaky", [n.node("Add", "residual", [a, b])], alpha=0.1)
    d = n.node("AveragePool", "average", [c], kernel_shape=[3, 3], strides=[1, 1], pads=[1, 1, 1, 1])
    d = n.conv("point", d, 16, 8, 1)
    e = n.node("Concat", "joined", [c, d], axis=1)
    gate = n.node("Sigmoid", "gate", [n.conv("gates", e, 24, 24, 1, relu=False)])
    f = n.conv("last", n.node("Mul", "gated", [e, gate]), 24, 20, 3)
    f = n.node("Flatten", "flat", [n.node("GlobalAveragePool", "mean", [f])])
    y = n.node("Gemm", "scores", [f, n.weights("scores_w", 20, 10), n.bias("scores_b", 10)])
    return n.model(y, [1, 3, 16, 16], [1, 10])


def filters(axes):
    """Convolutions and what rounds nothing between them: a stride, groups, maxima, a residual, a shortcut of one tap."""
    n = Network(36)
    around = [1] * 2 * axes
    a = n.conv("first", "x", 3, 16, 3, axes=axes, pads=around, strides=[2] * axes)
    b = n.conv("halves", a, 8, 24, 3, axes=axes, pads=around, group=2)
    b = n.conv("wide", b, 24, 20, 3, relu=False, axes=axes, pads=around)
    c = n.conv("shortcut", a, 16, 20, 1, relu=False, axes=axes)
    c = n.node("Relu", "sum_relu", [n.node("Add", "sum", [b, c])])
    c = n.node("MaxPool", "maxima", [c], kernel_shape=[2] * axes, strides=[2] * axes)
    d = n.conv("last", c, 20, 18, 2, axes=axes)
    return n.model(n.node("Flatten", "flat", [n.node("GlobalMaxPool", "most", [d])]), [2, 3] + [12] * axes, [2, 18])


def separable():
    """Depthwise convolutions, strides and a residual, between those of one tap; limits of 0 and 6."""
    n = Network(41)
    limits = [n.constant("none", np.float32(0)), n.constant("six", np.float32(6))]
    limited = lambda y: n.node("Clip", y + "_limited", [y, *limits])
    around = [1, 1, 1, 1]
    a = limited(n.conv("first", "x", 3, 40, 3, relu=False, pads=around, strides=[2, 2]))
    b = limited(n.conv("each", a, 1, 40, 3, relu=False, pads=around, group=40))
    b = n.conv("mixed", b, 40, 24, 1, relu=False)
    c = n.conv("wide", b, 24, 70, 1)
    c = n.conv("wide_each", c, 1, 70, 5, pads=[2, 2, 2, 2], group=70)
    b = n.node("Add", "sum", [b, n.conv("narrow", c, 70, 24, 1, relu=False)])
    d = limited(n.conv("halved", b, 1, 24, 3, relu=False, pads=[0, 1, 1, 0], strides=[2, 2], group=24))
    d = n.conv("last", d, 24, 18, 1)
    return n.model(n.node("Flatten", "flat", [n.node("GlobalMaxPool", "most", [d])]), [2, 3, 20, 22], [2, 18])


def block():
    """A transformer block: q, k and v of one x, two heads, layer norm, two layers between, all with extents of their own."""
    n = Network(32)
    batch, steps, width, heads = 1, 6, 32, 2
    split = n.constant("split", np.array([0, 0, heads, width // heads], np.int64))
    whole = n.constant("whole", np.array([0, 0, width], np.int64))

    def part(name, order):
        y = n.node("Reshape", name + "_split", [n.linear(name, "x", width, width), split])
        return n.node("Transpose", name + "_heads", [y], perm=order)

    q, k, v = part("q", [0, 2, 1, 3]), part("k", [0, 2, 3, 1]), part("v", [0, 2, 1, 3])
    scale = n.constant("scale", np.float32((width // heads) ** -0.5))
    scores = n.node("Mul", "scores", [n.node("MatMul", "products", [q, k]), scale])
    heard = n.node("MatMul", "heard", [n.node("Softmax", "weights", [scores], axis=-1), v])
    heard = n.node("Reshape", "heard_whole", [n.node("Transpose", "heard_turned", [heard], perm=[0, 2, 1, 3]), whole])

    def norm(name, x):
        gain = n.constant(name + "_gain", n.random.uniform(0.7, 1.3, width).astype(np.float32))
        return n.node("LayerNormalization", name, [x, gain, n.bias(name + "_shift", width)], axis=-1)

    z = norm("norm_1", n.node("Add", "residual_1", ["x", n.linear("out", heard, width, width)]))
    inner = n.node("Relu", "inner_relu", [n.linear("inner", z, width, 2 * width)])
    y = norm("norm_2", n.node("Add", "residual_2", [z, n.linear("outer", inner, 2 * width, width)]))
    return n.model(y, [batch, steps, width], [batch, steps, width])


def mlp():
    n = Network(33)
    a = n.node("Relu", "a_relu", [n.linear("a", "x", 24, 40)])
    b = n.node("Tanh", "b_tanh", [n.linear("b", a, 40, 33)])
    y = n.node("Gemm", "scores", [b, n.weights("scores_w", 33, 7), n.bias("scores_b", 7)])
    return n.model(y, [3, 24], [3, 7])


def recurrent():
    """Two layers of LSTM, the first in both directions, and what follows them."""
    n = Network(34)
    steps, batch, width, hidden = 5, 2, 12, 8
    part = lambda name, *shape: n.constant(name, n.random.normal(0.03, 0.4, shape).astype(np.float32))

    def layer(name, x, directions, columns, **attributes):
        inputs = [x, part(name + "_w", directions, 4 * hidden, columns), part(name + "_r", directions, 4 * hidden, hidden),
                  part(name + "_b", directions, 8 * hidden)]
        y = n.node("LSTM", name, inputs, hidden_size=hidden, **attributes)
        turned = n.node("Transpose", name + "_turned", [y], perm=[0, 2, 1, 3])
        return n.node("Reshape", name + "_flat", [turned, n.constant(name + "_dims", np.array([0, 0, -1], np.int64))])

    a = layer("first", "x", 2, width, direction="bidirectional")
    b = layer("second", a, 1, 2 * hidden)
    y = n.linear("scores", b, hidden, 9)
    return n.model(y, [steps, batch, width], [steps, batch, 9])


def lstm_node(random, per_output, directions, weights, steps=4, hidden=8, size=1, **attributes):
    """Models of DynamicQuantizeLSTM and of LSTM with the numbers that its weights stand for; what both read beside x."""
    batch, columns = 2, 6
    real = lambda *dims: random.normal(0, 0.5, dims).astype(np.float32)
    beside = [("b", real(directions, 8 * hidden)), ("lengths", np.array([steps, steps - 2], np.int32)), ("h", real(directions, batch, hidden)),
              ("c", real(directions, batch, hidden)), ("p", real(directions, 3 * hidden))]
    limits = np.iinfo(weights)
    numbers, plain = {}, {}
    for name, width in (("w", columns), ("r", hidden)):
        count = (directions, 4 * hidden) if per_output else (directions,)
        values = random.integers(limits.min, limits.max + 1, (directions, width, 4 * hidden)).astype(weights)
        scale = (size * random.uniform(0.002, 0.006, count)).astype(np.float32)
        zero = np.full(count, random.integers(90, 110) if limits.min == 0 else 0, weights)  # ONNX Runtime wants equal ones
        beside_columns = lambda v: v.reshape(directions, 1, -1).astype(np.float32)
        numbers.update({name: values, name + "_scale": scale, name + "_zero": zero})
        plain[name] = np.ascontiguousarray(((values - beside_columns(zero)) * beside_columns(scale)).transpose(0, 2, 1))

    def model(op, weights, after, domain):
        names = ["x", "w", "r", *[name for name, _ in beside], *after]
        constants = [numpy_helper.from_array(v, k) for k, v in [*weights.items(), *beside, ("all", np.array([-1], np.int64))]]
        parts = ["sequence", "last", "cell"]
        nodes = [helper.make_node(op, names, parts, name="lstm", domain=domain, hidden_size=hidden, **attributes)]
        nodes += [helper.make_node("Reshape", [part, "all"], [part + "_flat"]) for part in parts]
        nodes.append(helper.make_node("Concat", [part + "_flat" for part in parts], ["y"], axis=0))
        value = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
        graph = helper.make_graph(nodes, "lstm", [value("x", [steps, batch, columns])], [value("y", None)], constants)
        return helper.make_model(graph, ir_version=8, opset_imports=[helper.make_opsetid("", 17), helper.make_opsetid("com.microsoft", 1)])

    after = ["w_scale", "w_zero", "r_scale", "r_zero"]
    return model("DynamicQuantizeLSTM", numbers, after, "com.microsoft"), model("LSTM", plain, [], "")


class Samples(CalibrationDataReader):
    def __init__(self, inputs):
        self.left = [{"x": x} for x in inputs]

    def get_next(self):
        return self.left.pop() if self.left else None


def whole_steps(random, shape):
    """Whole numbers of steps of 0.02 over all of the range of bytes, which DynamicQuantizeLinear finds again."""
    x = random.integers(-100, 156, shape)
    x.flat[:2] = -100, 155
    return (x * np.float32(0.02)).astype(np.float32)


def run(model, inputs):
    options = onnxruntime.SessionOptions()
    # The range of a step's state is that of the rows of one thread: here of one row.
    options.intra_op_num_threads = 2
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [np.ascontiguousarray(session.run(None, {"x": x})[0]) for x in inputs]


def fused(path):
    """The model as ONNX Runtime's optimiser leaves it, but for the sum that it puts into layer norms."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_ENABLE_EXTENDED
    options.optimized_model_filepath = path + ".fused"
    onnxruntime.InferenceSession(path, options, providers=["CPUExecutionProvider"], disabled_optimizers=["SkipLayerNormFusion"])
    return onnx.load(path + ".fused")


def with_rounded_weights(plain, quantized):
    """The network before, with the numbers that the quantized one's weights stand for."""
    out = onnx.ModelProto()
    out.CopyFrom(plain)
    have = {t.name: numpy_helper.to_array(t) for t in quantized.graph.initializer}
    for tensor in out.graph.initializer:
        turned = tensor.name + "_Transposed_quantized" in have  # a Gemm's, which becomes a MatMul
        name = tensor.name + ("_Transposed" if turned else "")
        if name + "_quantized" not in have:
            continue
        values, scale, zero = (have[name + end].astype(np.float32) for end in ("_quantized", "_scale", "_zero_point"))
        if values.ndim == 3:  # an LSTM's, which are turned
            scale, zero = (v.reshape(len(values), 1, -1) for v in (scale, zero))
        real = (values - zero) * scale
        real = real.transpose(0, 2, 1) if values.ndim == 3 else real.T if turned else real
        tensor.CopyFrom(numpy_helper.from_array(np.ascontiguousarray(real), tensor.name))
    return out


def write(name, plain, quantized, inputs, dynamic):
    if sys.argv[1:] and name not in sys.argv[1:]:
        return
    for node in quantized.graph.node:
        node.doc_string = ""
    onnx.save(quantized, os.path.join(HERE, name + ".onnx"))
    values = {"in.x": inputs, "out.y": run(quantized, inputs)}
    if dynamic:
        values["real.y"] = run(with_rounded_weights(plain, quantized), inputs)
    save_file({f"{k}.{i}": v for k, list_of in values.items() for i, v in enumerate(list_of)},
              os.path.join(HERE, name + ".safetensors"))


def main():
    with tempfile.TemporaryDirectory() as folder:
        path = lambda name: os.path.join(folder, name + ".onnx")

        def inputs_of(model, seed):
            shape = [d.dim_value for d in model.graph.input[0].type.tensor_type.shape.dim]
            random = np.random.default_rng(seed)
            return [random.normal(0.1, 1, shape).astype(np.float32) for _ in range(NUM_INPUTS)]

        def static(name, make, activations, weights, per_channel, form=QuantFormat.QOperator):
            model = make()
            inputs = inputs_of(model, 5)
            onnx.save(model, path("plain"))
            quantize_static(path("plain"), path(name), Samples(inputs), quant_format=form,
                            activation_type=activations, weight_type=weights, per_channel=per_channel)
            write(name, model, onnx.load(path(name)), inputs, False)

        def dynamic(name, make, weights, per_channel, optimised=False):
            model = make()
            onnx.save(model, path("plain"))
            quantize_dynamic(path("plain"), path(name), weight_type=weights, per_channel=per_channel)
            quantized = fused(path(name)) if optimised else onnx.load(path(name))
            write(name, model, quantized, inputs_of(model, 6), True)

        static("cnn_u8", cnn, QuantType.QUInt8, QuantType.QInt8, True)
        static("cnn_s8", cnn, QuantType.QInt8, QuantType.QInt8, False)
        static("cnn_u8_uneven", cnn, QuantType.QUInt8, QuantType.QUInt8, False)
        static("filters_pairs_uneven", lambda: filters(2), QuantType.QUInt8, QuantType.QUInt8, False, QuantFormat.QDQ)
        static("filters_3d_uneven", lambda: filters(3), QuantType.QUInt8, QuantType.QUInt8, False)
        static("separable_u8", separable, QuantType.QUInt8, QuantType.QInt8, True)
        static("separable_pairs_uneven", separable, QuantType.QUInt8, QuantType.QUInt8, False, QuantFormat.QDQ)
        static("block_u8", block, QuantType.QUInt8, QuantType.QInt8, True)
        dynamic("block_dynamic", block, QuantType.QInt8, True)
        dynamic("block_fused", block, QuantType.QInt8, True, optimised=True)
        dynamic("mlp_uneven", mlp, QuantType.QUInt8, True)
        dynamic("mlp_fused", mlp, QuantType.QUInt8, False, optimised=True)
        dynamic("cnn_dynamic", cnn, QuantType.QUInt8, False)
        dynamic("filters_s8", lambda: filters(2), QuantType.QInt8, False)
        dynamic("filters_u8", lambda: filters(2), QuantType.QUInt8, False)
        dynamic("filters_3d_s8", lambda: filters(3), QuantType.QInt8, False)
        dynamic("filters_3d_u8", lambda: filters(3), QuantType.QUInt8, False)
        dynamic("separable_dynamic", separable, QuantType.QInt8, True)
        dynamic("lstm_dynamic", recurrent, QuantType.QInt8, True)
        for name, arguments in {
                "lstm_node_uneven": (True, 2, np.uint8, dict(direction="bidirectional")),
                "lstm_node_reverse": (False, 1, np.int8, dict(direction="reverse", clip=0.9, input_forget=1)),
                "lstm_node_activations": (False, 1, np.uint8, dict(activations=["HardSigmoid", "Softsign", "LeakyRelu"],
                                                                   activation_alpha=[0.3, 0.2], activation_beta=[0.4]))}.items():
            per_output, directions, weights, attributes = arguments
            quantized, plain = lstm_node(np.random.default_rng(35), per_output, directions, weights, **attributes)
            write(name, plain, quantized, inputs_of(plain, 6), True)
        for name, arguments in {
                "lstm_state_forward": (True, 1, np.int8, dict()),
                "lstm_state_reverse": (False, 1, np.int8, dict(direction="reverse", clip=1.5)),
                "lstm_state_both": (True, 2, np.int8, dict(direction="bidirectional"))}.items():
            per_output, directions, weights, attributes = arguments
            quantized, plain = lstm_node(np.random.default_rng(36), per_output, directions, weights, steps=7, hidden=40, size=0.3, **attributes)
            random = np.random.default_rng(7)
            write(name, plain, quantized, [whole_steps(random, [7, 2, 6]) for _ in range(NUM_INPUTS)], True)


if __name__ == "__main__":
    main()
