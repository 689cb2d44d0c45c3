#!/usr/bin/env python3
"""Makes the golden decoders: NAME.onnx, and NAME.safetensors with in.X and out.Y by ONNX Runtime.

    python tests/golden/decoders/make_decoder_golden.py [NAME...]

Seeded networks of transformers, 8 wide, two heads, batch and lengths open; values get short names. gpt2: two layers and a padding
mask (`eager`); gpt2_past: the same (`sdpa`) with past keys and values in, present ones out; t5: a layer of a decoder, with relative
positions, which are a bias for each head, and attention to an encoder's frames. Written with torch 2.15.0, transformers 5.24.0,
onnx 1.23.2 and onnxruntime 1.32.0.
"""
import os
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.numpy import save_file
from transformers import DynamicCache, GPT2Config, GPT2Model, T5Config, T5Model

HERE = os.path.dirname(os.path.abspath(__file__))
B, S, P, E = 2, 5, 3, 4  # sequences, steps, past steps, frames of an encoder
LAYERS, HEADS, WIDTH = 2, 2, 8
OF_EXTENTS = {"Constant", "Shape", "Gather", "Unsqueeze", "Squeeze", "Concat", "Cast", "Identity"}


class Masked(torch.nn.Module):
    def __init__(self, model):
        super().__init__()
        self.model = model

    def forward(self, ids, mask):
        return self.model(input_ids=ids, attention_mask=mask, use_cache=False).last_hidden_state


class WithPast(Masked):
    def forward(self, ids, mask, *past):
        cache = DynamicCache()
        for i in range(LAYERS):
            cache.update(past[2 * i], past[2 * i + 1], i)
        out = self.model(input_ids=ids, attention_mask=mask, past_key_values=cache, use_cache=True)
        return out.last_hidden_state, *(x for layer in out.past_key_values.layers for x in (layer.keys, layer.values))


class WithMemory(Masked):
    def forward(self, ids, mask, memory):
        return self.model(input_ids=ids, attention_mask=mask, encoder_hidden_states=memory, use_cache=False).last_hidden_state


def gpt2(kind):
    return GPT2Model(GPT2Config(vocab_size=12, n_positions=12, n_embd=WIDTH, n_layer=LAYERS, n_head=HEADS, n_inner=12,
                                initializer_range=0.3, attn_implementation=kind))


def t5():
    return T5Model(T5Config(vocab_size=12, d_model=WIDTH, d_kv=3, d_ff=12, num_layers=1, num_decoder_layers=1, num_heads=HEADS,
                            relative_attention_num_buckets=4)).decoder


def shortened(model):
    """Without notes; values numbered but inputs and outputs, nodes without names; equal constants and extents once."""
    graph, names, seen = model.graph, {"": ""}, {}
    model.doc_string = ""
    del model.metadata_props[:], graph.value_info[:]
    for value in [*graph.input, *graph.output]:
        names[value.name] = value.name
    short = lambda name: names.setdefault(name, f"v{len(names)}")
    for tensor in graph.initializer:
        tensor.name = short(tensor.name)
    kept = []
    for node in graph.node:
        node.name, node.doc_string = "", ""
        del node.metadata_props[:]
        node.input[:] = [short(x) for x in node.input]
        if node.op_type in OF_EXTENTS:
            key = (node.op_type, *node.input, *(a.SerializeToString() for a in node.attribute))
            if key in seen:
                names[node.output[0]] = seen[key]
                continue
            seen[key] = short(node.output[0])
        node.output[:] = [short(x) for x in node.output]
        kept.append(node)
    del graph.node[:]
    graph.node.extend(kept)
    return model


def write(name, module, given, outputs, axes):
    with tempfile.TemporaryDirectory() as folder:
        path = os.path.join(folder, "model.onnx")
        torch.onnx.export(module.eval(), tuple(torch.from_numpy(x) for x in given.values()), path, input_names=list(given),
                          output_names=outputs, dynamic_axes=axes, opset_version=17, dynamo=False)
        model = shortened(onnx.load(path))
    onnx.checker.check_model(model, full_check=True)
    path = os.path.join(HERE, name + ".onnx")
    onnx.save(model, path)
    made = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"]).run(None, given)
    tensors = {"in." + key: value for key, value in given.items()} | {"out." + key: value for key, value in zip(outputs, made)}
    save_file(tensors, os.path.join(HERE, name + ".safetensors"))


def case(name, seed):
    torch.manual_seed(seed)
    random = np.random.default_rng(seed)
    real = lambda *dims: random.standard_normal(dims).astype(np.float32)
    past = name == "gpt2_past"
    mask = np.ones((B, P + S if past else S), np.int64)
    mask[0, :2] = 0
    given = {"ids": random.integers(3, 12, (B, S)), "mask": mask}
    axes = {"ids": {0: "B", 1: "S"}, "mask": {0: "B", 1: "T" if past else "S"}, "y": {0: "B", 1: "S"}}
    outputs = ["y"]
    if past:
        for part in (f"{i}_{kind}" for i in range(LAYERS) for kind in ("key", "value")):
            given["past_" + part] = real(B, HEADS, P, WIDTH // HEADS)
            outputs.append("present_" + part)
            axes |= {"past_" + part: {0: "B", 2: "P"}, "present_" + part: {0: "B", 2: "T"}}
        return write(name, WithPast(gpt2("sdpa")), given, outputs, axes)
    if name == "t5":
        given["memory"], axes["memory"] = real(B, E, WIDTH), {0: "B", 1: "E"}
        return write(name, WithMemory(t5()), given, outputs, axes)
    write(name, Masked(gpt2("eager")), given, outputs, axes)


def main():
    for seed, name in enumerate(("gpt2", "gpt2_past", "t5")):
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            case(name, seed)


if __name__ == "__main__":
    main()
