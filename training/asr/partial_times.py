"""How much later than a word's end a partial result has it, in milliseconds of audio.

    python3 -m training.asr.partial_times PROGRAM MODELS PREFIX... [--limit 100] [--precision int8]

PROGRAM: build/bin/partial_times. PREFIX: the teacher's shards with phonemes and durations; a word ends where its sound does (word_times.py). A word counts
when a partial has it in its place (aligned with what was said), with the first partial that does, whatever later ones have there, and separately with the
first from which on all have it. Words that no partial has are counted apart: they are errors, or only the final has them. Prints a line of JSON for each.
"""
import argparse
import csv
import difflib
import json
import os
import subprocess
import tempfile

import numpy as np
import soundfile

from ..common.data import shards
from ..common.text import clean
from .fit import word_spans
from .word_times import sound_ends

RATE = 16000


def utterances(table, limit):
    """Yields (id, wave, rate, [(word, start ms, end ms)])."""
    base = os.path.splitext(table)[0]
    path = next(base + end for end in (".flac", ".opus") if os.path.exists(base + end))
    pcm, rate = soundfile.read(path, dtype="int16")
    with open(table, encoding="utf-8") as f:
        rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))[:limit]
    for r in rows:
        at = int(r["start_sample"])
        wave = pcm[at:at + int(r["num_samples"])]
        said = [(clean(w), 1e3 * s, 1e3 * e) for w, s, e in word_spans(r["text"], r["phonemes"], [int(d) for d in r["durations"].split()])]
        yield r["id"], wave, rate, sound_ends(wave, rate, said)


def places(said, heard):
    """Numbers of the said words that stand in what was heard."""
    blocks = difflib.SequenceMatcher(a=said, b=heard, autojunk=False).get_matching_blocks()
    return {m.a + k for m in blocks for k in range(m.size)}


def delays(said, partials):
    """said [(word, start ms, end ms)], partials [(ms given, text)] in order -> for each word ms behind its end at which a partial first had it, and from
    which on all did; None: never."""
    first, kept = [None] * len(said), [None] * len(said)
    words = [w for w, *_ in said]
    for ms, text in partials:
        there = places(words, text.split())
        for k, (_, _, end) in enumerate(said):
            if k not in there:
                kept[k] = None
                continue
            first[k] = ms - end if first[k] is None else first[k]
            kept[k] = ms - end if kept[k] is None else kept[k]
    return first, kept


def spread(name, values):
    there = np.array([v for v in values if v is not None])
    return dict(of=name, words=len(values), found=len(there), mean_ms=round(float(there.mean()), 1), median_ms=round(float(np.median(there)), 1),
                p90_ms=round(float(np.percentile(there, 90)), 1), p99_ms=round(float(np.percentile(there, 99)), 1))


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("program"), ap.add_argument("models"), ap.add_argument("prefix", nargs="+")
    ap.add_argument("--limit", type=int, default=100, help="utterances"), ap.add_argument("--precision", default="int8", choices=("int8", "f32"))
    a = ap.parse_args()
    tables = [t for p in a.prefix for t in shards(p)]
    first, kept = [], []
    for table in tables:
        given = list(utterances(table, -(-a.limit // len(tables))))
        with tempfile.TemporaryDirectory() as folder:
            path, at = os.path.join(folder, "given.tsv"), 0
            with open(path, "w", encoding="utf-8") as f:
                print("id\tspeaker\tstart_sample\tnum_samples\ttext", file=f)
                for id, wave, rate, _ in given:
                    begin, end = (n * RATE // rate for n in (at, at + len(wave)))
                    print(id, "-", begin, end - begin, "-", sep="\t", file=f)
                    at += len(wave)
            soundfile.write(os.path.join(folder, "given.wav"), np.concatenate([wave for _, wave, _, _ in given]), given[0][2])
            out = subprocess.run([a.program, a.models, a.precision, path], check=True, capture_output=True, text=True).stdout
        partials = {}
        for line in out.splitlines():
            id, ms, text = line.split("\t")
            partials.setdefault(id, []).append((int(ms), text))
        for id, _, _, said in given:
            for to, found in zip((first, kept), delays(said, partials.get(id, []))):
                to += found
    for name, values in (("first partial that has the word", first), ("first from which on all have it", kept)):
        print(json.dumps(spread(name, values)))


if __name__ == "__main__":
    main()
