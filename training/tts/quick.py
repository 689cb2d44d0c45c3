#!/usr/bin/env python3
"""Trains what of Tacotron 2 is cheap, for machines without a GPU: the convolutions. Its LSTMs rest.

    python3 -m training.tts.quick DATA OUT --minutes 15 [--resume OUT/tacotron.pt]

It begins where ridge regression ends: the convolutions pass on which symbol it is and its two neighbours, and the mel is fitted
to that. The encoder's LSTM becomes a layer without memory (input and output gates open, forget gates shut), the decoder's LSTMs and
the prenet are zero, so that a frame is linear in its context; the post-net does the rest. Everything is parallel over time:
no recurrence, and a tenth of the arithmetic. Writes the checkpoint of train.py; synthesis
by `--way durations` alone. What is lost: the decoder hears no frame before, so that speech is flatter and less clear.
"""
import argparse
import json
import os
import time
from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F

from training.tts.batches import Utterances
from training.tts.flat_adam import FlatAdamW
from training.tts.model import SHAPE, Tacotron2, alignment
from training.tts.speech import cosine, load, set_precision
from training.tts.pack import halved

OPEN = 20.0  # a gate's bias


@torch.no_grad()
def rest(net):
    """Shuts the memory of the encoder's LSTM and silences the decoder's."""
    for layer in list(net.pre) + [net.att_rnn, net.dec_rnn]:
        for p in layer.parameters():
            p.zero_()
    H = net.encoder.hidden_size
    for name, p in net.encoder.named_parameters():
        if "weight_hh" in name or "bias_hh" in name:
            p.zero_()
            continue
        p[:2 * H], p[3 * H:] = 0, 0
        if "bias" in name:
            p[:H], p[H:2 * H], p[3 * H:] = OPEN, -OPEN, OPEN
            p[2 * H:3 * H] = 0


@torch.no_grad()
def neighbours(net):
    """Context says which symbol it is (channels 0 to S - 1), the one before (S to 2 S - 1) and the next."""
    count, enc = net.embed.weight.shape
    if 3 * count > enc:
        raise SystemExit(f"--enc {enc}: wanted at least three times {count} symbols")
    unit = torch.eye(count)
    net.embed.weight.zero_()
    net.embed.weight[:, :count] = unit
    net.embed.weight[0] = 0  # padding
    for i, conv in enumerate(net.convs):
        conv.weight.mul_(0.1), conv.bias.zero_()
        if i:
            conv.weight[:3 * count] = 0
            conv.weight[:3 * count, :3 * count, 2] = torch.eye(3 * count)
        else:
            conv.weight[:3 * count] = 0
            for k, tap in enumerate((2, 1, 3)):
                conv.weight[k * count:(k + 1) * count, :count, tap] = unit
    H = net.encoder.hidden_size
    for k, w in enumerate((net.encoder.weight_ih_l0, net.encoder.weight_ih_l0_reverse)):
        w[2 * H:3 * H] = 0
        w[2 * H:3 * H, k * H:(k + 1) * H] = 0.7 * torch.eye(H)
    net.post[-1].weight.zero_(), net.post[-1].bias.zero_()


@torch.no_grad()
def fit(net, data, groups, ridge=10.0):
    """Solves the mel layer, and the duration head's output, on the known alignments."""
    xx, xy = [0, 0], [0, 0]
    net.eval()
    for group in groups:
        b = data.batch(group)
        N, enc = b["ids"].shape[1], encode(net, b["ids"])
        on = torch.arange(b["mel"].shape[1])[None] < b["length"][:, None]
        real = (torch.arange(N)[None] < b["symbols"][:, None]) & (b["frames"] > 0)
        timing = F.relu(net.duration_conv(enc.transpose(1, 2))).transpose(1, 2)
        for k, (x, y) in enumerate(((torch.bmm(alignment(b["place"], b["symbols"], N), enc)[on], b["mel"][on]),
                                    (timing[real], b["frames"].clamp_min(0.5).log()[real][:, None]))):
            x = torch.cat([x, torch.ones(len(x), 1)], 1).double()
            xx[k], xy[k] = xx[k] + x.T @ x, xy[k] + x.T @ y.double()
    for k, layer in enumerate((net.mel, net.duration_out)):
        w = torch.linalg.solve(xx[k] + ridge * torch.eye(len(xx[k]), dtype=torch.float64), xy[k]).float()
        layer.weight.zero_()
        layer.weight[:, -len(w) + 1:] = w[:-1].T
        layer.bias.copy_(w[-1])


def train_mode(net):
    """As net.train(), but the encoder's norms stay what they are: one-hot channels must not be scaled by their rarity."""
    net.train()
    net.norms.eval()


def trained(net):
    """The parameters that learn; FlatAdamW takes those that need gradients."""
    names = ("embed.", "convs.", "norms.", "encoder.", "duration_", "mel.", "post")
    for name, p in net.named_parameters():
        p.requires_grad_(name.startswith(names) and "_hh_" not in name)


def encode(net, ids):
    """What Tacotron2.encode gives once rest() was called, all symbols at once. ids [B, N] -> [B, N, enc]."""
    on = (ids > 0)[:, None]
    x = net.embed(ids).transpose(1, 2)
    for conv, norm in zip(net.convs, net.norms):
        x = F.dropout(F.relu(norm(conv(x))), 0.1, net.training) * on
    H, e = net.encoder.hidden_size, net.encoder
    both = [(e.weight_ih_l0, e.bias_ih_l0), (e.weight_ih_l0_reverse, e.bias_ih_l0_reverse)]
    y = torch.cat([F.linear(x.transpose(1, 2), w[2 * H:3 * H], b[2 * H:3 * H]) for w, b in both], -1)
    return torch.tanh(torch.tanh(y)) * on.transpose(1, 2)


