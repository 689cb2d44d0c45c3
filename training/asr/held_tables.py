"""What is kept out of training as tables that bench/asr_wer and peers read: OUT/SET.tsv beside OUT/SET.flac of 16 kHz.

    python3 -m training.asr.held_tables OUT --data DATA [--teacher PREFIX...] [--limit 600] [--noises 6]

One set a corpus, `teacher_heldout` for the teacher's kept-out voices, and of these the commands and dialogue turns once more as
`commands_noisy`: in a room and beside noise of 10 dB, both kept out of training and drawn by the sentence's name. `speechocean762_adults` are
that corpus's speakers of 18 years and more (training/heldout/speechocean_ages.tsv: what its test/spk2age says, github.com/jimbozhang/speechocean762). A fifth of each set, by hash,
has the split `dev`: the decoder's weights are tuned on it and the other four, `test`, are reported. `commands_noisy_dev` has the dev part of `commands_noisy` once for
each of --noises other rooms and stretches of noise: still the same sentences, but chance has less say.
"""
import argparse
import csv
import os
import re
import zlib

import numpy as np
import soundfile

from ..common.data import RATE, load
from ..common.text import HELDOUT, KeptOut
from .augment import RIR_SAMPLES, read_noise, read_rooms
from .batches import REAL, tables_of

GAP = RATE // 5
NOISE_DB = 10.0


def split_of(i):
    return "dev" if zlib.crc32((i + " dev").encode()) % 5 == 0 else "test"


def write(out, name, rows):
    """rows: [(id, speaker, text, int16)]."""
    at, lines, pieces = 0, ["id\tspeaker\tsplit\tstart_sample\tnum_samples\ttext\n"], []
    for i, speaker, text, pcm in rows:
        split = split_of(i)
        lines.append(f"{i}\t{speaker}\t{split}\t{at}\t{len(pcm)}\t{text}\n")
        pieces += [pcm, np.zeros(GAP, np.int16)]
        at += len(pcm) + GAP
    soundfile.write(os.path.join(out, name + ".flac"), np.concatenate(pieces), RATE)
    with open(os.path.join(out, name + ".tsv"), "w", encoding="utf-8") as f:
        f.writelines(lines)
    print(f"{name}: {len(rows)} utterances, {at / RATE / 3600:.2f} h", flush=True)


def beside_noise(name, pcm, rooms, noise):
    """int16 in a room, noise NOISE_DB under it; both by the name."""
    seed = np.random.default_rng(zlib.crc32(name.encode()))
    x = pcm.astype(np.float64) / 32768
    size = len(x) + RIR_SAMPLES
    x = np.fft.irfft(np.fft.rfft(x, size) * np.fft.rfft(rooms[seed.integers(len(rooms))], size), size)[:len(x)]
    for _ in range(8):  # a stretch of noise that is not silence
        at = seed.integers(len(noise) - len(x))
        z = noise[at:at + len(x)].astype(np.float64) / 32768
        if np.sqrt(np.mean(z ** 2)) > 1e-3:
            break
    z *= np.sqrt(np.mean(x ** 2) / max(np.mean(z ** 2), 1e-9)) * 10 ** (-NOISE_DB / 20)
    y = x + z
    return (y * min(1.0, 0.9 / np.abs(y).max()) * 32767).astype(np.int16)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out"), ap.add_argument("--data", required=True), ap.add_argument("--teacher", nargs="*", default=[])
    ap.add_argument("--limit", type=int, default=600, help="utterances a set, chosen by hash")
    ap.add_argument("--noises", type=int, default=0, help="rooms and stretches of noise of commands_noisy_dev; 0: without it")
    ap.add_argument("--jobs", type=int, default=2)
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    kept, sets = KeptOut(), {}
    for corpus, rows, pcm in load(tables_of(a.data, a.teacher, REAL), jobs=a.jobs):
        for r in rows:
            if r["text"] and not re.search(r"\d", r["text"]) and kept.row(corpus, r) and r["n"] < 20 * RATE:
                name = "teacher_heldout" if corpus == "teacher" else corpus
                sets.setdefault(name, []).append((r["id"], r["speaker"], r["text"], pcm[r["start"]:r["start"] + r["n"]]))
    with open(os.path.join(HELDOUT, "speechocean_ages.tsv"), encoding="utf-8") as f:
        adults = {r["speaker"] for r in csv.DictReader(f, delimiter="\t") if int(r["age"]) >= 18}
    if "speechocean762" in sets:
        sets["speechocean762_adults"] = [r for r in sets["speechocean762"] if r[1] in adults]
    for name, rows in sorted(sets.items()):
        rows.sort(key=lambda r: zlib.crc32(r[0].encode()))
        write(a.out, name, rows[:a.limit])
    if "teacher_heldout" in sets:
        folder = os.path.join(a.data, "noise")
        rooms, noise = read_rooms(folder, held=True), read_noise(folder, held=True)
        said = [r for r in sets["teacher_heldout"] if r[0].startswith(("held-commands", "held-dialogue", "held-templates"))]
        write(a.out, "commands_noisy", [(i, s, t, beside_noise(i, x, rooms, noise)) for i, s, t, x in said])
        if a.noises:
            dev = [r for r in said if split_of(r[0]) == "dev"]
            write(a.out, "commands_noisy_dev", [(i, s, t, beside_noise(f"{i}#{k}", x, rooms, noise)) for k in range(1, a.noises + 1) for i, s, t, x in dev])


if __name__ == "__main__":
    main()
