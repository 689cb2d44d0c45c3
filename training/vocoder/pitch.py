#!/usr/bin/env python3
"""Trains the pitch network of the vocoder: mels to pitch and voicing of every frame, in a few thousand steps.

    python3 -m training.vocoder.pitch PITCH.pt --teacher PREFIX [--data DATA] [--cache FOUND.pt] [--minutes 5] [--device cuda]

PREFIX: the teacher's shards; DATA: the corpora, of whose training speakers some utterances are taken beside. What is to be told is found by probabilistic YIN
(librosa) at the same frames; an utterance comes as it is and resampled, lower and higher. Mels are learnt as they are, smoothed and louder or softer,
since what the synthesiser predicts is smoother than recordings. Every twelfth utterance is kept out and tells: pitch within 2 % and 5 %, median error, voicing.
"""
import argparse
import math
import multiprocessing
import time
from concurrent.futures import ProcessPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F

from training.common.data import RATE, load as load_corpora
from training.common.text import KeptOut
from training.asr.batches import tables_of
from training.tts.speech import HOP_SAMPLES, MEL_BINS, RATE_HZ, LogMel, load, resample
from training.vocoder.model import HIGHEST, LOWEST, Pitch

CORPORA = ("librispeech_mini", "vctk_p239", "kathleen_arctic")
SHIFTS = (0.84, 1.0, 1.19)  # how much faster, and so higher
BEGIN = torch.tensor([1.0, 0.0])  # of 200 Hz


def told(x):
    """x [n] f32 at 22.05 kHz -> octaves above 100 Hz of every frame [1 + n // 256] f32, NaN where nothing is voiced."""
    import librosa
    frames = dict(fmin=LOWEST, fmax=HIGHEST, sr=RATE_HZ, frame_length=1024, hop_length=HOP_SAMPLES)
    hz, voiced, _ = librosa.pyin(x, resolution=0.2, **frames)
    fine = librosa.yin(x, **frames)  # not held to the steps of the other
    hz = np.where(np.abs(fine / np.nan_to_num(hz, nan=100.0) - 1) < 0.03, fine, hz)
    return np.where(voiced, np.log2(np.nan_to_num(hz, nan=100.0) / 100), np.nan).astype(np.float32)


def shifted(x, factor):
    """x [n] f32 spoken `factor` times as fast and as high."""
    at = np.arange(int(len(x) / factor)) * factor
    return np.interp(at, np.arange(len(x)), x).astype(np.float32)


