"""A small language model over the attention decoder's pieces, whose say is added to the decoder's own (shallow fusion: Gulcehre et al. 2015,
arXiv 1503.03535): a Transformer of a few layers.

    python3 -m training.asr.piece_lm texts TEXTS.npz --data DATA --pieces PIECES.txt
    python3 -m training.asr.piece_lm train TEXTS.npz OUT --minutes 3
    python3 -m training.asr.piece_lm export OUT/language.pt PACK/language.safetensors

TEXTS.npz: what lm.py learns from, split into pieces. Normalises first, as the decoder does; a text is <begin> <text> p1 ... pn <end>. OUT/language.jsonl
tells the perplexity a word (and end) of the sentences of each kind that train nothing, the same as lm.py keeps out.
"""
import argparse
import json
import math
import os
import random
import time

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from ..common.log import to_file
from .export import is_matrix, quantise
from .pieces import BEGIN, END, TEXT, Pieces
from .speller import LEAD, PLACES, attention
from .tensors import save_tensors

LENGTHS = 8, 12, 16, 20, 24, 32, 40, 48, 64  # of the rows of a batch: a text with what stands before and behind it
WEIGHTS = "books=1,dialogue=1,commands=3,patterns=1,assistant=1"


class LanguageBlock(nn.Module):
    """Attention to the text so far, two layers."""

    def __init__(self, channels, heads, inner):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.query, self.key = nn.Linear(channels, channels), nn.Linear(channels, channels, bias=False)
        self.value, self.mix = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.up, self.down = nn.Linear(channels, inner), nn.Linear(inner, channels)

    def forward(self, x, drop):
        lose = lambda y: F.dropout(y, drop, self.training)
        n = self.norm1(x)
        x = x + lose(self.mix(attention(self.query(n), self.key(n), self.value(n), self.heads, causal=True)))
        return x + lose(self.down(F.gelu(self.up(self.norm2(x)))))


class PieceLanguage(nn.Module):
    """numbers [B, U] -> log-probabilities [B, U, pieces] f32 of what comes next."""

    def __init__(self, pieces, layers=2, channels=192, heads=4, inner=768, drop=0.1):
        super().__init__()
        self.shape, self.drop = dict(pieces=pieces, layers=layers, channels=channels, heads=heads, inner=inner), drop
        self.piece = nn.Embedding(pieces, channels)  # also tells the output
        self.place = nn.Parameter(0.02 * torch.randn(PLACES, channels))
        self.blocks = nn.ModuleList(LanguageBlock(channels, heads, inner) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)
        nn.init.normal_(self.piece.weight, std=0.05)

    def forward(self, numbers):
        x = F.dropout(self.piece(numbers) + self.place[:numbers.shape[1]], self.drop, self.training)
        for block in self.blocks:
            x = block(x, self.drop)
        return (self.norm(x) @ self.piece.weight.T).float().log_softmax(-1)


def texts(a):
    """Rows of pieces by kind, sentences of each kind that are only measured among them, into one file."""
    from .lm import read_text  # its num2words is not where a network is trained
    pieces, out, rng = Pieces(a.pieces), {}, random.Random(9)
    for kind, lines in read_text(a.data, a.patterns, a.assistant).items():
        rng.shuffle(lines)
        for part, some in (("test", lines[:a.test]), ("train", lines[a.test:])):
            rows = [pieces.split(line) for line in some]
            kept = [(r, line) for r, line in zip(rows, some) if r and len(r) + len(LEAD) + 1 <= LENGTHS[-1]]
            out[f"{part}.{kind}.lengths"] = np.array([len(r) for r, _ in kept], np.uint8)
            out[f"{part}.{kind}.pieces"] = np.array([k for r, _ in kept for k in r], np.uint16)
            out[f"{part}.{kind}.words"] = np.array(sum(len(line.split()) for _, line in kept))
    np.savez_compressed(a.out, count=len(pieces), **out)
    print(json.dumps({k: int(v.sum()) for k, v in out.items() if k.endswith("lengths")} | dict(bytes=os.path.getsize(a.out))))


