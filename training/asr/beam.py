"""CTC prefix beam search with the word 3-gram: a slow reference, and a search for its two weights.

    python3 -m training.asr.beam CHECKPOINT.pt MODEL.anlm --data DATA [--corpora ...] [--limit 60] [--alpha 0.5] [--beta 1.0]

A prefix's score is log p_ctc + alpha log p_lm(words) + beta words; a word is scored when the space after it, or the end, is
reached (Hannun et al. 2014, arXiv 1408.2873). Until then a prefix is ranked by what its last word can become at best: the most
likely word that begins so, or an unknown one.
"""
import argparse
import bisect
import json
import math

import numpy as np
import torch

from ..common.text import CHARS
from .batches import REAL, Speech, subset, tables_of
from .evaluate import greedy, load_net, word_errors
from .lm_reader import LanguageModel
from .model import LogMel, output_steps

NEVER = -1e30


def add(a, b):
    """log(e^a + e^b)."""
    if a < b:
        a, b = b, a
    return a + math.log1p(math.exp(b - a)) if b > NEVER / 2 else a


class Words:
    """Scores of word sequences; an unknown word costs `unknown` more, and each of its letters `letter`. Owns caches."""

    def __init__(self, model, alpha, beta, unknown, letter=0.0):
        self.model, self.alpha, self.beta, self.unknown, self.letter = model, alpha, beta, unknown, letter
        self.cache, self.best = {}, {}

    def ahead(self, start):
        """What a word that begins with `start` scores at best; 0 between words."""
        if start not in self.best:
            words = self.model.vocabulary
            low, high = (bisect.bisect_left(words, s) for s in (start, start + "\x7f"))
            p = max(self.model.unigram_p[low:high], default=None)
            if p is None:
                p = self.model.unigram_p[self.model.unk]
                missing = self.unknown + self.letter * len(start)
            else:
                missing = 0.0
            self.best[start] = self.alpha * float(p) + self.beta - missing if start else 0.0
        return self.best[start]

    def next(self, history, word):
        """(score of one more word, new history); history: the last two ids, the first may be None."""
        key = history, word
        if key not in self.cache:
            w = self.model.id(word)
            missing = self.unknown + self.letter * len(word) if w == self.model.unk else 0.0
            self.cache[key] = self.alpha * self.model.score(*history, w) + self.beta - missing, (history[1], w)
        return self.cache[key]


def ranked(logp, words, beam=24, most=12, floor=-9.0):
    """logp [T, 29] -> [(text, score)], best first. Entries: prefix -> [log p ending in blank, in a symbol, score of words,
    history]. The same text with and without a space behind it counts once, with the better score."""
    beams = {"": [0.0, NEVER, 0.0, (None, words.model.start)]}
    for row in logp:
        ids = [int(i) for i in np.argsort(-row)[:most] if row[i] > floor]
        grown = {}

        def entry(prefix, like):
            if prefix not in grown:
                grown[prefix] = [NEVER, NEVER, like[2], like[3]]
            return grown[prefix]

        for prefix, e in beams.items():
            both = add(e[0], e[1])
            for i in ids:
                p = float(row[i])
                if i == 0:
                    to = entry(prefix, e)
                    to[0] = add(to[0], both + p)
                    continue
                c = CHARS[i - 1]
                if prefix and prefix[-1] == c:
                    to = entry(prefix, e)
                    to[1] = add(to[1], e[1] + p)
                if c == " " and (not prefix or prefix[-1] == " "):
                    continue
                longer = prefix + c
                if longer not in grown:
                    to = entry(longer, e)
                    if c == " ":
                        gain, to[3] = words.next(e[3], prefix.rsplit(" ", 1)[-1])
                        to[2] = e[2] + gain
                to = grown[longer]
                to[1] = add(to[1], (e[0] if prefix and prefix[-1] == c else both) + p)
        order = sorted(grown.items(), key=lambda kv: -(add(kv[1][0], kv[1][1]) + kv[1][2] + words.ahead(kv[0].rsplit(" ", 1)[-1])))
        beams = dict(order[:beam])
    texts = {}
    for prefix, e in beams.items():
        total, history, last = add(e[0], e[1]) + e[2], e[3], prefix.rsplit(" ", 1)[-1]
        if last:
            gain, history = words.next(history, last)
            total += gain
        total += words.alpha * words.model.score(*history, words.model.end)
        texts[prefix.strip()] = max(total, texts.get(prefix.strip(), -math.inf))
    return sorted(texts.items(), key=lambda kv: -kv[1])


def search(logp, words, beam=24, most=12, floor=-9.0):
    """The best text of ranked()."""
    return ranked(logp, words, beam, most, floor)[0][0]


@torch.no_grad()
def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("checkpoint")
    ap.add_argument("model")
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--teacher", nargs="*", default=[])
    ap.add_argument("--corpora", nargs="*", default=REAL)
    ap.add_argument("--limit", type=int, default=60)
    ap.add_argument("--alpha", type=float, nargs="*", default=[0.5])
    ap.add_argument("--beta", type=float, nargs="*", default=[1.0])
    ap.add_argument("--unknown", type=float, default=4.0)
    ap.add_argument("--letter", type=float, default=1.0)
    ap.add_argument("--beam", type=int, default=24)
    ap.add_argument("--jobs", type=int, default=2)
    a = ap.parse_args()
    net, _ = load_net(a.checkpoint, "cpu")
    speech = Speech(tables_of(a.data, a.teacher, a.corpora), "cpu", jobs=a.jobs)
    mel_of, model = LogMel(), LanguageModel(a.model)
    for corpus, group in subset(speech.held, a.limit).items():
        rows = []
        for u in group:
            x, _, n = speech.samples([u])
            rows.append(net(mel_of(x))[0][:output_steps(int(n[0]), net.outputs)])
        plain = [word_errors(u["text"], greedy(r.argmax(-1)[None], [len(r)])[0]) for u, r in zip(group, rows)]
        total = sum(w for _, w in plain)
        print(json.dumps(dict(corpus=corpus, words=total, greedy=round(100 * sum(e for e, _ in plain) / total, 2))), flush=True)
        for alpha in a.alpha:
            for beta in a.beta:
                words = Words(model, alpha, beta, a.unknown, a.letter)
                errors = sum(word_errors(u["text"], search(r.numpy(), words, a.beam))[0] for u, r in zip(group, rows))
                print(json.dumps(dict(corpus=corpus, alpha=alpha, beta=beta, wer=round(100 * errors / total, 2))), flush=True)


if __name__ == "__main__":
    main()
