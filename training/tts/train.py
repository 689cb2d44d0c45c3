#!/usr/bin/env python3
"""Trains Tacotron 2 along the teacher's durations within a given time.

    python3 -m training.tts.train DATA OUT --minutes 12 [--resume OUT/tacotron.pt]

DATA: the prefix of the teacher's shards. One cosine schedule by the clock covers all stays: a resumed run goes on
where the saved clock stands. The histories that the attention sees are shifted and smeared at random; in a share of
the steps a first pass without gradients gives the network its own frames and alignments to live with.
"""
import argparse
import os
import time
from collections import Counter

import numpy as np
import torch
import torch.nn.functional as F

from training.common.log import to_file
from training.tts.batches import Utterances
from training.tts.export import restored, shape_of
from training.tts.flat_adam import FlatAdamW
from training.tts.model import SHAPE, Tacotron2, alignment, drop_masks, shifted
from training.tts.pack import halved, read
from training.tts.speech import RATE_HZ, cosine, load, set_precision

LOOK_BACK, LOOK_AHEAD = 6, 10  # symbols around the known place among which the attention learns to choose


def wander(place, amount=0.4, every=40):
    """Place [B, T] moved by a random constant and a slow random curve, in symbols."""
    B, T = place.shape
    knots = torch.randn(B, 1, T // every + 2, device=place.device) * 0.25
    curve = F.interpolate(knots, size=T, mode="linear", align_corners=True)[:, 0]
    return place + curve + (torch.rand(B, 1, device=place.device) * 2 - 1) * amount


class Recipe:
    """Losses of one batch: reconstruction, stop, attention, durations."""

    def __init__(self, net, dtype, device, own_share, drop_share, attend=True):
        self.net, self.dtype, self.device, self.attend = net, dtype, device, attend
        self.own_share, self.drop_share = own_share, drop_share

    def __call__(self, b, two_passes):
        net, training = self.net, self.net.training
        with torch.autocast(self.device, self.dtype or torch.bfloat16, enabled=self.dtype is not None):
            enc = net.encode(b["ids"], b["symbols"], b["speaker"])
            key, log_frames = net.key(enc), net.durations(enc)
            return self.losses(b, enc, key, log_frames.float(), two_passes and training)

    def losses(self, b, enc, key, log_frames, two_passes):
        net, training, device = self.net, self.net.training, self.device
        (B, N), T = b["ids"].shape, b["mel"].shape[1]
        count = b["symbols"].to(device)
        known = alignment(b["place"], count, N)
        history = known
        if training:
            width = 0.35 + 0.45 * torch.rand(B, 1, 1, device=device)
            history = alignment(wander(b["place"]), count, N, width)
        n = torch.arange(N, device=device)
        allowed = (n >= b["place"][..., None].floor() - LOOK_BACK) & (n <= b["place"][..., None].floor() + LOOK_AHEAD)
        allowed = allowed & (n < count[:, None])[:, None] if self.attend else None
        frames, prev = shifted(b["mel"]), shifted(history)
        own = (torch.rand(B, 1, 1, device=device) < (self.own_share if training else 0.0)).float()
        masks = drop_masks((B, T), self.drop_share, device, net.pre[0].out_features) if training else None
        if two_passes:
            with torch.no_grad():
                contexts = (prev @ enc.float()).to(enc.dtype)
                out, _, log_w = net.decode(enc, key, frames, contexts, prev, prev.cumsum(1), allowed, known, own, masks)
            take = torch.rand(B, 1, 1, device=device) < 0.5
            mine = (torch.rand(B, T, 1, device=device) < 0.5) & take
            frames = torch.where(mine, shifted(out), frames)
            prev = torch.where(take, shifted(log_w.exp()), prev) if self.attend else prev
        if training:
            frames = frames + 0.05 * torch.randn_like(frames)
        contexts = (prev @ enc.float()).to(enc.dtype)
        before, stop, log_w = net.decode(enc, key, frames, contexts, prev, prev.cumsum(1), allowed, known, own, masks)
        on = torch.arange(T, device=device)[None] < b["length"][:, None]
        after = net.postnet(before, on[..., None])
        rebuilt = sum((F.l1_loss(p, b["mel"], reduction="none").mean(-1)
                       + 0.5 * F.mse_loss(p, b["mel"], reduction="none").mean(-1))[on].mean() for p in (before, after))
        near = ((torch.arange(T, device=device)[None] >= b["length"][:, None] - 4) & on).float()
        weight = torch.tensor(5.0, device=device)
        ended = F.binary_cross_entropy_with_logits(stop, near, pos_weight=weight, reduction="none")[on].mean()
        attention = torch.zeros((), device=device)
        if self.attend:
            known = known * allowed
            attention = (known * (known.clamp_min(1e-9).log() - log_w) * allowed).sum(-1)[on].mean()
        real = (n < count[:, None]) & (b["frames"] > 0)
        timing = F.mse_loss(log_frames[real], b["frames"].clamp_min(0.5).log()[real])
        return rebuilt, ended, attention, timing


def weighed(parts):
    rebuilt, ended, attention, timing = parts
    return rebuilt + ended + 0.5 * attention + 0.3 * timing


@torch.no_grad()
def settle(recipe, data, groups):
    """Batch statistics of the present weights: a plain mean over some training batches."""
    norms = [m for m in recipe.net.modules() if isinstance(m, torch.nn.BatchNorm1d)]
    for m in norms:
        m.reset_running_stats()
        m.momentum = None
    recipe.net.train()
    for group in groups:
        recipe(data.batch(group), False)
    for m in norms:
        m.momentum = 0.1


def begun(path):
    """Weights of a pack as a checkpoint without steps; its BatchNorms do nothing, see awaken()."""
    weights, metadata = read(path)
    table = {c: i + 1 for i, c in enumerate(metadata["symbols"])}
    return dict(net=restored(weights, len(table)).state_dict(), table=table, shape=shape_of(weights), clock=dict(seconds=0.0, steps=0))


@torch.no_grad()
def awaken(recipe, data, groups):
    """BatchNorms that do nothing become ones that normalise what they are given and give it back: the network stays as it is, and can learn."""
    norms, seen = [m for m in recipe.net.modules() if isinstance(m, torch.nn.BatchNorm1d)], {}
    note = lambda m, given: seen.setdefault(m, []).append(torch.stack([given[0].float().mean((0, 2)), given[0].float().square().mean((0, 2))]))
    hooks = [m.register_forward_pre_hook(note) for m in norms]
    recipe.net.eval()
    for group in groups:
        recipe(data.batch(group), False)
    for m, hook in zip(norms, hooks):
        hook.remove()
        mean, square = torch.stack(seen[m]).mean(0)
        m.running_mean.copy_(mean), m.running_var.copy_(square - mean.square())
        m.weight.copy_((m.running_var + m.eps).sqrt()), m.bias.copy_(mean)


def save(path, net, opt, table, shape, voices, clock, recipe, data, groups):
    """The training state, and `net`: the mean of the weights with statistics of its own. The small file has it in f16,
    to travel; a run resumed from it begins with fresh moments."""
    live = {k: v.detach().clone() for k, v in net.state_dict().items()}
    state = opt.state()
    opt.swap_mean()
    settle(recipe, data, groups)
    mean = {k: v.detach().cpu().clone() for k, v in net.state_dict().items()}
    opt.swap_mean()
    net.load_state_dict(live)
    small = dict(net=halved(mean), table=table, shape=shape, voices=voices, clock=clock)
    for name, saved in ((path, dict(small, net=mean, live=live, opt=state)), (path[:-3] + "_small.pt", small)):
        torch.save(saved, name + ".part")
        os.replace(name + ".part", name)


def options():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("data"), ap.add_argument("out")
    ap.add_argument("--minutes", type=float, default=12, help="the whole schedule, over all stays")
    ap.add_argument("--elapsed", type=float, help="seconds of the schedule already used; default: the saved clock")
    ap.add_argument("--stop", type=float, default=1e9, help="stop after so many seconds now")
    ap.add_argument("--steps", type=int, default=10**9, help="stop after so many steps now")
    ap.add_argument("--step-s", type=float, default=0, help="let the clock count so many seconds a step: equal schedules at unequal speeds")
    ap.add_argument("--every", type=float, default=120, help="seconds between checkpoints")
    ap.add_argument("--batch-frames", type=int, default=24000), ap.add_argument("--rate", type=float, default=1.5e-3)
    ap.add_argument("--own-share", type=float, default=0.5, help="utterances whose second LSTM follows the attention")
    ap.add_argument("--drop-share", type=float, default=0.7, help="utterances with dropout in the prenet")
    ap.add_argument("--two-passes", type=float, default=0.3, help="share of the steps, after a third of the schedule")
    ap.add_argument("--amp", choices=["fp32", "tf32", "bf16", "fp16"], default="bf16")
    ap.add_argument("--no-attention", action="store_true",
                    help="the attention learns nothing: synthesis by the predicted durations alone, for a short training")
    ap.add_argument("--no-feedback", action="store_true",
                    help="frames do not hear the one before (the prenet is zero): nothing to go astray, for a short training")
    for name, width in SHAPE.items():
        ap.add_argument(f"--{name}", type=int, default=width)
    ap.add_argument("--voices", nargs="*", help="speakers in the order of the pack, the first is its default; else all that DATA has, sorted. "
                    "A checkpoint of fewer learns the new ones")
    ap.add_argument("--start", help="weights of a pack to begin with, where there is nothing to resume")
    ap.add_argument("--resume"), ap.add_argument("--device", default="cuda"), ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--rare", type=int, default=30, help="symbols seen less often are unknown, their utterances left out")
    ap.add_argument("--held", type=int, default=40, help="utterances kept out, by hash of their id")
    return ap.parse_args()


def main():
    a = options()
    began = time.time()
    os.makedirs(a.out, exist_ok=True)
    log = to_file(os.path.join(a.out, "tacotron.jsonl"))
    torch.manual_seed(a.seed)
    rng, dtype = np.random.default_rng(a.seed), set_precision(a.amp, a.device)
    rows, audio = load(a.data, a.device)
    saved = torch.load(a.resume, map_location=a.device) if a.resume else begun(a.start) if a.start else None
    seen = Counter(c for r in rows for c in r["symbols"])
    table = saved["table"] if saved else {c: i + 1 for i, c in enumerate(sorted(c for c in seen if seen[c] >= a.rare))}
    voices = a.voices or sorted({r["speaker"] for r in rows})
    rows = [r for r in rows if r["speaker"] in voices]
    held, data = Utterances(rows[:a.held], audio, table, voices), Utterances(rows[a.held:], audio, table, voices)
    shape = (saved["shape"] if saved else {name: getattr(a, name) for name in SHAPE}) | dict(speakers=len(voices))
    net = Tacotron2(len(table), **shape).to(a.device)
    if saved:
        known = net.load_state_dict(saved.get("live", saved["net"]), strict=False)
        if known.unexpected_keys or any(not k.startswith("speakers.") for k in known.missing_keys):
            raise SystemExit(f"{a.resume or a.start}: another network: {(known.unexpected_keys + known.missing_keys)[0]}")
    else:
        net.mel.bias.data.copy_(data.mels[:-1].float().mean(0))
    if a.no_feedback:
        for layer in net.pre:  # zero stays zero: it has no bias and gets no gradient
            torch.nn.init.zeros_(layer.weight)
    recipe = Recipe(net, dtype, a.device.split(":")[0], a.own_share, a.drop_share, not a.no_attention)
    if a.start and not a.resume:
        awaken(recipe, data, data.groups(a.batch_frames, rng)[:20])
    opt = FlatAdamW(net, betas=(0.9, 0.98), decay=1e-4, clip=1.0, half=dtype == torch.float16)
    clock, count, anew = 0.0, 0, False
    if saved:
        anew = "opt" not in saved or bool(known.missing_keys)  # a voice more: the moments begin anew
        opt.load({} if anew else saved["opt"])
        clock, count = saved["clock"]["seconds"], saved["clock"]["steps"]
        torch.manual_seed(a.seed + count), rng.bit_generator.advance(count)
    clock = clock if a.elapsed is None else a.elapsed
    params = sum(p.numel() for p in net.parameters())
    log(dict(vars(a), voices=voices, utterances=len(data.rows), hours=round(len(audio) / RATE_HZ / 3600, 2), symbols=len(table),
             parameters=params, load_s=round(time.time() - began, 1)))
    del audio
    path, total, began = os.path.join(a.out, "tacotron.pt"), a.minutes * 60, time.time()
    now, saved_at, first, waiting = clock, clock, count, []
    while True:
        now = clock + ((count - first) * a.step_s or time.time() - began)
        if now >= total or now - clock >= a.stop or count - first >= a.steps:
            break
        if not waiting:
            waiting = data.groups(a.batch_frames, rng)
        opt.rate.fill_(cosine(now, total, a.rate) * (min(1.0, (count - first + 1) / 300) if anew else 1.0))
        net.train()
        parts = recipe(data.batch(waiting.pop()), now > total / 3 and rng.random() < a.two_passes)
        opt.zero_grad()
        (weighed(parts) * opt.scale).backward()
        opt.step()
        count += 1
        if count % 100 == 0 or count - first == 1:
            net.eval()
            with torch.no_grad():
                kept = [v.item() for v in recipe(held.batch(list(range(len(held.rows)))), False)]
            names = ("mel", "stop", "attention", "timing")
            log(dict(step=count, s=round(now, 1), norm=round(opt.norm.item(), 2),
                     **{n: round(v.item(), 4) for n, v in zip(names, parts)},
                     **{f"held_{n}": round(v, 4) for n, v in zip(names, kept)}))
        if now - saved_at > a.every:
            saved_at = now
            save(path, net, opt, table, shape, voices, dict(seconds=now, steps=count), recipe, data, data.groups(a.batch_frames, rng)[:20])
    save(path, net, opt, table, shape, voices, dict(seconds=now, steps=count), recipe, data, data.groups(a.batch_frames, rng)[:40])
    with open(os.path.join(a.out, "held.tsv"), "w", encoding="utf-8") as f:
        f.writelines(f"{r['id']}\t{r['text']}\t{r['symbols']}\n" for r in held.rows)
    log(dict(end=True, step=count, s=round(now, 1)))


if __name__ == "__main__":
    main()
