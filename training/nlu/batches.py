"""Batches drawn and padded ahead of the training by other processes. A batch is a function of seed and step alone, whoever draws it, so a resumed
training goes on with the batches that were next. It travels as one vector of i32; few widths occur, so that a CUDA graph can hold each."""
import itertools

import numpy as np
import torch

from .chain import words_first
from .examples import by_length, drawn_again, question_batch, utterance_batch
from .tokenizer import MASK

UTTERANCE_WIDTHS = (8, 16, 24, 32, 48, 64)  # pieces, [CLS] and [SEP] included
QUESTION_WIDTHS = (96, 128, 160, 192, 256, 320)
BANK = 3  # domain


def packed(tensors):
    return torch.cat([x.reshape(-1).int() for x in tensors])


def unpacked(flat, shapes):
    """-> i64 tensors of these shapes."""
    return [x.view(s).long() for x, s in zip(flat.split([int(np.prod(s)) for s in shapes]), shapes)]


def utterance_shapes(rows, width, views, plain=False):
    """ids of every view and, with `plain`, once more with nothing hidden; pieces without special ones; places of the words and their labels (words_first); domain, intent and number of the training row."""
    return [((views + plain) * rows, width), (rows,), (rows, width - 2), (rows, width - 2), (rows,), (rows,), (rows,)]


def question_shapes(rows, width):
    """ids, types, keep, start, end."""
    return [(rows, width)] * 3 + [(rows,)] * 2


class Batches(torch.utils.data.Dataset):
    """By (step, numbers of training rows, of question rows or None): the utterances and the questions of that step, each (rows, width, flat i32) or None."""

    def __init__(self, a, data, rows, question_rows):
        self.a, self.data, self.rows, self.question_rows = a, data, rows, question_rows
        self.views, self.plain = 2 if a.w_agree else 1, bool(a.teachers)
        self.oos = len(data.labels["intents"]) - 1

    def rng(self, *key):
        return np.random.default_rng([self.a.seed, *key])

    def utterance_rounds(self):
        for n in itertools.count():
            rng = self.rng(0, n)
            taken = drawn_again(self.data.utt_kind[self.rows], self.a.round, rng)
            yield from (taken[x] for x in by_length(self.data.utt_n[self.rows[taken]], self.a.batch, rng))

    def question_rounds(self):
        lengths = self.data.ctx_n[self.data.q_ctx[self.question_rows]]
        for n in itertools.count():
            yield from by_length(lengths, self.a.question_batch, self.rng(1, n))

    def order(self, first):
        """The keys from step `first` on, without an end."""
        utterances, questions = self.utterance_rounds(), self.question_rounds()
        for step in itertools.count():
            key = step, next(utterances), None if step % self.a.question_every else next(questions)
            if step >= first:
                yield key

    def ahead(self, first):
        """The batches from step `first` on; on a GPU in pinned memory."""
        more = {"prefetch_factor": 8} if self.a.jobs else {}
        return torch.utils.data.DataLoader(self, batch_size=None, sampler=self.order(first), num_workers=self.a.jobs,
                                           pin_memory=self.a.device == "cuda", generator=torch.Generator(), **more)

    def __getitem__(self, key):
        step, picks, ask = key
        rng = self.rng(2, step)
        return self.utterances(picks, rng), None if ask is None else self.questions(self.question_rows[ask], rng)

    def utterances(self, picks, rng):
        rows = self.rows[picks]
        domain = self.data.utt_domain[rows].astype(np.int64)
        intent = self.data.utt_intent[rows].astype(np.int64)
        # A bank's questions are out of scope for the home and media domains.
        moved = (domain == BANK) & (rng.random(len(rows)) < 0.15)
        domain = np.where(moved, rng.integers(0, 2, len(rows)), domain)
        intent = np.where(moved & (intent >= 0), self.oos, intent)
        return self.told(rows, domain, intent, picks, rng)

    def told(self, rows, domain, intent, picks, rng=None):
        """Utterances with these labels; without rng no piece is hidden and there is one view alone."""
        ids, keep, tags = utterance_batch(self.data, rows, UTTERANCE_WIDTHS)
        if rng:
            seen = torch.cat([ids] * self.views)
            hidden = torch.from_numpy(rng.random(seen.shape) < self.a.hide) & (seen > MASK)
            ids = torch.cat([torch.where(hidden, MASK, seen), *([ids] if self.plain else [])])
        width = ids.shape[1]
        return len(rows), width, packed([ids, keep.sum(1) - 2, *words_first(tags, width - 2), *map(torch.from_numpy, (domain, intent, picks))])

    def questions(self, rows, rng):
        batch = question_batch(self.data, rows, rng, widths=QUESTION_WIDTHS)
        return *batch[0].shape, packed(batch)
