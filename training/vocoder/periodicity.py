#!/usr/bin/env python3
"""Tells how periodic voices are, by band: recordings, and what a vocoder makes of their mels.

    python3 -m training.vocoder.periodicity PITCH.pt RECORDINGS [FOLDER ...]

PITCH.pt: the pitch network (training.vocoder.pitch), which says where a voice is and how high. RECORDINGS, FOLDER: WAV files of 22.05 kHz of the same names, as
training.vocoder.copies writes them (a copy is half a frame later). Every other voiced frame of a band gives the correlation of three periods with the three before, at the
lag within 3 % of the pitch's that fits best; printed is the median. "harmonics" are those of the recordings' mels alone.
"""
import argparse
import glob
import json
import os

import numpy as np
import soundfile
import torch
from scipy.signal import butter, sosfiltfilt

from training.tts.speech import HOP_SAMPLES, RATE_HZ, LogMel
from training.vocoder.model import Pitch, harmonics

EDGES = (60, 500, 1000, 1500, 2000, 2500, 3000, 3500, 4000, 5000, 6500)  # Hz
PERIODS, SLACK = 3, 0.03
SURE = 1.0  # logit of a voice


def correlation(x, hz, centre):
    """Of PERIODS periods around sample `centre` of x [n] with those one period later; NaN beyond the ends."""
    period = RATE_HZ / hz
    n, first = int(PERIODS * period), int(centre - (PERIODS + 1) * period / 2)
    if first < 0 or first + n + int(period * (1 + SLACK)) + 3 > len(x):
        return np.nan
    u, most = x[first:first + n], -1.0
    for lag in range(int(period * (1 - SLACK)), int(period * (1 + SLACK)) + 2):
        v = x[first + lag:first + lag + n]
        most = max(most, (u * v).sum() / np.sqrt((u * u).sum() * (v * v).sum() + 1e-12))
    return most


def bands_of(x, hz, voiced, delay):
    """x [n] -> correlations of its voiced frames, by band; frame t is centred `delay` behind sample t * HOP_SAMPLES."""
    out = {}
    for low, high in zip(EDGES, EDGES[1:]):
        y = sosfiltfilt(butter(4, [low, high], "band", fs=RATE_HZ, output="sos"), x)
        out[low] = [correlation(y, hz[t], t * HOP_SAMPLES + delay) for t in range(4, len(hz) - 4, 2) if voiced[t]]
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("pitch"), ap.add_argument("recordings"), ap.add_argument("folders", nargs="*")
    a = ap.parse_args()
    saved, mel_of = torch.load(a.pitch, map_location="cpu"), LogMel()
    net = Pitch(saved["channels"])
    net.load_state_dict(saved["net"])
    found = {}
    for path in sorted(glob.glob(os.path.join(a.recordings, "*.wav"))):
        x = soundfile.read(path, dtype="float32")[0]
        mel = mel_of(torch.from_numpy(x)[None])[:, :, :len(x) // HOP_SAMPLES].transpose(1, 2)
        with torch.no_grad():
            pitch = net(mel)
            alone = harmonics(mel, pitch)[0].numpy()
        hz, voiced = (100 * 2 ** pitch[0, :, 0]).numpy(), (pitch[0, :, 1] > SURE).numpy()
        spoken = [(a.recordings, x, 0), ("harmonics", alone, HOP_SAMPLES // 2)]
        spoken += [(f, soundfile.read(os.path.join(f, os.path.basename(path)), dtype="float32")[0], HOP_SAMPLES // 2) for f in a.folders]
        for name, y, delay in spoken:
            for low, values in bands_of(y, hz, voiced, delay).items():
                found.setdefault(name, {}).setdefault(low, []).extend(values)
    for name, bands in found.items():
        print(json.dumps(dict(of=name, from_hz={low: round(float(np.nanmedian(v)), 3) for low, v in bands.items()})))


if __name__ == "__main__":
    main()
