"""The prepared folder in memory, and batches of similar length from it."""
import io
import json
import lzma
import os

import numpy as np
import torch

from .tokenizer import CLS, PAD, SEP, WordPiece

KINDS = ("written", "said", "varied", "distorted", "recognised")  # of a training utterance's form
WINDOW = 320  # pieces of question, paragraph and three special ones
STRIDE = 128


class Prepared:
    """What prepare.py wrote; its arrays by attribute, offsets as *_at."""

    def __init__(self, folder):
        with lzma.open(os.path.join(folder, "examples.npz.xz")) as f:
            arrays = np.load(io.BytesIO(f.read()))
        self.__dict__.update({k: arrays[k] for k in arrays.files})
        if "utt_kind" not in arrays:  # folders of before
            self.utt_kind = np.zeros_like(self.utt_n)
        for kind in ("utt", "ctx", "q"):
            n = getattr(self, kind + "_n").astype(np.int64)
            setattr(self, kind + "_at", np.cumsum(n) - n)
        with open(os.path.join(folder, "labels.json"), encoding="utf-8") as f:
            self.labels = json.load(f)
        with open(os.path.join(folder, "questions.json"), encoding="utf-8") as f:
            self.held_out = json.load(f)
        self.tokenizer = WordPiece.load(os.path.join(folder, "vocab.txt"))
        domains, intents, slots = (self.labels[k] for k in ("domains", "intents", "slots"))
        self.domain_intents = masks(domains, [s.split("/")[0] for s in intents], len(intents) - 1)  # "oos" is in every domain
        self.domain_slots = masks(domains, [s[2:].split("/")[0] for s in slots], 0)

    def rows(self, split, domain=None):
        """Numbers of the utterances of a split (and domain)."""
        keep = self.utt_split == self.labels["splits"].index(split)
        if domain:
            keep &= self.utt_domain == self.labels["domains"].index(domain)
        return np.flatnonzero(keep)

    def part(self, kind, field, i):
        """The i-th piece of a flat array: part("utt", "ids", 3)."""
        at = getattr(self, kind + "_at")[i]
        return getattr(self, f"{kind}_{field}")[at:at + int(getattr(self, kind + "_n")[i])]


def masks(domains, owners, shared):
    """bool [domains, labels]: which labels belong to each; the last domain takes all; `shared` belongs to every one."""
    m = np.array([[o == d or d == domains[-1] for o in owners] for d in domains])
    m[:, shared] = True
    return m


def padded(lists, fill, width=None):
    """i64 [B, longest] of lists of unequal length."""
    width = width or wide_enough(max(len(x) for x in lists))
    out = np.full((len(lists), width), fill, np.int64)
    for i, x in enumerate(lists):
        out[i, :len(x)] = x
    return torch.from_numpy(out)


def wide_enough(number, widths=()):
    """The least of `widths`, in ascending order, that holds so many pieces; beyond them a multiple of 8."""
    return next((w for w in widths if w >= number), -(-number // 8) * 8)


def utterance_batch(data, rows, widths=()):
    """-> ids, keep, tags (-1: not trained), all [B, T]; [CLS] and [SEP] around each utterance."""
    n = data.utt_n[rows].astype(np.int64)
    width = wide_enough(int(n.max()) + 2, widths)
    places = np.arange(width)[None] - 1
    inside = (places >= 0) & (places < n[:, None])
    at = np.where(inside, data.utt_at[rows][:, None] + places, 0)
    ids = np.where(inside, data.utt_ids[at], PAD).astype(np.int64)
    ids[:, 0] = CLS
    ids[np.arange(len(rows)), n + 1] = SEP
    tags = np.where(inside, data.utt_tags[at], -1).astype(np.int64)
    return torch.from_numpy(ids), torch.from_numpy(places <= n[:, None]), torch.from_numpy(tags)


def drawn_again(kinds, shares, rng):
    """What one round over the training rows takes: of kind k the share shares[k], drawn anew; above 1 every row as often as it says,
    and a fraction once more. -> numbers of rows, sorted."""
    often = np.asarray(shares)[kinds]
    return np.repeat(np.arange(len(kinds)), (often + rng.random(len(kinds))).astype(np.int64))


def by_length(lengths, size, rng, pool=16):
    """Yields shuffled batches of `size` numbers whose lengths are similar: sorted within pools of `pool` batches."""
    order = rng.permutation(len(lengths))
    batches = []
    for at in range(0, len(order), size * pool):
        group = order[at:at + size * pool]
        group = group[np.argsort(lengths[group], kind="stable")]
        batches += [group[i:i + size] for i in range(0, len(group), size)]
    for i in rng.permutation(len(batches)):
        yield batches[i]


def question_row(question, context):
    """Pieces of one window -> ids, token types (1 from the paragraph on, its [SEP] included)."""
    ids = [CLS, *question, SEP, *context, SEP]
    return ids, [0] * (len(question) + 2) + [1] * (len(context) + 1)


def question_batch(data, rows, rng, other=0.3, widths=()):
    """-> ids, types, keep [B, T], start, end [B] (0: no answer). A share `other` of them gets a paragraph of another question."""
    asked, told, begins, ends = [], [], [], []
    for i in rows:
        q, c, begin, end = data.part("q", "ids", i), int(data.q_ctx[i]), int(data.q_begin[i]), int(data.q_end[i])
        if rng.random() < other:
            c, begin = (c + int(rng.integers(1, 5 if data.q_real[i] else 200))) % len(data.ctx_n), -1
        context, room = data.part("ctx", "ids", c), WINDOW - 3 - len(q)
        if len(context) > room:
            cut = int(rng.integers(0, len(context) - room + 1))
            if begin >= 0 and rng.random() < 0.9:
                cut = min(max(cut, end + 1 - room), begin)
            context = context[cut:cut + room]
            begin, end = (begin - cut, end - cut) if begin >= cut and end < cut + room else (-1, -1)
        asked.append(q)
        told.append(context)
        begins.append(begin + len(q) + 2 if begin >= 0 else 0)
        ends.append(end + len(q) + 2 if begin >= 0 else 0)
    longest = max(len(q) + len(c) + 3 for q, c in zip(asked, told))
    ids, types, keep = np.full((3, len(rows), wide_enough(longest, widths)), [[[PAD]], [[0]], [[0]]], np.int64)
    for k, (q, c) in enumerate(zip(asked, told)):  # as question_row
        first, n = len(q) + 2, len(q) + len(c) + 3
        ids[k, 0], ids[k, 1:first - 1], ids[k, first - 1], ids[k, first:n - 1], ids[k, n - 1] = CLS, q, SEP, c, SEP
        types[k, first:n] = keep[k, :n] = 1
    return *map(torch.from_numpy, (ids, types, keep.astype(bool))), torch.tensor(begins), torch.tensor(ends)
