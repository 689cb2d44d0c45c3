"""Utterances in one int16 tensor on the device, and batches of like length."""
import glob
import os
import re
import zlib

import numpy as np
import torch

from ..common.data import NATIVE, RATE, load, shards
from ..common.text import CHARS, KeptOut, clean, read_table
from .workers import Workers

TEACHER_RATE = 24000
LENGTH = 6400  # samples of which batches are multiples
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

    An utterance: corpus, start and n in samples, text as clean() writes it. texts: {id: text} for rows without one. Of several workers
    the first reads and decodes for all.
    """

    def __init__(self, tables, device, texts={}, jobs=16, workers=Workers()):
        self.train, self.held, self.device, self.audio = [], [], device, None
        if workers.rank == 0:
            self.read(tables, texts, jobs)
        self.train, self.held, size = workers.sent((self.train, self.held, 0 if self.audio is None else len(self.audio)))
        self.audio = workers.tensor(self.audio, size, torch.int16, device)

    def read(self, tables, texts, jobs):
        kept, at, pieces = KeptOut(), 0, []
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
            pieces.append(torch.from_numpy(pcm).to(self.device))
            at += len(pcm)
        pieces.append(torch.zeros(40 * RATE, dtype=torch.int16, device=self.device))
        self.audio = torch.cat(pieces)

    def hours(self):
        """{corpus: (hours of training, hours kept out)}."""
        out = {}
        for k, part in enumerate((self.train, self.held)):
            for u in part:
                out.setdefault(u["corpus"], [0.0, 0.0])[k] += u["n"] / RATE / 3600
        return {c: [round(h, 2) for h in v] for c, v in sorted(out.items())}

    def samples(self, group, margin=None):
        """x [B, T] f32 with T a multiple of 640, in training of LENGTH, n [B] on the device and on the host.

        margin [B, 2]: samples more before and after each utterance that is whole; `pieces` of one are (start, n, gain).
        """
        rows, most = len(group), max(len(u.get("pieces", "1")) for u in group)
        start, n, gain = np.zeros((rows, most), np.int64), np.zeros((rows, most), np.int64), np.ones((rows, most), np.float32)
        for r, u in enumerate(group):
            for p, (at, length, loud) in enumerate(u.get("pieces", [(u["start"], u["n"], 1.0)])):
                start[r, p], n[r, p], gain[r, p] = at, length, loud
            if margin is not None and "pieces" not in u:
                before = min(margin[r, 0], u["start"])
                start[r, 0], n[r, 0] = u["start"] - before, u["n"] + before + margin[r, 1]
        total = n.sum(1)
        unit = LENGTH if margin is not None else 640
        steps = -(-int(total.max()) // unit) * (unit // 640)
        put = lambda v: on_device(v, self.device)
        length, x = put(total), self.gather(put(start), put(n.cumsum(1)), put(gain), steps * 640)
        return x * (torch.arange(steps * 640, device=self.device)[None] < length[:, None]), length, total

    def gather(self, start, end, gain, size):
        """Pieces start [B, P], each up to end [B, P] of the row, one after the other -> [B, size] f32; seams fade in 2 ms."""
        k = torch.arange(size, device=self.device)[None]
        source, loud = start[:, :1] + k, gain[:, :1].expand(-1, size)
        seam = torch.ones((), device=self.device)
        for p in range(1, start.shape[1]):
            begin = end[:, p - 1:p]
            past = k >= begin
            source = torch.where(past, start[:, p:p + 1] + k - begin, source)
            loud = torch.where(past, gain[:, p:p + 1], loud)
            used = end[:, p:p + 1] > begin
            seam = torch.where(used, torch.minimum(seam, (k - begin).abs() / 32), seam)
        return self.audio[source.clamp_max(len(self.audio) - 1)].float() / 32768 * loud * seam


def on_device(numbers, device):
    """An array there; the host does not wait for what the device does."""
    x = torch.from_numpy(numbers)
    return x.pin_memory().to(device, non_blocking=True) if torch.device(device).type == "cuda" else x.to(device)


SYMBOL = {c: i + 1 for i, c in enumerate(CHARS)}


def targets(group, device):
    """Symbols of all texts one after the other [sum] on the device, and their lengths [B] on the host."""
    for u in group:
        if "ids" not in u:
            u["ids"] = np.array([SYMBOL[c] for c in u["text"]])
    return on_device(np.concatenate([u["ids"] for u in group]), device), torch.tensor([len(u["ids"]) for u in group])


class Pools:
    """Endless batches of about `seconds` of padded speech: a pool is drawn, sorted by length, cut, shuffled.

    change: may put another utterance in the place of one that was drawn.
    """

    def __init__(self, train, seconds, weight, rng, batches=48, change=lambda u: u):
        length = np.array([u["n"] for u in train], np.float64)
        share = np.array([1.0 if u["corpus"] == "teacher" else weight for u in train]) * length
        self.train, self.seconds, self.rng = train, seconds, rng
        self.share = share / share.sum()
        self.draws = max(1, int(batches * seconds * RATE / (self.share * length).sum()))
        self.waiting, self.change = [], change

    def rows(self, samples):
        """Utterances of a batch of such a length: few numbers, as of lengths, since every shape is planned for anew."""
        rows = int(self.seconds * RATE / (-(-samples // LENGTH) * LENGTH))
        return max(1, rows - rows % 8 if rows > 16 else rows)

    def next(self):
        if not self.waiting:
            drawn = self.rng.choice(len(self.train), self.draws, p=self.share)
            group = []
            for u in sorted((self.change(self.train[i]) for i in drawn), key=lambda u: u["n"]):
                if group and len(group) >= self.rows(u["n"]):
                    self.waiting.append(group)
                    group = []
                group.append(u)
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
