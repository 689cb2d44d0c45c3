#!/usr/bin/env python3
"""Letter-to-sound for words that the lexicon does not know: a small CTC network, letters in, phonemes out.

    python3 -m training.tts.g2p LEXICON.tsv OUT --seconds 80 [--device cuda]

Every letter (a-z and ') is repeated three times, so that the output can be longer than the word: embedding 64, two
bidirectional LSTM layers of 128, a linear layer over blank (0) and the phoneme characters. Greedy decoding: best
class a step, repeats merged, blanks dropped. A tenth of the words, by hash, is kept out and measured. Writes
OUT/g2p.pt and OUT/g2p.safetensors (I8, as pack.py says; metadata: letters, phonemes, repeat).
"""
import argparse
import json
import lzma
import os
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from training.tts import pack
from training.tts.flat_adam import FlatAdamW
from training.tts.speech import cosine, hash_of

LETTERS, REPEAT = "abcdefghijklmnopqrstuvwxyz'", 3


class LetterToSound(nn.Module):
    def __init__(self, phonemes, width=128):
        super().__init__()
        self.embedding = nn.Embedding(len(LETTERS) + 1, 64)
        self.lstm = nn.LSTM(64, width, num_layers=2, bidirectional=True, batch_first=True, dropout=0.1)
        self.out = nn.Linear(2 * width, phonemes + 1)

    def forward(self, ids):
        """ids [B, L] (1: a) -> logits [B, 3 L, 1 + phonemes]."""
        return self.out(self.lstm(self.embedding(ids.repeat_interleave(REPEAT, dim=1)))[0])


def read_lexicon(path):
    with (lzma.open if path.endswith(".xz") else open)(path, "rt", encoding="utf-8") as lines:
        pairs = [line.rstrip("\n").split("\t") for line in lines]
    return [(w, p) for w, p in pairs if len(w) > 1 and all(c in LETTERS for c in w)]


class Words:
    """Batches of words of one length each: nothing is padded on the letters' side."""

    def __init__(self, pairs, phonemes, device, batch):
        index = {c: i + 1 for i, c in enumerate(phonemes)}
        by_length = {}
        for w, p in pairs:
            by_length.setdefault(len(w), []).append((w, p))
        self.batch, self.parts = batch, {}
        for n, part in by_length.items():
            ids = torch.tensor([[LETTERS.index(c) + 1 for c in w] for w, _ in part])
            counts = torch.tensor([len(p) for _, p in part])
            target = torch.zeros(len(part), int(counts.max()), dtype=torch.long)
            for i, (_, p) in enumerate(part):
                target[i, :len(p)] = torch.tensor([index[c] for c in p])
            self.parts[n] = (ids.to(device), target.to(device), counts.to(device))

    def epoch(self, rng):
        picks = []
        for n, (ids, _, _) in self.parts.items():
            order = torch.from_numpy(rng.permutation(len(ids))).to(ids.device)
            picks += [(n, part) for part in order.split(self.batch)]
        for i in rng.permutation(len(picks)):
            n, part = picks[i]
            yield tuple(t[part] for t in self.parts[n])


def ctc(net, ids, target, counts):
    logp = net(ids).float().log_softmax(-1).transpose(0, 1)
    steps = torch.full((len(ids),), logp.shape[0], device=ids.device)
    return F.ctc_loss(logp, target, steps, counts, zero_infinity=True)


@torch.no_grad()
def spoken(net, ids, phonemes):
    best = net(ids).argmax(-1)
    change = F.pad(best[:, 1:] != best[:, :-1], (1, 0), value=True) & (best > 0)
    return ["".join(phonemes[c - 1] for c in row[on].tolist()) for row, on in zip(best.cpu(), change.cpu())]


def distance(a, b):
    row = list(range(len(b) + 1))
    for i, x in enumerate(a, 1):
        last, row[0] = row[0], i
        for j, y in enumerate(b, 1):
            last, row[j] = row[j], min(row[j] + 1, row[j - 1] + 1, last + (x != y))
    return row[-1]


