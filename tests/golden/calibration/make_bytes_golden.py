#!/usr/bin/env python3
"""Makes bytes.onnx and bytes.safetensors: a network with Q/DQ pairs around convolutions, maxima and a join of channels.

    python tests/golden/calibration/make_bytes_golden.py

All pairs behind the first layer have the same numbers, so that bytes may stay bytes from layer to layer. in.x.N: inputs,
out.y.N: what ONNX Runtime makes of them with every node as it stands. Written with onnx 1.23.2, onnxruntime 1.32.0 and numpy 2.
"""
import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
INNER = (np.float32(0.031), np.uint8(7))
random = np.random.default_rng(23)
nodes, constants = [], []


def constant(name, value):
    constants.append(numpy_helper.from_array(np.asarray(value), name))
    return name


def pair(x, scale, zero):
    s, z = constant(x + "_scale", scale), constant(x + "_zero", zero)
    nodes.append(helper.make_node("QuantizeLinear", [x, s, z], [x + "_u8"]))
    nodes.append(helper.make_node("DequantizeLinear", [x + "_u8", s, z], [x + "_dq"]))
    return x + "_dq"


def conv(name, x, channels, outputs, relu=True, **attributes):
    w = random.integers(-127, 128, (outputs, channels, 3, 3)).astype(np.int8)
    scale = random.uniform(0.5, 1.5, outputs).astype(np.float32) * np.float32(0.02 / np.sqrt(9 * channels))
    inputs = [constant(name + "_w", w), constant(name + "_w_scale", scale), constant(name + "_w_zero", np.zeros(outputs, np.int8))]
    nodes.append(helper.make_node("DequantizeLinear", inputs, [name + "_w_dq"], axis=0))
    bias = constant(name + "_bias", random.normal(0.3, 0.2, outputs).astype(np.float32))
    nodes.append(helper.make_node("Conv", [x, name + "_w_dq", bias], [name], name=name, **attributes))
    if relu:
        nodes.append(helper.make_node("Relu", [name], [name + "_relu"]))
    return name + ("_relu" if relu else "")


def maxima(name, x):
    nodes.append(helper.make_node("MaxPool", [x], [name], name=name, kernel_shape=[2, 2], strides=[2, 2]))
    return name


def make_model():
    same = {"pads": [1, 1, 1, 1]}
    a = pair(conv("a", pair("x", np.float32(0.02), np.uint8(128)), 3, 16, **same), *INNER)
    pooled = pair(maxima("pooled", a), *INNER)
    b = pair(conv("b", pooled, 16, 24, **same), *INNER)
    nodes.append(helper.make_node("Concat", [pooled, b], ["joined"], name="joined", axis=1))
    c = pair(conv("c", pair("joined", *INNER), 40, 33, strides=[2, 1], pads=[1, 1, 1, 1]), *INNER)
    d = pair(conv("d", c, 33, 12, dilations=[1, 2], pads=[1, 2, 1, 2]), *INNER)
    y = conv("y", d, 12, 5, relu=False, **same)
    value = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
    graph = helper.make_graph(nodes, "bytes", [value("x", [2, 3, 12, 26])], [value(y, [2, 5, 3, 13])], constants)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    onnx.checker.check_model(model, full_check=True)
    return model


def main():
    model = make_model()
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    tensors = {}
    for i in range(3):
        x = random.normal(0, 1, (2, 3, 12, 26)).astype(np.float32)
        tensors[f"in.x.{i}"] = x
        tensors[f"out.y.{i}"] = np.ascontiguousarray(session.run(None, {"x": x})[0])
    onnx.save(model, os.path.join(HERE, "bytes.onnx"))
    save_file(tensors, os.path.join(HERE, "bytes.safetensors"))


if __name__ == "__main__":
    main()
