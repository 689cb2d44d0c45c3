#!/usr/bin/env python3
"""Adds a voice to the pack vocoder-en: VOICE.safetensors, and its place in manifest.toml.

    python3 -m training.vocoder.export_voice VOCODER.pt PACK DATA --voice am_puck [--accuracy '"am_puck/held/mel_distance_nats"=0.25']

VOCODER.pt: a checkpoint of `training.vocoder.train ... --start PACK/weights.safetensors --voice VOICE --adapt`. What the file holds: adapter.py; names,
and what is F16 in it: rounding.py. It fits only the weights that it was trained beside, whose digest is in its metadata. DATA: the prefix of the teacher's
shards, of which a few utterances of the voice tell how to round.
"""
import argparse
import hashlib
import os
import re

import torch

from training.tts import pack
from training.tts.speech import load
from training.vocoder import adapter
from training.vocoder.export import tensors as packed, unpacked
from training.vocoder.model import of
from training.vocoder.rounding import mels_of, packed_voice

BUDGET = 1_000_000


def digest(path):
    with open(path, "rb") as f:
        return hashlib.sha256(f.read()).hexdigest()


def check_base(net, path):
    """The checkpoint's large matrices are the pack's, up to what F16 rounds. The last residual layer is not in the pack, see unpacked."""
    theirs, same = adapter.base_state(unpacked(pack.read(path)[0])), lambda a, b: torch.allclose(a.half().float(), b.half().float(), rtol=2e-3, atol=1e-6)
    for name, w in net.state_dict().items():
        whole = len(w) - ("res_w" in name)
        if name.endswith(".original") and not same(w[:whole], theirs[name][:whole]):
            raise SystemExit(f"{name}: wanted the weights of {path}, which this voice was not trained beside")


def voice_tensors(net):
    """-> f32 tensors of the voice's file, those of its pitch network among them."""
    pitch = {k: v for k, v in packed(net).items() if k.startswith("pitch.")}
    return adapter.tensors(net) | pitch


def manifest(text, voice, lines, files, accuracy):
    """The manifest with a section for the voice before [files], whose entries are `files`, and more accuracies."""
    text = re.sub(rf"(?ms)^\[voices\.{re.escape(voice)}\]\n.*?(?=^\[)", "", text)
    section = "\n".join([f"[voices.{voice}]"] + lines) + "\n\n"
    text = re.sub(r"(?ms)^\[files\]\n.*?(?=^\[|\Z)", lambda _: section + "\n".join(["[files]"] + files) + "\n\n", text)
    for entry in accuracy:
        name, value = entry.split("=", 1)
        text = re.sub(rf"(?m)^{re.escape(name.strip())} = .*\n", "", text).rstrip("\n") + f"\n{name.strip()} = {value.strip()}\n"
    return text


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("net"), ap.add_argument("pack"), ap.add_argument("data"), ap.add_argument("--voice", required=True)
    ap.add_argument("--accuracy", action="append", default=[], help="NAME=NUMBER for the manifest")
    a = ap.parse_args()
    saved = torch.load(a.net, map_location="cpu")
    net = of(saved["config"]).eval()
    net.load_state_dict({k: v.float() for k, v in saved["net"].items()})
    base, path = (os.path.join(a.pack, name) for name in ("weights.safetensors", f"{a.voice}.safetensors"))
    check_base(net, base)
    voice = packed_voice(voice_tensors(net), pack.load(base)[0], mels_of(*load(a.data, "cpu"), a.voice))
    pack.save(path, voice, dict(base_sha256=digest(base)))
    config, size = saved["config"], os.path.getsize(path)
    lines = [f'adapter = "{a.voice}.safetensors"']
    if net.pitch:
        lines += [f"pitch_channels = {config['pitch']}", f"pitch_layers = {len(net.pitch.depth)}", f"pitch_flows = {config['hearing']}"]
    files = [f'"{name}" = {{ bytes = {os.path.getsize(os.path.join(a.pack, name))}, sha256 = "{digest(os.path.join(a.pack, name))}" }}'
             for name in sorted(os.listdir(a.pack)) if name != "manifest.toml"]
    at = os.path.join(a.pack, "manifest.toml")
    with open(at, encoding="utf-8") as f:
        text = manifest(f.read(), a.voice, lines, files, a.accuracy)
    with open(at, "w", encoding="utf-8") as f:
        f.write(text)
    print(f"{path}: {size} bytes, budget {BUDGET}")
    if size > BUDGET:
        raise SystemExit("over the budget")


if __name__ == "__main__":
    main()
