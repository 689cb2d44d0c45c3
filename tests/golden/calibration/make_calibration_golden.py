#!/usr/bin/env python3
"""Makes the golden calibration: net.onnx, samples.safetensors, sample0.npz (deflated), sample1.npz, ranges.txt,
qdq.onnx and outputs.safetensors.

    python tests/golden/calibration/make_calibration_golden.py

net.onnx: a small seeded network with 2-D and 1-D convolutions, a depthwise one, and linear layers. samples.safetensors:
five inputs. ranges.txt, for each tensor that a layer reads: METHOD SOURCE LOW HIGH TENSOR, where SOURCE is `numpy` (the
methods written down again here, on values by ONNX Runtime) or `onnxruntime` (its own calibrators, but for entropy). qdq.onnx: the network
with Q/DQ pairs by the ranges of entropy. outputs.safetensors: what ONNX Runtime makes of samples, f32.N by net.onnx,
u8.N by qdq.onnx, u7.N by the same with 127 steps. Written with onnx
1.23.2, onnxruntime 1.32.0, torch 2.15.0 and numpy 2.
"""
import io
import os
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from onnxruntime.quantization import CalibrationDataReader, CalibrationMethod, create_calibrator
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
PERCENTILE = 99.9
NUM_SAMPLES = 5


