#!/usr/bin/env python3
"""A tiny Listener with seeded weights, and what PyTorch makes of a second of sound, and of more than its table of positions is long.

    python3 tests/golden/asr/make_listener_golden.py        from the repository root; writes listener_f32 and listener_i8.safetensors beside itself

The weights lie under the pack's names; `golden.features` F32 [T, 80]; `golden.logp` F32 [T / 2, 29]; `golden.wrapped` F32 [KEPT, 29]: the last
rows where the features were heard ROUNDS times on end. By the look of finals: `golden.final_logp`, as logp, and `golden.final_heard` F32
[T / 2, 32], the encoder's frames.
"""
import os
import sys

import torch

sys.path[:0] = [os.getcwd(), os.path.dirname(os.path.abspath(__file__))]
from make_tiny_golden import HERE, STEPS, sound
from training.asr.export import is_matrix, packed, quantise, rounded
from training.asr.listener import POSITIONS, Listener
from training.asr.model import LogMel
from training.asr.tensors import save_tensors

SHAPE = dict(width=24, layers=2, outputs=2, channels=32, heads=2, inner=48, blocks=2, past=7, ahead=2)
ROUNDS, KEPT, FINAL_AHEAD = 31, 40, 5


@torch.no_grad()
def main():
    torch.manual_seed(12)
    net = Listener(**SHAPE).eval()
    for p in net.parameters():
        p.mul_(1.5)
    mel = LogMel()(sound(STEPS * 640).float()[None] / 32768)
    assert ROUNDS * STEPS * 2 > POSITIONS + KEPT
    small = Listener(**SHAPE).eval()
    small.load_state_dict(rounded(net.state_dict()))
    for name, player in (("f32", net), ("i8", small)):
        out = {"golden.features": mel[0].T.contiguous(), "golden.logp": player(mel)[0], "golden.wrapped": player(mel.repeat(1, 1, ROUNDS))[0, -KEPT:].contiguous()}
        player.look(SHAPE["past"], FINAL_AHEAD)
        out["golden.final_logp"] = player(mel)[0]
        out["golden.final_heard"] = player.told(torch.tensor([STEPS]))[0][0].contiguous()
        for key, w in packed(net.state_dict()).items():
            if name == "i8" and is_matrix(key, w):
                out[key], out[key + ".scale"] = quantise(w)
            else:
                out[key] = w
        save_tensors(f"{HERE}/listener_{name}.safetensors", out, {k: str(v) for k, v in SHAPE.items()})


if __name__ == "__main__":
    main()
