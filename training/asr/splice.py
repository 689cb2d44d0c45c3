"""New sentences out of pieces of recordings: no transcript of the few hours of people can be learnt by heart.

Words are found by aligning the texts with an earlier network (CTC, Viterbi); a recording is cut between two words where it is
quietest. A sentence is a row of runs of words from several recordings of one corpus, of like loudness (aligned data augmentation:
Lam et al. 2021, arXiv 2104.01393, which exchanges single words).
"""
import numpy as np
import torch

from .batches import SYMBOL
from .golden import restored
from .model import RATE, STEP, output_steps

LATE = 2.5  # steps: how much later than a letter the network tells it; cuts are then 24 ms off on average, p90 66 (teacher)
QUIET = 0.1  # of the mean power: the loudest 40 ms that are cut
RUNS = (2, 6)  # words from one recording
PIECES, MOST_S = 8, 20  # of a sentence


def viterbi(logp, steps, ids):
    """First step of every symbol on the best path. logp [B, T, C], steps [B], ids: B arrays -> B arrays [symbols] i64."""
    rows, most = len(ids), 2 * max(map(len, ids)) + 1
    line = np.zeros((rows, most), np.int64)
    for r, word in enumerate(ids):
        line[r, 1:2 * len(word):2] = word
    state = torch.from_numpy(line).to(logp.device)
    skip = torch.zeros_like(state, dtype=torch.bool)
    skip[:, 2:] = (state[:, 2:] != 0) & (state[:, 2:] != state[:, :-2])
    low = torch.finfo(torch.float32).min / 4
    best = torch.full(state.shape, low, device=logp.device)
    best[:, :2] = logp[:, 0].gather(1, state[:, :2])
    back = torch.zeros((logp.shape[1], *state.shape), dtype=torch.int8, device=logp.device)
    on = torch.from_numpy(np.asarray(steps)).to(logp.device)
    for t in range(1, logp.shape[1]):
        one = torch.nn.functional.pad(best[:, :-1], (1, 0), value=low)
        two = torch.nn.functional.pad(best[:, :-2], (2, 0), value=low)
        score, back[t] = torch.stack([best, one, torch.where(skip, two, low)]).max(0)
        best = torch.where((t < on)[:, None], score + logp[:, t].gather(1, state), best)
    back, best, out = back.cpu().numpy(), best.cpu().numpy(), []
    for r, word in enumerate(ids):
        s = 2 * len(word) if best[r, 2 * len(word)] > best[r, 2 * len(word) - 1] else 2 * len(word) - 1
        first = np.zeros(most, np.int64)
        for t in range(int(steps[r]) - 1, -1, -1):
            first[s] = t
            s -= int(back[t, r, s]) if t else 0
        out.append(first[1:2 * len(word):2])
    return out


def cuts(pcm, text, first):
    """Where to cut before every word and at the end, [words + 1] samples of pcm [n] i16, and whether it is quiet there.

    first [letters]: their steps.
    """
    edge, quiet, at = [0], [True], 0
    energy = np.concatenate([[0.0], np.cumsum(pcm.astype(np.float64) ** 2)])
    most = QUIET * STEP * energy[-1] / len(pcm)
    for word in text.split()[:-1]:
        last, following = first[at + len(word) - 1], first[at + len(word) + 1]
        low = max(edge[-1] + 320, int((last - LATE) * STEP))
        high = min(len(pcm) - 320, max(low + 2 * STEP, int((following - LATE) * STEP)))
        at += len(word) + 1
        if high <= low + 800:
            edge.append(min(low, len(pcm)))
            quiet.append(False)
            continue
        loud = energy[low + STEP:high] - energy[low:high - STEP]
        edge.append(low + 320 + int(loud.argmin()))
        quiet.append(loud.min() < most)
    return np.array(edge + [len(pcm)]), np.flatnonzero(quiet + [True])


@torch.no_grad()
def find_words(speech, weights, mel_of, seconds=400):
    """Gives every utterance of people that trains its `cuts`, which of them are `quiet`, and its loudness `rms`; weights: of the pack that aligns."""
    net = restored(weights).to(speech.device)
    waiting = sorted((u for u in speech.train if u["corpus"] != "teacher"), key=lambda u: u["n"])
    found = len(waiting)
    while waiting:
        most = max(1, int(seconds * 16000 / waiting[-1]["n"]))
        part, waiting = waiting[-most:], waiting[:-most]
        x, _, n = speech.samples(part)
        logp = net(mel_of(x), torch.from_numpy(output_steps(n)))
        firsts = viterbi(logp, output_steps(n, net.outputs), [np.array([SYMBOL[c] for c in u["text"]]) for u in part])
        for u, first in zip(part, firsts):
            pcm = speech.audio[u["start"]:u["start"] + u["n"]].cpu().numpy()
            u["cuts"], u["quiet"] = cuts(pcm, u["text"], first // net.outputs)
            u["rms"] = float(np.sqrt((pcm.astype(np.float64) ** 2).mean())) + 1.0
    return found


class Splicer:
    """Takes an utterance of people and gives, with probability `odds`, another made of pieces."""

    def __init__(self, train, odds, rng):
        self.odds, self.rng, self.by = odds, rng, {}
        for u in train:
            if "cuts" in u:
                self.by.setdefault(u["corpus"], []).append(u)

    def __call__(self, u):
        if "cuts" not in u or self.rng.random() >= self.odds:
            return u
        wanted, group = len(u["cuts"]) - 1, self.by[u["corpus"]]
        pieces, words, rms = [], [], u["rms"]
        while wanted > 0 and len(pieces) < PIECES:
            source = group[self.rng.integers(len(group))]
            there = source["text"].split()
            k = source["quiet"][self.rng.integers(len(source["quiet"]) - 1)]
            ends = source["quiet"][source["quiet"] >= min(k + self.rng.integers(RUNS[0], RUNS[1] + 1), len(there))]
            a, b = int(source["cuts"][k]), int(source["cuts"][ends[0]])
            if pieces and sum(p[1] for p in pieces) + b - a > MOST_S * RATE:
                break
            pieces.append((source["start"] + a, b - a, min(4.0, rms / source["rms"])))
            words += there[k:ends[0]]
            wanted -= ends[0] - k
        return dict(corpus=u["corpus"], id=u["id"], start=pieces[0][0], n=sum(p[1] for p in pieces), text=" ".join(words), pieces=pieces)
