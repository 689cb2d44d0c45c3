"""A pruned word 3-gram for beam search, in numpy: counts -> interpolated absolute discounting -> pruning -> ANLM file.

    python3 -m training.asr.lm OUT.anlm --data DATA [--words 48000] [--megabytes 3.95]

Text: books, dialogues, commands' training parts, patterns and an assistant's phrases, without anything that training/heldout rules out. Discounts:
three for each order (Chen and Goodman 1999) on plain counts, because Kneser-Ney's lower orders suffer from strong pruning
(Chelba et al. 2010). Pruning: weighted difference (Seymore and Rosenfeld 1996). File: LM_FORMAT.md.
"""
import argparse
import collections
import itertools
import json
import random

import numpy as np

from ..common.sentences import filled, sources
from ..common.spoken import spoken
from ..common.templates import template
from ..common.text import KeptOut, clean
from .lm_reader import HEAD, SECTIONS, LanguageModel

SPECIAL = ("</s>", "<s>", "<unk>")


def read_text(data, patterns, assistant, seed=5):
    """{kind: [normalised sentence]} of what may train."""
    kept, rng, src = KeptOut(), random.Random(seed), sources(data)
    texts, words, names = src
    texts["patterns"] = [template(rng, words, names) for _ in range(patterns)]
    texts["assistant"] = list(itertools.islice(filled(assistant, names, rng), patterns // 3))
    out = {}
    for kind, raw in texts.items():
        said = (spoken(t, 200) for t in raw)
        out[kind] = [clean(t) for t in said if t and not kept.text(t)]
    return out


def choose_words(texts, most):
    """The most frequent words; every kind's own words count by that kind's size."""
    count = collections.Counter()
    for kind, lines in texts.items():
        own = collections.Counter(w for line in lines for w in line.split())
        weight = 1.0 if kind == "books" else 2.0
        for w, n in own.items():
            if n > 1 or kind not in ("patterns", "assistant"):
                count[w] += n * weight
    ranked = sorted(count, key=lambda w: (-count[w], w))[:most - len(SPECIAL)]
    return sorted(ranked + list(SPECIAL), key=lambda w: w.encode())


def encode(lines, ids):
    """Sentences -> one i64 array of ids, each sentence as <s> ... </s>."""
    unk, start, end = ids["<unk>"], ids["<s>"], ids["</s>"]
    out = []
    for line in lines:
        out.append(start)
        out.extend(ids.get(w, unk) for w in line.split())
        out.append(end)
    return np.array(out, np.int64)


def count_runs(stream, start, size):
    """(keys [n] ascending, counts [n]) of all runs of one to three words that do not cross a sentence."""
    key = stream.copy()
    valid = np.ones(len(stream), bool)
    for k in range(1, size):
        key = (key[:len(stream) - k] << 16) | stream[k:]
        valid = valid[:len(stream) - k] & (stream[k:] != start)
    return np.unique(key[valid], return_counts=True)


def weighted_counts(streams, weights, start, size):
    """Sums the counts of all kinds: (keys ascending, plain counts, weighted counts)."""
    parts = [count_runs(s, start, size) for s in streams.values()]
    keys = np.concatenate([p[0] for p in parts])
    plain = np.concatenate([p[1] for p in parts])
    heavy = np.concatenate([p[1] * weights[kind] for kind, p in zip(streams, parts)])
    unique, where = np.unique(keys, return_inverse=True)
    return unique, np.bincount(where, plain), np.bincount(where, heavy)


def discounts(plain):
    """Discounts of runs seen once, twice and more often."""
    n1, n2, n3, n4 = (max(1, int((plain == k).sum())) for k in (1, 2, 3, 4))
    y = n1 / (n1 + 2 * n2)
    return np.array([0.0, 1 - 2 * y * n2 / n1, 2 - 3 * y * n3 / n2, 3 - 4 * y * n4 / n3])


def group_sums(group, values, groups):
    return np.bincount(group, values, minlength=groups)


def interpolate(keys, plain, heavy, parents, lower):
    """p(w | history) of runs: discounted counts plus what is left over, times p of the shorter history.

    parents: index of each run's history among `groups`; lower: p(w | shorter history) [n]. Returns p [n].
    """
    groups = int(parents.max()) + 1
    total = group_sums(parents, heavy, groups)
    cut = discounts(plain)[np.minimum(plain, 3).astype(int)] * heavy / plain
    left = group_sums(parents, cut, groups) / np.maximum(total, 1e-9)
    return (heavy - cut) / total[parents] + left[parents] * lower


def backoffs(parents, p, lower, groups):
    """log b of each history: what its kept runs leave, over what the shorter history gives to the others."""
    rest = np.maximum(1 - group_sums(parents, p, groups), 1e-6)
    under = np.maximum(1 - group_sums(parents, lower, groups), 1e-6)
    return np.log(rest / under)


def codebook(values):
    """256 f32 centres by equal shares of the sorted values, and the nearest centre of each value."""
    cells = np.array_split(np.sort(values), 256)
    book = np.array([c.mean() if len(c) else 0.0 for c in cells], np.float32)
    book = np.maximum.accumulate(book)
    middle = (book[1:] + book[:-1]) / 2
    return book, np.searchsorted(middle, values).astype(np.uint8)


def build(texts, weights, vocabulary, room):
    """Tables of a model whose bigrams and trigrams take `room` bytes, as LM_FORMAT.md names them."""
    ids = {w: i for i, w in enumerate(vocabulary)}
    start, size = ids["<s>"], len(vocabulary)
    streams = {kind: encode(lines, ids) for kind, lines in texts.items()}
    k1, _, h1 = weighted_counts(streams, weights, start, 1)
    k2, n2, h2 = weighted_counts(streams, weights, start, 2)
    k3, n3, h3 = weighted_counts(streams, weights, start, 3)
    p1 = np.full(size, 0.1)  # every word of the vocabulary once at least, <s> never
    p1[k1] += h1
    p1[start] = 0.0
    p1 /= p1.sum()
    u2, w2 = k2 >> 16, k2 & 0xffff
    p2 = interpolate(k2, n2, h2, u2, p1[w2])
    h3_at, w3 = np.searchsorted(k2, k3 >> 16), k3 & 0xffff
    low3 = p2[np.searchsorted(k2, k3 & 0xffffffff)]
    p3 = interpolate(k3, n3, h3, h3_at, low3)
    worth2 = h2 * (np.log(p2) - np.log(p1[w2]))
    worth3 = h3 * (np.log(p3) - np.log(low3))
    keep2, keep3 = prune(worth2, worth3, h3_at, room)
    print(f"{keep2.sum()} of {len(k2)} bigrams {keep3.sum()} of {len(k3)} trigrams", flush=True)
    return tables(vocabulary, start, p1, (k2, p2, keep2), (k3, p3, keep3))


def prune(worth2, worth3, parents, room, bytes2=6, bytes3=3):
    """Masks of the bigrams and trigrams that are worth their bytes, `room` bytes in all; a trigram keeps its bigram."""
    low, high = 0.0, float(max(worth2.max(), worth3.max()))
    for _ in range(60):
        bar = (low + high) / 2
        keep3 = worth3 > bar * bytes3
        keep2 = worth2 > bar * bytes2
        keep2[parents[keep3]] = True
        low, high = (bar, high) if bytes2 * keep2.sum() + bytes3 * keep3.sum() > room else (low, bar)
    keep3 = worth3 > high * bytes3
    keep2 = worth2 > high * bytes2
    keep2[parents[keep3]] = True
    return keep2, keep3


def tables(vocabulary, start, p1, two, three):
    """Back-offs of the kept runs, codebooks, counts."""
    size = len(vocabulary)
    k2, p2 = two[0][two[2]], two[1][two[2]]
    k3, p3 = three[0][three[2]], three[1][three[2]]
    u2, w2, w3 = k2 >> 16, k2 & 0xffff, k3 & 0xffff
    b1 = backoffs(u2, p2, p1[w2], size)
    parents = np.searchsorted(k2, k3 >> 16)
    low = np.searchsorted(k2, k3 & 0xffffffff).clip(max=len(k2) - 1)
    there = k2[low] == (k3 & 0xffffffff)
    v3 = (k3 >> 16) & 0xffff
    lower = np.where(there, p2[low], np.exp(b1[v3]) * p1[w3])
    b2 = backoffs(parents, p3, lower, len(k2))
    book_p2, code_p2 = codebook(np.log(p2))
    book_b2, code_b2 = codebook(b2)
    book_p3, code_p3 = codebook(np.log(p3))
    log1 = np.where(np.arange(size) == start, -99.0, np.log(np.maximum(p1, 1e-30)))
    words = ("\n".join(vocabulary) + "\n").encode()
    return dict(bigram_book=book_p2, backoff_book=book_b2, trigram_book=book_p3, words=np.frombuffer(words, np.uint8),
                unigram_p=log1, unigram_b=b1, bigrams_of=np.bincount(u2, minlength=size),
                trigrams_of=np.bincount(parents, minlength=len(k2)), bigram_w=w2, bigram_p=code_p2, bigram_b=code_b2,
                trigram_w=w3, trigram_p=code_p3)


def write(path, t):
    """Writes the sections; returns the number of bytes."""
    head = HEAD.pack(b"ANLM", 1, 3, len(t["unigram_p"]), len(t["bigram_w"]), len(t["trigram_w"]), len(t["words"]), 0)
    with open(path, "wb") as f:
        f.write(head)
        for name, kind, _ in SECTIONS:
            f.write(bytes(-f.tell() % 8))
            f.write(t[name].astype(kind).tobytes())
        return f.tell()


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out")
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--words", type=int, default=48000)
    ap.add_argument("--megabytes", type=float, default=3.95, help="of 10^6 bytes")
    ap.add_argument("--patterns", type=int, default=60000)
    ap.add_argument("--weights", default="books=1,dialogue=1,commands=3,patterns=1,assistant=1")
    ap.add_argument("--assistant", default="models/assistants/coffee.toml", help="its phrases, slots filled, a third as many as patterns")
    ap.add_argument("--test", type=int, default=2000, help="sentences of each kind measured and not learned")
    a = ap.parse_args()
    texts, tests, rng = read_text(a.data, a.patterns, a.assistant), {}, random.Random(9)
    for kind, lines in texts.items():
        rng.shuffle(lines)
        tests[kind], texts[kind] = lines[:a.test], lines[a.test:]
    weights = {k: float(v) for k, v in (part.split("=") for part in a.weights.split(","))}
    vocabulary = choose_words(texts, a.words)
    room = a.megabytes * 1e6 - 4096 - sum(len(w) + 1 for w in vocabulary) - 6 * len(vocabulary)
    t = build(texts, weights, vocabulary, room)
    print(write(a.out, t), "bytes,", len(vocabulary), "words", flush=True)
    model = LanguageModel(a.out)
    for kind, lines in tests.items():
        p, unknown = model.perplexity(lines)
        print(json.dumps(dict(kind=kind, perplexity=round(p, 1), unknown=round(100 * unknown, 2))), flush=True)


if __name__ == "__main__":
    main()
