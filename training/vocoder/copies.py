#!/usr/bin/env python3
"""Copy synthesis: recordings -> mels -> a checkpoint's audio, which tells what of our speech is the vocoder's and what Tacotron 2's.

    python3 -m training.vocoder.copies VOCODER.pt RECORDINGS OUT [--limit 20]

RECORDINGS: list.tsv of `id<TAB>text` and ID.wav of any rate, as training/tts/judge.py reads them. OUT/copy and OUT/real, at 22.05 kHz, are such
folders again: judge.py, naturalness.py and `prosody.py OUT/copy OUT/real` take them.
"""
import argparse
import os

import soundfile
import torch

from training.tts.speech import HOP_SAMPLES, RATE_HZ, LogMel, resample, write_wav
from training.vocoder.model import of


def vocoder(path):
    """The network of a checkpoint, whole or small, in evaluation."""
    saved = torch.load(path, map_location="cpu")
    net = of(saved["config"]).eval()
    net.load_state_dict({k: v.float() for k, v in saved["net"].items()})
    return net


@torch.no_grad()
def copied(net, x, mel_of):
    """x [n] in [-1, 1] at 22.05 kHz -> as many whole frames of it, [256 (n // 256)]."""
    frames = len(x) // HOP_SAMPLES
    return net(mel_of(x[None])[:, :, :frames], sigma=0.0)[0]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("net"), ap.add_argument("recordings"), ap.add_argument("out")
    ap.add_argument("--limit", type=int, default=20, help="recordings, spread over the list")
    a = ap.parse_args()
    net, mel_of = vocoder(a.net), LogMel()
    with open(os.path.join(a.recordings, "list.tsv"), encoding="utf-8") as f:
        lines = f.read().splitlines()
    lines = lines[::max(1, len(lines) // a.limit)][:a.limit]
    for kind in ("copy", "real"):
        os.makedirs(os.path.join(a.out, kind), exist_ok=True)
        with open(os.path.join(a.out, kind, "list.tsv"), "w", encoding="utf-8") as f:
            f.writelines(line + "\n" for line in lines)
    for n, line in enumerate(lines):
        name = line.split("\t")[0]
        pcm, rate = soundfile.read(os.path.join(a.recordings, name + ".wav"), dtype="int16")
        x = resample(torch.from_numpy(pcm), rate, RATE_HZ, "cpu").float() / 32768
        write_wav(os.path.join(a.out, "real", name + ".wav"), x)
        write_wav(os.path.join(a.out, "copy", name + ".wav"), copied(net, x, mel_of))
        print(f"{n + 1}/{len(lines)} {name}", flush=True)


if __name__ == "__main__":
    main()
