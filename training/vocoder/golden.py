#!/usr/bin/env python3
"""Golden data of the vocoder from its pack, by PyTorch on the CPU.

    python3 -m training.vocoder.golden PACK OUT_DIR [--net VOCODER.pt] [--voice VOICE] [--mel tests/golden/packs/tts-en.safetensors]

OUT_DIR/NAME.safetensors, NAME being the pack's folder; of a voice with an adapter NAME-VOICE.safetensors, and adapter_sha256 I32 [8] in it: weights_sha256 I32 [8], `mel` [16, 80], `noise` [64, 64] (deviation
0.1), `audio` [4096] with that noise, `flow0` [4096] after the first flow alone; of a pack with a pitch network also `pitch`
[16, 2] and `harmonics` [4096], which are part of `audio` and not of `flow0`. The pack's weights are expanded to f32, all
arithmetic is f32. Without --mel, whose `mel` [T, 80] is taken, a smooth invented spectrum.

What rounding costs is said in dB of the signal: f32 against f64; activations rounded to 16 bits, a scale for each row, as the
engine's INT8 path rounds them; with a checkpoint, the pack's INT8 weights against its f32 ones.
"""
import argparse
import os
from unittest import mock

import torch
import torch.nn.functional as F
from torch.nn.utils import parametrize

from training.common.digest import sha256_of
from training.tts import pack
from training.vocoder import adapter
from training.vocoder.export import PackedWaveGlow, tensors
from training.vocoder.model import harmonics, of

FRAMES, DEVIATION = 16, 0.1
LINEAR = F.linear


def invented(frames):
    """[1, 80, frames]: formants that move, a plausible log-mel."""
    band, t = torch.arange(80.0)[:, None], torch.arange(float(frames))[None]
    peaks = sum(torch.exp(-((band - c - 6 * torch.sin(t / 9 + c)) / 7) ** 2) for c in (12.0, 30.0, 52.0))
    return (-7.0 - 0.03 * band + 5.5 * peaks)[None]


def rounded(x):
    """A row's largest value becomes 32767."""
    scale = x.abs().amax(-1, keepdim=True).clamp_min(1e-30) / 32767
    return (x / scale).round() * scale


class Rounded(PackedWaveGlow):
    """The network whose products see activations of 16 bits, but for the pitch, whose weights are F16 and not INT8."""

    def __call__(self, mel, noise):
        with mock.patch.object(F, "linear", lambda x, w, b=None: LINEAR(rounded(x), w, b)):
            return super().__call__(mel, noise)

    def pitch(self, mel):
        with mock.patch.object(F, "linear", LINEAR):
            return super().pitch(mel)


def golden(weights, mel, noise, kind=PackedWaveGlow, dtype=torch.float32):
    """mel [T, 80], noise [4 T, 64] -> audio and flow0 [256 T]; with a pitch network pitch [T, 2], harmonics [256 T]."""
    net = kind({k: w.to(dtype) for k, w in weights.items()})
    mel, noise = mel.T[None].to(dtype), noise[None].to(dtype)
    out = dict(audio=net(mel, noise)[0])
    if net.pitch_layers:
        frames = mel.transpose(1, 2)
        pitch = net.pitch(frames)
        out |= dict(pitch=pitch[0], harmonics=harmonics(frames, pitch)[0])
    net.flows, net.pitch_layers = 1, 0
    return out | dict(flow0=net(mel, noise)[0])


def error_db(got, want):
    return {k: round(10 * torch.log10((got[k] - want[k]).double().square().sum() / want[k].double().square().sum()).item(), 1)
            for k in want}


def checkpoint_weights(path, mel, noise):
    """f32 weights by the pack's names, whose network is the checkpoint's."""
    saved = torch.load(path, map_location="cpu")
    net = of(saved["config"]).eval()
    net.load_state_dict(saved["net"])
    for wn in net.wn if saved["config"].get("adapted") else ():
        for matrix in adapter.RANKS:
            parametrize.remove_parametrizations(wn, matrix)
    weights = tensors(net)
    gap = (net(mel.T[None], noise=noise[None])[0] - golden(weights, mel, noise)["audio"]).abs().max().item()
    assert gap < 1e-3, gap
    return weights


@torch.no_grad()
def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("pack"), ap.add_argument("out"), ap.add_argument("--net"), ap.add_argument("--voice"), ap.add_argument("--mel")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.manual_seed(7)
    mel = pack.load(a.mel)[0]["mel"][20:20 + FRAMES] if a.mel else invented(FRAMES)[0].T.contiguous()
    noise = DEVIATION * torch.randn(4 * FRAMES, 64)
    path = os.path.join(a.pack, "weights.safetensors")
    raw, digests, name = pack.load(path)[0], dict(weights_sha256=sha256_of(path)), os.path.basename(os.path.normpath(a.pack))
    if a.voice:
        path = os.path.join(a.pack, f"{a.voice}.safetensors")
        raw, name = adapter.adapted(raw, pack.load(path)[0]), f"{name}-{a.voice}"
        digests |= dict(adapter_sha256=sha256_of(path))
    weights = pack.plain(raw)
    out, exact = golden(weights, mel, noise), golden(weights, mel, noise, dtype=torch.float64)
    pack.save(os.path.join(a.out, f"{name}.safetensors"), out | dict(mel=mel, noise=noise) | digests)
    print("peaks", {k: round(v.abs().max().item(), 3) for k, v in out.items()})
    print("f32 against f64, dB", error_db(out, exact))
    print("16-bit activations, dB", error_db(golden(weights, mel, noise, Rounded, torch.float64), exact))
    if a.net:
        print("INT8 weights against f32 ones, dB", error_db(out, golden(checkpoint_weights(a.net, mel, noise), mel, noise)))


if __name__ == "__main__":
    main()
