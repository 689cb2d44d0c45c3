"""Normalised words, and the rule that keeps text of the evaluation sets out of every training."""
import glob
import os
import re

CHARS = " 'abcdefghijklmnopqrstuvwxyz"  # output symbols 1..28 of the recogniser; 0 is the CTC blank
HELDOUT = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "heldout")
JUDGED = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tts", "sentences*.txt")  # what voices are judged by
GRAM = 6  # words
_QUOTES = str.maketrans({"’": "'", "‘": "'", "`": "'"})


def clean(text):
    """Lower case, letters, apostrophes inside words and single spaces only."""
    text = re.sub(r"[^a-z' ]", " ", text.translate(_QUOTES).lower())
    words = (w.strip("'") if w not in ("'em", "'tis", "'twas") else w for w in text.split())
    return " ".join(w for w in words if w)


def grams(words, n=GRAM):
    """All runs of n words, each as one string."""
    return (" ".join(words[i:i + n]) for i in range(len(words) - n + 1))


def read_table(path):
    """Rows of a tab-separated file with a head line, as dicts."""
    with open(path, encoding="utf-8") as f:
        head = f.readline().rstrip("\n").split("\t")
        for line in f:
            yield dict(zip(head, line.rstrip("\n").split("\t")))


def judged():
    """The sentences that voices are judged by, as clean() has them."""
    texts = set()
    for path in sorted(glob.glob(JUDGED)):
        with open(path, encoding="utf-8") as f:
            texts.update(clean(line) for line in f)
    return texts


class KeptOut:
    """What training/heldout lists: speakers, splits and corpora, voices, sounds (noise and rooms), and their references.

    Text trains nothing where it shares six successive words with a kept-out reference, nor where
    it has fewer than six words and is, as a whole, a kept-out reference.
    """

    def __init__(self, folder=HELDOUT):
        self.speakers, self.splits, self.corpora, self.voices, self.sounds = set(), set(), set(), set(), set()
        for r in read_table(os.path.join(folder, "rules.tsv")):
            {"speaker": lambda: self.speakers.add((r["corpus"], r["name"])),
             "split": lambda: self.splits.add((r["corpus"], r["name"])),
             "corpus": lambda: self.corpora.add(r["corpus"]),
             "voice": lambda: self.voices.add(r["name"]),
             "sound": lambda: self.sounds.add((r["corpus"], r["name"]))}[r["kind"]]()
        self.texts, self.grams = set(), set()
        for r in read_table(os.path.join(folder, "references.tsv")):
            self.add(r["text"])

    def add(self, text):
        """Takes one more reference."""
        words = clean(text).split()
        self.grams.update(grams(words))
        if len(words) < GRAM:
            self.texts.add(" ".join(words))

    def row(self, corpus, row):
        """Whether a row of a corpus table (speaker, split) belongs to an evaluation set."""
        return (corpus in self.corpora or (corpus, row["speaker"]) in self.speakers
                or (corpus, row["split"]) in self.splits
                or any(v in self.voices for v in re.split(r"[+:]", row["speaker"])))

    def text(self, text):
        """Whether the text must not train anything."""
        words = clean(text).split()
        if len(words) < GRAM:
            return " ".join(words) in self.texts
        return any(g in self.grams for g in grams(words))
