"""How far word times of `antiphon transcribe` are from the teacher's durations.

    python3 -m training.asr.word_times ANTIPHON MODELS PREFIX... [--limit 60]

PREFIX: the teacher's shards with phonemes and durations; it counts the silence before a pause to the last sound, so a word ends where its
sound does at the latest (40 dB under the utterance's loudest). Words that were recognised are compared. Prints mean and mean absolute
difference of starts and ends in ms; the mean of the starts is what the manifest's delay_ms takes out.
"""
import argparse
import csv
import difflib
import json
import subprocess
import tempfile

import numpy as np
import soundfile

from ..common.data import shards
from ..common.text import clean
from .fit import word_spans


def heard(antiphon, models, path):
    """[(word, start ms, end ms)] of a recording."""
    out = subprocess.run([antiphon, "transcribe", path, "--json", "--models", models], capture_output=True, text=True, check=True).stdout
    return [(w["word"], w["start_ms"], w["end_ms"]) for u in json.loads(out)["utterances"] for w in u["words"]]


def sound_ends(pcm, rate, spans, quiet_db=40, window_s=0.01):
    """[(word, start ms, end ms)] whose ends are not in the silence behind them."""
    n = int(rate * window_s)
    level = np.sqrt((pcm[:len(pcm) // n * n].astype(np.float64).reshape(-1, n) ** 2).mean(1))
    loud = level > level.max() * 10 ** (-quiet_db / 20)
    out = []
    for word, start, end in spans:
        first, last = int(start / 1e3 / window_s), int(np.ceil(end / 1e3 / window_s))
        inside = np.flatnonzero(loud[first:last])
        out.append((word, start, min(end, 1e3 * window_s * (first + inside[-1] + 1)) if len(inside) else end))
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("antiphon"), ap.add_argument("models"), ap.add_argument("prefix", nargs="+")
    ap.add_argument("--limit", type=int, default=60, help="utterances")
    a = ap.parse_args()
    gaps, words = [], 0
    tables = [t for p in a.prefix for t in shards(p)]
    for table in tables:
        pcm, rate = soundfile.read(table[:-4] + ".flac", dtype="int16")
        with open(table, encoding="utf-8") as f:
            rows = list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE))[:a.limit // len(tables)]
        for r in rows:
            at = int(r["start_sample"])
            wave = pcm[at:at + int(r["num_samples"])]
            said = [(clean(w), 1e3 * s, 1e3 * e) for w, s, e in word_spans(r["text"], r["phonemes"], [int(d) for d in r["durations"].split()])]
            said = sound_ends(wave, rate, said)
            with tempfile.NamedTemporaryFile(suffix=".wav") as wav:
                soundfile.write(wav.name, wave, rate)
                got = heard(a.antiphon, a.models, wav.name)
            same = difflib.SequenceMatcher(a=[w for w, *_ in said], b=[w for w, *_ in got], autojunk=False).get_matching_blocks()
            gaps += [(got[m.b + k][1] - said[m.a + k][1], got[m.b + k][2] - said[m.a + k][2]) for m in same for k in range(m.size)]
            words += len(said)
    gaps = np.array(gaps)
    for k, name in enumerate(("start", "end")):
        print(json.dumps(dict(of=name, words=words, compared=len(gaps), mean_ms=round(gaps[:, k].mean(), 1),
                              mean_abs_ms=round(np.abs(gaps[:, k]).mean(), 1), p90_abs_ms=round(np.percentile(np.abs(gaps[:, k]), 90)))))


if __name__ == "__main__":
    main()
