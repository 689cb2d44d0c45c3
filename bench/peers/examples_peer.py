#!/usr/bin/env python3
"""A user's own intents by example, beside logistic regression on the same sentence vectors.

    examples_peer.py --data DATA [--program build/bin/nlu_examples] [--pack models/nlu-en] [--phrases 10 5] [--seeds 3]

Draws phrases of every intent of CLINC150 and Banking77 from their training parts, asks `nlu_examples` about the test parts (CLINC150's without what is out of
scope), and fits scikit-learn's LogisticRegression, C = 1 (its default) and 10, to the vectors that it wrote. Prints JSON lines: percent of the texts
whose first intent is right, means over the seeds; `texts_out_of_scope_accepted`: percent of CLINC150's texts out of scope that were taken for an intent. The network that ships
has been trained on the training parts of both. PyPI: numpy, scikit-learn.
"""
import argparse
import csv
import json
import os
import random
import subprocess
import tempfile

import numpy as np
from sklearn.linear_model import LogisticRegression


def clinc150(data):
    """-> training, test and out-of-scope [(intent, text)]."""
    with open(os.path.join(data, "nlu/clinc150/data_full.json"), encoding="utf-8") as f:
        read = json.load(f)
    return [[(intent, text) for text, intent in read[part]] for part in ("train", "test", "oos_test")]


def banking77(data):
    parts = []
    for part in ("train", "test"):
        with open(os.path.join(data, f"nlu/banking77/{part}.csv"), encoding="utf-8") as f:
            parts.append([(r["category"], " ".join(r["text"].split())) for r in csv.DictReader(f)])
    return [*parts, []]


def drawn(rows, count, seed):
    """So many phrases of each intent."""
    rng, by_intent = random.Random(seed), {}
    for intent, text in rows:
        by_intent.setdefault(intent, []).append((intent, text))
    return [row for rows in by_intent.values() for row in rng.sample(rows, count)]


def asked(a, phrases, texts):
    """The program's line, and the vectors of phrases and texts."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [os.path.join(folder, name) for name in ("phrases.tsv", "texts.tsv", "vectors.f32")]
        for path, rows in zip(paths, (phrases, texts)):
            with open(path, "w", encoding="utf-8") as f:
                f.writelines(f"{intent}\t{text}\n" for intent, text in rows)
        line = subprocess.run([a.program, a.pack, a.precision, *paths], check=True, capture_output=True, text=True).stdout
        vectors = np.fromfile(paths[2], np.float32).reshape(len(phrases) + len(texts), -1)
    return json.loads(line), vectors[:len(phrases)], vectors[len(phrases):]


def compared(a, corpus, count):
    """Means over the seeds."""
    train, test, out_of_scope = corpus
    wanted, figures = [intent for intent, _ in test], []
    for seed in range(a.seeds):
        phrases = drawn(train, count, seed)
        told, x, queries = asked(a, phrases, test)
        share = lambda number: 100 * number / len(test)
        found = dict(first=share(told["first"]), accepted=share(told["accepted"]), accepted_wrong=share(told["accepted_wrong"]),
                     encoding_s=told["encoding_s"], fitting_s=told["fitting_s"])
        for c in (1, 10):
            said = LogisticRegression(C=c, max_iter=1000).fit(x, [intent for intent, _ in phrases]).predict(queries)
            found[f"logistic_regression_c{c}"] = share(sum(map(str.__eq__, said, wanted)))
        if out_of_scope:
            told, _, _ = asked(a, phrases, out_of_scope)
            found["texts_out_of_scope_accepted"] = 100 * (told["accepted"] + told["accepted_wrong"]) / len(out_of_scope)
        figures.append(found)
    return {k: round(float(np.mean([f[k] for f in figures])), 2) for k in figures[0]}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("--data", required=True, help="folder with nlu/")
    ap.add_argument("--program", default="build/bin/nlu_examples"), ap.add_argument("--pack", default="models/nlu-en")
    ap.add_argument("--precision", default="int8", choices=("int8", "f32"))
    ap.add_argument("--phrases", type=int, nargs="+", default=[10, 5], help="of each intent"), ap.add_argument("--seeds", type=int, default=3)
    a = ap.parse_args()
    for name, read in (("clinc150", clinc150), ("banking77", banking77)):
        for count in a.phrases:
            print(json.dumps(dict(case=name, phrases=count, precision=a.precision, seeds=a.seeds) | compared(a, read(a.data), count)), flush=True)


if __name__ == "__main__":
    main()
