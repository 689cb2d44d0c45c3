"""Lists of hot words for the table of docs/models/asr-en.md: OUT/said-N.txt and OUT/unsaid-N.txt, a word a line.

    python3 -m training.asr.hot_lists OUT SET.tsv... --lm models/asr-en/lm.anlm [--lengths 10 50 100]

`said`: words of the references that the language model does not know or thinks rarest, names mostly, filled up to N with words as rare
that nobody says; `unsaid`: only such words. SET: tables of held_tables.py.
"""
import argparse
import os
import random

from ..common.text import clean, read_table
from .lm_reader import LanguageModel


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out"), ap.add_argument("sets", nargs="+"), ap.add_argument("--lm", required=True)
    ap.add_argument("--lengths", type=int, nargs="*", default=[10, 50, 100]), ap.add_argument("--rare", type=float, default=-11.5)
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    model = LanguageModel(a.lm)
    spoken = {w for path in a.sets for r in read_table(path) if r["split"] == "test" for w in clean(r["text"]).split()}
    log_p = lambda w: float(model.unigram_p[model.ids[w]]) if w in model.ids else -99.0
    usual = lambda w: len(w) > 3 and "'" not in w
    said = sorted((w for w in spoken if usual(w) and log_p(w) < a.rare), key=lambda w: (log_p(w), w))
    unsaid = [w for w in model.vocabulary if w.isalpha() and usual(w) and w not in spoken and log_p(w) < a.rare]
    random.Random(1).shuffle(said), random.Random(2).shuffle(unsaid)
    print(len(said), "rare words said,", len(unsaid), "not said")
    for n in a.lengths:
        for name, words in (("said", (said + unsaid)[:n]), ("unsaid", unsaid[:n])):
            with open(os.path.join(a.out, f"{name}-{n}.txt"), "w", encoding="utf-8") as f:
                f.writelines(w + "\n" for w in words)


if __name__ == "__main__":
    main()
