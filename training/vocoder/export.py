#!/usr/bin/env python3
"""Makes the pack vocoder-en: weights.safetensors, manifest.toml.

    python3 -m training.vocoder.export VOCODER.pt PACK [--half REGEX] [--full REGEX]

Names, flow F (applied in order 0 to 5), layer L:
  flow.F.mix                  [64, 64]           row i: output i
  flow.F.start.weight, .bias  [256, 32], [256]   h of layer 0 from the first half of the group; of flows that hear harmonics [256, 96],
                                                 from those of the group too
  flow.F.cond.weight, .bias   [5120, 80], [5120] layer L has rows 512 L to 512 L + 511: 256 tanh, then 256 sigmoid;
                                                 the bias holds the gate's too
  flow.F.depth.L              [4, 256]           taps of t-1, t, t+1, then the bias
  flow.F.gate.L.weight        [512, 256]         z = tanh(a) sigmoid(b), (a, b) = gate(depth(h)) + cond(mel)
  flow.F.res.L.weight, .bias  [256, 256], [256]  L < 9: h of the next layer is h + res(z)
  flow.F.end.weight, .bias    [64, 512], [64]    on (h, z) of layer 9, whose residual matrix is multiplied in:
                                                 32 log scales (clamped to +-6), then 32 shifts of the second half
and, where harmonics of the pitch join the audio, after the last `pitch_flows` flows heard them (model.py: Pitch, harmonics), layer L of
`pitch_layers`, P channels:
  pitch.start.weight, .bias   [P, 80], [P]       h of layer 0
  pitch.depth.L               [4, P]             taps of t-1, t, t+1, then the bias
  pitch.mix.L.weight, .bias   [P, P], [P]        h of the next layer is h + max(0, mix(depth(h)))
  pitch.end.weight, .bias     [2, P], [2]        octaves above 100 Hz, logit of being voiced
1x1 convolutions are I8 with F32 scales per output row. Names that match --half are F16, --full F32.
"""
import argparse
import hashlib
import os
import re

import torch
import torch.nn.functional as F

from training.tts import pack
from training.vocoder.model import depth_wise, gated, harmonics, of

HALF = r"^pitch\.|\.mix$|\.depth\.|\.end\.weight$|\.bias$"


def tensors(net):
    """-> f32 weights by the names above."""
    out = {}
    for f, (mix, wn) in enumerate(zip(net.mix, net.wn)):
        flow, layers = f"flow.{f}", len(wn.depth)
        out[f"{flow}.mix"] = mix
        out[f"{flow}.start.weight"], out[f"{flow}.start.bias"] = wn.start_w, wn.start_b
        out[f"{flow}.cond.weight"], out[f"{flow}.cond.bias"] = wn.cond_w, wn.cond_b + wn.gate_b.flatten()
        for i in range(layers):
            out[f"{flow}.depth.{i}"], out[f"{flow}.gate.{i}.weight"] = wn.depth[i], wn.gate_w[i]
            if i < layers - 1:
                out[f"{flow}.res.{i}.weight"], out[f"{flow}.res.{i}.bias"] = wn.res_w[i], wn.res_b[i]
        out[f"{flow}.end.weight"] = torch.cat([wn.end_w, wn.end_w @ wn.res_w[-1]], 1)
        out[f"{flow}.end.bias"] = wn.end_b + wn.end_w @ wn.res_b[-1]
    if net.pitch:
        out |= {f"pitch.{part}.{k}": v for part in ("start", "end") for k, v in getattr(net.pitch, part).named_parameters()}
        for i, (taps, mix) in enumerate(zip(net.pitch.depth, net.pitch.mix)):
            out[f"pitch.depth.{i}"], out[f"pitch.mix.{i}.weight"], out[f"pitch.mix.{i}.bias"] = taps, mix.weight, mix.bias
    return {k: v.detach() for k, v in out.items()}


def unpacked(weights):
    """Weights by the names above -> state dict of a network that says the same: gates' biases stay in those of cond, and the last
    residual layer is one whose product with `end` is the pack's."""
    out, flows = {}, sum(name.endswith(".mix") for name in weights)
    for f in range(flows):
        flow = f"flow.{f}"
        layers = sum(name.startswith(f"{flow}.depth.") for name in weights)
        channels = weights[f"{flow}.start.bias"].shape[0]
        end, last = weights[f"{flow}.end.weight"].split(channels, 1)
        many = lambda name, count=layers: torch.stack([weights[f"{flow}.{name.format(i)}"] for i in range(count)])
        res_w, res_b = many("res.{}.weight", layers - 1), many("res.{}.bias", layers - 1)
        out[f"mix.{f}"] = weights[f"{flow}.mix"]
        out |= {f"wn.{f}.{name}": value for name, value in dict(
            start_w=weights[f"{flow}.start.weight"], start_b=weights[f"{flow}.start.bias"], cond_w=weights[f"{flow}.cond.weight"],
            cond_b=weights[f"{flow}.cond.bias"], depth=many("depth.{}"), gate_w=many("gate.{}.weight"), gate_b=torch.zeros(layers, 2 * channels),
            res_w=torch.cat([res_w, (torch.linalg.pinv(end) @ last)[None]]), res_b=F.pad(res_b, (0, 0, 0, 1)),
            end_w=end, end_b=weights[f"{flow}.end.bias"]).items()}
    return out


