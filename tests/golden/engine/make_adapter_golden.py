#!/usr/bin/env python3
"""A base, an adapter of it, and the weights that they are together, by PyTorch.

    python3 tests/golden/engine/make_adapter_golden.py      from the repository root; writes adapter_*.safetensors beside itself

adapter_base holds I8 matrices with scales, F16 and F32; adapter_pairs low-rank pairs of all three types, tensors that replace the
base's and one that the base lacks; adapter_wanted what Weights::adapted() gives, I8 chosen by training/tts/pack.py.
"""
import os
import sys

import torch

sys.path.insert(0, os.getcwd())
from training.tts import pack

HERE = os.path.dirname(os.path.abspath(__file__))


def int8(name, w):
    q, scale = pack.quantised(w)
    return {name: q, f"{name}.scale": scale}


def heavy(rows, cols):
    """Rows with a few large values, which clipping serves; the first is zeros, the second huge, the third tiny."""
    w = torch.randn(rows, cols) * (1 + 2 * (torch.rand(rows, cols) > 0.95))
    w[0], w[1], w[2] = 0, w[1] * 1e6, w[2] * 1e-9
    return w


def pair(name, out, width, rank, kind):
    down, up = 0.3 * torch.randn(rank, width), 0.3 * torch.randn(rank, out)
    up[:, 0] = 0
    halves = {f"{name}.down": down, f"{name}.up": up}
    if kind != torch.int8:
        return {half: w.to(kind) for half, w in halves.items()}
    return {k: v for half, w in halves.items() for k, v in int8(half, w).items()}


def value(tensors, name):
    w = tensors[name].float()
    return w * tensors[f"{name}.scale"][:, None] if tensors[name].dtype == torch.int8 else w


def main():
    torch.manual_seed(11)
    base = (int8("flow.gate", heavy(24, 37)) | int8("flow.res", heavy(13, 8)) | int8("flow.cond", heavy(40, 16)) | int8("narrow", heavy(5, 1)) |
            dict(end=torch.randn(6, 10).half(), plain=torch.randn(7, 9), bias=torch.randn(6)) |
            dict(start=torch.randn(8, 4)) | int8("told", heavy(4, 6)) | dict(mix=torch.randn(4, 4).half()))
    pairs = (pair("flow.gate", 24, 37, 3, torch.float32) | pair("flow.res", 13, 8, 1, torch.float16) | pair("flow.cond", 40, 16, 8, torch.int8) |
             pair("narrow", 5, 1, 2, torch.float32) | pair("end", 6, 10, 2, torch.float32) | pair("plain", 7, 9, 4, torch.int8))
    own = dict(start=torch.randn(8, 12), told=torch.randn(4, 6).half()) | int8("mix", heavy(4, 4)) | {"pitch.start": torch.randn(3, 5).half()}
    wanted = {k: v for k, v in base.items() if k != "told.scale"} | own
    for name in sorted(k[:-5] for k in pairs if k.endswith(".down")):
        down, up = value(pairs, f"{name}.down").double(), value(pairs, f"{name}.up").double()
        total = (value(base, name).double() + up.T @ down).float()
        wanted |= int8(name, total) if base[name].dtype == torch.int8 else {name: total}
    for name, tensors in dict(base=base, pairs=pairs | own, wanted=wanted).items():
        pack.save(f"{HERE}/adapter_{name}.safetensors", tensors)


if __name__ == "__main__":
    main()
