#!/usr/bin/env python3
"""Makes the golden ONNX cases: NAME.onnx and NAME.safetensors with in.X and out.Y, outputs by ONNX Runtime.

    python tests/golden/onnx/make_onnx_golden.py

Seeded: networks exported from PyTorch and transformers, small, and single nodes with awkward attributes. Written with
onnx 1.23.2, onnxruntime 1.32.0, torch 2.15.0 and transformers 5.24.0.
"""
import io
import os
import sys

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from safetensors.numpy import save_file

HERE = os.path.dirname(os.path.abspath(__file__))
MAX_BYTES = 200_000  # of one model


def write(name, model, inputs):
    """The model, its inputs and what ONNX Runtime makes of them."""
    del model.metadata_props[:]
    model.doc_string = ""
    for node in model.graph.node:
        node.doc_string = ""
        del node.metadata_props[:]
    del model.graph.value_info[:]
    data = model.SerializeToString()
    assert len(data) <= MAX_BYTES, (name, len(data))
    session = onnxruntime.InferenceSession(data, providers=["CPUExecutionProvider"])
    outputs = session.run(None, inputs)
    tensors = {"in." + key: np.ascontiguousarray(value) for key, value in inputs.items()}
    for info, value in zip(session.get_outputs(), outputs):
        tensors["out." + info.name] = np.ascontiguousarray(value)
    with open(os.path.join(HERE, name + ".onnx"), "wb") as file:
        file.write(data)
    save_file(tensors, os.path.join(HERE, name + ".safetensors"))
    print(name, len(data))


def export(module, arguments, inputs, outputs, dynamic=None, opset=17):
    buffer = io.BytesIO()
    module.eval()
    torch.onnx.export(module, arguments, buffer, input_names=inputs, output_names=outputs, dynamic_axes=dynamic,
                      opset_version=opset, dynamo=False)
    return onnx.load_from_string(buffer.getvalue())


def bert():
    from transformers import BertConfig, BertModel
    torch.manual_seed(1)
    config = BertConfig(vocab_size=60, hidden_size=16, num_hidden_layers=2, num_attention_heads=2, intermediate_size=32,
                        max_position_embeddings=16, type_vocab_size=2, attn_implementation="eager")
    model = BertModel(config)

    class Encoder(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.bert = model

        def forward(self, ids, mask):
            out = self.bert(input_ids=ids, attention_mask=mask)
            return out.last_hidden_state, out.pooler_output

    ids = torch.randint(0, 60, (2, 7))
    mask = torch.ones(2, 7, dtype=torch.int64)
    mask[1, 5:] = 0
    axes = {"ids": {0: "B", 1: "T"}, "mask": {0: "B", 1: "T"}, "hidden": {0: "B", 1: "T"}, "pooled": {0: "B"}}
    write("bert", export(Encoder(), (ids, mask), ["ids", "mask"], ["hidden", "pooled"], axes),
          {"ids": ids.numpy(), "mask": mask.numpy()})


class ResNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Sequential(torch.nn.Conv2d(3, 8, 7, 2, 3, bias=False), torch.nn.BatchNorm2d(8), torch.nn.ReLU(),
                                        torch.nn.MaxPool2d(3, 2, 1))
        self.a = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 3, 2, 1, bias=False), torch.nn.BatchNorm2d(16), torch.nn.ReLU(),
                                     torch.nn.Conv2d(16, 16, 3, 1, 1, bias=False), torch.nn.BatchNorm2d(16))
        self.skip = torch.nn.Sequential(torch.nn.Conv2d(8, 16, 1, 2, bias=False), torch.nn.BatchNorm2d(16))
        self.head = torch.nn.Linear(16, 10)

    def forward(self, x):
        x = self.stem(x)
        x = torch.relu(self.a(x) + self.skip(x))
        return self.head(torch.flatten(torch.nn.functional.adaptive_avg_pool2d(x, 1), 1)).softmax(-1)


def resnet():
    torch.manual_seed(2)
    model = ResNet()
    for module in model.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.running_mean.normal_(0, 0.3)
            module.running_var.uniform_(0.5, 2)
            module.weight.data.uniform_(0.5, 1.5)
            module.bias.data.normal_(0, 0.2)
    x = torch.randn(2, 3, 31, 33)
    write("resnet", export(model, (x,), ["image"], ["scores"], {"image": {0: "B"}, "scores": {0: "B"}}), {"image": x.numpy()})


