"""Readers of the understanding corpora: examples as words with BIO tags, written as given and as spoken."""
import csv
import glob
import hashlib
import json
import os
import re
from dataclasses import dataclass, field

from ..common.spoken import spoken

DOMAINS = ("snips", "hwu64", "clinc150", "banking77", "any")  # "any": out of every domain's scope
OOS = "oos"


@dataclass
class Example:
    """One utterance. `tags` is empty where the corpus has no slots; `intent` is "oos" or "DOMAIN/NAME"."""
    domain: str
    split: str  # train, valid, test
    intent: str
    words: list
    tags: list = field(default_factory=list)


def hashed(text):
    """A number in [0, 1) that depends on the text alone."""
    return int(hashlib.sha256(text.encode()).hexdigest()[:8], 16) / 2 ** 32


def read_snips(root):
    """The usual split: 13,084 train, 700 valid, 700 test; 7 intents, 39 slots."""
    for split in ("train", "valid", "test"):
        columns = [open(os.path.join(root, "snips/iob", split, f), encoding="utf-8").read().strip("\n").split("\n")
                   for f in ("label", "seq.in", "seq.out")]
        for intent, words, tags in zip(*columns, strict=True):
            words, tags = words.split(), tags.split()
            assert len(words) == len(tags), words
            yield Example("snips", split, "snips/" + intent.strip(), words, tags)


_SLOT = re.compile(r"\[\s*(\w+)\s*:\s*([^\]]*)\]|([^\[\]]+)")


def parse_annotation(text):
    """"play [artist_name : foo bar] now" -> words, BIO tags."""
    words, tags = [], []
    for name, value, plain in _SLOT.findall(text):
        new = (value if name else plain).split()
        words += new
        tags += [("I-" if i else "B-") + name if name else "O" for i in range(len(new))]
    return words, tags


def read_hwu64(root, valid_share=0.04):
    """Fold 1: 64 intents, 54 slots; a hash of the text takes a part of the training set for validation."""
    (fold,) = glob.glob(os.path.join(root, "hwu64/**/KFold_1"), recursive=True)
    for split, where in (("train", "trainset"), ("test", "testset/csv")):
        for path in sorted(glob.glob(os.path.join(fold, where, "*.csv"))):
            with open(path, encoding="utf-8") as f:
                for row in csv.DictReader(f, delimiter=";"):
                    words, tags = parse_annotation(row["answer_annotation"])
                    if not words:
                        continue
                    part = "valid" if split == "train" and hashed(" ".join(words)) < valid_share else split
                    yield Example("hwu64", part, f"hwu64/{row['scenario']}_{row['intent']}", words, tags)


def read_clinc150(root):
    """data_full: 150 intents, and utterances out of scope."""
    with open(os.path.join(root, "clinc150/data_full.json"), encoding="utf-8") as f:
        data = json.load(f)
    for key, rows in data.items():
        split = {"val": "valid"}.get(key.split("_")[-1], key.split("_")[-1])
        for text, intent in rows:
            yield Example("clinc150", split, OOS if intent == "oos" else "clinc150/" + intent, text.split())


def read_banking77(root, valid_share=0.04):
    """77 intents of a bank's customers."""
    for split in ("train", "test"):
        with open(os.path.join(root, f"banking77/{split}.csv"), encoding="utf-8") as f:
            for row in csv.DictReader(f):
                part = "valid" if split == "train" and hashed(row["text"]) < valid_share else split
                yield Example("banking77", part, "banking77/" + row["category"], row["text"].split())


READERS = {"snips": read_snips, "hwu64": read_hwu64, "clinc150": read_clinc150, "banking77": read_banking77}

_TAILS = ("s", "d", "ll", "re", "ve", "m", "t")


def as_spoken(example):
    """The example as a recogniser would write it: lower case, numbers in words, no punctuation but apostrophes.

    SNIPS writes "that s" for "that's"; the parts are joined again. None where a number cannot be spelled.
    """
    words, tags = [], []
    example_tags = example.tags or ["O"] * len(example.words)
    for word, tag in zip(example.words, example_tags):
        low = word.lower().replace("’", "'")
        if low in _TAILS and words and example.domain == "snips" and words[-1].isalpha() and tag[0] != "B":
            words[-1] += ("n't" if low == "t" and not words[-1].endswith("n") else "'" + low)
            continue
        if re.search(r"\d", low):
            low = spoken(low, most_words=99)
            if low is None:
                return None
            low = low.lower()
        parts = [p.strip("'") for p in re.sub(r"[^\w' ]|_", " ", low).split()]
        parts = [p for p in parts if p]
        words += parts
        tags += [tag if i == 0 or tag == "O" else "I" + tag[1:] for i in range(len(parts))]
    if not words:
        return None
    return Example(example.domain, example.split, example.intent, words, tags if example.tags else [])


def read_xquad(root, kept_out_share=0.2):
    """Yields (split, article, paragraph, [(question, [(answer text, start)])]); a hash of the paragraph keeps a fifth out."""
    with open(os.path.join(root, "xquad/xquad.en.json"), encoding="utf-8") as f:
        for number, article in enumerate(json.load(f)["data"]):
            for p in article["paragraphs"]:
                questions = [(q["question"], [(a["text"], a["answer_start"]) for a in q["answers"]]) for q in p["qas"]]
                yield ("test" if hashed(p["context"]) < kept_out_share else "train"), number, p["context"], questions
