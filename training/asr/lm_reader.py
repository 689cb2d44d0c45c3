"""Reads an ANLM file (LM_FORMAT.md) and tells the perplexity of texts.

    python3 -m training.asr.lm_reader MODEL.anlm TEXT.txt...        one sentence a line
"""
import bisect
import math
import struct
import sys

import numpy as np

from ..common.text import clean

# (name, type, key of the count); counts: V words, B bigrams, T trigrams, W bytes of the vocabulary, 256 of a codebook
SECTIONS = [("bigram_book", "<f4", 256), ("backoff_book", "<f4", 256), ("trigram_book", "<f4", 256), ("words", "u1", "W"),
            ("unigram_p", "<f2", "V"), ("unigram_b", "<f2", "V"), ("bigrams_of", "<u2", "V"), ("trigrams_of", "<u2", "B"),
            ("bigram_w", "<u2", "B"), ("bigram_p", "u1", "B"), ("bigram_b", "u1", "B"), ("trigram_w", "<u2", "T"),
            ("trigram_p", "u1", "T")]
HEAD = struct.Struct("<4s7I")


class LanguageModel:
    """Owns the tables. score() is the reference for other readers."""

    def __init__(self, path):
        with open(path, "rb") as f:
            data = f.read()
        magic, version, order, v, b, t, w, _ = HEAD.unpack_from(data)
        if (magic, version, order) != (b"ANLM", 1, 3):
            raise ValueError(f"{path}: not an ANLM file of version 1 and order 3")
        counts, at = dict(V=v, B=b, T=t, W=w), HEAD.size
        for name, kind, count in SECTIONS:
            n = counts.get(count, count)
            setattr(self, name, np.frombuffer(data, kind, n, at))
            end = at + n * np.dtype(kind).itemsize
            at = -(-end // 8) * 8
        if end != len(data):
            raise ValueError(f"{path}: {len(data)} bytes, wanted {end}")
        self.vocabulary = self.words.tobytes().decode().split("\n")[:-1]
        self.ids = {w: i for i, w in enumerate(self.vocabulary)}
        self.bigrams_at = np.concatenate([[0], np.cumsum(self.bigrams_of, dtype=np.int64)])
        self.trigrams_at = np.concatenate([[0], np.cumsum(self.trigrams_of, dtype=np.int64)])
        self.unk, self.start, self.end = (self.ids[w] for w in ("<unk>", "<s>", "</s>"))

    def id(self, word):
        return self.ids.get(word, self.unk)

    @staticmethod
    def find(values, low, high, wanted):
        at = bisect.bisect_left(values, wanted, low, high)
        return at if at < high and values[at] == wanted else -1

    def bigram(self, v, w):
        """Place of bigram (v, w), or -1."""
        return self.find(self.bigram_w, int(self.bigrams_at[v]), int(self.bigrams_at[v + 1]), w)

    def score(self, u, v, w):
        """log p(w | u v); u is None where v starts the sentence."""
        total, at = 0.0, -1 if u is None else self.bigram(u, v)
        if at >= 0:
            hit = self.find(self.trigram_w, int(self.trigrams_at[at]), int(self.trigrams_at[at + 1]), w)
            if hit >= 0:
                return float(self.trigram_book[self.trigram_p[hit]])
            total = float(self.backoff_book[self.bigram_b[at]])
        at = self.bigram(v, w)
        if at >= 0:
            return total + float(self.bigram_book[self.bigram_p[at]])
        return total + float(self.unigram_b[v]) + float(self.unigram_p[w])

    def sentence(self, text):
        """(log-probability with the sentence's end, words and end scored, unknown words); unknown words are not scored."""
        u, v, total, count, unknown = None, self.start, 0.0, 0, 0
        for word in clean(text).split() + ["</s>"]:
            w = self.id(word)
            if w == self.unk:
                unknown += 1
            else:
                total, count = total + self.score(u, v, w), count + 1
            u, v = v, w
        return total, count, unknown

    def perplexity(self, texts):
        """(perplexity of known words and ends, share of unknown words)."""
        total = np.sum([self.sentence(t) for t in texts], axis=0)
        return math.exp(-total[0] / total[1]), total[2] / (total[1] + total[2])


def main():
    model = LanguageModel(sys.argv[1])
    for path in sys.argv[2:]:
        with open(path, encoding="utf-8") as f:
            print(path, "perplexity %.1f, unknown %.2f" % (lambda p, u: (p, 100 * u))(*model.perplexity(f)), "%")


if __name__ == "__main__":
    main()
