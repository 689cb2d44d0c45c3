#!/usr/bin/env python3
"""fallback*.onnx: models with operators that the importer lacks, and what ONNX Runtime makes of the first.

    python3 tests/golden/onnx/make_fallback_golden.py      # needs numpy, onnx, onnxruntime, safetensors

fallback.onnx, by node: a and b run apart and together; e reads a, and b through a node of ours, so that it cannot join them;
waves computes in double, which the engine holds in f32; z is an output of its own.
fallback_if.onnx: a branch with such an operator, so that the whole If runs apart; it reads a value and a constant around it.
"""
import os

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
MS = "com.microsoft"


def save(name, nodes, inputs, outputs, initializers=()):
    graph = helper.make_graph(nodes, name, inputs, outputs, list(initializers))
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid(MS, 1)]
    path = os.path.join(HERE, name + ".onnx")
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=8), path)
    return path


def tensor(name, dims, element=TensorProto.FLOAT):
    return helper.make_tensor_value_info(name, element, dims)


def main():
    random = np.random.default_rng(5)
    w = random.normal(0, 0.5, (4, 4)).astype(np.float32)
    node = helper.make_node
    path = save("fallback", [
        node("MatMul", ["x", "w"], ["h"], name="first"),
        node("Trilu", ["h"], ["a"], name="a", domain=MS, upper=1),
        node("Trilu", ["a", "k"], ["b"], name="b", domain=MS, upper=0),
        node("Relu", ["b"], ["c"], name="c"),
        node("TransposeMatMul", ["a", "c"], ["e"], name="e", domain=MS, transB=1),
        node("Add", ["e", "w"], ["y"], name="sum"),
        node("Trilu", ["y"], ["z"], name="z", domain=MS, upper=0),
        node("Cast", ["h"], ["wide"], name="wide", to=TensorProto.DOUBLE),
        node("Unsqueeze", ["wide", "last"], ["wider"], name="wider"),
        node("DFT", ["wider"], ["waves"], name="waves", axis=1),
        node("Cast", ["waves"], ["d"], name="narrow", to=TensorProto.FLOAT),
    ], [tensor("x", ["B", 4, 4])], [tensor("y", ["B", 4, 4]), tensor("z", ["B", 4, 4]), tensor("d", ["B", 4, 4, 2])],
        [numpy_helper.from_array(w, "w"), numpy_helper.from_array(np.array([3], np.int64), "last"),
         numpy_helper.from_array(np.array(1, np.int64), "k")])
    then = helper.make_graph([node("Trilu", ["h"], ["g"], domain=MS, upper=1), node("Add", ["g", "bias"], ["t"])],
                             "then", [], [tensor("t", ["B", 4])])
    other = helper.make_graph([node("Neg", ["h"], ["n"])], "other", [], [tensor("n", ["B", 4])])
    bias = random.normal(0, 1, 4).astype(np.float32)
    branches = save("fallback_if", [
        node("MatMul", ["x", "w"], ["h"], name="first"),
        node("If", ["go"], ["y"], name="fork", then_branch=then, else_branch=other),
    ], [tensor("x", ["B", 4]), tensor("go", [], TensorProto.BOOL)], [tensor("y", ["B", 4])],
        [numpy_helper.from_array(w, "w"), numpy_helper.from_array(bias, "bias")])
    save("fallback_nonzero", [node("NonZero", ["x"], ["y"], name="where")], [tensor("x", [2, 3])],
         [tensor("y", [2, "N"], TensorProto.INT64)])
    x = random.normal(0, 1, (3, 4, 4)).astype(np.float32)
    outputs = onnxruntime.InferenceSession(path).run(["y", "z", "d"], {"x": x})
    golden = {"in.x": x, **{"out." + n: v for n, v in zip("yzd", outputs)}}
    save_file(golden, os.path.join(HERE, "fallback.safetensors"))
    rows = random.normal(0, 1, (3, 4)).astype(np.float32)
    session = onnxruntime.InferenceSession(branches)
    golden = {name: session.run(["y"], {"x": rows, "go": np.array(name == "then")})[0] for name in ("then", "else")}
    save_file({"x": rows, **golden}, os.path.join(HERE, "fallback_if.safetensors"))


if __name__ == "__main__":
    main()
