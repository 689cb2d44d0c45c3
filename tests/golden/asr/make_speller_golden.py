#!/usr/bin/env python3
"""A tiny Speller with seeded weights, and what PyTorch tells of texts that begin alike.

    python3 tests/golden/asr/make_speller_golden.py        from the repository root; writes speller_f32 and speller_i8.safetensors beside itself

The weights lie under the pack's names; `golden.heard` F32 [FRAMES, channels]; `golden.texts` I32 [texts, U], -1 behind a text's end;
`golden.logp` F32 [texts, U, pieces]: what comes after each piece; `golden.beam_texts` I32 [BEAM, U'] and `golden.beam_logp` F32 [BEAM]: the
most probable texts of at most MOST pieces by a beam of that width.
"""
import os
import sys

import torch

sys.path[:0] = [os.getcwd(), os.path.dirname(os.path.abspath(__file__))]
from make_tiny_golden import HERE
from training.asr.export import is_matrix, packed, quantise, rounded
from training.asr.pieces import END, MARKS
from training.asr.speller import LEAD, Speller
from training.asr.tensors import save_tensors

SHAPE = dict(pieces=17, layers=2, channels=32, heads=2, inner=48)
FRAMES = 70
TEXTS = [[1, 2, 5, 9, 4, 0], [1, 2, 5, 9, 7, 3, 3, 8], [1, 2, 6], [1, 2, 5, 10, 16]]


BEAM, MOST = 3, 7


def beam(net, heard, on):
    """[(log-probability, pieces)], best first: every beginning is run whole, again and again."""
    alive, ended = [(0.0, [])], []
    for length in range(MOST + 1):
        rows = [net(torch.tensor([[*LEAD, *text]]), heard, on)[0, -1].double() for _, text in alive]
        ended += [(score + row[END].item(), text) for (score, text), row in zip(alive, rows) if text]
        on_from_here = [(score + row[k].item(), text + [k]) for (score, text), row in zip(alive, rows) for k in range(len(MARKS), len(row))]
        alive = sorted(on_from_here, reverse=True)[:BEAM]
    return sorted(ended, reverse=True)[:BEAM]


@torch.no_grad()
def main():
    torch.manual_seed(21)
    net = Speller(**SHAPE).eval()
    torch.nn.init.normal_(net.place)
    for p in net.parameters():
        p.mul_(1.3)
    net.piece.weight.mul_(0.35)  # else one piece has it all
    net.norm.bias.copy_(2 * net.piece.weight[END])  # and texts do not end
    small = Speller(**SHAPE).eval()
    small.load_state_dict(rounded(net.state_dict()))
    heard, on = torch.randn(1, FRAMES, SHAPE["channels"]), torch.ones(1, FRAMES, dtype=torch.bool)
    width = max(map(len, TEXTS))
    texts = torch.tensor([t + [-1] * (width - len(t)) for t in TEXTS], dtype=torch.int32)
    for name, player in (("f32", net), ("i8", small)):
        logp = torch.zeros(len(TEXTS), width, SHAPE["pieces"])
        for row, text in enumerate(TEXTS):
            logp[row, :len(text)] = player(torch.tensor([text]), heard, on)[0]
        found = beam(player, heard, on)
        longest = max(len(text) for _, text in found)
        texts_found = torch.tensor([text + [-1] * (longest - len(text)) for _, text in found], dtype=torch.int32)
        out = {"golden.beam_texts": texts_found, "golden.beam_logp": torch.tensor([score for score, _ in found]), "golden.heard": heard[0], "golden.texts": texts, "golden.logp": logp}
        for key, w in packed(net.state_dict()).items():
            if name == "i8" and is_matrix(key, w):
                out["speller." + key], out[f"speller.{key}.scale"] = quantise(w)
            else:
                out["speller." + key] = w
        save_tensors(f"{HERE}/speller_{name}.safetensors", out, {k: str(v) for k, v in SHAPE.items()})


if __name__ == "__main__":
    main()