class UNet(torch.nn.Module):
    def __init__(self):
        super().__init__()
        conv = lambda i, o: torch.nn.Sequential(torch.nn.Conv2d(i, o, 3, padding=1), torch.nn.LeakyReLU(0.1))
        self.a, self.b, self.c = conv(1, 4), conv(4, 8), conv(12, 4)
        self.up, self.last = torch.nn.ConvTranspose2d(8, 8, 2, 2), torch.nn.Conv2d(4, 2, 1)

    def forward(self, x):
        a = self.a(x)
        b = self.b(torch.nn.functional.max_pool2d(a, 2))
        y = self.last(self.c(torch.cat([self.up(b), a], 1)))
        return torch.sigmoid(torch.nn.functional.interpolate(y, scale_factor=2, mode="bilinear", align_corners=False))


def unet():
    torch.manual_seed(3)
    x = torch.randn(1, 1, 12, 16)
    axes = {"image": {2: "H", 3: "W"}}
    write("unet", export(UNet(), (x,), ["image"], ["mask"], axes), {"image": x.numpy()})


class Speech(torch.nn.Module):
    """A convolution, two recurrent layers and a projection: an acoustic model in small."""

    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv1d(8, 12, 3, 2, 1)
        self.lstm = torch.nn.LSTM(12, 10, num_layers=2, batch_first=True, bidirectional=True)
        self.gru = torch.nn.GRU(20, 6, batch_first=True)
        self.out = torch.nn.Linear(6, 5)

    def forward(self, mel):
        x = torch.nn.functional.gelu(self.conv(mel)).transpose(1, 2)
        x, _ = self.lstm(x)
        x, last = self.gru(x)
        return self.out(x).log_softmax(-1), last


def speech():
    torch.manual_seed(4)
    mel = torch.randn(2, 8, 20)
    axes = {"mel": {0: "B", 2: "T"}, "logits": {0: "B", 1: "frames"}, "last": {1: "B"}}
    write("speech", export(Speech(), (mel,), ["mel"], ["logits", "last"], axes), {"mel": mel.numpy()})


class Decoder(torch.nn.Module):
    """An attention decoder over a fixed number of steps, scripted: an ONNX Loop."""

    def __init__(self):
        super().__init__()
        self.cell = torch.nn.Linear(12, 6)
        self.query = torch.nn.Linear(6, 6)

    def forward(self, memory, start):
        h = start
        frames = []
        for _ in range(4):
            weights = torch.softmax((self.query(h).unsqueeze(1) * memory).sum(-1), -1)
            context = (weights.unsqueeze(-1) * memory).sum(1)
            h = torch.tanh(self.cell(torch.cat([h, context], -1)))
            frames.append(h)
        return torch.stack(frames, 1)


def decoder():
    torch.manual_seed(5)
    memory, start = torch.randn(2, 5, 6), torch.randn(2, 6)
    axes = {"memory": {0: "B", 1: "T"}, "start": {0: "B"}}
    write("decoder", export(Decoder(), (memory, start), ["memory", "start"], ["frames"], axes),
          {"memory": memory.numpy(), "start": start.numpy()})


def single(name, op, inputs, constants, outputs, opset, **attributes):
    """One node: `inputs` are given at run time, `constants` are initialisers, in order of `names`."""
    types = {np.dtype("float32"): TensorProto.FLOAT, np.dtype("int64"): TensorProto.INT64, np.dtype("int32"): TensorProto.INT32,
             np.dtype("uint8"): TensorProto.UINT8, np.dtype("int8"): TensorProto.INT8, np.dtype("bool"): TensorProto.BOOL}
    names = [key for key, _ in inputs]
    given = {key: value for key, value in inputs if value is not None and key not in constants}
    node = helper.make_node(op, [key if value is not None else "" for key, value in inputs], outputs, **attributes)
    graph = helper.make_graph(
        [node], name, [helper.make_tensor_value_info(key, types[value.dtype], value.shape) for key, value in given.items()],
        [helper.make_empty_tensor_value_info(key) for key in outputs if key],
        [numpy_helper.from_array(value, key) for key, value in inputs if key in constants])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=8)
    model = onnx.shape_inference.infer_shapes(model, strict_mode=True)
    assert names
    write(name, model, given)


