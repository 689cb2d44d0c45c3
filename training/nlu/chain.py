"""Slot labels of a sentence as a chain: a score for every pair of successive labels, learnt with the network (a linear-chain CRF).

The score of a labelling is the sum of the words' logits and of next[a, b] over successive labels. An I- label may only follow B- or I-
of its own name; nothing else is forbidden. Sums run over the words that begin a label, not over pieces inside words.
"""
import numpy as np
import torch

NEVER = -1e4


def permitted(names):
    """bool [labels, labels]: whether b may follow a."""
    return np.array([[b[0] != "I" or a != "O" and a[2:] == b[2:] for b in names] for a in names])


def starts(names):
    """bool [labels]: whether a sentence may begin with it."""
    return np.array([n[0] != "I" for n in names])


def words_first(tags, width):
    """Where the labels are: tags [B, T] (-1: none) -> places [B, width], tags [B, width] (-1: behind the last)."""
    places = torch.argsort((tags < 0).to(torch.int8), dim=1, stable=True)[:, :width]
    return places, tags.gather(1, places)


class Chain:
    """The fixed part: what may follow what. Loss and search take the learnt scores."""

    def __init__(self, names, device="cpu"):
        self.names, self.may, self.first = names, permitted(names), starts(names)
        self.may_t = torch.from_numpy(self.may).to(device)
        self.first_t = torch.from_numpy(self.first).to(device)

    def loss(self, next, logits, tags):
        """Sum over sentences of -log p(tags), f64. next f32 [L, L], logits f32 [B, W, L] (labels that cannot be: NEVER), tags i64 [B, W], -1 behind the end.

        The sum over labellings goes from word to word in probabilities, scaled to 1 at each; the scales are constants for the gradient.
        """
        logits, next = logits.double(), next.double()
        keep, clamped = tags >= 0, tags.clamp_min(0)
        said = logits.gather(2, clamped[..., None])[..., 0]
        pairs = clamped[:, :-1] * len(next) + clamped[:, 1:]
        steps = next.reshape(-1).gather(0, pairs.reshape(-1)).view_as(pairs)
        score = (said * keep).sum(1) + (steps * keep[:, 1:]).sum(1)
        weight = next.exp() * self.may_t
        top = logits.detach().amax(2, keepdim=True)
        first, *later = (logits - top).exp().unbind(1)
        share, scales = first * self.first_t, []
        for t, likely in enumerate(later, 1):
            share = torch.where(keep[:, t, None], (share @ weight) * likely, share)
            scales.append(share.detach().sum(1))
            share = share / scales[-1][:, None]
        total = share.sum(1).log() + (top[..., 0] * keep).sum(1) + (torch.stack(scales).log().sum(0) if scales else 0.0)
        return ((total - score) * keep[:, 0]).sum()

    def best(self, next, logits, mask):
        """The best labelling of one sentence: next [L, L], logits [W, L], mask bool [L] -> i64 [W], rows of the labels."""
        rows = np.flatnonzero(mask)
        step = np.where(self.may[np.ix_(rows, rows)], next[np.ix_(rows, rows)], NEVER)
        x = np.asarray(logits, np.float64)[:, rows]
        if not len(x):
            return np.zeros(0, np.int64)
        score, back = x[0] + NEVER * ~self.first[rows], []
        for t in range(1, len(x)):
            both = score[:, None] + step
            back.append(both.argmax(0))
            score = both.max(0) + x[t]
        path = [int(score.argmax())]
        for b in reversed(back):
            path.append(int(b[path[-1]]))
        return rows[path[::-1]]
