"""Trains the streaming acoustic model by CTC on teacher speech and people together, augmented on the device.

    python3 -m training.asr.train OUT --data DATA --teacher PREFIX... --noise DATA/noise --minutes 12

--minutes is the whole schedule over all stays; a stay that stops earlier (--stop) leaves OUT/last.pt, from which the next
one goes on with weights, average, optimiser, step, clock and random states: one cosine by the clock. OUT/log.jsonl gets a
line every 50 steps and the word error rates of kept-out speech. --workers N: that many GPUs learn one network (workers.py).
"""
import argparse
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from ..common.log import to_file
from .augment import Augment, stretch
from .batches import REAL, Pools, Speech, read_texts, tables_of, targets
from .evaluate import load_net
from .golden import restored
from .listener import POSITIONS, network
from .model import LogMel, output_steps
from .pieces import Pieces
from .progress import Progress
from .speller import LEAD, PLACES
from .splice import Splicer, find_words
from .workers import start

SPEEDS = (0.86, 0.93, 1.0, 1.0, 1.0, 1.07, 1.15)


def learning_rate(share, peak, floor=0.01, warm=0.03):
    """One cosine over the whole clock after a linear start; share: of the time gone."""
    share = min(share, 1.0)
    return peak * min(1.0, share / warm + 1e-2) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * share)))


def hardness(share, most=1.0):
    """Mild augmentation first, all of it from two thirds of the clock on."""
    return most * min(1.0, 0.2 + 1.2 * share)


def disagreement(logp, steps, lengths):
    """CR-CTC (arXiv 2410.05101): each view learns the other's distribution. logp [2 B, T, C], steps and lengths [2 B] on the
    host, second views after the first -> divergence a symbol of the text, as the mean of CTC losses counts."""
    one, other = logp.chunk(2)
    apart = 0.5 * (F.kl_div(one, other.detach(), reduction="none", log_target=True)
                   + F.kl_div(other, one.detach(), reduction="none", log_target=True)).sum(-1)
    rows = len(one)
    on = torch.arange(logp.shape[1])[None] < steps[:rows, None]
    weight = on / lengths[:rows, None].clamp_min(1)
    return (apart * weight.to(logp.device, non_blocking=True)).sum(1).mean()


def starts(rows, device, early=0.7, soon=100):
    """Where in the table of positions a stream begins, [rows]: near its beginning, as turns do, or anywhere."""
    anywhere = torch.randint(POSITIONS, (rows,), device=device)
    return torch.where(torch.rand(rows, device=device) < early, anywhere % soon, anywhere)


def together_every(step, workers):
    """Steps between two averages of the weights: few while the network takes shape."""
    return 1 if workers.count == 1 else 5 if step < 1000 else 40


