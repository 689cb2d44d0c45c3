"""Utterances in one int16 tensor on the device, and batches of like length."""
import glob
import os
import re
import zlib

import numpy as np
import torch

from ..common.data import NATIVE, RATE, load, shards
from ..common.text import CHARS, KeptOut, clean, read_table

TEACHER_RATE = 24000
REAL = ("librispeech_mini commonvoice_delta commonvoice_v1_dev commonvoice_v6_sample speechocean762 kathleen_arctic "
        "vctk_p239 fsdd librispeech_train_unlabelled ljspeech_part").split()


def usable(text, samples):
    """Whether CTC can learn the text from so many samples: its words are written out and there are steps enough."""
    return bool(text) and 0.3 < samples / RATE < 20 and len(text) <= samples / 640 * 0.9


def tables_of(data, teachers, only=REAL):
    """[(corpus, table, native rate)] of the real corpora that are there, NAME.tsv or NAME-1.tsv, ..., and of the shards."""
    found = []
    for corpus in only:
        name = os.path.join(data, "speech", corpus)
        for path in sorted(glob.glob(name + ".tsv") + glob.glob(name + "-[0-9].tsv")):
            found.append((corpus, path, NATIVE.get(corpus, RATE)))
    for prefix in teachers:
        found += [("teacher", table, TEACHER_RATE) for table in shards(prefix)]
    return found


class Speech:
    """Owns the audio: int16 [samples] on the device; `train` and `held` are lists of utterances.

    An utterance: corpus, start and n in samples, text as clean() writes it. texts: {id: text} for rows without one.
    """

    def __init__(self, tables, device, texts={}, jobs=16):
        kept, at, pieces = KeptOut(), 0, []
        self.train, self.held, self.device = [], [], device
        for corpus, rows, pcm in load(tables, jobs=jobs):
            for r in rows:
                raw = r["text"] or texts.get(r["id"], "")
                u = dict(corpus=corpus, id=r["id"], start=at + r["start"], n=r["n"], text=clean(raw))
                held = kept.row(corpus, r)
                if re.search(r"\d", raw) or not held and kept.text(raw) or not usable(u["text"], u["n"]):
                    continue
                if held:
                    u["corpus"] = "teacher_heldout" if corpus == "teacher" else corpus
                (self.held if held else self.train).append(u)
            pieces.append(torch.from_numpy(pcm).to(device))
            at += len(pcm)
        pieces.append(torch.zeros(40 * RATE, dtype=torch.int16, device=device))
        self.audio = torch.cat(pieces)

    def hours(self):
        """{corpus: (hours of training, hours kept out)}."""
        out = {}
        for k, part in enumerate((self.train, self.held)):
            for u in part:
                out.setdefault(u["corpus"], [0.0, 0.0])[k] += u["n"] / RATE / 3600
        return {c: [round(h, 2) for h in v] for c, v in sorted(out.items())}

    def samples(self, group, margin=None):
        """x [B, T] f32 with T a multiple of 640, n [B]. margin [B, 2]: samples more before and after each utterance."""
        start, n = np.array([u["start"] for u in group]), np.array([u["n"] for u in group])
        if margin is not None:
            before = np.minimum(margin[:, 0], start)
            start, n = start - before, n + before + margin[:, 1]
        steps = -(-int(n.max()) // 640)
        start, length = (torch.from_numpy(v).to(self.device, non_blocking=True)[:, None] for v in (start, n))
        k = torch.arange(steps * 640, device=self.device)[None]
        x = self.audio[(start + k).clamp_max(len(self.audio) - 1)].float() / 32768
        return x * (k < length), length[:, 0], n


SYMBOL = {c: i + 1 for i, c in enumerate(CHARS)}


def targets(group, device):
    """Symbols of all texts one after the other [sum] on the device, and their lengths [B] on the host."""
    for u in group:
        if "ids" not in u:
            u["ids"] = np.array([SYMBOL[c] for c in u["text"]])
    flat = torch.from_numpy(np.concatenate([u["ids"] for u in group]))
    return flat.to(device, non_blocking=True), torch.tensor([len(u["ids"]) for u in group])


class Pools:
    """Endless batches of about `seconds` of padded speech: a pool is drawn, sorted by length, cut, shuffled."""

    def __init__(self, train, seconds, weight, rng, batches=48):
        length = np.array([u["n"] for u in train], np.float64)
        share = np.array([1.0 if u["corpus"] == "teacher" else weight for u in train]) * length
        self.train, self.seconds, self.rng = train, seconds, rng
        self.share = share / share.sum()
        self.draws = max(1, int(batches * seconds * RATE / (self.share * length).sum()))
        self.waiting = []

    def next(self):
        if not self.waiting:
            drawn = self.rng.choice(len(self.train), self.draws, p=self.share)
            group = []
            for i in sorted(drawn, key=lambda i: self.train[i]["n"]):
                if group and (len(group) + 1) * self.train[i]["n"] / RATE > self.seconds:
                    self.waiting.append(group)
                    group = []
                group.append(self.train[i])
            self.waiting.append(group)
            self.rng.shuffle(self.waiting)
        return self.waiting.pop()


def read_texts(path):
    """{id: text} of a two-column table."""
    return {r["id"]: r["text"] for r in read_table(path)} if path else {}


def subset(held, limit):
    """At most `limit` kept-out utterances a corpus, chosen by hash."""
    out = {}
    for u in sorted(held, key=lambda u: zlib.crc32(u["id"].encode())):
        out.setdefault(u["corpus"], []).append(u)
    return {c: us[:limit] for c, us in sorted(out.items())}
