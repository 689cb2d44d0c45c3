#!/usr/bin/env python3
"""Golden data of the vocoder from its pack: tests/golden/vocoder/*.safetensors.

    python3 -m training.vocoder.golden PACK OUT_DIR [--net VOCODER.pt] [--mel MEL.safetensors]

slim_i8.safetensors: `mel` [1, 80, 24], `noise` [1, 96, 64] (deviation 0.3), `audio` [1, 6144] with that noise,
`audio_quiet` with zeros for noise, `flow0` [1, 96, 64] after the first flow; weights are the pack's, expanded to f32,
all arithmetic f32. slim_f32.safetensors: the same with the checkpoint's own weights, for the cost of INT8. Without
--mel, whose `mel` [T, 80] is taken, a smooth invented spectrum.
"""
import argparse
import os

import torch

from training.tts import pack
from training.vocoder.export import PackedWaveGlow, tensors
from training.vocoder.model import SlimWaveGlow

FRAMES = 24


def invented(frames):
    """[1, 80, frames]: formants that move, a plausible log-mel."""
    band, t = torch.arange(80.0)[:, None], torch.arange(float(frames))[None]
    peaks = sum(torch.exp(-((band - c - 6 * torch.sin(t / 9 + c)) / 7) ** 2) for c in (12.0, 30.0, 52.0))
    return (-7.0 - 0.03 * band + 5.5 * peaks)[None]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("pack"), ap.add_argument("out"), ap.add_argument("--net"), ap.add_argument("--mel")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.manual_seed(7)
    mel = pack.load(a.mel)[0]["mel"][20:20 + FRAMES].T[None].contiguous() if a.mel else invented(FRAMES)
    noise = 0.3 * torch.randn(1, 4 * FRAMES, 64)
    sets = {"i8": pack.read(os.path.join(a.pack, "weights.safetensors"))[0]}
    if a.net:
        saved = torch.load(a.net, map_location="cpu")
        net = SlimWaveGlow(**{k: saved["config"][k] for k in ("flows", "channels", "layers")}).eval()
        net.load_state_dict(saved["net"])
        sets["f32"] = tensors(net)
        with torch.no_grad():
            gap = (net(mel, noise=noise) - PackedWaveGlow(sets["f32"])(mel, noise)).abs().max().item()
        assert gap < 1e-3, gap
    said = {}
    with torch.no_grad():
        for name, weights in sets.items():
            net = PackedWaveGlow(weights)
            out = dict(mel=mel, noise=noise, audio=net(mel, noise), audio_quiet=net(mel, torch.zeros_like(noise)))
            net.flows = 1
            out["flow0"] = net(mel, noise).view_as(noise)
            pack.save(os.path.join(a.out, f"slim_{name}.safetensors"), out)
            said[name] = out["audio_quiet"]
    if "f32" in said:
        error = (said["i8"] - said["f32"]).pow(2).sum() / said["f32"].pow(2).sum().clamp_min(1e-12)
        print(f"pack against f32 weights: error {10 * torch.log10(error).item():.1f} dB of the signal")


if __name__ == "__main__":
    main()