class PackedWaveGlow:
    """The network as the pack holds it: plain f32 mathematics, one step after the other."""

    def __init__(self, weights):
        self.w = weights
        self.flows = sum(name.endswith(".mix") for name in weights)
        self.layers = sum(name.startswith("flow.0.depth.") for name in weights)
        self.pitch_layers = sum(name.startswith("pitch.depth.") for name in weights)

    def pitch(self, mel):
        """mel [B, T, 80] -> [B, T, 2], as model.Pitch tells."""
        w = self.w
        h = F.linear(mel, w["pitch.start.weight"], w["pitch.start.bias"])
        for i in range(self.pitch_layers):
            h = h + F.relu(F.linear(depth_wise(h, w[f"pitch.depth.{i}"]), w[f"pitch.mix.{i}.weight"], w[f"pitch.mix.{i}.bias"]))
        return F.linear(h, w["pitch.end.weight"], w["pitch.end.bias"])

    def __call__(self, mel, noise):
        """mel [B, 80, T], noise [B, 4 T, 64] -> audio [B, 256 T]."""
        w, x, mel = self.w, noise, mel.transpose(1, 2)
        beside = harmonics(mel, self.pitch(mel)).view_as(x) if self.pitch_layers else None
        for f in range(self.flows):
            flow = f"flow.{f}"
            x = x @ w[f"{flow}.mix"].T
            a, b = x.chunk(2, dim=-1)
            cond = F.linear(mel, w[f"{flow}.cond.weight"], w[f"{flow}.cond.bias"]).chunk(self.layers, -1)
            hears = w[f"{flow}.start.weight"].shape[1] > a.shape[-1]
            h = F.linear(torch.cat([a, beside], -1) if hears else a, w[f"{flow}.start.weight"], w[f"{flow}.start.bias"])
            for i in range(self.layers):
                z = gated(F.linear(depth_wise(h, w[f"{flow}.depth.{i}"]), w[f"{flow}.gate.{i}.weight"]), cond[i])
                if i < self.layers - 1:
                    h = h + F.linear(z, w[f"{flow}.res.{i}.weight"], w[f"{flow}.res.{i}.bias"])
            log_s, t = F.linear(torch.cat([h, z], -1), w[f"{flow}.end.weight"], w[f"{flow}.end.bias"]).chunk(2, -1)
            x = torch.cat([a, b * torch.exp(log_s.clamp(-6, 6)) + t], -1)
        return (x if beside is None else x + beside).flatten(1)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("net"), ap.add_argument("pack")
    ap.add_argument("--half", default=HALF), ap.add_argument("--full", default="$^")
    ap.add_argument("--sigma", type=float, default=0.0, help="deviation of the noise in synthesis, for the manifest")
    ap.add_argument("--accuracy", action="append", default=[], help="NAME=NUMBER for the manifest")
    ap.add_argument("--voices", default="af_heart", help="for the manifest"), ap.add_argument("--note", default="", help="a sentence for the manifest")
    a = ap.parse_args()
    os.makedirs(a.pack, exist_ok=True)
    saved = torch.load(a.net, map_location="cpu")
    config = saved["config"]
    net = of(config).eval()
    net.load_state_dict(saved["net"])
    kind = lambda n: torch.float32 if re.search(a.full, n) else torch.float16 if re.search(a.half, n) else None
    path = os.path.join(a.pack, "weights.safetensors")
    pack.write(path, tensors(net), config, kind)
    size, files = os.path.getsize(path), []
    for name in sorted(os.listdir(a.pack)):
        if name != "manifest.toml":
            with open(os.path.join(a.pack, name), "rb") as f:
                data = f.read()
            files.append(f'"{name}" = {{ bytes = {len(data)}, sha256 = "{hashlib.sha256(data).hexdigest()}" }}')
    lines = ['name = "vocoder-en"', 'kind = "vocoder"', "version = 1", 'licence = "Apache-2.0"',
             f'source = "trained by training/vocoder on speech of Kokoro-82M (Apache-2.0), voices {a.voices}"'] + [f"note = {pack.quoted(a.note)}"] * bool(a.note)
    lines += ["", "[vocoder]", "rate_hz = 22050", "hop_samples = 256", "mel_bins = 80", "group_samples = 64",
             f"flows = {config['flows']}", f"layers = {config['layers']}", f"channels = {config['channels']}",
             f"sigma = {a.sigma}"]
    if config.get("pitch"):
        lines += [f"pitch_channels = {config['pitch']}", f"pitch_layers = {len(net.pitch.depth)}", f"pitch_flows = {config['hearing']}"]
    lines += ["", "[files]"] + files + ["", "[accuracy]"] + [x.replace("=", " = ", 1) if " = " not in x else x for x in a.accuracy]
    with open(os.path.join(a.pack, "manifest.toml"), "w", encoding="utf-8") as f:
        f.write("\n".join(lines) + "\n")
    print(f"{a.pack}: {size} bytes, budget 15000000")
    if size > 14_990_000:
        raise SystemExit("over the budget")


if __name__ == "__main__":
    main()
