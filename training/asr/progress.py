"""What a training says of itself and keeps: a line every so many steps, word error rates, checkpoints."""
import os
import time

import torch

from .batches import subset
from .evaluate import error_rates, held_losses


class Progress:
    """What rank 0 says and keeps."""

    def __init__(self, a, t, speech, log):
        self.a, self.t, self.speech, self.log = a, t, speech, log
        self.sets = subset(speech.held, a.limit)
        self.told, self.heard_s, self.evaluated = time.time(), 0.0, t.elapsed

    def step(self, group, loss, norm):
        t = self.t
        self.heard_s += sum(u["n"] for u in group) / 16000
        if t.step % self.a.tell and t.step > 1:
            return
        told = dict(gap=round(t.gap.item(), 3)) if t.whole else {}
        told |= dict(spell=round(t.spell.item(), 3)) if t.spell is not None else {}
        self.log(kind="step", step=t.step, elapsed=round(t.elapsed, 1), norm=round(norm.item(), 2), loss=round(loss.item(), 4),
                 lr=round(t.opt.param_groups[0]["lr"], 6), **told, times_real_time=round(self.heard_s / max(time.time() - self.told, 1e-3)),
                 gib=round(torch.cuda.max_memory_allocated() / 2 ** 30, 1) if self.a.device == "cuda" else 0)
        self.told, self.heard_s = time.time(), 0.0

    def save(self):
        self.t.save(os.path.join(self.a.out, "last.pt"))
        self.t.save_small(os.path.join(self.a.out, "asr.pt"))

    def rates(self, mode, net, sets, seconds, notes={}, context=torch.no_grad()):
        """Word error rates by CTC, and of what hears as finals do by the attention decoder."""
        t = self.t
        at = dict(**mode, step=t.step, elapsed=round(t.elapsed), **notes)
        self.log(kind="wer", **at, **error_rates(net, t.mel_of, self.speech, sets, seconds, context))
        if t.pieces and (net.past, net.ahead) == net.modes[-1]:
            self.log(kind="wer_spelled", **at, **error_rates(net, t.mel_of, self.speech, sets, seconds, context, t.pieces))

    def evaluate(self):
        """Every so often."""
        t = self.t
        if t.elapsed - self.evaluated > self.a.every:
            self.evaluated = t.elapsed
            self.save()
            for mode, net in t.modes():
                self.rates(mode, net, self.sets, 1600, context=t.context)
            self.told, self.heard_s = time.time(), 0.0

    def end(self):
        t, a = self.t, self.a
        self.save()
        for mode, net in t.modes():
            self.log(kind="held_loss", **mode, **held_losses(net, t.mel_of, self.speech, self.sets))
            self.rates(mode, net, subset(self.speech.held, a.final_limit), 1600 if a.device == "cuda" else 60, dict(final=True))
