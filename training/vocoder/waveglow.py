#!/usr/bin/env python3
"""Trains WaveGlow as published (Prenger et al. 2018, arXiv 1811.00002), by likelihood, with 256 channels, within a given time.

    python3 -m training.vocoder.waveglow DATA OUT --minutes 20 [--resume OUT/waveglow.pt]

The geometry is that of NVIDIA's published WaveGlow: groups of 8 samples, 12 flows, two channels out after every fourth, WN of 8 dilated layers,
mels upsampled by a transposed convolution of 1024 samples. It is here to be compared; the vocoder that ships is train.py's. OUT/waveglow.pt has
`net`: the running mean of the weights under the names of NVIDIA's state dict, weight norm removed. Every 1x1 convolution is kept as its LU
factors (Kingma and Dhariwal 2018, arXiv 1807.03039), so that its determinant is a sum. A whole step is one CUDA graph.
"""
import argparse
import os
import tarfile
import tempfile
import time

import torch
import torch.nn as nn
import torch.nn.functional as F

from training.common.log import to_file
from training.tts.flat_adam import FlatAdamW
from training.tts.speech import HOP_SAMPLES, MEL_BINS, RATE_HZ, cosine, load, set_precision, write_wav
from training.vocoder.train import Batches, captured

GEOMETRY = dict(flows=12, group=8, every=4, early=2, channels=256, layers=8)
WINDOW = 1024  # samples of the upsampling
SIGMA = 0.6  # of the noise in synthesis


class Mix(nn.Module):
    """An invertible 1x1 convolution: W = P L U, P fixed; begins as a random rotation."""

    def __init__(self, channels):
        super().__init__()
        p, low, up = torch.linalg.lu(torch.linalg.qr(torch.randn(channels, channels))[0])
        self.register_buffer("p", p)
        self.register_buffer("sign", up.diagonal().sign())
        self.low, self.up = nn.Parameter(low.tril(-1)), nn.Parameter(up.triu(1))
        self.log_scale = nn.Parameter(up.diagonal().abs().log())

    def weight(self):
        one = torch.eye(len(self.p), device=self.p.device)
        return self.p @ (self.low.tril(-1) + one) @ (self.up.triu(1) + torch.diag(self.sign * self.log_scale.exp()))


class Wn(nn.Module):
    """Dilated gated layers: half of the channels and the mels -> shift and log scale of the other half."""

    def __init__(self, half, mels, channels, layers):
        super().__init__()
        self.channels = channels
        self.start, self.end = nn.Conv1d(half, channels, 1), nn.Conv1d(channels, 2 * half, 1)
        self.cond_layer = nn.Conv1d(mels, 2 * channels * layers, 1)
        self.in_layers = nn.ModuleList(nn.Conv1d(channels, 2 * channels, 3, dilation=2 ** i, padding=2 ** i) for i in range(layers))
        self.res_skip_layers = nn.ModuleList(nn.Conv1d(channels, 2 * channels if i < layers - 1 else channels, 1) for i in range(layers))
        nn.init.zeros_(self.end.weight), nn.init.zeros_(self.end.bias)

    def forward(self, x, mel):
        x, skip = self.start(x), 0
        for cond, into, out in zip(self.cond_layer(mel).split(2 * self.channels, 1), self.in_layers, self.res_skip_layers):
            a, b = (into(x) + cond).chunk(2, 1)
            y = out(torch.tanh(a) * torch.sigmoid(b))
            if y.shape[1] > self.channels:
                x, y = x + y[:, :self.channels], y[:, self.channels:]
            skip = skip + y
        return self.end(skip).float().chunk(2, 1)


