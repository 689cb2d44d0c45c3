"""Trains the understanding network on utterances and questions at once.

    python3 -m training.nlu.train OUT --prepared FOLDER --minutes 8 --w-agree 1 --round 1 1 0.35 0.5 3

--minutes is the whole schedule over all stays: one cosine by the clock; a stay that ends earlier (--stop MINUTES) leaves
OUT/last.pt, from which the next goes on with weights, optimiser, step, clock and random states. OUT/log.jsonl gets a line
every 50 steps and the accuracies on validation data, OUT/log.png draws it, OUT/final.pt holds averaged weights (F16, packed.py) for export.

--w-agree: two views of each utterance, with other pieces hidden and other units dropped, must agree on intent and labels
(R-Drop, arXiv 2106.14448). --round: how often one round takes a form of each kind (examples.KINDS), the ones taken drawn anew.
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from .chain import NEVER, Chain, words_first
from .examples import KINDS, Prepared, by_length, drawn_again, question_batch, utterance_batch
from .measure import measure
from .model import Understanding, mean_pool
from .packed import save_packed
from .tokenizer import MASK


def learning_rate(share, floor=0.01, warm=0.06):
    """Factor on the peak rate; share: of the time gone."""
    return min(1.0, share / warm + 0.01) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))


def groups(net, a):
    """Encoder at a.lr, heads at a.head_lr; no decay of biases, norms and embeddings."""
    sorted_in = {}
    for name, p in net.named_parameters():
        key = (name.startswith("bert."), p.ndim > 1 and "embeddings" not in name)
        sorted_in.setdefault(key, []).append(p)
    return [{"params": ps, "peak": a.lr if enc else a.head_lr, "weight_decay": 0.01 if decay else 0.0} for (enc, decay), ps in sorted_in.items()]


@torch.no_grad()
def start_embeddings(net, data, rows, device, size=1024):
    """F16 [rows, width] on the device: sentence embeddings of the network as it is."""
    out = torch.empty(len(rows), net.slots.in_features, dtype=torch.float16, device=device)
    order = np.argsort(data.utt_n[rows], kind="stable")
    for at in range(0, len(rows), size):
        group = order[at:at + size]
        ids, keep, _ = utterance_batch(data, rows[group])
        keep = keep.to(device)
        hidden = net.bert(ids.to(device), torch.zeros_like(ids).to(device), keep)
        out[torch.from_numpy(group).to(device)] = F.normalize(mean_pool(hidden, keep), dim=-1).half()
    return out


def disagreement(log_p):
    """Mean of both divergences of the first half of the rows from the second, row by row. log_p [2 B, ..., labels] -> [B, ...]."""
    a, b = log_p.chunk(2)
    return 0.5 * ((a.exp() - b.exp()) * (a - b)).sum(-1)


class Trainer:
    """Owns network, average, teacher's embeddings, optimiser, clock and random states."""

    def __init__(self, a):
        from safetensors.torch import load_file
        torch.manual_seed(1)  # new heads begin alike whatever the seed: their trainings can then be averaged
        self.a, self.data, self.rng = a, Prepared(a.prepared), np.random.default_rng(a.seed)
        labels = self.data.labels
        self.net = Understanding(len(self.data.tokenizer.pieces), len(labels["intents"]), len(labels["slots"]), a.drop).to(a.device)
        self.net.load_start(load_file(os.path.join(a.prepared, "minilm.safetensors")))
        torch.manual_seed(a.seed)
        self.oos = len(labels["intents"]) - 1
        self.domain_intents = torch.from_numpy(self.data.domain_intents).to(a.device)
        self.domain_slots = torch.from_numpy(self.data.domain_slots).to(a.device)
        self.chain = Chain(labels["slots"], a.device)
        self.rows = self.data.rows("train")
        if a.examples:
            self.rows = self.rng.permutation(self.rows)[:a.examples]
        self.net.eval()
        self.teacher = start_embeddings(self.net, self.data, self.rows, a.device)
        self.question_rows = np.concatenate([np.flatnonzero(self.data.q_real == 0), np.repeat(np.flatnonzero(self.data.q_real), a.real_questions)])
        self.opt = torch.optim.AdamW(groups(self.net, a), a.lr, betas=(0.9, 0.98), fused=a.device == "cuda")
        self.live = self.net.state_dict()
        self.average = {k: v.detach().clone().float() for k, v in self.live.items()}
        self.autocast = torch.autocast(a.device, {"fp16": torch.float16}.get(a.amp, torch.bfloat16), enabled=a.amp in ("bf16", "fp16"))
        self.scaler = torch.amp.GradScaler(a.device, enabled=a.amp == "fp16")
        torch.backends.cuda.matmul.allow_tf32 = a.amp != "fp32"
        self.step, self.elapsed = 0, 0.0

    def save(self, path):
        random = {"torch": torch.get_rng_state(), "numpy": self.rng.bit_generator.state, "cuda": torch.cuda.get_rng_state() if self.a.device == "cuda" else None}
        torch.save({"net": self.net.state_dict(), "average": self.average, "opt": self.opt.state_dict(), "scaler": self.scaler.state_dict(),
                    "step": self.step, "elapsed": self.elapsed, "random": random}, path + ".part")
        os.replace(path + ".part", path)

    def resume(self, path):
        s = torch.load(path, map_location="cpu", weights_only=False)
        self.net.load_state_dict(s["net"])
        self.average = {k: v.to(self.a.device) for k, v in s["average"].items()}
        self.opt.load_state_dict(s["opt"])
        self.scaler.load_state_dict(s["scaler"])
        self.step, self.elapsed = s["step"], s["elapsed"]
        torch.set_rng_state(s["random"]["torch"])
        self.rng.bit_generator.state = s["random"]["numpy"]
        if s["random"]["cuda"] is not None and self.a.device == "cuda":
            torch.cuda.set_rng_state(s["random"]["cuda"])

    def sent(self, *tensors):
        """To the device; from pinned memory, so that the host need not wait for what the device still has to do."""
        if self.a.device != "cuda":
            return [x.to(self.a.device) for x in tensors]
        return [(x.pin_memory() if x.numel() else x).to("cuda", non_blocking=True) for x in tensors]

    def utterances(self, picks):
        """A batch on the device: pieces, places kept, domains, intents, the start network's embeddings, words (words_first); with --w-agree each row twice."""
        rows = self.rows[picks]
        domain = self.data.utt_domain[rows].astype(np.int64)
        intent = self.data.utt_intent[rows].astype(np.int64)
        # A bank's questions are out of scope for the home and media domains.
        moved = (domain == 3) & (self.rng.random(len(rows)) < 0.15)
        domain = np.where(moved, self.rng.integers(0, 2, len(rows)), domain)
        intent = np.where(moved & (intent >= 0), self.oos, intent)
        ids, keep, tags = utterance_batch(self.data, rows)
        views = 2 if self.a.w_agree else 1
        ids, keep, tags, domain, intent, picks = (torch.cat([x] * views) for x in (ids, keep, tags, *map(torch.from_numpy, (domain, intent, picks))))
        hide = (torch.rand(ids.shape) < self.a.hide) & (ids > MASK)
        *words, ids, keep, domain, intent, picks = self.sent(*words_first(tags), torch.where(hide, MASK, ids), keep, domain, intent, picks)
        return ids, keep, domain, intent, self.teacher[picks].float(), words

    def losses(self, picks, ask):
        """Of a batch of utterances and, where ask is not None, of questions."""
        ids, keep, domain, intent, teacher, words = self.utterances(picks)
        asked = None if ask is None else self.sent(*question_batch(self.data, self.question_rows[ask], self.rng))
        with self.autocast:
            logits, slots, embed, _ = self.net.utterance(ids, keep)
            answers = None if ask is None else self.net.question(*asked[:3])[:2]
        losses, apart = self.intent_loss(logits, domain, intent)
        labels, labels_apart = self.slot_loss(slots, words, domain)
        losses = {"intent": losses, "slots": labels, "embed": (1 - (embed * teacher).sum(-1)).mean()}
        if self.a.w_agree:
            losses["agree"] = apart + labels_apart
        if answers:  # cross entropy of start and end; position 0 where there is no answer
            losses["qa"] = 0.5 * sum(F.cross_entropy(x, place) for x, place in zip(answers, asked[3:]))
        return losses

    def intent_loss(self, logits, domain, intent):
        """Over the labels of each example's domain, and how far both views are apart."""
        mask = self.domain_intents[domain]
        log_p = F.log_softmax(logits.float().masked_fill(~mask, -30.0), -1)
        smooth = mask.float() * self.a.smooth / mask.sum(-1, keepdim=True)
        taught = (intent >= 0).float()
        target = smooth + (1 - self.a.smooth) * F.one_hot(intent.clamp_min(0), logits.shape[-1])
        total = taught.sum().clamp_min(1)
        loss = (-(target * log_p).sum(-1) * taught).sum() / total
        return loss, 2 * (disagreement(log_p) * taught.chunk(2)[0]).sum() / total if self.a.w_agree else 0.0

    def slot_loss(self, slots, words, domain):
        """Of the whole labelling, a word, and how far both views of a word are apart; 0 where no sentence of the batch has labels. words: words_first()."""
        rows, places, tags = words
        if not tags.numel():
            return slots.sum() * 0.0, 0.0
        logits = slots[rows].float().gather(1, places[..., None].expand(-1, -1, slots.shape[-1]))
        logits = logits.masked_fill(~self.domain_slots[domain[rows]][:, None], NEVER)
        number = (tags >= 0).sum()
        loss = (self.chain.loss(self.net.slot_next, logits, tags) / number).float()
        if not self.a.w_agree:
            return loss, 0.0
        apart = disagreement(F.log_softmax(logits, -1)) * (tags.chunk(2)[0] >= 0)
        return loss, 2 * apart.sum() / number

    def update(self, losses, share):
        factor = learning_rate(share)
        for g in self.opt.param_groups:
            g["lr"] = g["peak"] * factor
        loss = sum(getattr(self.a, "w_" + k) * v for k, v in losses.items())
        self.opt.zero_grad(set_to_none=True)
        self.scaler.scale(loss).backward()
        self.scaler.unscale_(self.opt)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.scaler.step(self.opt)
        self.scaler.update()
        decay = min(self.a.decay, (self.step + 1) / (self.step + 20))
        torch._foreach_lerp_([self.average[k] for k in self.live], list(self.live.values()), 1 - decay)

    def round(self):
        """Numbers of the training rows that the next round takes, in batches."""
        taken = drawn_again(self.data.utt_kind[self.rows], self.a.round, self.rng)
        return (taken[x] for x in by_length(self.data.utt_n[self.rows[taken]], self.a.batch, self.rng))

    def run(self, log):
        a, began, came = self.a, time.time(), self.elapsed
        batches = asked = iter(())
        sums = {}
        while True:
            self.elapsed = came + time.time() - began
            share = max(self.elapsed / (60 * a.minutes), self.step / a.steps if a.steps else 0)
            if share >= 1 or self.elapsed - came > 60 * a.stop:
                return share >= 1
            picks = next(batches, None)
            if picks is None:
                batches = self.round()
                continue
            ask = next(asked, None) if self.step % a.question_every == 0 else None
            if ask is None and self.step % a.question_every == 0:
                lengths = self.data.ctx_n[self.data.q_ctx[self.question_rows]]
                asked = by_length(lengths, a.question_batch, self.rng)
                continue
            self.net.train()
            losses = self.losses(picks, ask)
            self.update(losses, share)
            self.step += 1
            for k, v in losses.items():
                sums[k] = sums.get(k, 0) + v.detach() * (a.question_every if k == "qa" else 1)
            if self.step % a.log_every == 0:
                log({"step": self.step, "seconds": round(self.elapsed, 1), "lr": a.lr * learning_rate(share)} | {k: round(float(v) / a.log_every, 4) for k, v in sums.items()})
                sums = {}
            if self.step % a.save_every == 0:
                self.save(os.path.join(a.out, "last.pt"))