def measure(net, pairs, phonemes, device):
    """-> share of wrong phoneme characters and of wrong words, and the latter without stress marks."""
    net.eval()
    wrong = wrong_bare = errors = total = 0
    by_length = {}
    for w, p in pairs:
        by_length.setdefault(len(w), []).append((w, p))
    bare = str.maketrans("", "", "ˈˌ")
    for part in by_length.values():
        for at in range(0, len(part), 1024):
            some = part[at:at + 1024]
            ids = torch.tensor([[LETTERS.index(c) + 1 for c in w] for w, _ in some], device=device)
            for (_, p), got in zip(some, spoken(net, ids, phonemes)):
                wrong, errors, total = wrong + (got != p), errors + distance(p, got), total + len(p)
                wrong_bare += got.translate(bare) != p.translate(bare)
    net.train()
    return errors / total, wrong / len(pairs), wrong_bare / len(pairs)


def exported(net):
    """Names as torch's: embedding.weight, lstm.weight_ih_l0, ..., out.weight."""
    return {k: v.detach() for k, v in net.state_dict().items()}


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("lexicon"), ap.add_argument("out"), ap.add_argument("--seconds", type=float, default=80)
    ap.add_argument("--device", default="cuda"), ap.add_argument("--batch", type=int, default=512)
    ap.add_argument("--rate", type=float, default=4e-3), ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--limit", type=int, default=10**9, help="so many words only, to try the recipe")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.manual_seed(a.seed)
    rng, pairs = np.random.default_rng(a.seed), read_lexicon(a.lexicon)
    phonemes = "".join(sorted({c for _, p in pairs for c in p}))
    held = [x for x in pairs if hash_of(x[0]) % 10 == 0][:a.limit]
    pairs = [x for x in pairs if hash_of(x[0]) % 10][:a.limit]
    words, net = Words(pairs, phonemes, a.device, a.batch), LetterToSound(len(phonemes)).to(a.device)
    opt = FlatAdamW(net, betas=(0.9, 0.99), decay=1e-2, clip=1.0)
    began, step, now, epoch = time.time(), 0, 0.0, 0
    while now < a.seconds:
        epoch += 1
        for batch in words.epoch(rng):
            now = time.time() - began
            if now >= a.seconds:
                break
            opt.rate.fill_(cosine(now, a.seconds, a.rate))
            with torch.autocast(a.device.split(":")[0], torch.bfloat16, enabled=a.device != "cpu"):
                loss = ctc(net, *batch)
            opt.zero_grad()
            loss.backward()
            opt.step()
            step += 1
            if step % 200 == 0:
                print(json.dumps(dict(step=step, epoch=epoch, s=round(now, 1), loss=round(loss.item(), 4))), flush=True)
    opt.swap_mean()
    torch.save(dict(net={k: v.cpu() for k, v in net.state_dict().items()}, phonemes=phonemes), f"{a.out}/g2p.pt")
    metadata = dict(letters=LETTERS, phonemes=phonemes, repeat=REPEAT)
    pack.write(f"{a.out}/g2p.safetensors", exported(net), metadata, lambda n: torch.float32 if "embedding" in n else None)
    report = dict(words=len(pairs), held=len(held), epochs=epoch, steps=step)
    names = ("phoneme_error", "word_error", "word_error_without_stress")
    report.update({n: round(v, 4) for n, v in zip(names, measure(net, held, phonemes, a.device))})
    net.load_state_dict(pack.read(f"{a.out}/g2p.safetensors")[0])
    report.update({n + "_i8": round(v, 4) for n, v in zip(names, measure(net, held, phonemes, a.device))})
    print(json.dumps(report), flush=True)
    with open(f"{a.out}/g2p.json", "w", encoding="utf-8") as f:
        json.dump(report, f)


if __name__ == "__main__":
    main()
