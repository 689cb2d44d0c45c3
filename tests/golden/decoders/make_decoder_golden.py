#!/usr/bin/env python3
"""Makes the golden decoders: NAME.onnx, and NAME.safetensors with in.X and out.Y by ONNX Runtime.

    python tests/golden/decoders/make_decoder_golden.py [NAME...]

Seeded networks of transformers, batch and lengths open; values get short names. Those with a past take keys and values and give the
present ones. Written with torch 2.15.0, transformers 5.24.0, onnx 1.23.2 and onnxruntime 1.32.0.

gpt2, gpt2_past     two layers 8 wide, two heads, and a padding mask (`eager`; `sdpa`)
t5                  a layer of a decoder, with relative positions, which are a bias for each head, and attention to an encoder's frames
t5_encoder          two layers of an encoder whose middle layers are gated by a GELU
opt_past            two layers whose positions are counted along the mask, so that the number of queries is not known before run time
bloom_past          two layers with a bias that falls along the keys (ALiBi) beside the mask, batch and heads as one axis
llama_past          two layers with rotated queries and keys, four heads of two keys and values, gated middle layers
qwen3_past          the steps of llama_past with normed queries and keys, by torch.export (`dynamo`)
llama_step          llama_past's next step alone, for whose queries the heads of a group are taken
gptj_past           two layers in which neighbours among the first four of eight elements of a head are turned, steps before heads
neox_past           the same of halves, heads before steps, by torch.export; query, key and value are cut of one product
"""
import os
import sys
import tempfile

import numpy as np
import onnx
import onnxruntime
import torch
from safetensors.numpy import save_file
from transformers import (BloomConfig, BloomModel, DynamicCache, GPT2Config, GPT2Model, GPTJConfig, GPTJModel, GPTNeoXConfig, GPTNeoXModel, LlamaConfig, LlamaModel, OPTConfig, OPTModel, Qwen3Config,
                          Qwen3Model, T5Config, T5EncoderModel, T5Model)

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


def t5_encoder():
    return T5EncoderModel(T5Config(vocab_size=12, d_model=WIDTH, d_kv=3, d_ff=12, num_layers=2, num_heads=HEADS, feed_forward_proj="gated-gelu",
                                   relative_attention_num_buckets=4))


def opt():
    return OPTModel(OPTConfig(vocab_size=12, hidden_size=WIDTH, ffn_dim=12, num_hidden_layers=LAYERS, num_attention_heads=HEADS, init_std=0.3,
                              max_position_embeddings=12, word_embed_proj_dim=WIDTH, attn_implementation="sdpa"))


def bloom():
    return BloomModel(BloomConfig(vocab_size=12, hidden_size=WIDTH, n_layer=LAYERS, n_head=HEADS, initializer_range=0.3))


def grouped(model, config, **more):
    return model(config(vocab_size=12, hidden_size=2 * WIDTH, intermediate_size=12, num_hidden_layers=LAYERS, num_attention_heads=2 * HEADS,
                        num_key_value_heads=HEADS, max_position_embeddings=12, initializer_range=0.3, **more))


def gptj():
    return GPTJModel(GPTJConfig(vocab_size=12, n_positions=12, n_embd=2 * WIDTH, n_layer=LAYERS, n_head=HEADS, n_inner=12, rotary_dim=4,
                                initializer_range=0.3))


def neox():
    return GPTNeoXModel(GPTNeoXConfig(vocab_size=12, hidden_size=2 * WIDTH, intermediate_size=12, num_hidden_layers=LAYERS,
                                      num_attention_heads=HEADS, rotary_pct=0.5, max_position_embeddings=12, initializer_range=0.3,
                                      attn_implementation="sdpa"))


WITH_PAST = {"gpt2_past": lambda: gpt2("sdpa"), "opt_past": opt, "bloom_past": bloom,
             "llama_past": lambda: grouped(LlamaModel, LlamaConfig, attn_implementation="sdpa"),
             "qwen3_past": lambda: grouped(Qwen3Model, Qwen3Config, head_dim=4, attn_implementation="sdpa"),
             "llama_step": lambda: grouped(LlamaModel, LlamaConfig, attn_implementation="sdpa"),
             "gptj_past": gptj, "neox_past": neox}
BY_EXPORT = {"qwen3_past", "neox_past"}
WIDE_HEADS = {"gptj_past", "neox_past"}


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
        inputs = tuple(torch.from_numpy(x) for x in given.values())
        if name in BY_EXPORT:
            shapes = [{axis: torch.export.Dim.DYNAMIC for axis in axes[key]} for key in given]
            torch.onnx.export(module.eval(), inputs, path, input_names=list(given), output_names=outputs, external_data=False, dynamo=True,
                              dynamic_shapes=(*shapes[:2], tuple(shapes[2:])))
        else:
            torch.onnx.export(module.eval(), inputs, path, input_names=list(given), output_names=outputs, dynamic_axes=axes, opset_version=17,
                              dynamo=False)
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
    past = name in WITH_PAST
    steps = 1 if name == "llama_step" else S
    mask = np.ones((B, P + steps if past else steps), np.int64)
    mask[0, :2] = 0
    given = {"ids": random.integers(3, 12, (B, steps)), "mask": mask}
    axes = {"ids": {0: "B", 1: "S"}, "mask": {0: "B", 1: "T" if past else "S"}, "y": {0: "B", 1: "S"}}
    outputs = ["y"]
    if past:
        for part in (f"{i}_{kind}" for i in range(LAYERS) for kind in ("key", "value")):
            given["past_" + part] = real(B, HEADS, P, (2 if name in WIDE_HEADS else 1) * WIDTH // HEADS)
            outputs.append("present_" + part)
            axes |= {"past_" + part: {0: "B", 2: "P"}, "present_" + part: {0: "B", 2: "T"}}
        if steps == 1:
            del axes["ids"][1], axes["y"][1]
        return write(name, WithPast(WITH_PAST[name]()), given, outputs, axes)
    if name == "t5":
        given["memory"], axes["memory"] = real(B, E, WIDTH), {0: "B", 1: "E"}
        return write(name, WithMemory(t5()), given, outputs, axes)
    write(name, Masked(t5_encoder() if name == "t5_encoder" else gpt2("eager")), given, outputs, axes)


def main():
    for seed, name in enumerate(("gpt2", "gpt2_past", "t5", "t5_encoder", *list(WITH_PAST)[1:])):
        if len(sys.argv) == 1 or name in sys.argv[1:]:
            case(name, seed)


if __name__ == "__main__":
    main()