class Net(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.first = torch.nn.Conv2d(3, 16, 3, padding=1)
        self.depthwise = torch.nn.Conv2d(16, 16, 3, padding=1, groups=16)
        self.grouped = torch.nn.Conv2d(16, 32, (3, 5), stride=(2, 1), padding=(1, 2), groups=2, dilation=(1, 1))
        self.point = torch.nn.Conv2d(32, 20, 1)
        self.steps = torch.nn.Conv1d(20, 24, 3, padding=2, dilation=2)
        self.hidden = torch.nn.Linear(24, 33)
        self.last = torch.nn.Linear(33, 10)

    def forward(self, x):
        x = torch.relu(self.first(x))
        x = torch.relu(self.grouped(torch.tanh(self.depthwise(x))))
        x = self.point(x).mean(2)
        x = torch.tanh(self.steps(x)).transpose(1, 2)
        return self.last(torch.nn.functional.gelu(self.hidden(x)))


def make_model():
    torch.manual_seed(11)
    net = Net().eval()
    with torch.no_grad():
        for parameter in net.parameters():
            parameter *= 2
    buffer = io.BytesIO()
    torch.onnx.export(net, (torch.zeros(2, 3, 12, 14),), buffer, input_names=["x"], output_names=["y"],
                      dynamic_axes={"x": {0: "B"}}, opset_version=17, dynamo=False)
    model = onnx.load_from_string(buffer.getvalue())
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    return model


def samples():
    random = np.random.default_rng(5)
    out = []
    for i in range(NUM_SAMPLES):
        x = random.laplace(0.2, 0.6, (2 + i % 2, 3, 12, 14)) if i < 4 else random.normal(0, 1.5, (1, 3, 12, 14))
        out.append(x.astype(np.float32))
    return out


def layer_inputs(model):
    """What linear layers and convolutions with constant weights read; depthwise convolutions stay in f32."""
    constants = {t.name for t in model.graph.initializer}
    names = []
    for node in model.graph.node:
        group = next((a.i for a in node.attribute if a.name == "group"), 1)
        if node.op_type in ("Conv", "MatMul", "Gemm") and node.input[1] in constants and group < 16:
            names.append(node.input[0])
    return list(dict.fromkeys(names))


def values_of(model, names, inputs):
    watched = onnx.ModelProto()
    watched.CopyFrom(model)
    for name in names:
        if name != "x":
            watched.graph.output.append(onnx.helper.make_empty_tensor_value_info(name))
    session = onnxruntime.InferenceSession(watched.SerializeToString(), providers=["CPUExecutionProvider"])
    wanted = [n for n in names if n != "x"]
    runs = [dict(zip(wanted, session.run(wanted, {"x": x})), x=x) for x in inputs]
    return {name: np.concatenate([run[name].ravel() for run in runs]) for name in names}


def percentile(values, bins=16384):
    low, high = float(values.min()), float(values.max())
    where = np.minimum(((values.astype(np.float64) - low) * (bins / (high - low))).astype(np.int64), bins - 1)
    counts = np.bincount(where, minlength=bins)
    cut = (1 - PERCENTILE / 100) / 2 * counts.sum()
    first = int(np.argmax(np.cumsum(counts) > cut))
    end = bins - int(np.argmax(np.cumsum(counts[::-1]) > cut))
    width = (high - low) / bins
    return low + first * width, low + end * width


def entropy(values, bins=2048):
    low, high = float(values.min()), float(values.max())
    levels = 128 if low < 0 else 255
    most = max(-low, high)
    magnitudes = np.abs(values[values != 0].astype(np.float64))
    counts = np.bincount(np.minimum((magnitudes * (bins / most)).astype(np.int64), bins - 1), minlength=bins)
    total = counts.sum()
    best, threshold = np.inf, most
    for n in range(levels, bins + 1):
        kept = counts[:n]
        if kept.sum() == 0:
            continue
        p = kept.astype(np.float64)
        p[-1] += total - kept.sum()
        p /= total
        edges = (n * np.arange(levels + 1)) // levels
        step = np.add.reduceat(kept, edges[:-1])
        filled = np.add.reduceat((kept != 0).astype(np.int64), edges[:-1])
        share = np.repeat(step / np.maximum(filled, 1) / kept.sum(), np.diff(edges))
        q = np.where(kept == 0, 1e-12, share)
        used = p > 0
        divergence = float(np.sum(p[used] * np.log(p[used] / q[used])))
        if divergence < best:
            best, threshold = divergence, n * most / bins
    return max(low, -threshold), min(high, threshold)


class Reader(CalibrationDataReader):
    """All samples as one batch, so that histograms need no merging."""

    def __init__(self, inputs):
        self.batches = iter([{"x": np.concatenate(inputs)}])

    def get_next(self):
        return next(self.batches, None)


def by_onnxruntime(path, method, inputs, **options):
    calibrator = create_calibrator(path, ["Conv", "MatMul", "Gemm"], calibrate_method=method, extra_options=options,
                                   augmented_model_path=path + ".augmented")
    calibrator.collect_data(Reader(inputs))
    return {name: tuple(float(np.squeeze(v)) for v in data.range_value) for name, data in calibrator.compute_data().items()}


def weight_bytes(w, rows):
    """int8 [as w] and a scale for each step of the axis `rows`."""
    most = np.abs(w).max(axis=tuple(i for i in range(w.ndim) if i != rows), keepdims=True)
    scale = (most / np.float32(127)).astype(np.float32)
    return np.clip(np.rint(w / scale), -127, 127).astype(np.int8), scale.ravel()


def quantised(model, ranges, levels):
    """The model with a Q/DQ pair before each layer and bytes for its weights. Steps of 127 levels by Clip."""
    out = onnx.ModelProto()
    out.CopyFrom(model)
    weights = {t.name: onnx.numpy_helper.to_array(t) for t in model.graph.initializer}
    nodes, added = [], {}

    def constant(name, value):
        out.graph.initializer.append(onnx.numpy_helper.from_array(np.asarray(value), name))
        return name

    def pair(x):
        if x in added:
            return added[x]
        low, high = min(ranges[x][0], 0), max(ranges[x][1], 0)
        scale = np.float32(np.float32(high) - np.float32(low)) / np.float32(levels)
        zero = np.uint8(np.rint(-np.float32(low) / scale))
        s, z = constant(x + "_scale", scale), constant(x + "_zero", zero)
        bytes_ = x + "_u8"
        nodes.append(onnx.helper.make_node("QuantizeLinear", [x, s, z], [bytes_]))
        if levels < 255:
            most = constant(x + "_most", np.uint8(levels))
            nodes.append(onnx.helper.make_node("Clip", [bytes_, "", most], [bytes_ + "_clipped"]))
            bytes_ += "_clipped"
        nodes.append(onnx.helper.make_node("DequantizeLinear", [bytes_, s, z], [x + "_dq"]))
        added[x] = x + "_dq"
        return added[x]

    for node in model.graph.node:
        node = onnx.NodeProto.FromString(node.SerializeToString())
        group = next((a.i for a in node.attribute if a.name == "group"), 1)
        if node.op_type in ("Conv", "MatMul", "Gemm") and node.input[1] in weights and group < 16:
            w = node.input[1]
            axis = 0 if node.op_type == "Conv" else 1
            values, scale = weight_bytes(weights[w], axis)
            q, s = constant(w + "_i8", values), constant(w + "_i8_scale", scale)
            zero = constant(w + "_i8_zero", np.zeros(len(scale), np.int8))
            nodes.append(onnx.helper.make_node("DequantizeLinear", [q, s, zero], [w + "_dq"], axis=axis))
            node.input[0] = pair(node.input[0])
            node.input[1] = w + "_dq"
        nodes.append(node)
    del out.graph.node[:]
    out.graph.node.extend(nodes)
    used = {i for node in nodes for i in node.input}
    kept = [t for t in out.graph.initializer if t.name in used]
    del out.graph.initializer[:]
    out.graph.initializer.extend(kept)
    onnx.checker.check_model(out)
    return out


def run_plainly(model, inputs):
    """Every node as it stands: no fusion of what is quantised."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return [session.run(None, {"x": x})[0] for x in inputs]


def main():
    model, inputs = make_model(), samples()
    names = layer_inputs(model)
    values = values_of(model, names, inputs)
    lines = []

    def add(method, source, name, low, high):
        lines.append(f"{method} {source} {np.float32(low)!s} {np.float32(high)!s} {name}")

    for name in names:
        add("minmax", "numpy", name, values[name].min(), values[name].max())
        add("percentile", "numpy", name, *percentile(values[name]))
        add("entropy", "numpy", name, *entropy(values[name]))
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "net.onnx")
        onnx.save(model, path)
        # Its entropy is another one: it counts zeros and spreads one set of steps over both signs.
        methods = {"minmax": (CalibrationMethod.MinMax, {}),
                   "percentile": (CalibrationMethod.Percentile,
                                  {"percentile": PERCENTILE, "num_bins": 16384, "symmetric": False})}
        for method, (kind, options) in methods.items():
            ranges = by_onnxruntime(path, kind, inputs, **options)
            for name in names:
                add(method, "onnxruntime", name, *ranges[name])
    onnx.save(model, os.path.join(HERE, "net.onnx"))
    ranges = {name: tuple(np.float32(v) for v in entropy(values[name])) for name in names}
    outputs = {}
    for source, network in (("f32", model), ("u8", quantised(model, ranges, 255)), ("u7", quantised(model, ranges, 127))):
        for i, y in enumerate(run_plainly(network, inputs)):
            outputs[f"{source}.{i}"] = np.ascontiguousarray(y)
    onnx.save(quantised(model, ranges, 255), os.path.join(HERE, "qdq.onnx"))
    save_file(outputs, os.path.join(HERE, "outputs.safetensors"))
    save_file({f"sample{i}": x for i, x in enumerate(inputs)}, os.path.join(HERE, "samples.safetensors"))
    np.savez_compressed(os.path.join(HERE, "sample0.npz"), x=inputs[0])
    np.savez(os.path.join(HERE, "sample1.npz"), x=inputs[1])
    with open(os.path.join(HERE, "ranges.txt"), "w", encoding="utf-8") as file:
        file.write("\n".join(lines) + "\n")


if __name__ == "__main__":
    main()
