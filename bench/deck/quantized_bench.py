#!/usr/bin/env python3
"""Networks as ONNX Runtime's quantizers write them, in our engine beside ONNX Runtime. One JSON object a line.

    python bench/deck/quantized_bench.py [--antiphon build/bin/antiphon] [--before OTHER] [--work DIR] [--threads 1] [--rounds 5] [NAME...]

resnet50: the geometry of ResNet-50 at 224 x 224 with seeded weights, by quantize_static() in QOperator form. resnet50_uneven: with
unsigned weights around zero points. resnet50_dynamic: by quantize_dynamic(). mobilenet, mobilenet_dynamic: the same of MobileNetV2's
geometry, whose windows of 3 x 3 are depthwise. bert: an encoder of six layers of 384 over 128 steps, by quantize_dynamic(). bert_optimised: one of that size from transformers, with embeddings and mask,
by ONNX Runtime's transformer optimiser and quantize_dynamic(); f32 is the optimised one. gpt2: transformers' GPT-2 of that size with
a padding mask, its causal mask made by comparisons, by quantize_dynamic(). lstm: two layers of LSTM in both directions, 256 wide, over 100 steps, by quantize_dynamic() too.
All are made in DIR where it lacks them. Runs ours, ONNX Runtime
on the same model, and with --before another build of ours, all in turns: the least median of the rounds counts. Ours is tuned;
`difference` is that of the outputs to ONNX Runtime's, root mean square, relative. ANTIPHON_MAX_ISA caps ours. Needs onnx,
onnxruntime, sympy; bert_optimised and gpt2 torch and transformers.
"""
import argparse
import json
import os

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper
from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_dynamic, quantize_static

from deck_bench import ROOT, SECONDS, commit, loss, machine, median_ms, ours, session_of

EXTENTS = {"B": 1, "T": 128}  # of inputs that leave theirs open


class Network:
    def __init__(self, seed):
        self.random = np.random.default_rng(seed)
        self.nodes, self.constants = [], []

    def constant(self, name, value):
        self.constants.append(numpy_helper.from_array(np.asarray(value), name))
        return name

    def seeded(self, name, shape, size):
        return self.constant(name, self.random.normal(0, size, shape).astype(np.float32))

    def node(self, op, name, inputs, **attributes):
        self.nodes.append(helper.make_node(op, inputs, [name], name=name, **attributes))
        return name

    def save(self, path, x, y):
        value = lambda name, dims: helper.make_tensor_value_info(name, TensorProto.FLOAT, dims)
        graph = helper.make_graph(self.nodes, "bench", [value(*x)], [value(*y)], self.constants)
        onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8), path)


