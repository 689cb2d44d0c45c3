"""Sentences of SNIPS and HWU64 for a teacher voice to speak, so that understanding meets what a recogniser hears.

    python3 -m training.nlu.to_speak OUT --data DATA [--train 2500]

OUT/test.tsv: all of SNIPS's test and as many of HWU64's, for the kept-out voices; OUT/train.tsv: training sentences of both, for the
others; `id<TAB>text`, as phonemise.py reads it. An id is CORPUS-SPLIT-NUMBER: the NUMBER-th utterance of the split that corpora.py
reads, so read_back() finds its labels again. Sentences that cannot be spelled as they are said (rare signs) are left out and counted.
"""
import argparse
import dataclasses
import os
import random
import re
import unicodedata

from ..common.spoken import MONTHS, say_int, say_ordinal, say_year
from ..common.text import KeptOut, clean
from .corpora import READERS, as_spoken
from .heard import as_heard, words_of

CORPORA = ("snips", "hwu64")  # those with slots


def numbered(nlu, corpus):
    """{id: example} of a corpus, every split."""
    counts, out = {}, {}
    for e in READERS[corpus](nlu):
        n = counts[e.split] = counts.get(e.split, -1) + 1
        out[f"{corpus}-{e.split}-{n:05d}"] = e
    return out


def read_back(nlu):
    """{id: example} of both corpora."""
    return {id: e for corpus in CORPORA for id, e in numbered(nlu, corpus).items()}


def spelled(word):
    """A word without accents; dates of three numbers and decades in words."""
    word = "".join(c for c in unicodedata.normalize("NFD", word) if unicodedata.category(c) != "Mn")
    if (m := re.fullmatch(r"(\d{1,2})/(\d{1,2})/(\d{4})", word)) and 1 <= int(m[1]) <= 12:
        return f"{MONTHS[int(m[1]) - 1]} {say_ordinal(m[2])} {say_year(m[3])}".lower()
    if (m := re.fullmatch(r"(\d)0s", word)) and int(m[1]) > 1:
        return say_int(m[1] + "0").removesuffix("y") + "ies"
    return "two thousands" if word == "00s" else word


def as_said(example):
    """The utterance as a voice says it, words and labels, or None where that is not clear."""
    spoken = as_spoken(dataclasses.replace(example, words=[spelled(w) for w in example.words]))
    return spoken if spoken and all(w.isascii() for w in spoken.words) else None


def said(example):
    """The text for a voice, or None: "i" as people write it, SNIPS's loose tails joined."""
    spoken = as_said(example)
    return spoken and " ".join("I" + w[1:] if w == "i" or w.startswith("i'") else w for w in spoken.words)


def heard_examples(path, nlu):
    """Yields what a recogniser heard of the sentences ("id<TAB>heard", recognised.py), with their labels; nothing of what it heard nothing of."""
    examples = read_back(nlu)
    with open(path, encoding="utf-8") as f:
        for line in f:
            id, heard = line.rstrip("\n").split("\t")
            if heard:
                yield as_heard(as_said(examples[id]), words_of(heard))


def drawn(examples, split, most, rng, allowed=lambda text: True):
    """About `most` (id, text) of a split, in the corpus's order, and how many could not be said."""
    there = [(id, said(e)) for id, e in examples.items() if e.split == split]
    good = [(id, text) for id, text in there if text and allowed(text)]
    chosen = set(rng.sample(range(len(good)), min(most, len(good))))
    return [row for i, row in enumerate(good) if i in chosen], len(there) - len(good)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--data", required=True)
    parser.add_argument("--test", type=int, default=700, help="of each corpus")
    parser.add_argument("--train", type=int, default=2500, help="of both; SNIPS 3 in 5")
    a = parser.parse_args()
    os.makedirs(a.out, exist_ok=True)
    rng, kept, nlu = random.Random(13), KeptOut(), os.path.join(a.data, "nlu")
    corpora = {c: numbered(nlu, c) for c in CORPORA}
    tests = {clean(text) for examples in corpora.values() for e in examples.values() if e.split == "test" for text in (" ".join(e.words), said(e)) if text}
    allowed = lambda text: clean(text) not in tests and not kept.text(text)
    wanted = {"test": {c: a.test for c in CORPORA}, "train": {"snips": a.train * 3 // 5, "hwu64": a.train - a.train * 3 // 5}}
    for split, counts in wanted.items():
        with open(os.path.join(a.out, split + ".tsv"), "w", encoding="utf-8") as f:
            for corpus, most in counts.items():
                rows, lost = drawn(corpora[corpus], split, most, rng, allowed if split == "train" else lambda text: True)
                for row in rows:
                    print(*row, sep="\t", file=f)
                print(f"{split} {corpus}: {len(rows)} sentences, {lost} left out")


if __name__ == "__main__":
    main()
