#!/usr/bin/env python3
"""A tiny Speller with seeded weights, and what PyTorch tells of texts that begin alike.

    python3 tests/golden/asr/make_speller_golden.py        from the repository root; writes speller_f32 and speller_i8.safetensors beside itself

The weights lie under the pack's names; `golden.heard` F32 [FRAMES, channels]; `golden.texts` I32 [texts, U], -1 behind a text's end;
`golden.logp` F32 [texts, U, pieces]: what comes after each piece; `golden.beam_texts` I32 [BEAM, U'] and `golden.beam_logp` F32 [BEAM]: the
most probable texts of at most MOST pieces by a beam of that width; `golden.ctc` F32 [STEPS, symbols], log-probabilities over ALPHABET, and
`golden.joint_texts`, `golden.joint_score`: the same by both. hybrid_i8.safetensors: the weights of listener_i8 and of a speller
with LETTERS pieces, which are the marks and every letter with and without a space.

language_f32 and language_i8.safetensors: the weights of a tiny PieceLanguage, and the same golden tensors by the speller and, times
FUSED, the language network. hybrid_language_i8.safetensors: the weights of one with LETTERS pieces.
"""
import itertools
import math
import os
import sys

import torch

sys.path[:0] = [os.getcwd(), os.path.dirname(os.path.abspath(__file__))]
from make_tiny_golden import HERE
from training.asr.export import is_matrix, packed, quantise, rounded
from training.asr.piece_lm import PieceLanguage
from training.asr.pieces import END, MARKS
from training.asr.speller import LEAD, Speller
from training.asr.tensors import load_tensors, save_tensors

SHAPE = dict(pieces=17, layers=2, channels=32, heads=2, inner=48)
LANGUAGE, FUSED = dict(pieces=17, layers=2, channels=24, heads=3, inner=40), 0.4
FRAMES = 70
TEXTS = [[1, 2, 5, 9, 4, 0], [1, 2, 5, 9, 7, 3, 3, 8], [1, 2, 6], [1, 2, 5, 10, 16]]


BEAM, MOST = 3, 7
ALPHABET = " 'abc"
PIECES = [*MARKS, *"a| a|b| b|c| c|'| '|ab| ab|ca| bc|bca| cab".split("|")]
LETTERS = len(MARKS) + 2 * 27
STEPS, CTC_WEIGHT, LANGUAGE_WEIGHT, WORD_BONUS = 6, 0.5, 0.25, 1.0


def beam(net, heard, on, more=lambda text, whole: 0.0):
    """[(score, log-probability, pieces)], best first; an end is one of the BEAM best ways on. more: what a beginning's score has besides."""
    alive, ended = [(0.0, 0.0, [])], []
    for length in range(MOST + 1):
        ways = []
        for _, logp, text in alive:
            row = net(torch.tensor([[*LEAD, *text]]), heard, on)[0, -1].double().tolist()
            for k in range(len(row)):
                if k == END and text:
                    ways.append((logp + row[k] + more(text, True), logp + row[k], text, True))
                elif k >= len(MARKS) and length < MOST:
                    ways.append((logp + row[k] + more(text + [k], False), logp + row[k], text + [k], False))
        ways = sorted((w for w in ways if w[0] > -1e30), key=lambda w: -w[0])[:BEAM - len(ended)]
        ended += [w[:3] for w in ways if w[3]]
        alive = [w[:3] for w in ways if not w[3]]
        if not alive or len(ended) >= BEAM:
            break
    return sorted(ended, key=lambda w: -w[0])


def told_by(ctc):
    """more() of beam(): CTC by all paths through ctc [STEPS, symbols], and a bonus for each word that has ended."""
    found = {}
    for path in itertools.product(range(ctc.shape[1]), repeat=len(ctc)):
        text = "".join(ALPHABET[k - 1] for i, k in enumerate(path) if k and (i == 0 or k != path[i - 1]))
        found[text] = found.get(text, 0.0) + math.exp(sum(ctc[i, k].item() for i, k in enumerate(path)))

    def more(pieces, whole):
        text = "".join(PIECES[k] for k in pieces)
        if text[0] != " ":  # no text begins so
            return -math.inf
        text = text[1:]
        heard = found.get(text, 0.0) if whole else sum(p for other, p in found.items() if other.startswith(text))
        words = text.count(" ") + whole
        return CTC_WEIGHT * math.log(heard) + LANGUAGE_WEIGHT * WORD_BONUS * words if heard > 0 else -math.inf
    return more


