#!/usr/bin/env python3
"""A tiny recogniser of the pack's shape with seeded weights, and what PyTorch makes of a second of sound.

    python3 tests/golden/asr/make_tiny_golden.py        from the repository root; writes tiny_f32 and tiny_i8.safetensors beside itself

The weights lie under the pack's names; `golden.pcm` I32 [n] of 16-bit samples, `golden.features` F32 [T, 80], `golden.logp` F32 [T / 4, 29].
"""
import os
import sys

import torch

sys.path.insert(0, os.getcwd())
from training.asr.export import is_matrix, packed, quantise, rounded
from training.asr.model import Acoustic, LogMel
from training.asr.tensors import save_tensors

HERE = os.path.dirname(os.path.abspath(__file__))
STEPS = 25  # a second


def sound(samples):
    """A rising tone with overtones that comes and goes, and hiss: i16 [samples]."""
    t = torch.arange(samples, dtype=torch.float64) / 16000
    phase = 2 * torch.pi * (180 * t + 220 * t * t)
    tone = sum(torch.sin(k * phase) / k for k in range(1, 9)) * (0.5 + 0.5 * torch.sin(2 * torch.pi * 3 * t))
    return ((0.12 * tone + 0.01 * torch.randn(samples, dtype=torch.float64)) * 32767).round().to(torch.int16)


@torch.no_grad()
def main():
    torch.manual_seed(11)
    net = Acoustic(width=24, layers=2, front=12).eval()
    for p in net.parameters():
        p.mul_(1.5)
    pcm = sound(STEPS * 640)
    mel = LogMel()(pcm.float()[None] / 32768)
    small = Acoustic(width=24, layers=2, front=12).eval()
    small.load_state_dict(rounded(net.state_dict()))
    for name, player in (("f32", net), ("i8", small)):
        out = {"golden.pcm": pcm.int(), "golden.features": mel[0].T.contiguous(), "golden.logp": player(mel)[0]}
        for key, w in packed(net.state_dict()).items():
            if name == "i8" and is_matrix(key, w):
                out[key], out[key + ".scale"] = quantise(w)
            else:
                out[key] = w
        save_tensors(f"{HERE}/tiny_{name}.safetensors", out, {})


if __name__ == "__main__":
    main()
