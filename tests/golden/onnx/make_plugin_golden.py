#!/usr/bin/env python3
"""plugin_snake.onnx: a model with an operator of plugins/snake.cpp, and its output by NumPy in double precision.

    python3 tests/golden/onnx/make_plugin_golden.py      # needs numpy and onnx
"""
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

HERE = os.path.dirname(os.path.abspath(__file__))


def main():
    alpha = np.log(np.array([0.5, 1.0, 2.5], np.float32))
    snake = helper.make_node("Snake", ["doubled", "alpha"], ["snaked"], domain="antiphon.example", log_scale=1)
    nodes = [helper.make_node("Add", ["x", "x"], ["doubled"]), snake, helper.make_node("Relu", ["snaked"], ["y"])]
    graph = helper.make_graph(
        nodes, "snake", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["B", 3, "T"])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["B", 3, "T"])], [numpy_helper.from_array(alpha, "alpha")])
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("antiphon.example", 1)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), os.path.join(HERE, "plugin_snake.onnx"))
    x = np.linspace(-2, 2, 2 * 3 * 5, dtype=np.float32).reshape(2, 3, 5)
    v, a = 2.0 * x.astype(np.float64), np.exp(alpha.astype(np.float64))[None, :, None]
    y = np.maximum(0.0, v + np.sin(a * v) ** 2 / a)
    np.concatenate([x.ravel(), y.astype(np.float32).ravel()]).tofile(os.path.join(HERE, "plugin_snake.f32"))


if __name__ == "__main__":
    main()