def utterances(teacher, data, most):
    """f32 [n] at 22.05 kHz of the teacher, then `most` of each corpus."""
    rows, audio = load(teacher, "cpu")
    found = [audio[r["start"]:r["start"] + r["samples"]].float().numpy() / 32768 for r in rows]
    if data:
        kept, counts = KeptOut(), {}
        for corpus, rows, pcm in load_corpora(tables_of(data, (), CORPORA), jobs=2):
            good = [r for r in rows if 2 * RATE < r["n"] < 10 * RATE and not kept.row(corpus, r)]
            good = good[::max(1, len(good) // max(1, most - counts.get(corpus, 0)))][:most - counts.get(corpus, 0)]
            counts[corpus] = counts.get(corpus, 0) + len(good)
            found += [resample(torch.from_numpy(pcm[r["start"]:r["start"] + r["n"]].copy()), RATE, RATE_HZ, "cpu").float().numpy() / 32768 for r in good]
    return found


def examples(x, shifts):
    """-> [(mel [T, 80] f16, pitch [T] f32)] of one utterance."""
    mel_of, out = LogMel(), []
    for factor in shifts:
        y = shifted(x, factor)
        with torch.no_grad():
            out.append((mel_of(torch.from_numpy(y)[None])[0].T.half().numpy(), told(y)))
    return out


def blurred(mel):
    """mel [B, T, 80] with bands and frames mixed with their neighbours by shares of each row's own, other loudness, and a little noise."""
    rows = len(mel)
    draw = lambda: torch.rand(rows, 1, 1, device=mel.device)
    share = lambda: 0.3 * draw()
    p = F.pad(mel.transpose(1, 2), (1, 1), mode="replicate").transpose(1, 2)
    a = share()
    mel = (1 - a) * mel + a / 2 * (p[:, :-2] + p[:, 2:])
    p = F.pad(mel, (1, 1), mode="replicate")
    a = share()
    mel = (1 - a) * mel + a / 2 * (p[..., :-2] + p[..., 2:])
    mel = mel + 3 * draw() - 2
    return (mel + 0.15 * draw() * torch.randn_like(mel)).clamp_min(math.log(1e-5))


def loss_of(out, pitch):
    """out [B, T, 2], pitch [B, T] or NaN; what is beyond an utterance is inf."""
    inside, voiced = ~torch.isinf(pitch), ~torch.isnan(pitch) & ~torch.isinf(pitch)
    gap = torch.where(voiced, out[..., 0] - torch.where(voiced, pitch, 0.0), 0.0).abs()
    voice = F.binary_cross_entropy_with_logits(out[..., 1], voiced.float(), reduction="none")
    return 5 * gap.clamp_max(0.5).sum() / voiced.sum().clamp_min(1) + (voice * inside).sum() / inside.sum()


def batch(pairs, frames, rng, device):
    """Stretches of `frames` -> mel [B, T, 80], pitch [B, T] on the device."""
    mels, pitches = torch.full((len(pairs), frames, MEL_BINS), math.log(1e-5)), torch.full((len(pairs), frames), math.inf)
    for row, (mel, pitch) in enumerate(pairs):
        at = rng.integers(max(1, len(pitch) - frames))
        n = min(frames, len(pitch) - at)
        mels[row, :n] = torch.from_numpy(mel[at:at + n]).float()
        pitches[row, :n] = torch.from_numpy(pitch[at:at + n])
    return mels.to(device), pitches.to(device)


@torch.no_grad()
def judged(net, pairs, change=lambda mel: mel):
    gaps, right, count, device = [], 0, 0, net.depth.device
    for mel, pitch in pairs:
        out = net(change(torch.from_numpy(mel).float()[None].to(device)))[0].cpu().numpy()
        voiced = ~np.isnan(pitch)
        gaps.append(np.abs(2 ** (out[voiced, 0] - pitch[voiced]) - 1))
        right, count = right + int(((out[:, 1] > 0) == voiced).sum()), count + len(pitch)
    gaps = np.concatenate(gaps)
    return dict(within_2=round(float((gaps < 0.02).mean()), 3), within_5=round(float((gaps < 0.05).mean()), 3),
                beyond_20=round(float((gaps > 0.2).mean()), 4), median=round(float(np.median(gaps)), 4), voicing=round(right / count, 4))


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out"), ap.add_argument("--teacher"), ap.add_argument("--data")
    ap.add_argument("--most", type=int, default=60, help="utterances of each corpus"), ap.add_argument("--minutes", type=float, default=5)
    ap.add_argument("--channels", type=int, default=64), ap.add_argument("--layers", type=int, default=3)
    ap.add_argument("--device", default="cpu"), ap.add_argument("--batch", type=int, default=32)
    ap.add_argument("--rate", type=float, default=3e-3), ap.add_argument("--seed", type=int, default=1), ap.add_argument("--cache", help="keeps what YIN found; where it is there, nothing else is read")
    a = ap.parse_args()
    torch.manual_seed(a.seed)
    rng = np.random.default_rng(a.seed)
    try:
        sets = torch.load(a.cache or "", weights_only=False)
    except OSError:
        began, found = time.time(), utterances(a.teacher, a.data, a.most)
        print(f"{len(found)} utterances, {sum(map(len, found)) / RATE_HZ / 60:.1f} minutes", flush=True)
        sets = dict(held=[], train=[])
        with ProcessPoolExecutor(2, multiprocessing.get_context("spawn")) as pool:  # a fork would inherit locks of threads
            for n, pairs in enumerate(pool.map(examples, found, [(1.0,) if i % 12 == 0 else SHIFTS for i in range(len(found))])):
                sets["train" if n % 12 else "held"] += pairs
                if n % 50 == 0:
                    print(f"{n} of {len(found)}, {time.time() - began:.0f} s", flush=True)
        if a.cache:
            torch.save(sets, a.cache)
    net = Pitch(a.channels, a.layers).to(a.device)
    with torch.no_grad():
        net.start.weight.mul_(0.3), net.start.bias.add_(net.start.weight.sum(1) * 5), net.end.bias.copy_(BEGIN.to(a.device))
    opt, began, step, mean = torch.optim.AdamW(net.parameters(), a.rate, weight_decay=1e-4), time.time(), 0, None
    while (share := (time.time() - began) / 60 / a.minutes) < 1:
        opt.param_groups[0]["lr"] = a.rate * min(1, (step + 1) / 100) * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * share)))
        mel, pitch = batch([sets["train"][i] for i in rng.integers(len(sets["train"]), size=a.batch)], 200, rng, a.device)
        loss = loss_of(net(blurred(mel)), pitch)
        opt.zero_grad(), loss.backward()
        torch.nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        opt.step()
        step, mean = step + 1, loss.detach() if mean is None else 0.99 * mean + 0.01 * loss.detach()
        if step % 500 == 0:
            print(dict(step=step, loss=round(mean.item(), 4), **judged(net, sets["held"])), flush=True)
    net.eval()
    print(dict(end=True, step=step, recordings=judged(net, sets["held"]), blurred=judged(net, sets["held"], blurred)), flush=True)
    torch.save(dict(net=net.cpu().state_dict(), channels=a.channels, layers=a.layers), a.out)


if __name__ == "__main__":
    main()