def nodes():
    random = np.random.default_rng(6)
    real = lambda *dims: random.standard_normal(dims).astype(np.float32)
    single("lstm_peepholes_lengths", "LSTM",
           [("x", real(5, 2, 3)), ("w", real(2, 16, 3)), ("r", real(2, 16, 4)), ("b", real(2, 32)),
            ("lengths", np.array([5, 3], np.int32)), ("h", real(2, 2, 4)), ("c", real(2, 2, 4)), ("p", real(2, 12))],
           {"w", "r", "b", "p"}, ["y", "y_h", "y_c"], 14, hidden_size=4, direction="bidirectional", clip=1.5)
    single("gru_before_reset", "GRU", [("x", real(4, 2, 3)), ("w", real(1, 12, 3)), ("r", real(1, 12, 4)), ("b", real(1, 24))],
           {"w", "r", "b"}, ["y", "y_h"], 14, hidden_size=4, linear_before_reset=1)
    single("rnn_reverse_relu", "RNN", [("x", real(4, 2, 3)), ("w", real(1, 4, 3)), ("r", real(1, 4, 4))], {"w", "r"}, ["y", "y_h"],
           14, hidden_size=4, direction="reverse", activations=["Relu"])
    single("conv_groups_dilated", "Conv", [("x", real(1, 4, 9, 7)), ("w", real(6, 2, 3, 2)), ("b", real(6))], {"w", "b"}, ["y"], 13,
           group=2, dilations=[2, 1], strides=[1, 2], pads=[1, 0, 2, 1])
    single("conv_same_upper", "Conv", [("x", real(1, 2, 8, 7)), ("w", real(3, 2, 4, 3))], {"w"}, ["y"], 13, auto_pad="SAME_UPPER",
           strides=[2, 2])
    single("resize_cubic", "Resize", [("x", real(1, 1, 5, 6)), ("roi", None), ("scales", np.array([1, 1, 1.7, 0.6], np.float32))],
           {"scales"}, ["y"], 13, mode="cubic", coordinate_transformation_mode="half_pixel", exclude_outside=1)
    single("pad_reflect", "Pad", [("x", real(2, 4, 5)), ("pads", np.array([0, 2, 1, 0, 1, 3], np.int64))], {"pads"}, ["y"], 13,
           mode="reflect")
    single("qlinear_matmul", "QLinearMatMul",
           [("a", random.integers(0, 255, (3, 4), np.uint8)), ("as", np.array(0.02, np.float32)), ("az", np.array(120, np.uint8)),
            ("b", random.integers(0, 255, (4, 5), np.uint8)), ("bs", np.array(0.03, np.float32)), ("bz", np.array(100, np.uint8)),
            ("ys", np.array(0.5, np.float32)), ("yz", np.array(110, np.uint8))], {"as", "az", "bs", "bz", "ys", "yz"}, ["y"], 13)
    single("layer_norm_axis", "LayerNormalization", [("x", real(2, 3, 4)), ("g", real(3, 4)), ("b", real(3, 4))], {"g", "b"}, ["y"],
           17, axis=1, epsilon=1e-3)
    single("einsum_batched", "Einsum", [("a", real(2, 3, 4)), ("b", real(2, 4, 5))], set(), ["y"], 13, equation="bij,bjk->bki")
    single("scatter_add", "ScatterND",
           [("x", real(4, 3)), ("ids", np.array([[1], [3], [1]], np.int64)), ("u", real(3, 3))], {"ids"}, ["y"], 16, reduction="add")
    single("top_k", "TopK", [("x", real(3, 7)), ("k", np.array([3], np.int64))], {"k"}, ["values", "ids"], 11, axis=-1, largest=0)


def main():
    cases = [bert, resnet, unet, speech, decoder, nodes]
    for case in cases:
        if len(sys.argv) < 2 or case.__name__ in sys.argv[1:]:
            case()


if __name__ == "__main__":
    main()
