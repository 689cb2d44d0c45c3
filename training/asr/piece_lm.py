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
from .tensors import load_tensors, notes_of, save_tensors

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


class Trainer:
    """Owns network, average, optimiser, batches and clock; OUT/last.pt holds them, and the next run with the same OUT goes on from it."""

    def __init__(self, a):
        torch.manual_seed(a.seed)
        torch.backends.cuda.matmul.allow_tf32 = a.amp != "fp32"
        self.a, self.saved = a, dict(np.load(a.texts))
        self.weights = {k: float(v) for k, v in (part.split("=") for part in a.weights.split(","))}
        self.batches = Batches(self.saved, self.weights, a.batch, a.device, a.seed)
        self.net = PieceLanguage(int(self.saved["count"]), a.layers, a.channels, a.heads, a.inner, a.drop).to(a.device)
        self.mean = {k: v.detach().clone() for k, v in self.net.state_dict().items()}
        groups = [dict(params=[p for p in self.net.parameters() if (p.dim() >= 2) == heavy], weight_decay=0.01 * heavy) for heavy in (True, False)]
        self.opt = torch.optim.AdamW(groups, a.lr, betas=(0.9, 0.98), fused=a.device == "cuda")
        self.context = torch.autocast(a.device, torch.bfloat16, enabled=a.amp == "bf16")
        self.step, self.elapsed = 0, 0.0

    def state(self):
        random = dict(torch=torch.get_rng_state(), numpy=self.batches.rng.bit_generator.state,
                      cuda=torch.cuda.get_rng_state() if self.a.device == "cuda" else None)
        return dict(net=self.net.state_dict(), mean=self.mean, opt=self.opt.state_dict(), step=self.step, elapsed=self.elapsed, random=random)

    def resume(self, path):
        s = torch.load(path, map_location="cpu", weights_only=False)
        self.net.load_state_dict(s["net"])
        self.mean = {k: v.to(self.a.device) for k, v in s["mean"].items()}
        self.opt.load_state_dict(s["opt"])
        self.step, self.elapsed, random = s["step"], s["elapsed"], s["random"]
        torch.set_rng_state(random["torch"])
        self.batches.rng.bit_generator.state = random["numpy"]
        if random["cuda"] is not None and self.a.device == "cuda":
            torch.cuda.set_rng_state(random["cuda"])

    def learn(self, share):
        """One step at this share of the clock -> loss, nats a piece."""
        for group in self.opt.param_groups:
            group["lr"] = self.a.lr * min(1.0, (self.step + 1) / 200) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        with self.context:
            logp, there = log_probability(self.net, self.batches.next())
        loss = -logp.sum() / there.sum()
        self.opt.zero_grad(set_to_none=True)
        loss.backward()
        nn.utils.clip_grad_norm_(self.net.parameters(), 1.0, foreach=True)
        self.opt.step()
        self.step += 1
        keep = min(self.a.ema, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.mean.values()), [v.detach() for v in self.net.state_dict().values()], 1 - keep)
        return loss.detach()

    def averaged(self):
        net = PieceLanguage(**self.net.shape, drop=0).to(self.a.device)
        net.load_state_dict(self.mean)
        return net


def save(state, path):
    torch.save(state, path + ".part")
    os.replace(path + ".part", path)


def train(a):
    os.makedirs(a.out, exist_ok=True)
    log, began, last = to_file(os.path.join(a.out, "language.jsonl")), time.time(), os.path.join(a.out, "last.pt")
    t = Trainer(a)
    if os.path.exists(last):
        t.resume(last)
    log(dict(kind="start", parameters=sum(p.numel() for p in t.net.parameters()), loaded_s=round(time.time() - began, 1), step=t.step,
             settings={k: v for k, v in vars(a).items() if k != "run"}))
    mark, came = time.time(), t.elapsed
    told = kept = came
    while (share := t.elapsed / (60 * a.minutes)) < 1 and t.step < a.max_steps:
        loss = t.learn(share)
        t.elapsed = came + time.time() - mark
        if t.elapsed - told > a.tell:
            told = t.elapsed
            log(dict(step=t.step, loss=round(float(loss), 4), seconds=round(told, 1)))
        if t.elapsed - kept > a.save:
            kept = t.elapsed
            save(t.state(), last)
    save(t.state(), last)
    log(dict(kind="end", step=t.step, perplexity=perplexities(t.averaged(), t.saved, t.weights, a.device)))
    save(dict(shape=t.net.shape, net={k: v.half() for k, v in t.mean.items()}, step=t.step), os.path.join(a.out, "language.pt"))


def load(path):
    """The network of a checkpoint, or of a pack's file with its weights expanded to f32."""
    if path.endswith(".pt"):
        saved = torch.load(path, map_location="cpu")
        shape, state = saved["shape"], saved["net"]
    else:
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
    r.add_argument("--save", type=float, default=60, help="seconds between checkpoints")
    r.add_argument("--tell", type=float, default=5, help="seconds between lines of the log"), r.add_argument("--seed", type=int, default=3)
    e.add_argument("checkpoint"), e.add_argument("out")
    for parser, run in ((t, texts), (r, train), (e, export)):
        parser.set_defaults(run=run)
    a = ap.parse_args()
    a.run(a)


if __name__ == "__main__":
    main()