def resnet50(path):
    n = Network(1)

    def conv(name, x, channels, outputs, width, stride=1, relu=True, gain=1.0):
        inputs = [x, n.seeded(name + "_w", (outputs, channels, width, width), gain * np.sqrt(2 / (channels * width * width))),
                  n.seeded(name + "_b", (outputs,), 0.1)]
        y = n.node("Conv", name, inputs, kernel_shape=[width, width], strides=[stride, stride], pads=[width // 2] * 4)
        return n.node("Relu", name + "_relu", [y]) if relu else y

    x = n.node("MaxPool", "pool", [conv("stem", "x", 3, 64, 7, 2)], kernel_shape=[3, 3], strides=[2, 2], pads=[1] * 4)
    channels = 64
    for stage, (blocks, inner) in enumerate([(3, 64), (4, 128), (6, 256), (3, 512)]):
        for b in range(blocks):
            name, stride = f"s{stage}b{b}", 2 if stage > 0 and b == 0 else 1
            y = conv(name + "_2", conv(name + "_1", x, channels, inner, 1), inner, inner, 3, stride)
            y = conv(name + "_3", y, inner, 4 * inner, 1, relu=False, gain=0.5)
            if b == 0:
                x = conv(name + "_s", x, channels, 4 * inner, 1, stride, relu=False)
            x = n.node("Relu", name + "_out", [n.node("Add", name + "_add", [y, x])])
            channels = 4 * inner
    x = n.node("Flatten", "flat", [n.node("GlobalAveragePool", "mean", [x])])
    n.node("Gemm", "y", [x, n.seeded("fc_w", (channels, 1000), 0.02), n.seeded("fc_b", (1000,), 0.1)])
    n.save(path, ("x", [1, 3, 224, 224]), ("y", [1, 1000]))


def mobilenet(path):
    n = Network(6)

    def conv(name, x, channels, outputs, width=1, stride=1, group=1, relu=True, gain=1.0):
        fan_in = channels // group * width * width
        inputs = [x, n.seeded(name + "_w", (outputs, channels // group, width, width), gain * np.sqrt(2 / fan_in)), n.seeded(name + "_b", (outputs,), 0.1)]
        y = n.node("Conv", name, inputs, kernel_shape=[width, width], strides=[stride, stride], pads=[width // 2] * 4, group=group)
        return n.node("Clip", name + "_relu6", [y, zero, six]) if relu else y

    zero, six = n.constant("zero", np.float32(0)), n.constant("six", np.float32(6))
    x, channels = conv("stem", "x", 3, 32, 3, 2), 32
    for stage, (wider, outputs, blocks, stride) in enumerate([(1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
                                                              (6, 320, 1, 1)]):
        for b in range(blocks):
            name, inner = f"s{stage}b{b}", wider * channels
            y = conv(name + "_1", x, channels, inner) if wider > 1 else x
            y = conv(name + "_2", y, inner, inner, 3, stride if b == 0 else 1, inner)
            y = conv(name + "_3", y, inner, outputs, relu=False)
            x = n.node("Add", name + "_add", [x, y]) if b > 0 else y
            channels = outputs
    x = n.node("Flatten", "flat", [n.node("GlobalAveragePool", "mean", [conv("head", x, channels, 1280)])])
    n.node("Gemm", "y", [x, n.seeded("fc_w", (1280, 1000), 0.02), n.seeded("fc_b", (1000,), 0.1)])
    n.save(path, ("x", [1, 3, 224, 224]), ("y", [1, 1000]))


def bert(path, layers=6, width=384, heads=6, steps=128):
    n = Network(2)
    split = n.constant("split", np.array([0, 0, heads, width // heads], np.int64))
    whole = n.constant("whole", np.array([0, 0, width], np.int64))
    scale = n.constant("scale", np.float32((width // heads) ** -0.5))
    half, one, root = (n.constant(k, np.float32(v)) for k, v in (("half", 0.5), ("one", 1), ("root", np.sqrt(2))))

    def linear(name, x, columns, outputs):
        y = n.node("MatMul", name, [x, n.seeded(name + "_w", (columns, outputs), columns ** -0.5)])
        return n.node("Add", name + "_sum", [y, n.seeded(name + "_b", (outputs,), 0.1)])

    def norm(name, x):
        ones = n.constant(name + "_g", np.ones(width, np.float32))
        return n.node("LayerNormalization", name, [x, ones, n.seeded(name + "_h", (width,), 0.1)], axis=-1)

    x = "x"
    for i in range(layers):
        name = lambda part: f"l{i}_{part}"
        part = lambda p, order: n.node("Transpose", name(p + "t"), [n.node("Reshape", name(p + "r"), [linear(name(p), x, width, width), split])], perm=order)
        q, k, v = part("q", [0, 2, 1, 3]), part("k", [0, 2, 3, 1]), part("v", [0, 2, 1, 3])
        scores = n.node("Mul", name("scores"), [n.node("MatMul", name("qk"), [q, k]), scale])
        heard = n.node("MatMul", name("heard"), [n.node("Softmax", name("p"), [scores], axis=-1), v])
        heard = n.node("Reshape", name("hr"), [n.node("Transpose", name("ht"), [heard], perm=[0, 2, 1, 3]), whole])
        x = norm(name("n1"), n.node("Add", name("a1"), [x, linear(name("o"), heard, width, width)]))
        inner = linear(name("i"), x, width, 4 * width)
        e = n.node("Add", name("e1"), [n.node("Erf", name("e"), [n.node("Div", name("d"), [inner, root])]), one])
        gelu = n.node("Mul", name("gelu"), [n.node("Mul", name("m"), [inner, e]), half])
        x = norm(name("n2"), n.node("Add", name("a2"), [x, linear(name("f"), gelu, 4 * width, width)]))
    n.node("Identity", "y", [x])
    n.save(path, ("x", [1, steps, width]), ("y", [1, steps, width]))


def optimised_bert(path):
    """transformers' BERT of the same geometry with its embeddings and a mask, through ONNX Runtime's optimiser."""
    import torch
    from onnxruntime.transformers import optimizer
    from transformers import BertConfig, BertModel
    torch.manual_seed(4)
    model = BertModel(BertConfig(vocab_size=8000, hidden_size=384, num_hidden_layers=6, num_attention_heads=6, intermediate_size=1536,
                                 initializer_range=0.05, attn_implementation="eager"), add_pooling_layer=False).eval()

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, ids, mask, kinds):
            return self.model(input_ids=ids, attention_mask=mask, token_type_ids=kinds).last_hidden_state

    given = tuple(torch.ones(1, EXTENTS["T"], dtype=torch.int64) for _ in range(3))
    axes = {name: {0: "B", 1: "T"} for name in ("ids", "mask", "kinds", "y")}
    torch.onnx.export(Encoder(), given, path, input_names=["ids", "mask", "kinds"], output_names=["y"], dynamic_axes=axes, opset_version=17,
                      dynamo=False)
    optimizer.optimize_model(path, model_type="bert", num_heads=6, hidden_size=384).save_model_to_file(path)


def gpt2(path):
    import torch
    from transformers import GPT2Config, GPT2Model
    torch.manual_seed(5)
    model = GPT2Model(GPT2Config(vocab_size=8000, n_positions=EXTENTS["T"], n_embd=384, n_layer=6, n_head=6, initializer_range=0.05,
                                 attn_implementation="sdpa")).eval()

    class Decoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.model = model

        def forward(self, ids, mask):
            return self.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state

    given = tuple(torch.ones(1, EXTENTS["T"], dtype=torch.int64) for _ in range(2))
    axes = {name: {0: "B", 1: "T"} for name in ("ids", "mask", "y")}
    torch.onnx.export(Decoder(), given, path, input_names=["ids", "mask"], output_names=["y"], dynamic_axes=axes, opset_version=17,
                      dynamo=False)


def lstm(path, steps=100, width=256):
    n = Network(3)
    flat = n.constant("flat", np.array([0, 0, -1], np.int64))
    x, columns = "x", 128
    for name in ("first", "second"):
        part = lambda end, *shape: n.seeded(name + end, shape, width ** -0.5)
        inputs = [x, part("_w", 2, 4 * width, columns), part("_r", 2, 4 * width, width), part("_b", 2, 8 * width)]
        y = n.node("LSTM", name, inputs, hidden_size=width, direction="bidirectional")
        x = n.node("Reshape", name + "_flat", [n.node("Transpose", name + "_turned", [y], perm=[0, 2, 1, 3]), flat])
        columns = 2 * width
    n.node("Identity", "y", [x])
    n.save(path, ("x", [steps, 1, 128]), ("y", [steps, 1, 2 * width]))


class Samples(CalibrationDataReader):
    def __init__(self, inputs):
        self.left = list(inputs)

    def get_next(self):
        return self.left.pop() if self.left else None


def quantized(args, name):
    """Path of the quantised network, and of the one before."""
    plain, path = (os.path.join(args.work, name + end) for end in (".onnx", ".quantized.onnx"))
    if not os.path.exists(path):
        MODELS[name](plain)
        if name not in ("resnet50", "resnet50_uneven", "mobilenet"):
            quantize_dynamic(plain, path, weight_type=QuantType.QInt8, per_channel=True,
                             extra_options={"DefaultTensorType": TensorProto.FLOAT})
        else:
            quantize_static(plain, path, Samples([inputs_of(plain, 3)]), quant_format=QuantFormat.QOperator,
                            activation_type=QuantType.QUInt8, weight_type=QuantType.QUInt8 if name.endswith("_uneven") else QuantType.QInt8,
                            per_channel=not name.endswith("_uneven"))
    return path, plain


def inputs_of(path, seed):
    random, out = np.random.default_rng(seed), {}
    for value in onnx.load(path).graph.input:
        tensor = value.type.tensor_type
        shape = [d.dim_value or EXTENTS[d.dim_param] for d in tensor.shape.dim]
        if tensor.elem_type == TensorProto.FLOAT:
            out[value.name] = random.normal(0, 1, shape).astype(np.float32)
        else:  # all steps count, of two kinds
            out[value.name] = random.integers(*{"ids": (0, 8000), "mask": (1, 2), "kinds": (0, 2)}[value.name], shape)
    return out


def extents_of(path):
    open_ones = {d.dim_param for value in onnx.load(path).graph.input for d in value.type.tensor_type.shape.dim if d.dim_param}
    return [part for name in sorted(open_ones) for part in ("--extent", f"{name}={EXTENTS[name]}")]


class Program:
    """A build of ours with a tuned plan."""

    def __init__(self, args, program, label, model, precision, threads, names):
        self.args = argparse.Namespace(antiphon=program)
        self.plan = f"{model}.{label}.{threads}.plan"
        self.built = ours(self.args, ["build", model, "--tune", "--threads", str(threads), "--precision", precision,
                                      "--output", self.plan, "--json"] + extents_of(model))
        self.given = ["--threads", str(threads), "--json"]
        for name in names:
            self.given += ["--input", f"{name}={os.path.join(args.work, name)}.npy"]
        self.best = float("inf")

    def output(self, folder):
        ours(self.args, ["run", self.plan, "--output-dir", folder] + self.given)
        return [np.load(os.path.join(folder, "y.npy"))]

    def time(self, repeat):
        self.best = min(self.best, ours(self.args, ["run", self.plan, "--repeat", str(repeat)] + self.given)["ms"])


def measure(args, name, threads):
    path, plain = quantized(args, name)
    given = inputs_of(plain, 4)
    for key, value in given.items():
        np.save(os.path.join(args.work, key + ".npy"), value)
    session, f32 = session_of(path, threads), session_of(plain, threads)
    programs = {"ours": Program(args, args.antiphon, "ours", path, "int8", threads, given),
                "ours_f32": Program(args, args.antiphon, "f32", plain, "f32", threads, given)}
    refusal = None
    if args.before:
        try:
            programs["before"] = Program(args, args.before, "before", path, "int8", threads, given)
        except RuntimeError as error:
            refusal = str(error).split("\n")[0]
    change = loss(session.run(None, given), programs["ours"].output(args.work))
    peer = peer_f32 = float("inf")
    for _ in range(args.rounds):
        peer = min(peer, median_ms(lambda: session.run(None, given)))
        peer_f32 = min(peer_f32, median_ms(lambda: f32.run(None, given)))
        for program in programs.values():
            guess = program.best if program.best < float("inf") else peer
            program.time(int(min(200, max(3, SECONDS * 1e3 / guess))))
    best = {label: round(program.best, 3) for label, program in programs.items()}
    built = programs["ours"].built
    kernels = [layer["kernel"] for layer in built["layers"]]
    return {"bench": "quantized", "case": name, "threads": threads, "isa": built["isa"], "ours_ms": best["ours"],
            "before_ms": best.get("before", refusal), "ours_f32_ms": best["ours_f32"], "peer_ms": round(peer, 3), "peer_f32_ms": round(peer_f32, 3),
            "ratio": round(peer / best["ours"], 2), "ratio_before": round(best["before"] / best["ours"], 2) if "before" in best else None,
            "layers": len(kernels), "kernels": {k: kernels.count(k) for k in sorted(set(kernels))},
            "difference": float(f"{change:.2g}"), "machine": machine(), "commit": commit()}


MODELS = {"resnet50": resnet50, "resnet50_uneven": resnet50, "resnet50_dynamic": resnet50, "mobilenet": mobilenet, "mobilenet_dynamic": mobilenet, "bert": bert, "bert_optimised": optimised_bert, "gpt2": gpt2, "lstm": lstm}


def main():
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("names", nargs="*")
    parser.add_argument("--antiphon", default=os.path.join(ROOT, "build", "bin", "antiphon"))
    parser.add_argument("--before", help="another build of the program, timed in the same rounds")
    parser.add_argument("--work", default=os.path.join(ROOT, "build", "deck", "quantized"))
    parser.add_argument("--threads", default="1")
    parser.add_argument("--rounds", type=int, default=5)
    args = parser.parse_args()
    os.makedirs(args.work, exist_ok=True)
    for threads in args.threads.split(","):
        for name in args.names or MODELS:
            print(json.dumps(measure(args, name, int(threads))), flush=True)


if __name__ == "__main__":
    main()