class Trainer:
    """Owns network, average, optimiser, clock and random states of one worker."""

    def __init__(self, a, workers):
        torch.manual_seed(a.seed)
        self.a, self.device, self.workers = a, a.device, workers
        self.pieces = Pieces(a.pieces) if a.pieces else None
        self.shape = dict(width=a.width, layers=a.layers, outputs=a.outputs)
        self.shape |= dict(blocks=a.blocks, past=a.past, ahead=a.ahead, final_past=a.final_past, final_ahead=a.final_ahead,
                           pieces=len(self.pieces or ()), spells=a.spells * bool(self.pieces)) if a.blocks else dict(front=a.front)
        self.net = network(self.shape, a.drop).to(a.device)
        if a.listen:
            self.listen(a.listen)
        self.whole = network(self.shape).to(a.device).eval().requires_grad_(False) if a.follow else None
        if a.follow:
            self.whole.load_state_dict(self.net.state_dict())
        if a.start:
            begin = (load_net(a.start, "cpu")[0] if a.start.endswith(".pt") else restored(a.start)).state_dict()
            heard = self.net.state_dict()
            listened = {k for k, v in self.net.named_parameters() if any(v is p for p in self.net.listened())} if a.listen else ()
            self.net.load_state_dict({k: torch.lerp(v, heard[k].cpu(), a.listen_share) if k in listened else v for k, v in begin.items()})
        self.mel_of = LogMel().to(a.device)
        self.fused = a.device == "cuda"
        self.middle = torch.nn.Linear(a.width, self.net.out.out_features).to(a.device)
        self.trained = [*self.net.parameters(), *self.middle.parameters()]
        self.opt = torch.optim.AdamW(self.groups(), a.lr, betas=(0.9, 0.98), weight_decay=1e-2, fused=self.fused)
        self.ema = {k: v.detach().clone().float() for k, v in self.net.state_dict().items()}
        self.spell = None  # the attention decoder's last loss
        self.step, self.elapsed, self.rng = 0, a.elapsed, np.random.default_rng(a.seed + workers.rank)
        torch.manual_seed(a.seed + workers.rank)
        self.context = torch.autocast(a.device, dict(bf16=torch.bfloat16, fp16=torch.float16).get(a.amp),
                                      enabled=a.amp in ("bf16", "fp16"))
        self.scaler = torch.amp.GradScaler(a.device, enabled=a.amp == "fp16")
        torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = a.amp != "fp32"

    def listen(self, path):
        """The encoder begins with the weights of whisper.py."""
        with np.load(path) as saved:
            state = {k: torch.from_numpy(saved[k]).float() for k in saved.files}
        unexpected = self.net.load_state_dict(state, strict=False).unexpected_keys
        if unexpected:
            raise ValueError(f"{path}: {unexpected[0]} is not the network's; wanted what training.asr.whisper wrote, for --blocks 4")

    def groups(self):
        """Parameters by learning rate: what was learnt before changes more slowly."""
        slow = {id(p) for p in self.net.listened()} if self.a.blocks and (self.a.listen or self.a.start) else set()
        groups = [dict(params=[p for p in self.trained if id(p) not in slow], share=1.0)]
        return groups + [dict(params=[p for p in self.trained if id(p) in slow], share=self.a.listen_lr)] * bool(slow)

    def look(self):
        """How far back and ahead the next batch hears."""
        if len(getattr(self.net, "modes", [])) > 1:
            self.net.look(*self.net.modes[self.rng.random() < self.a.final_share])

    def finals(self):
        """Whether the attention decoder hears this batch: it spells finals alone."""
        return bool(self.pieces) and (self.net.past, self.net.ahead) == self.net.modes[-1]

    def save(self, path):
        random = dict(torch=torch.get_rng_state(), numpy=self.rng.bit_generator.state,
                      cuda=torch.cuda.get_rng_state() if self.device == "cuda" else None)
        state = dict(shape=self.shape, net=self.net.state_dict(), middle=self.middle.state_dict(), ema=self.ema, opt=self.opt.state_dict(), step=self.step,
                     elapsed=self.elapsed, scaler=self.scaler.state_dict(), random=random)
        torch.save(state, path + ".part")
        os.replace(path + ".part", path)

    def save_small(self, path):
        """The averaged weights in f16: what evaluation and export take."""
        half = {k: v.half() for k, v in self.ema.items()}
        torch.save(dict(shape=self.shape, ema=half, step=self.step, elapsed=self.elapsed), path + ".part")
        os.replace(path + ".part", path)

    def resume(self, path):
        s = torch.load(path, map_location="cpu", weights_only=False)
        self.net.load_state_dict(s["net"])
        self.middle.load_state_dict(s["middle"])
        self.ema = {k: v.to(self.device) for k, v in s["ema"].items()}
        self.opt.load_state_dict(s["opt"])
        self.scaler.load_state_dict(s["scaler"])
        self.step, self.elapsed = s["step"], s["elapsed"]
        if self.workers.rank:  # the random states are rank 0's
            torch.manual_seed(self.a.seed + self.workers.rank + self.step)
            return
        torch.set_rng_state(s["random"]["torch"])
        self.rng.bit_generator.state = s["random"]["numpy"]
        if s["random"]["cuda"] is not None and self.device == "cuda":
            torch.cuda.set_rng_state(s["random"]["cuda"])

    def batch(self, speech, group, augment, hard):
        """Augmented features [B, 80, T], twice the group where two views are compared; steps [b], on the host, of the group; features of
        what was said, if the encoder follows."""
        margin = self.rng.integers(0, 2400, (len(group), 2))  # up to 0.15 s of the pause around it
        x, n, host = speech.samples(group, margin)
        factor = self.rng.choice(SPEEDS)
        x, n = stretch(x, n, factor)
        steps = output_steps((host / factor).astype(np.int64))
        views = 2 if self.a.consistency else 1
        with torch.no_grad():
            heard = x.repeat(views, 1)
            heard = augment.speech(heard, n.repeat(views), hard) if hard > 0 else heard
            mel = augment.features(self.mel_of(heard), hard, self.a.spans, (n.repeat(views) // 160).clamp_min(1))
            said = self.mel_of(x) if self.whole else None
        return mel, torch.from_numpy(steps), said

    def apart(self, said, steps):
        """How far the encoder is from what the one it began with tells of clean speech when it hears all of it; 1: the spread of that."""
        rows = len(said)
        with torch.no_grad(), self.context:
            want = self.whole.whole(said, steps[:rows]).float()
            on = (torch.arange(want.shape[1], device=want.device)[None] < steps[:rows, None]).float()
            share = on[..., None] / on.sum().clamp_min(1)
            mean = (want * share).sum((0, 1))
            spread = ((want - mean).square() * share).sum((0, 1)).clamp_min(1e-4)
        views = len(steps) // rows
        gap = ((self.net.heard.float() - want.repeat(views, 1, 1)).square() / spread).mean(-1)
        return (gap * on.repeat(views, 1)).sum() / (views * on.sum().clamp_min(1))

    def spelled(self, group, steps):
        """The attention decoder's loss of what the last layers() heard; each view hears for itself."""
        texts = [u.setdefault("pieces_said", self.pieces.split(u["text"]))[:PLACES - len(LEAD)] for u in group]
        return self.net.speller.loss(texts * (len(steps) // len(texts)), *self.net.told(steps))

    def learn(self, batch, group, flat, lengths):
        """One step; returns loss and gradient norm as tensors of the device, so that the host runs ahead."""
        mel, steps, said = batch
        steps = steps.clamp_max(mel.shape[2] // 4)
        if self.a.consistency:
            flat, lengths, steps = flat.repeat(2), lengths.repeat(2), steps.repeat(2)
        start = starts(len(mel), self.device)
        there = steps.to(self.device, non_blocking=True)
        with self.context:
            layers = list(self.net.layers(mel, there, start))
            logp = self.net.symbols(layers[-1])
            halfway = self.net.log_probabilities(self.middle(layers[self.net.middle])) if self.a.middle else None
            spelled = self.spelled(group, there) if self.finals() else None
        steps = steps * self.net.outputs
        ctc = lambda logp: F.ctc_loss(logp.transpose(0, 1), flat, steps, lengths, zero_infinity=True)
        loss = ctc(logp)
        if self.a.middle:  # Lee and Watanabe 2021, arXiv 2102.03216
            loss = (1 - self.a.middle) * loss + self.a.middle * ctc(halfway)
        if self.a.consistency:
            loss = loss + self.a.consistency * disagreement(logp, steps, lengths)
        if spelled is not None:
            self.spell = spelled.detach()
            loss = loss + self.a.spell * spelled
        if self.whole:
            self.gap = self.apart(said, there)
            loss = loss + self.a.follow * self.gap
        self.opt.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.opt)
        norm = torch.nn.utils.clip_grad_norm_(self.trained, self.a.clip, foreach=True)
        if self.fused and not self.scaler.is_enabled():  # the fused kernel skips the step where this is 1
            self.opt.found_inf = (~torch.isfinite(norm)).float()
            self.opt.step()
        elif self.scaler.is_enabled():
            self.scaler.step(self.opt)
            self.scaler.update()
        elif torch.isfinite(norm):
            self.opt.step()
        self.step += 1
        self.average()
        return loss.detach(), norm.detach()

    @torch.no_grad()
    def average(self):
        """Exponential average of the weights; short at first."""
        keep = min(self.a.ema, (1 + self.step) / (10 + self.step))
        torch._foreach_lerp_(list(self.ema.values()), [v.detach() for v in self.net.state_dict().values()], 1 - keep)

    def together(self):
        """Weights and averages of all workers become their mean, the clocks rank 0's."""
        self.workers.mean([p.detach() for p in self.trained])
        self.workers.mean(list(self.ema.values()))
        self.elapsed = self.workers.agreed(self.elapsed)

    def modes(self):
        """({"ahead": frames}, averaged network that looks so far ahead) of each way to use it, what counts in the end first."""
        net = network(self.shape).to(self.device)
        net.load_state_dict(self.ema)
        for mode in reversed(getattr(net, "modes", [()])):
            if mode:
                net.look(*mode)
            yield dict(ahead=mode[1]) if mode else {}, net


def run(a, workers):
    began, first = time.time(), workers.rank == 0
    os.makedirs(a.out, exist_ok=True)
    write = to_file(os.path.join(a.out, "log.jsonl") if first else os.devnull)
    log = lambda **line: write(line)
    speech = Speech(tables_of(a.data, a.teacher, a.corpora), a.device, read_texts(a.texts), a.jobs, workers)
    t, last = Trainer(a, workers), os.path.join(a.out, "last.pt")
    if os.path.exists(last) and not a.fresh:
        t.resume(last)
    augment = Augment(a.noise, a.device, a.equaliser, a.pace, a.noisy)
    if a.splice:
        log(kind="words", found=find_words(speech, a.aligner, t.mel_of), seconds=round(time.time() - began, 1))
    pools = Pools(speech.train, a.batch_seconds / (2 if a.consistency else 1), a.weight, t.rng,
                  change=Splicer(speech.train, a.splice, t.rng))
    log(kind="start", loaded_s=round(time.time() - began, 1), hours=speech.hours(), step=t.step, elapsed=t.elapsed,
        parameters=sum(p.numel() for p in t.net.parameters()), settings=vars(a))
    total, progress = a.minutes * 60, Progress(a, t, speech, log)
    t.together()
    mark = time.time()
    while t.elapsed < min(total, a.stop * 60) and t.step < a.max_steps:
        for _ in range(together_every(t.step, workers)):
            share = t.elapsed / total
            for g in t.opt.param_groups:
                g["lr"] = learning_rate(share, a.lr) * g["share"]
            group = pools.next()
            t.look()
            loss, norm = t.learn(t.batch(speech, group, augment, hardness(share, a.hard)), group, *targets(group, a.device))
            now = time.time()
            t.elapsed, mark = t.elapsed + (a.step_s or now - mark), now
            if first:
                progress.step(group, loss, norm)
        t.together()
        if first:
            progress.evaluate()
    if first:
        progress.end()
    workers.agreed(0)  # nobody leaves before rank 0


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out")
    ap.add_argument("--data", default="../shared/data", help="folder with speech/")
    ap.add_argument("--corpora", nargs="*", default=REAL)
    ap.add_argument("--teacher", nargs="*", default=[], help="prefixes of generated shards, kept-out voices' too")
    ap.add_argument("--texts", help="table id, text for rows without one")
    ap.add_argument("--noise", help="folder with noise.opus, rir.flac, rir.tsv")
    ap.add_argument("--start", help="weights of a pack, or asr.pt of another training, to begin with")
    ap.add_argument("--listen", help="what training.asr.whisper wrote: the encoder begins with it")
    ap.add_argument("--listen-lr", type=float, default=0.2, help="share of the learning rate of what came from there, with --start too")
    ap.add_argument("--listen-share", type=float, default=0, help="of --listen in the encoder, the rest is --start's")
    ap.add_argument("--follow", type=float, default=0, help="weight of its distance from what that encoder tells of clean, whole utterances")
    ap.add_argument("--pieces", help="what training.asr.pieces wrote: an attention decoder spells finals")
    ap.add_argument("--spells", type=int, default=4, help="layers of it")
    ap.add_argument("--spell", type=float, default=1.0, help="weight of its loss")
    ap.add_argument("--minutes", type=float, default=12, help="the whole schedule")
    ap.add_argument("--stop", type=float, default=1e9, help="minutes on the clock at which this stay ends")
    ap.add_argument("--elapsed", type=float, default=0, help="seconds on the clock at a start without checkpoint")
    ap.add_argument("--step-s", type=float, default=0, help="let the clock count so many seconds a step: equal schedules at unequal speeds")
    ap.add_argument("--max-steps", type=int, default=10 ** 9)
    ap.add_argument("--fresh", action="store_true", help="do not resume OUT/last.pt")
    ap.add_argument("--batch-seconds", type=float, default=1600)
    ap.add_argument("--weight", type=float, default=4, help="of an hour of people against one of the teacher")
    ap.add_argument("--hard", type=float, default=1.0, help="of the augmentation at its strongest; less for a short training, 0: none on samples")
    ap.add_argument("--equaliser", type=float, default=0, help="spread in dB of the gains of a microphone (6)")
    ap.add_argument("--pace", type=float, default=0, help="how much faster or slower speech becomes within an utterance (0.3)")
    ap.add_argument("--noisy", type=float, default=0, help="share of the utterances in a room and beside noise of 5 to 15 dB, whatever --hard (0.35)")
    ap.add_argument("--consistency", type=float, default=0,
                    help="weight of the difference between two augmented views of each utterance (0.2); 0: one view")
    ap.add_argument("--middle", type=float, default=0, help="weight of the CTC loss of the middle layer (0.3)")
    ap.add_argument("--splice", type=float, default=0, help="share of people's utterances that are put together from others' pieces")
    ap.add_argument("--aligner", default="models/asr-en/weights.safetensors", help="weights that find the words for it")
    ap.add_argument("--spans", type=int, default=3, help="masked spans an utterance; more for two views")
    ap.add_argument("--lr", type=float, default=1.2e-3)
    ap.add_argument("--clip", type=float, default=1.0)
    ap.add_argument("--ema", type=float, default=0.998)
    ap.add_argument("--drop", type=float, default=0.1)
    ap.add_argument("--width", type=int, default=688)
    ap.add_argument("--layers", type=int, default=4)
    ap.add_argument("--front", type=int, default=256)
    ap.add_argument("--blocks", type=int, default=0, help="of attention; 0: convolutions and LSTM layers alone (model.py)")
    ap.add_argument("--past", type=int, default=61, help="frames of 20 ms that a block looks back")
    ap.add_argument("--ahead", type=int, default=3, help="and ahead")
    ap.add_argument("--final-past", type=int, default=0, help="frames that a block looks back for what is told in the end; 0: as far as before")
    ap.add_argument("--final-ahead", type=int, default=0, help="frames that a block looks ahead for what is told in the end; 0: as far as before")
    ap.add_argument("--final-share", type=float, default=0.7, help="of the batches that learn so")
    ap.add_argument("--outputs", type=int, default=1, help="symbols a step of 40 ms")
    ap.add_argument("--workers", type=int, default=1, help="GPUs, or processes on the CPU; 0: as many GPUs as there are")
    ap.add_argument("--amp", choices=["fp32", "tf32", "bf16", "fp16"], default="bf16")
    ap.add_argument("--seed", type=int, default=3)
    ap.add_argument("--device", default="cuda")
    ap.add_argument("--jobs", type=int, default=16, help="processes that decode")
    ap.add_argument("--tell", type=int, default=50, help="steps between lines of the log")
    ap.add_argument("--every", type=float, default=120, help="seconds between evaluations")
    ap.add_argument("--limit", type=int, default=120, help="utterances a kept-out set on the way")
    ap.add_argument("--final-limit", type=int, default=600, help="and at the end")
    a = ap.parse_args()
    if a.pieces and not a.blocks:
        ap.error("--pieces: the attention decoder hears blocks of attention; --blocks is missing")
    start(run, a, a.workers or max(1, torch.cuda.device_count()))


if __name__ == "__main__":
    main()