def save(path, net, opt, table, shape, clock):
    """As train.py's checkpoint; the post-net's statistics go along with the mean of the weights."""
    live = {k: v.detach().clone() for k, v in net.state_dict().items()}
    opt.swap_mean()
    mean = {k: v.detach().clone() for k, v in net.state_dict().items()}
    opt.swap_mean()
    small = dict(net=halved(mean), table=table, shape=shape, clock=clock)
    for name, saved in ((path, dict(small, net=mean, live=live, opt=opt.state())), (path[:-3] + "_small.pt", small)):
        torch.save(saved, name + ".part")
        os.replace(name + ".part", name)


class Recipe:
    """Losses of one batch: reconstruction, stop (0: unused), attention (0), durations; called as train.py's."""

    def __init__(self, net, dtype):
        self.net, self.dtype = net, dtype

    def __call__(self, b, two_passes=False):
        net, (B, N) = self.net, b["ids"].shape
        on = torch.arange(b["mel"].shape[1])[None] < b["length"][:, None]
        with torch.autocast("cpu", self.dtype or torch.bfloat16, enabled=self.dtype is not None):
            enc = encode(net, b["ids"])
            log_frames = net.durations(enc)
            context = torch.bmm(alignment(b["place"], b["symbols"], N), enc)
            before = F.linear(context, net.mel.weight[:, -enc.shape[2]:], net.mel.bias).float()
            after = net.postnet(before, on[..., None])
        want = b["mel"][on]
        error = F.l1_loss(after[on], want)
        rebuilt = F.l1_loss(before[on], want) + error
        real = (torch.arange(N)[None] < b["symbols"][:, None]) & (b["frames"] > 0)
        timing = F.mse_loss(log_frames.float()[real], b["frames"].clamp_min(0.5).log()[real])
        return rebuilt, torch.zeros(()), error.detach(), timing


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("data"), ap.add_argument("out"), ap.add_argument("--resume")
    ap.add_argument("--minutes", type=float, default=15), ap.add_argument("--steps", type=int, default=10**9)
    ap.add_argument("--batch-frames", type=int, default=3000), ap.add_argument("--rate", type=float, default=1.5e-3)
    ap.add_argument("--enc", type=int, default=160), ap.add_argument("--post", type=int, default=80)
    ap.add_argument("--held", type=int, default=20), ap.add_argument("--rare", type=int, default=8)
    ap.add_argument("--every", type=float, default=120, help="seconds between checkpoints")
    ap.add_argument("--amp", choices=["fp32", "bf16"], default="bf16"), ap.add_argument("--seed", type=int, default=1)
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.manual_seed(a.seed)
    rng, lines = np.random.default_rng(a.seed), open(os.path.join(a.out, "tacotron.jsonl"), "a", encoding="utf-8")

    def log(line):
        print(json.dumps(line), flush=True)
        print(json.dumps(line), file=lines, flush=True)

    rows, audio = load(a.data, "cpu")
    saved = torch.load(a.resume) if a.resume else None
    seen = Counter(c for r in rows for c in r["symbols"])
    table = saved["table"] if saved else {c: i + 1 for i, c in enumerate(sorted(c for c in seen if seen[c] >= a.rare))}
    held, data = Utterances(rows[:a.held], audio, table), Utterances(rows[a.held:], audio, table)
    shape = saved["shape"] if saved else dict(SHAPE, enc=a.enc, rnn=32, pre=16, att=16, loc=4, post=a.post)
    net = Tacotron2(len(table), **shape)
    rest(net)
    trained(net)
    if not saved:
        neighbours(net)
        fit(net, data, data.groups(a.batch_frames, rng))
    else:
        net.load_state_dict(saved["live"])
    opt = FlatAdamW(net, betas=(0.9, 0.98), decay=1e-3, clip=2.0, mean=0.99)
    if saved:
        opt.load(saved["opt"])
    recipe, began = Recipe(net, set_precision(a.amp, "cpu")), time.time()
    clock, count = (saved["clock"]["seconds"], saved["clock"]["steps"]) if saved else (0.0, 0)
    path, waiting, saved_at, now = os.path.join(a.out, "tacotron.pt"), [], clock, clock
    while now < a.minutes * 60 and count < a.steps:
        waiting = waiting or data.groups(a.batch_frames, rng)
        train_mode(net)
        opt.rate.fill_(cosine(now, a.minutes * 60, a.rate))
        parts = recipe(data.batch(waiting.pop()))
        opt.zero_grad()
        (parts[0] + 0.3 * parts[3]).backward()
        opt.step()
        count, now = count + 1, clock + time.time() - began
        if count % 20 == 0 or count == 1 or now - saved_at > a.every:
            net.eval()
            with torch.no_grad():
                kept = recipe(held.batch(list(range(len(held.rows)))))
            log(dict(step=count, s=round(now, 1), cpu_s=round(time.process_time(), 1), norm=round(opt.norm.item(), 2),
                     mel=round(parts[2].item(), 4), held_mel=round(kept[2].item(), 4), held_timing=round(kept[3].item(), 4)))
        if now - saved_at > a.every:
            saved_at = now
            save(path, net, opt, table, shape, dict(seconds=now, steps=count))
    save(path, net, opt, table, shape, dict(seconds=now, steps=count))
    with open(os.path.join(a.out, "held.tsv"), "w", encoding="utf-8") as f:
        f.writelines(f"{r['id']}\t{r['text']}\t{r['symbols']}\n" for r in held.rows)


if __name__ == "__main__":
    main()
