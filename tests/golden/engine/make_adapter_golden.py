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
    """Rows with a few large values; the first is zeros, the second huge, the third tiny."""
    w = torch.randn(rows, cols) * (1 + 2 * (torch.rand(rows, cols) > 0.95))
    w[0], w[1], w[2] = 0, w[1] * 1e6, w[2] * 1e-9
    return w


# Clipped by a share, a row's peak costs much: rows that are better off so are long, of levels that are halfway between others' levels.
CLIPPED = {0.96: (160, [88]), 0.92: (600, 4 * [106] + [107]), 0.88: (1400, 3 * [54] + 2 * [79]), 0.84: (2600, 5 * [28] + 2 * [52] + 4 * [53]),
           0.8: (5200, [2, 7, 12, 18, 58, 63, 73, 73, 118] + 6 * [3] + 7 * [27] + 4 * [28])}


def clipped(share):
    """-> base and adapter of a row whose best scale is `share` of its peak's, which the adapter brings."""
    width, levels = CLIPPED[share]
    row = torch.tensor(levels).repeat(width)[:width] * (-1) ** torch.arange(width)
    row[0] = 0
    down, name = torch.zeros(1, width, dtype=torch.int8), f"clipped.{share}"
    down[0, 0] = 1
    pair = {f"{name}.down": down, f"{name}.down.scale": torch.ones(1), f"{name}.up": torch.tensor([[127 * 0.01 / share]])}
    return {name: row[None].to(torch.int8), f"{name}.scale": torch.tensor([0.01])}, pair


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
    for share in CLIPPED:
        below, above = clipped(share)
        base, pairs = base | below, pairs | above
    own = dict(start=torch.randn(8, 12), told=torch.randn(4, 6).half()) | int8("mix", heavy(4, 4)) | {"pitch.start": torch.randn(3, 5).half()}
    wanted = {k: v for k, v in base.items() if k != "told.scale"} | own
    for name in sorted(k[:-5] for k in pairs if k.endswith(".down")):
        down, up = value(pairs, f"{name}.down").double(), value(pairs, f"{name}.up").double()
        total = (value(base, name).double() + up.T @ down).float()
        wanted |= int8(name, total) if base[name].dtype == torch.int8 else {name: total}
    for share in CLIPPED:
        assert abs(wanted[f"clipped.{share}.scale"] - 0.01) < 1e-6, share
    for name, tensors in dict(base=base, pairs=pairs | own, wanted=wanted).items():
        pack.save(f"{HERE}/adapter_{name}.safetensors", tensors)


if __name__ == "__main__":
    main()
