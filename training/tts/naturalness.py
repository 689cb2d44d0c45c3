#!/usr/bin/env python3
"""DNSMOS (Reddy et al. 2022, arXiv 2110.01763; PyPI speechmos) of folders of recordings, side by side.

    python3 training/tts/naturalness.py FOLDER... [--limit 100]

Prints mean and spread of the overall score of each folder's *.wav, at 16 kHz. Needs speechmos, librosa, soundfile.
"""
import argparse
import glob
import json
import os

import librosa
import numpy as np
import soundfile
from speechmos import dnsmos

RATE = 16000


def score(path):
    x, rate = soundfile.read(path, dtype="float32")
    x = librosa.resample(x, orig_sr=rate, target_sr=RATE)
    return dnsmos.run(x / max(1.0, np.abs(x).max()), RATE)["ovrl_mos"]


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("folder", nargs="+"), ap.add_argument("--limit", type=int, default=100)
    a = ap.parse_args()
    for folder in a.folder:
        found = [score(p) for p in sorted(glob.glob(os.path.join(folder, "*.wav")))[:a.limit]]
        print(json.dumps(dict(folder=folder, recordings=len(found), mean=round(float(np.mean(found)), 3), spread=round(float(np.std(found)), 3))), flush=True)


if __name__ == "__main__":
    main()
