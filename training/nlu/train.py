"""Trains the understanding network on utterances and questions at once.

    python3 -m training.nlu.train OUT --prepared FOLDER --minutes 8 --w-agree 1 --round 1 1 0.35 0.5 3

--minutes is the whole schedule over all stays: one cosine by the clock; a stay that ends earlier (--stop MINUTES) leaves
OUT/last.pt, from which the next goes on with weights, optimiser, step, clock and random states. OUT/log.jsonl gets a line
every 50 steps and the accuracies on validation data, OUT/log.png draws it, OUT/final.pt holds averaged weights (F16, packed.py) for export.

Other processes draw and pad the batches ahead (batches.py). On a GPU the losses and gradients of a batch are one CUDA graph for each width that
occurs; the last batch of a round, which is smaller, and all batches where capture fails go without. Another geometry than the one that
ships begins anew, without the start network's embeddings to keep.

--w-agree: two views of each utterance, with other pieces hidden and other units dropped, must agree on intent and labels
(R-Drop, arXiv 2106.14448). --teachers: other trainings, whose mean probabilities are followed beside the labels
(taught.py); they may be larger ones, which another network starts (--start). --round: how often one round takes a form of each kind (examples.KINDS), the ones taken drawn anew.
"""
import argparse
import json
import math
import os
import time

import numpy as np
import torch
import torch.nn.functional as F

from .batches import QUESTION_WIDTHS, UTTERANCE_WIDTHS, Batches, question_shapes, unpacked, utterance_shapes
from .chain import NEVER, Chain
from .examples import KINDS, Prepared, utterance_batch
from .graph import Graph
from .measure import measure
from .model import Geometry, Understanding, geometry_of, mean_pool
from .packed import load_weights, save_packed
from .taught import Teachers, behind, disagreement

LOSSES = ("intent", "slots", "embed", "agree", "qa", "follow_intent", "follow_slots", "follow_qa")
KEPT_OUT = 50  # of so many made questions one, with --compare


def learning_rate(share, floor=0.01, warm=0.06):
    """Factor on the peak rate; share: of the time gone."""
    return min(1.0, share / warm + 0.01) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * min(share, 1.0))))


def groups(net, a):
    """Encoder at a.lr, heads at a.head_lr; no decay of biases, norms and embeddings."""
    sorted_in = {}
    for name, p in net.named_parameters():
        if not p.requires_grad:
            continue
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


def mean_over(x, there):
    """Of those elements that are there."""
    return (x * there).sum() / there.sum().clamp_min(1)