def draw(path):
    """OUT/log.jsonl -> OUT/log.png."""
    try:
        import matplotlib
        matplotlib.use("Agg")
        import matplotlib.pyplot as plt
    except ImportError:
        return
    with open(path, encoding="utf-8") as f:
        lines = [x for x in map(json.loads, f) if "intent" in x]
    if not lines:
        return
    for k in ("intent", "slots", "embed", "qa", "agree"):
        there = [x for x in lines if k in x]
        plt.plot([x["step"] for x in there], [x[k] for x in there], label=k)
    plt.yscale("log")
    plt.xlabel("step")
    plt.legend()
    plt.savefig(path.replace(".jsonl", ".png"), dpi=110)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out")
    parser.add_argument("--prepared", required=True, help="folder that prepare.py wrote")
    parser.add_argument("--minutes", type=float, default=4)
    parser.add_argument("--stop", type=float, default=1e9, help="leave after so many minutes of this stay")
    parser.add_argument("--steps", type=int, default=0, help="end here if the clock has not ended it")
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--amp", choices=("fp32", "tf32", "bf16", "fp16"), default="bf16")
    parser.add_argument("--batch", type=int, default=192)
    parser.add_argument("--question-batch", type=int, default=40)
    parser.add_argument("--question-every", type=int, default=1, help="steps from one batch of questions to the next")
    parser.add_argument("--real-questions", type=int, default=8, help="times that questions by people are repeated")
    parser.add_argument("--lr", type=float, default=2e-4)
    parser.add_argument("--head-lr", type=float, default=1e-3)
    parser.add_argument("--drop", type=float, default=0.1)
    parser.add_argument("--hide", type=float, default=0.04, help="share of pieces replaced by [MASK]")
    parser.add_argument("--smooth", type=float, default=0.05, help="label smoothing of intents")
    parser.add_argument("--decay", type=float, default=0.998, help="of the running average of the weights, a step")
    parser.add_argument("--round", type=float, nargs=len(KINDS), default=[1.0] * len(KINDS), metavar="TIMES",
                        help="how often a round takes a form: " + ", ".join(KINDS))
    parser.add_argument("--w-intent", type=float, default=1.0)
    parser.add_argument("--w-slots", type=float, default=1.5)
    parser.add_argument("--w-embed", type=float, default=2.0)
    parser.add_argument("--w-qa", type=float, default=0.5)
    parser.add_argument("--w-agree", type=float, default=0.0, help="of two views of each utterance; 0: one view")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=1000)
    parser.add_argument("--examples", type=int, default=0, help="train on so many utterances only (a dry run)")
    parser.add_argument("--no-measure", action="store_true", help="leave the accuracies to evaluate.py")
    return parser.parse_args()


def main():
    a = arguments()
    os.makedirs(a.out, exist_ok=True)
    if a.device == "cuda":
        torch.set_num_threads(1)  # the host only gathers batches and launches
    log_path = os.path.join(a.out, "log.jsonl")
    trainer = Trainer(a)
    last = os.path.join(a.out, "last.pt")
    if os.path.exists(last):
        trainer.resume(last)

    def log(line):
        with open(log_path, "a", encoding="utf-8") as f:
            print(json.dumps(line), file=f)
        print(json.dumps(line), flush=True)

    log({"arguments": vars(a), "step": trainer.step, "utterances": len(trainer.rows), "questions": len(trainer.question_rows)})
    done = trainer.run(log)
    trainer.save(last)
    trainer.net.load_state_dict(trainer.average)
    save_packed(os.path.join(a.out, "final.pt"), trainer.average, done=done, step=trainer.step)
    if not a.no_measure:
        figures, thresholds = measure(trainer.net, trainer.data, a.device, ("valid", "valid_spoken"))
        log({"step": trainer.step} | {k: round(v, 2) for k, v in figures.items()} | {"thresholds": thresholds})
    draw(log_path)


if __name__ == "__main__":
    main()
