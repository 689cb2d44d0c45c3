#!/usr/bin/env python3
"""A tiny recogniser of spelled tones, its language model, and what PyTorch and the slow references make of them.

    python3 tests/golden/asr/make_golden.py [--train NAME]      from the repository root; writes beside itself; --train makes
                                                                the network tiny or tiny_two anew (some three minutes)

Every symbol of the alphabet is a tone of its own pitch, 80 ms long with 40 ms of silence behind it, so that a test can
"say" any text. The network is training/asr/model.py's at a small width, trained here on such tones in noise.
  tiny.safetensors, tiny_int8.safetensors   the pack's weights
  tiny_two.safetensors                      INT8 weights of a network of two outputs a step
  tiny.anlm                                 a 3-gram of some orders; lm_queries.tsv asks it
  golden.safetensors                        features and log-probabilities of real speech (tests/golden/vad/speech) and of a
                                            tone text; log-probabilities for the beam search
  golden_two.safetensors                    log-probabilities of the same by tiny_two
  beam.tsv                                  case, rank, text, score by training/asr/beam.py
"""
import os
import random
import sys

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file, save_file

sys.path.insert(0, os.getcwd())
from training.asr import lm
from training.asr.beam import Words, ranked
from training.asr.evaluate import greedy
from training.asr.export import is_matrix, packed, quantise, rounded
from training.asr.lm_reader import LanguageModel
from training.asr.golden import restored
from training.asr.model import Acoustic, LogMel
from training.common.text import CHARS

HERE = os.path.dirname(os.path.abspath(__file__))
SHAPE = dict(width=32, layers=2, front=24)
SHAPES = dict(tiny=SHAPE, tiny_two=dict(SHAPE, outputs=2))
HOT = [("mocha latte", 6.0), ("flat white", 3.0), ("lucky", 4.0), ("tea", -4.0)]


def pitch(k):
    """Hz of symbol k of CHARS: equal steps on the mel scale from 300 to 6500 Hz."""
    mel = lambda hz: 2595.0 * np.log10(1.0 + hz / 700.0)
    return 700.0 * (10.0 ** ((mel(300.0) + (mel(6500.0) - mel(300.0)) * k / (len(CHARS) - 1)) / 2595.0) - 1.0)


def tones(text, on=1280, off=640):
    """f32 audio of a text; `on` and `off` in samples, or functions that give them."""
    parts = []
    for c in text:
        n, gap = (f() if callable(f) else f for f in (on, off))
        wave = 0.3 * np.sin(2 * np.pi * pitch(CHARS.index(c)) * np.arange(n) / 16000)
        parts += [wave * np.minimum(1, np.minimum(np.arange(n), np.arange(n)[::-1]) / 80), np.zeros(gap)]
    return np.concatenate(parts).astype(np.float32)


