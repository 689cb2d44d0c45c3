"""Small ONNX models of what passes look for in transformers, for onnx_fuzz: norms, gates, attention of grouped and of merged heads,
rotated positions."""
import numpy as np
from onnx import TensorProto, helper, numpy_helper


class Net:
    """Nodes by name of operator; constants from arrays."""

    def __init__(self):
        self.nodes, self.constants, self.inputs, self.outputs, self.count = [], [], [], [], 0

    def name(self):
        self.count += 1
        return f"v{self.count}"

    def constant(self, array):
        self.constants.append(numpy_helper.from_array(np.asarray(array), self.name()))
        return self.constants[-1].name

    def input(self, name, dims):
        self.inputs.append(helper.make_tensor_value_info(name, TensorProto.FLOAT, dims))
        return name

    def node(self, op, *inputs, **attrs):
        out = self.name()
        given = [x if isinstance(x, str) else self.constant(x) for x in inputs]
        self.nodes.append(helper.make_node(op, given, [out], **attrs))
        return out

    def bytes(self, *outputs):
        made = [helper.make_tensor_value_info(x, TensorProto.FLOAT, None) for x in outputs]
        graph = helper.make_graph(self.nodes, "g", self.inputs, made, self.constants)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8).SerializeToString()


def weights(*dims):
    return np.linspace(-1, 1, int(np.prod(dims)), dtype=np.float32).reshape(dims)


def whole(*numbers):
    return np.array(numbers, np.int64)


def real(number):
    return np.float32(number)


def norm(net, x, centred):
    if centred:
        x = net.node("Sub", x, net.node("ReduceMean", x, axes=[-1]))
    square = net.node("ReduceMean", net.node("Pow", x, real(2)), axes=[-1])
    root = net.node("Sqrt", net.node("Add", square, real(1e-5)))
    if centred:
        y = net.node("Mul", net.node("Div", x, root), weights(4))
        return net.node("Add", y, weights(4))
    return net.node("Mul", weights(4), net.node("Mul", x, net.node("Div", real(1), root)))


def gate(net, x):
    a, b = net.node("MatMul", x, weights(4, 3)), net.node("MatMul", x, weights(4, 3))
    gated = net.node("Mul", net.node("Mul", a, net.node("Sigmoid", a)), b)
    return net.node("MatMul", gated, weights(3, 4))


def by_head(net, x, heads, width, batch):
    y = net.node("Reshape", net.node("MatMul", x, weights(4, heads * width)), whole(*batch, heads, width))
    return net.node("Transpose", y, perm=[0, 2, 1, 3])


def joined(net, mixed, batch):
    return net.node("Reshape", net.node("Transpose", mixed, perm=[0, 2, 1, 3]), whole(*batch, 4))


def repeated(net, x):
    one = net.node("Unsqueeze", x, whole(2))
    many = net.node("Expand", one, whole(1, 1, 2, 1, 1))
    return net.node("Reshape", many, whole(0, 2, -1, 2))


def grouped(length):
    """Two heads of one key and value behind a past; a mask by query."""
    net = Net()
    x, mask = net.input("x", ["B", length, 4]), net.input("mask", ["B", 1, length, "T"])
    batch = (0, 0)
    h = norm(net, x, False)
    q = by_head(net, h, 2, 2, batch)
    keys = net.node("Concat", net.input("k", ["B", 1, "P", 2]), by_head(net, h, 1, 2, batch), axis=2)
    values = net.node("Concat", net.input("v", ["B", 1, "P", 2]), by_head(net, h, 1, 2, batch), axis=2)
    turned = net.node("Transpose", repeated(net, keys), perm=[0, 1, 3, 2])
    scores = net.node("Add", net.node("Mul", net.node("MatMul", q, turned), real(0.7)), mask)
    mixed = net.node("MatMul", net.node("Softmax", scores, axis=-1), repeated(net, values))
    y = net.node("Add", x, net.node("MatMul", joined(net, mixed, batch), weights(4, 4)))
    return net.bytes(net.node("Add", y, gate(net, norm(net, y, True))), keys, values)


def merged():
    """Batch and heads as one axis, a bias by head there and a mask where they are two."""
    net = Net()
    x, bias, mask = net.input("x", [2, "S", 4]), net.input("bias", [4, 1, "S"]), net.input("mask", [2, 1, "S", "S"])
    part = lambda: net.node("Reshape", by_head(net, x, 2, 2, (0, 0)), whole(4, -1, 2))
    product = net.node("MatMul", part(), net.node("Transpose", part(), perm=[0, 2, 1]))
    biased = net.node("Add", net.node("Mul", product, real(0.7)), bias)
    size = net.node("Shape", x)
    steps = net.node("Slice", size, whole(1), whole(2))
    apart = net.node("Reshape", biased, net.node("Concat", whole(2, 2), steps, steps, axis=0))
    softmax = net.node("Softmax", net.node("Add", apart, mask), axis=-1)
    mixed = net.node("MatMul", net.node("Reshape", softmax, net.node("Concat", whole(4), steps, steps, axis=0)), part())
    heard = net.node("Reshape", mixed, net.node("Concat", whole(2, 2), steps, whole(2), axis=0))
    return net.bytes(joined(net, heard, (0, -1)))


def rotated(neighbours, part):
    """Heads whose positions turn halves, or neighbours; of the first four elements of six alone."""
    net = Net()
    width = 6 if part else 4
    x, cos, sin = net.input("x", ["B", "S", 4]), net.input("cos", [1, 1, "S", 4]), net.input("sin", [1, 1, "S", 4])
    heads = by_head(net, x, 2, width, (0, 0))
    last, end = whole(-1), whole(np.iinfo(np.int64).max)
    cut = lambda begin, to, step=1: net.node("Slice", turning, whole(begin), to, last, whole(step))
    turning = heads
    turning = cut(0, whole(4)) if part else heads
    if neighbours:
        behind = lambda value: net.node("Unsqueeze", value, last)
        both = net.node("Concat", behind(net.node("Neg", cut(1, end, 2))), behind(cut(0, end, 2)), axis=-1)
        other = net.node("Reshape", both, whole(0, 0, -1, 4))
    else:
        other = net.node("Concat", net.node("Neg", cut(2, end)), cut(0, whole(2)), axis=-1)
    y = net.node("Add", net.node("Mul", turning, cos), net.node("Mul", other, sin))
    if part:
        y = net.node("Concat", y, net.node("Slice", heads, whole(4), end, last), axis=-1)
    return net.bytes(y)


def fused(op, domain, inputs):
    net = Net()
    given = [net.input(name, [2, "S", 4]) for name in inputs]
    out = net.node(op, *given, weights(4), **({"domain": domain} if domain else {}), epsilon=1e-5)
    return net.bytes(out)


def models():
    return {"rotated_halves": rotated(False, False), "rotated_part": rotated(False, True), "rotated_neighbours": rotated(True, True),
            "grouped_open": grouped("S"), "grouped_step": grouped(1), "merged_heads": merged(),
            "simplified_norm": fused("SimplifiedLayerNormalization", "", ["x"]),
            "skip_simplified_norm": fused("SkipSimplifiedLayerNormalization", "com.microsoft", ["x", "skip"])}