@torch.no_grad()
def seeded(seed, **other):
    """A speller whose texts differ and end."""
    torch.manual_seed(seed)
    net = Speller(**SHAPE | other).eval()
    torch.nn.init.normal_(net.place)
    for p in net.parameters():
        p.mul_(1.3)
    net.piece.weight.mul_(0.35)  # else one piece has it all
    net.norm.bias.copy_(2 * net.piece.weight[END])  # and texts do not end
    return net


@torch.no_grad()
def language(seed, **other):
    """A language network that is as sure as the speller."""
    torch.manual_seed(seed)
    net = PieceLanguage(**LANGUAGE | other, drop=0).eval()
    torch.nn.init.normal_(net.place)
    torch.nn.init.normal_(net.piece.weight, std=0.5)
    for block in net.blocks:
        for p in block.parameters():
            p.mul_(1.5)
    return net


def stored(net, small, prefix="speller."):
    """Tensors as a pack has them, matrices in INT8 if `small`."""
    out = {}
    for key, w in packed(net.state_dict()).items():
        if small and is_matrix(key, w):
            out[prefix + key], out[f"{prefix}{key}.scale"] = quantise(w)
        else:
            out[prefix + key] = w
    return out


def small_of(net, kind, shape):
    """The same network as INT8 plays it."""
    small = kind(**shape).eval()
    small.load_state_dict(rounded(net.state_dict()))
    return small


def golden(name, player, heard, ctc):
    """What `player` tells of TEXTS and of searches."""
    on, width = torch.ones(1, FRAMES, dtype=torch.bool), max(map(len, TEXTS))
    logp = torch.zeros(len(TEXTS), width, SHAPE["pieces"])
    for row, text in enumerate(TEXTS):
        logp[row, :len(text)] = player(torch.tensor([text]), heard, on)[0]
    out = {"golden.heard": heard[0], "golden.logp": logp, "golden.ctc": ctc}
    out["golden.texts"] = torch.tensor([t + [-1] * (width - len(t)) for t in TEXTS], dtype=torch.int32)
    for kind, found, value in (("beam", beam(player, heard, on), "logp"), ("joint", beam(player, heard, on, told_by(ctc)), "score")):
        longest = max(len(text) for *_, text in found)
        out[f"golden.{kind}_texts"] = torch.tensor([text + [-1] * (longest - len(text)) for *_, text in found], dtype=torch.int32)
        out[f"golden.{kind}_{value}"] = torch.tensor([way[value == "logp"] for way in found])
        print(name, kind, [(round(way[0], 2), "".join(PIECES[k] for k in way[2])) for way in found])
    return out


@torch.no_grad()
def main():
    net = seeded(21)
    spellers = dict(f32=net, i8=small_of(net, Speller, SHAPE))
    heard = torch.randn(1, FRAMES, SHAPE["channels"])
    ctc = (1.5 * torch.randn(STEPS, len(ALPHABET) + 1)).log_softmax(-1)
    told = language(23)
    languages = dict(f32=told, i8=small_of(told, PieceLanguage, LANGUAGE))
    notes = lambda shape: {k: str(v) for k, v in shape.items()}
    for name, player in spellers.items():
        both = lambda numbers, heard, on: player(numbers, heard, on) + FUSED * languages[name](numbers)
        save_tensors(f"{HERE}/speller_{name}.safetensors", golden(name, player, heard, ctc) | stored(net, name == "i8"), notes(SHAPE))
        save_tensors(f"{HERE}/language_{name}.safetensors", golden(f"{name}, both", both, heard, ctc) | stored(told, name == "i8", "language."), notes(LANGUAGE))
    save_tensors(f"{HERE}/hybrid_language_i8.safetensors", stored(language(24, pieces=LETTERS), True, "language."), notes(LANGUAGE | dict(pieces=LETTERS)))
    both = load_tensors(f"{HERE}/listener_i8.safetensors") | stored(seeded(22, pieces=LETTERS), True)
    save_tensors(f"{HERE}/hybrid_i8.safetensors", {k: v for k, v in both.items() if not k.startswith("golden.")}, {})


if __name__ == "__main__":
    main()