def rows_of(saved, name, device):
    """{length: rows [n, length] i64, ended and filled by END} of one part and kind."""
    lengths, flat = saved[name + ".lengths"].astype(np.int64), saved[name + ".pieces"].astype(np.int64)
    begins, out = np.cumsum(lengths) - lengths, {}
    for low, high in zip((0, *LENGTHS), LENGTHS):
        some = np.flatnonzero((lengths + len(LEAD) + 1 > low) & (lengths + len(LEAD) + 1 <= high))
        rows = np.full((len(some), high), END, np.int64)
        rows[:, :len(LEAD)] = LEAD
        for k in range(high - len(LEAD) - 1):
            there = some[lengths[some] > k]
            rows[lengths[some] > k, len(LEAD) + k] = flat[begins[there] + k]
        out[high] = torch.from_numpy(rows).to(device)
    return out


def log_probability(net, rows):
    """Of what follows <text>, [n, length - 2]; 0 behind the end."""
    logp = net(rows[:, :-1])[:, len(LEAD) - 1:]
    want = rows[:, len(LEAD):]
    there = F.pad((want == END).cumsum(1), (1, -1)) == 0
    return logp.gather(2, want[..., None])[..., 0] * there, there


class Batches:
    """Rows of one length and about `size` pieces, at random; a kind's rows count as often as its weight says."""

    def __init__(self, saved, weights, size, device, seed):
        parts = {kind: rows_of(saved, "train." + kind, device) for kind in weights}
        self.rows = {n: torch.cat([parts[kind][n] for kind in weights]) for n in LENGTHS}
        share = {n: torch.cat([torch.full((len(parts[kind][n]),), w, device=device) for kind, w in weights.items()]) for n in LENGTHS}
        self.until = {n: s.cumsum(0, dtype=torch.float64) for n, s in share.items()}
        amount = np.array([float(share[n].sum()) * n for n in LENGTHS])
        self.chance, self.size, self.rng = amount / amount.sum(), size, np.random.default_rng(seed)

    def next(self):
        n = int(self.rng.choice(LENGTHS, p=self.chance))
        until = self.until[n]
        at = torch.rand(max(1, self.size // n), device=until.device, dtype=torch.float64) * until[-1]
        return self.rows[n][torch.searchsorted(until, at).clamp_max(len(until) - 1)]


@torch.no_grad()
def perplexities(net, saved, kinds, device):
    """{kind: perplexity a word and end} of what trains nothing."""
    net.eval()
    out = {}
    for kind in kinds:
        total = count = 0
        for rows in rows_of(saved, "test." + kind, device).values():
            for some in rows.split(256):
                total += float(log_probability(net, some)[0].sum())
                count += len(some)
        out[kind] = round(math.exp(-total / (count + int(saved[f"test.{kind}.words"]))), 1)
    net.train()
    return out


def train(a):
    torch.manual_seed(a.seed)
    os.makedirs(a.out, exist_ok=True)
    log, began = to_file(os.path.join(a.out, "language.jsonl")), time.time()
    torch.backends.cuda.matmul.allow_tf32 = a.amp != "fp32"
    saved = dict(np.load(a.texts))
    weights = {k: float(v) for k, v in (part.split("=") for part in a.weights.split(","))}
    batches = Batches(saved, weights, a.batch, a.device, a.seed)
    net = PieceLanguage(int(saved["count"]), a.layers, a.channels, a.heads, a.inner, a.drop).to(a.device)
    mean = {k: v.detach().clone() for k, v in net.state_dict().items()}
    plain = [p for k, p in net.named_parameters() if p.dim() < 2]
    heavy = [p for k, p in net.named_parameters() if p.dim() >= 2]
    opt = torch.optim.AdamW([dict(params=heavy, weight_decay=0.01), dict(params=plain, weight_decay=0.0)], a.lr, betas=(0.9, 0.98), fused=a.device == "cuda")
    context = torch.autocast(a.device, torch.bfloat16, enabled=a.amp == "bf16")
    log(dict(kind="start", parameters=sum(p.numel() for p in net.parameters()), loaded_s=round(time.time() - began, 1), settings={k: v for k, v in vars(a).items() if k != "run"}))
    mark, step, told = time.time(), 0, 0.0
    while (share := (time.time() - mark) / (60 * a.minutes)) < 1 and step < a.max_steps:
        for group in opt.param_groups:
            group["lr"] = a.lr * min(1.0, (step + 1) / 200) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        with context:
            logp, there = log_probability(net, batches.next())
        loss = -logp.sum() / there.sum()
        opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 1.0, foreach=True)
        opt.step()
        step += 1
        with torch.no_grad():
            torch._foreach_lerp_(list(mean.values()), [v.detach() for v in net.state_dict().values()], 1 - min(a.ema, (1 + step) / (10 + step)))
        if time.time() - told > a.tell:
            told = time.time()
            log(dict(step=step, loss=round(float(loss.detach()), 4), seconds=round(told - mark, 1)))
    averaged = PieceLanguage(**net.shape, drop=0).to(a.device)
    averaged.load_state_dict(mean)
    log(dict(kind="end", step=step, perplexity=perplexities(averaged, saved, weights, a.device)))
    path = os.path.join(a.out, "language.pt")
    torch.save(dict(shape=net.shape, net={k: v.half() for k, v in mean.items()}, step=step), path + ".part")
    os.replace(path + ".part", path)


def load(path):
    """The network of a checkpoint, or of a pack's file with its weights expanded to f32."""
    if path.endswith(".pt"):
        saved = torch.load(path, map_location="cpu")
        shape, state = saved["shape"], saved["net"]
    else:
        from .tensors import load_tensors, notes_of
        raw, shape = load_tensors(path), {k: int(v) for k, v in notes_of(path).items()}
        state = {k.removeprefix("language."): v.float() * (raw[k + ".scale"][:, None] if k + ".scale" in raw else 1) for k, v in raw.items() if not k.endswith(".scale")}
    net = PieceLanguage(**shape, drop=0).eval()
    net.load_state_dict({k: v.float() for k, v in state.items()})
    return net


def export(a):
    """Matrices NAME I8 [out, in] with NAME.scale F32 [out], all else F32, as export.py writes them; names begin with `language.`."""
    net, tensors = load(a.checkpoint), {}
    for name, w in net.state_dict().items():
        name = "language." + name
        if is_matrix(name, w):
            tensors[name], tensors[name + ".scale"] = quantise(w)
        else:
            tensors[name] = w
    print(json.dumps(dict(bytes=save_tensors(a.out, tensors, {k: str(v) for k, v in net.shape.items()}), **net.shape)))


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    sub = ap.add_subparsers(required=True)
    t, r, e = (sub.add_parser(name.__name__) for name in (texts, train, export))
    t.add_argument("out"), t.add_argument("--data", default="../shared/data"), t.add_argument("--pieces", default="models/asr-en/pieces.txt")
    t.add_argument("--patterns", type=int, default=120000), t.add_argument("--assistant", default="models/assistants/coffee.toml")
    t.add_argument("--test", type=int, default=2000, help="sentences of each kind that are only measured")
    r.add_argument("texts"), r.add_argument("out"), r.add_argument("--weights", default=WEIGHTS, help="how often a kind's sentences count")
    r.add_argument("--minutes", type=float, default=3), r.add_argument("--max-steps", type=int, default=10 ** 9)
    r.add_argument("--batch", type=int, default=32768, help="pieces"), r.add_argument("--lr", type=float, default=2e-3)
    r.add_argument("--layers", type=int, default=2), r.add_argument("--channels", type=int, default=192)
    r.add_argument("--heads", type=int, default=4), r.add_argument("--inner", type=int, default=768)
    r.add_argument("--drop", type=float, default=0.08), r.add_argument("--ema", type=float, default=0.998)
    r.add_argument("--amp", choices=["fp32", "tf32", "bf16"], default="bf16"), r.add_argument("--device", default="cuda")
    r.add_argument("--tell", type=float, default=5, help="seconds between lines of the log"), r.add_argument("--seed", type=int, default=3)
    e.add_argument("checkpoint"), e.add_argument("out")
    for parser, run in ((t, texts), (r, train), (e, export)):
        parser.set_defaults(run=run)
    a = ap.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
