#!/usr/bin/env python3
"""Pitch and duration of two folders of the same sentences, side by side: a synthesiser's beside its teacher's.

    python3 training/tts/prosody.py OURS TEACHER [--list LIST.tsv] [--json OUT.json]

LIST (default TEACHER/list.tsv): `id<TAB>text`; ID.wav is in both folders. Pitch by probabilistic YIN (librosa) every 10 ms, of the frames
it calls voiced, in semitones about 100 Hz. Printed: over all sentences the mean and spread of pitch and the mean range of a sentence (5th to
95th percentile); seconds of speech (first to last voiced frame of 10 ms within 40 dB of the peak), and for each sentence the ratio of ours to the
teacher's: median, 5th and 95th percentile; the correlation of the sentences' mean pitch, and of their contours (each stretched to 100 points,
voiced in both).
"""
import argparse
import json
import os

import librosa
import numpy as np
import soundfile

RATE, HOP = 16000, 160


def measured(path):
    """-> pitch in semitones (NaN: unvoiced) every 10 ms of the speech, seconds of speech."""
    x, rate = soundfile.read(path, dtype="float32")
    x = librosa.resample(x, orig_sr=rate, target_sr=RATE)
    frames = x[:len(x) // HOP * HOP].reshape(-1, HOP)
    power = 10 * np.log10((frames ** 2).mean(1) + 1e-10)
    loud = np.flatnonzero(power > power.max() - 40)
    first, last = loud[0], loud[-1] + 1
    hz, voiced, _ = librosa.pyin(x, fmin=80, fmax=450, sr=RATE, frame_length=1024, hop_length=HOP, resolution=0.2)
    pitch = np.where(voiced, 12 * np.log2(np.nan_to_num(hz, nan=100.0) / 100), np.nan)[first:last]
    return pitch, (last - first) * HOP / RATE


def stretched(pitch, points=100):
    return pitch[np.minimum((np.arange(points) + 0.5) / points * len(pitch), len(pitch) - 1).astype(int)]


def summary(rows):
    every = np.concatenate([p[~np.isnan(p)] for p, _ in rows])
    ranges = [np.subtract(*np.nanpercentile(p, (95, 5))) for p, _ in rows if (~np.isnan(p)).sum() > 10]
    return dict(pitch_hz=round(float(100 * 2 ** (every.mean() / 12)), 1), spread_semitones=round(float(every.std()), 2), range_semitones=round(float(np.mean(ranges)), 2),
                voiced=round(float(len(every) / sum(len(p) for p, _ in rows)), 3), seconds=round(sum(s for _, s in rows), 1))


def compared(ours, teacher):
    ratio = np.array([a[1] / b[1] for a, b in zip(ours, teacher)])
    means = np.array([(np.nanmean(a[0]), np.nanmean(b[0])) for a, b in zip(ours, teacher) if (~np.isnan(a[0])).any() and (~np.isnan(b[0])).any()])
    both = np.concatenate([np.stack([stretched(a[0]), stretched(b[0])], 1) for a, b in zip(ours, teacher)])
    both = both[~np.isnan(both).any(1)]
    low, high = np.percentile(ratio, (5, 95))
    return dict(duration_ratio=round(float(np.median(ratio)), 3), ratio_low=round(float(low), 3), ratio_high=round(float(high), 3),
                mean_pitch_correlation=round(float(np.corrcoef(means.T)[0, 1]), 3), contour_correlation=round(float(np.corrcoef(both.T)[0, 1]), 3))


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("ours"), ap.add_argument("teacher"), ap.add_argument("--list"), ap.add_argument("--json")
    a = ap.parse_args()
    with open(a.list or os.path.join(a.teacher, "list.tsv"), encoding="utf-8") as f:
        ids = [line.split("\t")[0] for line in f]
    ours, teacher = ([measured(os.path.join(folder, id + ".wav")) for id in ids] for folder in (a.ours, a.teacher))
    report = dict(sentences=len(ids), ours=summary(ours), teacher=summary(teacher), compared=compared(ours, teacher))
    print(json.dumps(report))
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump(report, f, indent=1)


if __name__ == "__main__":
    main()