def batch(rng, size=16):
    """(audio [size, n], symbols [size, most], lengths, symbol counts) of random texts in noise."""
    audio, texts = [], []
    for _ in range(size):
        text = "".join(rng.choice(CHARS) for _ in range(rng.randint(3, 12)))
        x = tones(text, lambda: rng.randint(1050, 1600), lambda: rng.randint(480, 900)) * rng.uniform(0.5, 1.5)
        x = np.concatenate([np.zeros(rng.randint(0, 6000)), x, np.zeros(rng.randint(0, 6000))])
        audio.append(torch.from_numpy(x).float())
        texts.append([CHARS.index(c) + 1 for c in text])
    steps = [-(-len(x) // 640) for x in audio]
    x = torch.stack([F.pad(x, (0, 640 * max(steps) - len(x))) for x in audio])
    x = x + torch.randn_like(x) * 10 ** rng.uniform(-4, -2)
    most = max(map(len, texts))
    y = torch.tensor([t + [0] * (most - len(t)) for t in texts])
    return x, y, torch.tensor(steps), torch.tensor([len(t) for t in texts])


def train(shape, steps=700):
    torch.manual_seed(3)
    torch.set_num_threads(2)
    rng, net, mel = random.Random(3), Acoustic(drop=0.0, **shape), LogMel()
    best = torch.optim.Adam(net.parameters(), 6e-3)
    plan = torch.optim.lr_scheduler.OneCycleLR(best, 6e-3, steps)
    for step in range(steps):
        x, y, n, m = batch(rng)
        loss = F.ctc_loss(net(mel(x)).transpose(0, 1), y, net.outputs * n, m)
        best.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        best.step(), plan.step()
        if step % 100 == 99:
            print(step + 1, round(loss.item(), 4), flush=True)
    return net.eval()


def save_weights(net, pack):
    f32 = packed(net.state_dict())
    if pack == "tiny":
        save_file(f32, f"{HERE}/tiny.safetensors")
    small = {}
    for name, w in f32.items():
        if is_matrix(name, w):
            small[name], small[name + ".scale"] = quantise(w)
        else:
            small[name] = w
    save_file(small, f"{HERE}/{'tiny_int8' if pack == 'tiny' else pack}.safetensors")


def orders(rng, count=240):
    sizes, drinks = "small medium large".split(), ["latte", "mocha", "flat white", "tea", "espresso", "mocha latte"]
    starts = ["i would like", "can i get", "give me", "i'll have", "may i have", "we want"]
    return [" ".join(filter(None, [rng.choice(starts), rng.choice(["a", "one", "two", "three"]), rng.choice(sizes + [""]),
                                   rng.choice(drinks), rng.choice(["", "please", "with oat milk", "with sugar", "to go"])]))
            for _ in range(count)]


def language_model():
    rng = random.Random(4)
    texts = {"orders": orders(rng)}
    # Not every word of the texts is in the vocabulary: queries need unknown ones.
    words = sorted({w for line in texts["orders"] for w in line.split()} - {"espresso"} | set(lm.SPECIAL))
    write = lm.write(f"{HERE}/tiny.anlm", lm.build(texts, {"orders": 1.0}, words, 4000))
    print("tiny.anlm", write, "bytes")
    model = LanguageModel(f"{HERE}/tiny.anlm")
    with open(f"{HERE}/lm_queries.tsv", "w", encoding="utf-8") as f:
        every = words + ["espresso", "zebra"]
        for _ in range(400):
            u, v, w = rng.choice(every), rng.choice(every), rng.choice(every)
            if rng.random() < 0.5:  # half of them follow the texts
                line = rng.choice(texts["orders"]).split() + ["</s>"]
                at = rng.randrange(len(line) - 2)
                u, v, w = line[at:at + 3]
            if "<s>" in (u, w) or "</s>" in (u, v):
                continue
            first = v == "<s>"  # alone at the start
            score = model.score(None if first else model.id(u), model.id(v), model.id(w))
            f.write(f"{'-' if first else u}\t{v}\t{w}\t{score:.6f}\n")
    return model


def heard(text, rng, sure):
    """Log-probabilities [steps, 29] of somebody who spells `text`, doubtful at each letter."""
    rows, last = [], ""
    for c in text:
        for k in ([0] if c == last else []) + [CHARS.index(c) + 1] * rng.choice([1, 1, 2]) + [0] * rng.choice([0, 1]):
            row = 0.8 * rng.gumbel(size=29) + (sure if k else sure + 1) * (np.arange(29) == k)
            rows.append(row - np.logaddexp.reduce(row))
        last = c if rows and np.argmax(rows[-1]) == CHARS.index(c) + 1 else c
    return np.array(rows, np.float32)


def hot_bonus(text):
    """The boosts of all phrases said whole, word by word from the left, the longest first."""
    words, at, total = text.split(), 0, 0.0
    while at < len(words):
        fits = [(len(p.split()), b) for p, b in HOT if words[at:at + len(p.split())] == p.split()]
        n, boost = max(fits, default=(1, 0.0))
        total, at = total + boost, at + n
    return total


def beams(model):
    rng = np.random.default_rng(5)
    tensors, lines = {}, []
    says = ["a mocha latte please", "two teas", "flat white to go", "give me a lucky espresso", "i'll have three"]
    for i, text in enumerate(says):
        logp = heard(text, rng, 5.0)
        tensors[f"beam.{i}"] = torch.from_numpy(logp)
        for kind, alpha, beta in (("plain", 0.0, 0.0), ("lm", 0.7, 1.1)):
            words = Words(model, alpha, beta, *((3.5, 0.5) if alpha else (0.0, 0.0)))
            texts = ranked(logp, words, beam=300, most=29, floor=-1e9)
            for rank, (said, score) in enumerate(texts[:3]):
                lines.append(f"{i}\t{kind}\t{rank}\t{said}\t{score:.5f}\n")
            boosted = sorted(((s + hot_bonus(t), t) for t, s in texts), reverse=True)
            for rank, (score, said) in enumerate(boosted[:2]):
                lines.append(f"{i}\t{kind}_hot\t{rank}\t{said}\t{score:.5f}\n")
    with open(f"{HERE}/beam.tsv", "w", encoding="utf-8") as f:
        f.writelines(lines)
    return tensors


@torch.no_grad()
def golden(net, two, model):
    mel, small = LogMel(), Acoustic(**SHAPE).eval()
    small.load_state_dict(rounded(net.state_dict()))
    speech = load_file("tests/golden/vad/speech.safetensors")["audio"].flatten()
    said = torch.from_numpy(tones("two teas"))
    out, of_two = beams(model), {}
    for name, x in (("speech", speech), ("tones", said)):
        x = F.pad(x, (0, -len(x) % 640))[None]
        frames = mel(x)
        out |= {f"{name}.features": frames[0].T, f"{name}.logp": net(frames)[0], f"{name}.logp_int8": small(frames)[0]}
        of_two[f"{name}.logp_int8"] = two(frames)[0].contiguous()
    out["tones.pcm"] = said
    save_file({k: v.float().contiguous() for k, v in out.items()}, f"{HERE}/golden.safetensors")
    save_file(of_two, f"{HERE}/golden_two.safetensors")
    for net in (net, two):
        best = net(mel(F.pad(said, (0, -len(said) % 640))[None])).argmax(-1)
        print(*greedy(best, [best.shape[1]]))


if __name__ == "__main__":
    if "--train" in sys.argv:
        name = sys.argv[sys.argv.index("--train") + 1]
        save_weights(train(SHAPES[name]), name)
    golden(*(restored(f"{HERE}/{name}.safetensors") for name in SHAPES), language_model())