class WaveGlow(nn.Module):
    def __init__(self, flows=12, group=8, every=4, early=2, channels=256, layers=8):
        super().__init__()
        self.group, self.every, self.early = group, every, early
        self.upsample = nn.ConvTranspose1d(MEL_BINS, MEL_BINS, WINDOW, stride=HOP_SAMPLES)
        left = [group - early * (k // every) for k in range(flows)]  # channels that are still in
        self.mix = nn.ModuleList(Mix(n) for n in left)
        self.WN = nn.ModuleList(Wn(n // 2, MEL_BINS * group, channels, layers) for n in left)

    def conditions(self, mel):
        """mel [B, 80, T] -> [B, 80 group, 256 T / group]: of each group of samples."""
        up = self.upsample(mel)[:, :, :-(WINDOW - HOP_SAMPLES)]
        return up.unflatten(2, (-1, self.group)).transpose(2, 3).flatten(1, 2)

    def forward(self, mel, audio):
        """mel [B, 80, T], audio [B, 256 T] -> noise [B, group, 256 T / group], log of the determinant a sample."""
        cond, x = self.conditions(mel), audio.unflatten(1, (-1, self.group)).transpose(1, 2)
        out, log_det = [], 0.0
        for k, (mix, wn) in enumerate(zip(self.mix, self.WN)):
            if k and k % self.every == 0:
                out.append(x[:, :self.early])
                x = x[:, self.early:]
            with torch.autocast(x.device.type, enabled=False):
                a, b = (mix.weight() @ x).chunk(2, 1)
            shift, log_s = wn(a, cond)
            x = torch.cat([a, b * log_s.exp() + shift], 1)
            log_det = log_det + log_s.sum() / audio.numel() + mix.log_scale.sum() / self.group
        return torch.cat(out + [x], 1), log_det

    def loss(self, mel, audio):
        """Negative log likelihood a sample under noise of deviation 1, less its constant."""
        noise, log_det = self(mel, audio)
        return 0.5 * noise.square().mean() - log_det

    def speak(self, mel, noise):
        """mel [B, 80, T], noise [B, group, 256 T / group] -> audio [B, 256 T]."""
        cond, left = self.conditions(mel), len(self.mix[-1].p)
        parts = list(noise.split([self.early] * ((self.group - left) // self.early) + [left], 1))
        x = parts.pop()
        for k, (mix, wn) in reversed(list(enumerate(zip(self.mix, self.WN)))):
            a, b = x.chunk(2, 1)
            shift, log_s = wn(a, cond)
            x = torch.linalg.inv(mix.weight()) @ torch.cat([a, (b - shift) * torch.exp(-log_s)], 1)
            if k and k % self.every == 0:
                x = torch.cat([parts.pop(), x], 1)
        return x.transpose(1, 2).flatten(1)

    def published(self):
        """Weights under the names of NVIDIA's state dict."""
        out = {k: v for k, v in self.state_dict().items() if not k.startswith("mix.")}
        return out | {f"convinv.{k}.conv.weight": mix.weight()[..., None] for k, mix in enumerate(self.mix)}


class Step:
    """One training step on static state: everything stays on the device."""

    def __init__(self, net, batches, dtype):
        self.net, self.batches, self.dtype = net, batches, dtype
        self.device = batches.audio.device
        self.opt = FlatAdamW(net, betas=(0.9, 0.98), decay=0.0, clip=1.0, half=dtype == torch.float16)
        self.seen = torch.zeros((), device=self.device)

    def __call__(self, _=False):
        mel, y = self.batches.draw()
        with torch.autocast(self.device.type, self.dtype or torch.bfloat16, enabled=self.dtype is not None, cache_enabled=False):
            loss = self.net.loss(mel, y)
        self.opt.zero_grad()
        (loss * self.opt.scale).backward()
        self.opt.step()
        self.seen.copy_(loss.detach())


@torch.no_grad()
def copies(net, rows, audio, mel_of, sigma=SIGMA):
    """Copy synthesis of whole utterances -> [(row, audio [n])], their mel distance in nats and negative log likelihood."""
    said, distance, lost = [], 0.0, 0.0
    torch.manual_seed(0)
    for r in rows:
        frames = r["samples"] // HOP_SAMPLES
        y = audio[r["start"]:r["start"] + frames * HOP_SAMPLES].float()[None] / 32768
        mel = mel_of(y)[:, :, :frames]
        lost += net.loss(mel, y).item() / len(rows)
        x = net.speak(mel, sigma * torch.randn(1, net.group, frames * HOP_SAMPLES // net.group, device=audio.device))
        distance += (mel_of(x)[:, :, :frames] - mel).abs().mean().item() / len(rows)
        said.append((r, x[0].clamp(-1, 1).cpu()))
    return said, distance, lost


def keep(out, said, audio):
    """OUT/copies.tar: folders `copy` and `real`, each with ID.wav and the list.tsv that training/tts/judge.py reads."""
    with tempfile.TemporaryDirectory() as folder, tarfile.open(os.path.join(out, "copies.tar"), "w") as tar:
        for kind in ("copy", "real"):
            os.mkdir(os.path.join(folder, kind))
            for r, x in said:
                x = x if kind == "copy" else audio[r["start"]:r["start"] + r["samples"]].float().cpu() / 32768
                write_wav(os.path.join(folder, kind, r["id"] + ".wav"), x)
            with open(os.path.join(folder, kind, "list.tsv"), "w", encoding="utf-8") as f:
                f.writelines(f"{r['id']}\t{r['text']}\n" for r, _ in said)
            tar.add(os.path.join(folder, kind), kind)


def save(path, step, clock, config):
    states = step.opt.state()
    step.opt.swap_mean()
    net = {k: v.detach().cpu().half() for k, v in step.net.published().items()}
    step.opt.swap_mean()
    saved = dict(net=net, live=step.net.state_dict(), opt=states, clock=clock, config=config)
    for name, part in ((path, saved), (path[:-3] + "_small.pt", dict(net=net, clock=clock, config=config))):
        torch.save(part, name + ".part")
        os.replace(name + ".part", name)


def options():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("data"), ap.add_argument("out")
    ap.add_argument("--voice", help="of DATA's speakers; else all")
    ap.add_argument("--minutes", type=float, default=20, help="the whole schedule, over all stays")
    ap.add_argument("--steps", type=int, default=10**9, help="stop after so many steps now")
    ap.add_argument("--step-s", type=float, default=0, help="let the clock count so many seconds a step: equal schedules at unequal speeds")
    ap.add_argument("--every", type=float, default=120, help="seconds between checkpoints")
    ap.add_argument("--batch", type=int, default=16), ap.add_argument("--frames", type=int, default=32)
    ap.add_argument("--rate", type=float, default=4e-4)
    ap.add_argument("--amp", choices=["fp32", "tf32", "bf16", "fp16"], default="bf16")
    ap.add_argument("--no-graph", action="store_true")
    ap.add_argument("--resume"), ap.add_argument("--device", default="cuda"), ap.add_argument("--seed", type=int, default=1)
    ap.add_argument("--held", type=int, default=24, help="utterances kept out, by hash of their id")
    for name in ("flows", "channels", "layers"):
        ap.add_argument(f"--{name}", type=int, default=GEOMETRY[name])
    return ap.parse_args()


def main():
    a, began = options(), time.time()
    os.makedirs(a.out, exist_ok=True)
    log = to_file(os.path.join(a.out, "waveglow.jsonl"))
    torch.manual_seed(a.seed)
    torch.backends.cudnn.benchmark = True
    dtype = set_precision(a.amp, a.device)
    rows, audio = load(a.data, a.device)
    rows = [r for r in rows if a.voice in (None, r["speaker"])]
    held, rows = rows[:a.held], rows[a.held:]
    config = GEOMETRY | {name: getattr(a, name) for name in ("flows", "channels", "layers")}
    net = WaveGlow(**config).to(a.device)
    step = Step(net, Batches(rows, audio, a.batch, a.frames, lead=0), dtype)
    clock, count = 0.0, 0
    if a.resume:
        saved = torch.load(a.resume, map_location=a.device)
        net.load_state_dict(saved["live"]), step.opt.load(saved["opt"])
        clock, count = saved["clock"]["seconds"], saved["clock"]["steps"]
        torch.manual_seed(a.seed + count)
    log(dict(vars(a), utterances=len(rows), hours=round(sum(r["samples"] for r in rows) / RATE_HZ / 3600, 2),
             parameters=sum(p.numel() for p in net.parameters()), load_s=round(time.time() - began, 1)))
    fresh = step.opt.state()
    run = step if a.device == "cpu" or a.no_graph else captured(step, False, log)
    step.opt.load(fresh)
    path, total, began = os.path.join(a.out, "waveglow.pt"), a.minutes * 60, time.time()
    now, saved_at, first = clock, clock, count
    while now < total and count - first < a.steps:
        step.opt.rate.fill_(cosine(now, total, a.rate))
        run()
        count += 1
        if a.device != "cpu" and count % 20 == 0:
            torch.cuda.synchronize()  # the clock is the device's, not the queue's
        if count % 100 == 0 or count - first == 1:
            log(dict(step=count, s=round(now, 1), norm=round(step.opt.norm.item(), 2), loss=round(step.seen.item(), 4)))
        now = clock + ((count - first) * a.step_s or time.time() - began)
        if now - saved_at > a.every:
            saved_at = now
            save(path, step, dict(seconds=now, steps=count), config)
            step.opt.swap_mean()
            _, distance, lost = copies(net, held[:4], audio, step.batches.mel)
            step.opt.swap_mean()
            log(dict(step=count, s=round(now, 1), held_mel=round(distance, 4), held_loss=round(lost, 4)))
    save(path, step, dict(seconds=now, steps=count), config)
    step.opt.swap_mean()
    said, distance, lost = copies(net, held, audio, step.batches.mel)
    log(dict(end=True, step=count, s=round(now, 1), held_mel=round(distance, 4), held_loss=round(lost, 4)))
    keep(a.out, said, audio)


if __name__ == "__main__":
    main()