class Trainer:
    """Owns network, average, teacher's embeddings, optimiser, clock and random states."""

    def __init__(self, a):
        torch.manual_seed(1)  # new heads begin alike whatever the seed: their trainings can then be averaged
        self.a, self.data = a, Prepared(a.prepared)
        labels, start = self.data.labels, load_weights(a.start) if a.start else None
        size = geometry_of(start) if start else Geometry(a.width, a.heads, a.layers, a.inner)
        make = lambda size: Understanding(len(self.data.tokenizer.pieces), len(labels["intents"]), len(labels["slots"]), a.drop, size)
        self.net = make(size)
        ships = size == Geometry()
        if ships and not start:
            from safetensors.torch import load_file
            start = load_file(os.path.join(a.prepared, "minilm.safetensors"))
        if start:
            self.net.load_start(start)
        else:
            self.net.begin_anew()
        self.net.to(a.device)
        self.teachers = Teachers(a.teachers, make, a.device)
        torch.manual_seed(a.seed)
        self.domain_intents = torch.from_numpy(self.data.domain_intents).to(a.device)
        self.domain_slots = torch.from_numpy(self.data.domain_slots).to(a.device)
        self.chain = Chain(labels["slots"], a.device)
        rows = self.data.rows("train")
        if not (ships or a.teachers):  # nothing teaches those without labels
            rows = rows[self.data.utt_intent[rows] >= 0]
        if a.examples:
            rows = np.random.default_rng(a.seed).permutation(rows)[:a.examples]
        self.net.eval()
        self.teacher = start_embeddings(self.net, self.data, rows, a.device) if ships else None
        made, asked = np.flatnonzero(self.data.q_real == 0), np.repeat(np.flatnonzero(self.data.q_real), a.real_questions)
        self.kept_out = made[::KEPT_OUT]
        if a.compare:
            made = np.setdiff1d(made, self.kept_out)
        self.batches = Batches(a, self.data, rows, np.concatenate([made, asked]))
        self.opt = torch.optim.AdamW(groups(self.net, a), a.lr, betas=(0.9, 0.98), fused=a.device == "cuda")
        self.live = self.net.state_dict()
        self.average = {k: v.detach().clone().float() for k, v in self.live.items()}
        self.autocast = torch.autocast(a.device, {"fp16": torch.float16}.get(a.amp, torch.bfloat16), enabled=a.amp in ("bf16", "fp16"))
        self.scaler = torch.amp.GradScaler(a.device, enabled=a.amp == "fp16")
        torch.backends.cuda.matmul.allow_tf32 = a.amp != "fp32"
        self.sums = torch.zeros(len(LOSSES), device=a.device)
        self.graphs, self.static = {}, a.device == "cuda" and not a.no_graph
        self.step, self.elapsed = 0, 0.0

    def save(self, path):
        random = {"torch": torch.get_rng_state(), "cuda": torch.cuda.get_rng_state() if self.a.device == "cuda" else None}
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
        if s["random"]["cuda"] is not None and self.a.device == "cuda":
            torch.cuda.set_rng_state(s["random"]["cuda"])

    def capture(self, log):
        """Graphs of every width, the widest first: its memory then does for all. What they compute meanwhile is thrown away."""
        a, began, pool = self.a, time.time(), torch.cuda.graph_pool_handle()
        self.net.train()
        for p in self.net.parameters():
            p.grad = torch.zeros_like(p)
        wanted = [(self.learn_utterances, a.batch, w, utterance_shapes(a.batch, w, self.batches.views, self.batches.plain)) for w in reversed(UTTERANCE_WIDTHS)]
        wanted += [(self.learn_questions, a.question_batch, w, question_shapes(a.question_batch, w)) for w in reversed(QUESTION_WIDTHS)]
        try:
            for work, rows, width, shapes in wanted:
                self.graphs[work, rows, width] = Graph(lambda flat: work(flat, rows, width), shapes, pool)
            torch.cuda.synchronize()
            log({"graphs": len(self.graphs), "took_s": round(time.time() - began, 1)})
        except Exception as error:
            self.graphs = {}
            log({"graphs": 0, "why": str(error)[:300]})
        self.sums.zero_()

    def learn(self, work, batch):
        """Adds the gradients of a batch by its graph, if there is one."""
        rows, width, flat = batch
        graph = self.graphs.get((work, rows, width))
        if graph:
            graph(flat)
        else:
            work(flat.to(self.a.device, non_blocking=True), rows, width)

    def learn_utterances(self, flat, rows, width):
        self.opt.zero_grad(set_to_none=not self.static)
        self.backward(self.utterance_losses(flat, rows, width, self.batches.views, self.batches.plain))

    def learn_questions(self, flat, rows, width):
        self.backward(self.question_losses(flat, rows, width))

    def backward(self, losses):
        for name, loss in losses.items():
            self.sums[LOSSES.index(name)].add_(loss.detach())
        self.scaler.scale(sum(getattr(self.a, "w_" + k) * v for k, v in losses.items())).backward()

    def utterance_losses(self, flat, rows, width, views, plain=False, taught=True):
        """flat: batches.utterance_shapes. taught: of training rows, whose embeddings by the start network there are."""
        ids, number, *rest = unpacked(flat, utterance_shapes(rows, width, views, plain))
        seen = ids[:views * rows]
        number, places, tags, domain, intent, picks = (torch.cat([x] * views) for x in (number, *rest))
        keep = torch.arange(width, device=flat.device) <= number[:, None] + 1
        with self.autocast:
            logits, slots, embed, _ = self.net.utterance(seen, keep)
        log_p, slots, words = self.intents(logits, domain), self.words(slots, places, domain), tags >= 0
        log_slots = F.log_softmax(slots, -1)
        losses = {"intent": self.intent_loss(log_p, domain, intent), "slots": self.slot_loss(slots, tags)}
        if taught and self.teacher is not None:
            losses["embed"] = (1 - (embed * self.teacher[picks].float()).sum(-1)).mean()
        first = slice(0, rows)
        if views == 2:
            known = (intent >= 0)[first]
            losses["agree"] = mean_over(disagreement(log_p), known) + mean_over(disagreement(log_slots), words[first])
        if plain:
            with self.autocast:
                theirs = self.teachers.utterance(ids[views * rows:], keep[first], lambda x: self.intents(x, domain[first]),
                                                 lambda x: self.words(x, places[first], domain[first]))
            p, p_slots = (torch.cat([x] * views) for x in theirs)
            losses |= {"follow_intent": behind(log_p, p).mean(), "follow_slots": mean_over(behind(log_slots, p_slots), words)}
        return losses

    def question_losses(self, flat, rows, width):
        """Cross entropy of start and end; position 0 where there is no answer. flat: batches.question_shapes."""
        ids, types, keep, *ends = unpacked(flat, question_shapes(rows, width))
        with self.autocast:
            answers = self.net.question(ids, types, keep > 0)[:2]
            theirs = self.teachers.question(ids, types, keep > 0) if self.teachers.nets else ()
        losses = {"qa": 0.5 * sum(F.cross_entropy(x, place) for x, place in zip(answers, ends))}
        if theirs:
            losses["follow_qa"] = 0.5 * sum(behind(F.log_softmax(x, -1), p).mean() for x, p in zip(answers, theirs))
        return losses

    def intents(self, logits, domain):
        """Log-probabilities over the labels of each example's domain."""
        return F.log_softmax(logits.float().masked_fill(~self.domain_intents[domain], -30.0), -1)

    def words(self, slots, places, domain):
        """Logits of the words, [B, W, labels]; places: words_first()."""
        logits = slots.float().gather(1, places[..., None].expand(-1, -1, slots.shape[-1]))
        return logits.masked_fill(~self.domain_slots[domain][:, None], NEVER)

    def intent_loss(self, log_p, domain, intent):
        mask = self.domain_intents[domain]
        smooth = mask.float() * self.a.smooth / mask.sum(-1, keepdim=True)
        target = smooth + (1 - self.a.smooth) * (torch.arange(mask.shape[-1], device=mask.device) == intent[:, None])
        return mean_over(-(target * log_p).sum(-1), intent >= 0)

    def slot_loss(self, slots, tags):
        """Of the whole labelling, a word."""
        return (self.chain.loss(self.net.slot_next, slots, tags) / (tags >= 0).sum().clamp_min(1)).float()

    def update(self, share, asked):
        """A step by the gradients that are there; without questions their head stays."""
        factor = learning_rate(share)
        for g in self.opt.param_groups:
            g["lr"] = g["peak"] * factor
        head = list(self.net.qa.parameters())
        kept = [p.grad for p in head]
        for p, grad in zip(head, kept):
            p.grad = grad if asked else None
        self.scaler.unscale_(self.opt)
        torch.nn.utils.clip_grad_norm_(self.net.parameters(), 1.0)
        self.scaler.step(self.opt)
        self.scaler.update()
        for p, grad in zip(head, kept):
            p.grad = grad
        decay = min(self.a.decay, (self.step + 1) / (self.step + 20))
        torch._foreach_lerp_([self.average[k] for k in self.live], list(self.live.values()), 1 - decay)

    def told(self):
        """{loss: mean of a step since the last time}; waits for the device."""
        sums = dict(zip(LOSSES, self.sums.tolist()))
        self.sums.zero_()
        for name in ("qa", "follow_qa"):
            sums[name] *= self.a.question_every
        present = {"intent", "slots", "qa"} | ({"agree"} if self.batches.views == 2 else set()) | ({"embed"} if self.teacher is not None else set())
        return {k: round(v / self.a.log_every, 4) for k, v in sums.items() if k in present or k.startswith("follow") and self.teachers.nets}

    def run(self, log):
        a, began, came = self.a, time.time(), self.elapsed
        ahead = iter(self.batches.ahead(self.step))
        self.net.train()
        while True:
            self.elapsed = came + time.time() - began
            share = max(self.elapsed / (60 * a.minutes), self.step / a.steps if a.steps else 0)
            if share >= 1 or self.elapsed - came > 60 * a.stop:
                return share >= 1
            utterances, questions = next(ahead)
            self.learn(self.learn_utterances, utterances)
            if questions:
                self.learn(self.learn_questions, questions)
            self.update(share, bool(questions))
            self.step += 1
            if self.step % a.log_every == 0:
                log({"step": self.step, "seconds": round(self.elapsed, 1), "lr": a.lr * learning_rate(share)} | self.told())
            if self.step % a.save_every == 0 and not a.compare:
                self.save(os.path.join(a.out, "last.pt"))

    @torch.no_grad()
    def held_losses(self, batches=10):
        """Means over validation utterances and the questions kept out, in the training's arithmetic."""
        self.net.eval()
        rng, valid = np.random.default_rng(1), self.data.rows("valid")
        found = {"intent": [], "slots": [], "qa": []}
        for rows in rng.permutation(valid)[:batches * self.a.batch].reshape(-1, self.a.batch):
            labels = (x[rows].astype(np.int64) for x in (self.data.utt_domain, self.data.utt_intent))
            n, width, flat = self.batches.told(rows, *labels, np.zeros_like(rows))
            for name, loss in self.utterance_losses(flat.to(self.a.device), n, width, 1, taught=False).items():
                found[name].append(loss)
        for rows in np.array_split(self.kept_out, len(self.kept_out) // self.a.question_batch):
            n, width, flat = self.batches.questions(rows, rng)
            found["qa"].append(self.question_losses(flat.to(self.a.device), n, width)["qa"])
        return {"held_" + name: round(torch.stack(losses).mean().item(), 4) for name, losses in found.items()}


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
    for k in LOSSES:
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
    parser.add_argument("--start", metavar="ENCODER", help="another start network, with its geometry (mpnet.py)")
    for name in ("width", "heads", "layers", "inner"):
        parser.add_argument("--" + name, type=int, default=getattr(Geometry(), name))
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
    parser.add_argument("--teachers", nargs="+", default=[], metavar="CHECKPOINT", help="trainings, of any geometry, whose mean is followed")
    parser.add_argument("--w-follow-intent", type=float, default=1.0)
    parser.add_argument("--w-follow-slots", type=float, default=1.5)
    parser.add_argument("--w-follow-qa", type=float, default=0.5)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--log-every", type=int, default=50)
    parser.add_argument("--save-every", type=int, default=1000)
    parser.add_argument("--examples", type=int, default=0, help="train on so many utterances only (a dry run)")
    parser.add_argument("--no-measure", action="store_true", help="leave the accuracies to evaluate.py")
    parser.add_argument("--jobs", type=int, help="processes that draw batches ahead; default: 0 without a GPU")
    parser.add_argument("--no-graph", action="store_true")
    parser.add_argument("--compare", action="store_true",
                        help="for training/precisions.py: saves nothing, keeps some made questions out, ends with held-out losses and accuracies of few utterances")
    a = parser.parse_args()
    if a.jobs is None:
        a.jobs = min(4, os.cpu_count() - 1) if a.device == "cuda" else 0
    return a


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

    log({"arguments": vars(a), "step": trainer.step, "utterances": len(trainer.batches.rows), "questions": len(trainer.batches.question_rows)})
    if trainer.static:
        trainer.capture(log)
    done = trainer.run(log)
    if not a.compare:
        save_packed(os.path.join(a.out, "final.pt"), trainer.average, done=done, step=trainer.step)
        trainer.save(last)
    trainer.net.load_state_dict(trainer.average)
    end = {"end": True, "step": trainer.step} | (trainer.held_losses() if a.compare else {})
    if not a.no_measure:
        few = {"questions": 0, "most": 400} if a.compare else {}
        figures, thresholds = measure(trainer.net, trainer.data, a.device, ("valid",) if a.compare else ("valid", "valid_spoken"), **few)
        end |= {k: round(v, 2) for k, v in figures.items()} | {"thresholds": thresholds}
    log(end)
    if not a.compare:
        draw(log_path)


if __name__ == "__main__":
    main()
