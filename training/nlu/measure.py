"""Accuracy of intents, slots, questions, out-of-scope and sentence embeddings on the kept-out parts."""
import re
import string
from collections import Counter

import numpy as np
import torch

from .chain import Chain
from .examples import STRIDE, WINDOW, padded, question_row, utterance_batch
from .tokenizer import PAD

LONGEST_ANSWER = 30  # pieces


def spans(tags):
    """BIO tags -> {(name, begin, end)}; an I- without its B- begins a span, as conlleval reads it."""
    found, start = set(), None
    for i, tag in enumerate([*tags, "O"]):
        if start is not None and (tag[0] != "I" or tag[2:] != tags[start][2:]):
            found.add((tags[start][2:], start, i))
            start = None
        if tag != "O" and start is None:
            start = i
    return found


def f1(right, said, wanted):
    return 200.0 * right / max(1, said + wanted)


@torch.no_grad()
def run_utterances(net, data, rows, device, size=256):
    """-> intent logits [n, intents], [slot logits of each word with a label], embeddings [n, 384], in the order of rows."""
    logits, slots, embeds = [None] * len(rows), [None] * len(rows), [None] * len(rows)
    order = np.argsort(data.utt_n[rows], kind="stable")
    for at in range(0, len(rows), size):
        group = order[at:at + size]
        ids, keep, _ = utterance_batch(data, rows[group])
        a, b, c, _ = net.utterance(ids.to(device), keep.to(device))
        a, b, c = a.float().cpu().numpy(), b.float().cpu().numpy(), c.float().cpu().numpy()
        for k, i in enumerate(group):
            words = np.flatnonzero(data.part("utt", "tags", rows[i]) >= 0) + 1
            logits[i], slots[i], embeds[i] = a[k], b[k][words], c[k]
    return np.stack(logits), slots, np.stack(embeds)


def probabilities(logits, mask):
    """Softmax over the labels of a domain; 0 for the others."""
    x = np.where(mask, logits, -np.inf)
    e = np.exp(x - x.max(-1, keepdims=True))
    return e / e.sum(-1, keepdims=True)


def slot_f1(data, rows, slots, mask, next):
    """Span F1 in percent over annotated words, labels of the domain by the best chain."""
    names = data.labels["slots"]
    chain = Chain(names)
    right = said = wanted = 0
    for i, x in zip(rows, slots):
        tags = data.part("utt", "tags", i)
        head = data.part("utt", "head", i).astype(bool)
        want = spans([names[t] for t in tags[head]])
        got = spans([names[t] for t in chain.best(next, x, mask)[head[tags >= 0]]])
        right, said, wanted = right + len(want & got), said + len(got), wanted + len(want)
    return f1(right, said, wanted)


def normal_answer(text):
    """SQuAD's normalisation: lower case, no punctuation, no articles."""
    text = "".join(c for c in text.lower() if c not in string.punctuation)
    return re.sub(r"\b(a|an|the)\b", " ", text).split()


def answer_f1(said, wanted):
    best = 0.0
    for want in wanted:
        a, b = normal_answer(said), normal_answer(want)
        same = sum((Counter(a) & Counter(b)).values())
        best = max(best, float(a == b) if not a or not b else 2 * same / (len(a) + len(b)))
    return best


def windows(question, context):
    """Yields (first piece of the window, ids, types) over a paragraph."""
    room = WINDOW - 3 - len(question)
    for at in range(0, max(1, len(context) - room + STRIDE), STRIDE):
        yield at, *question_row(question, context[at:at + room])
        if at + room >= len(context):
            return


@torch.no_grad()
def answer(net, tokenizer, question, context, device):
    """-> text of the best span, its score less that of no answer."""
    q = tokenizer.encode(question)[0][:40]
    ids, places, _ = tokenizer.encode(context)
    parts = list(windows(q, ids))
    batch = padded([p[1] for p in parts], PAD)
    keep = padded([[1] * len(p[1]) for p in parts], 0, batch.shape[1]).bool()
    types = padded([p[2] for p in parts], 0, batch.shape[1])
    start, end, _ = net.question(batch.to(device), types.to(device), keep.to(device))
    start, end = start.float().cpu(), end.float().cpu()
    best, begin_end, first = -np.inf, (0, 0), len(q) + 2
    for (at, row, _), s, e in zip(parts, start, end):
        n = len(row) - 1 - first
        pair = s[first:first + n, None] + e[None, first:first + n]
        pair = torch.where(torch.ones_like(pair).triu().tril(LONGEST_ANSWER - 1).bool(), pair, -torch.inf)
        k = int(pair.argmax())
        score = float(pair.view(-1)[k] - s[0] - e[0])
        if score > best:
            best, begin_end = score, (places[at + k // n][0], places[at + k % n][1])
    return context[slice(*begin_end)], best


def measure_questions(net, data, device, most=None):
    """Exact match and F1 of answers; share of questions on the next paragraph that get no answer at threshold 0."""
    exact, score, lost, none, n = 0, 0.0, 0, 0, 0
    for k, p in enumerate(data.held_out[:most]):
        other = data.held_out[(k + 7) % len(data.held_out)]["context"]
        for q in p["questions"]:
            said, sure = answer(net, data.tokenizer, q["question"], p["context"], device)
            exact += any(normal_answer(said) == normal_answer(w) for w in q["answers"])
            score += answer_f1(said, q["answers"])
            lost += sure < 0
            none += answer(net, data.tokenizer, q["question"], other, device)[1] < 0
            n += 1
    return {"qa_exact": 100 * exact / n, "qa_f1": 100 * score / n, "qa_refused_though_answerable": 100 * lost / n, "qa_refused_other_paragraph": 100 * none / n}


def threshold(inside, right, outside, loss=0.01):
    """The highest probability below which to refuse, at which accuracy in scope drops by at most `loss`.

    inside: probability of the best intent, 0 where "oos" won; right: whether it is the wanted one.
    """
    grid = np.linspace(0, 0.95, 96)
    accuracy = np.array([(right & (inside >= t)).mean() for t in grid])
    t = float(grid[np.flatnonzero(accuracy >= accuracy[0] - loss)[-1]])
    return {"min_confidence": round(t, 3), "valid_accuracy": 100 * float((right & (inside >= t)).mean()), "valid_out_of_scope_recall": 100 * float((outside < t).mean()) if t > 0 else 100 * float((outside == 0).mean())}


def best_in_scope(logits, mask, oos):
    """-> best label, its probability, set to 0 where "oos" is more likely."""
    p = probabilities(logits, mask)
    best = p.argmax(-1)
    return best, np.where(best == oos, 0.0, p.max(-1))


def some(rows, most):
    """About `most` of them, evenly spread; all without a limit."""
    return rows[::max(1, len(rows) // most)] if most else rows


def measure(net, data, device, splits=("test", "test_spoken"), questions=None, most=None):
    """All figures in percent, and the thresholds from validation data. `questions`: only so many paragraphs; `most`: only so many utterances of each part."""
    net.eval()
    oos, out, thresholds = len(data.labels["intents"]) - 1, {}, {}
    nothing, _, _ = run_utterances(net, data, np.concatenate([data.rows("valid", "any"), [i for i in data.rows("valid", "clinc150") if data.utt_intent[i] == oos]]), device)
    for d, domain in enumerate(data.labels["domains"][:-1]):
        mask, slot_mask = data.domain_intents[d], data.domain_slots[d]
        rows = data.rows("valid", domain)
        rows = some(rows[data.utt_intent[rows] != oos], most)
        best, sure = best_in_scope(run_utterances(net, data, rows, device)[0], mask, oos)
        thresholds[domain] = threshold(sure, best == data.utt_intent[rows], best_in_scope(nothing, mask, oos)[1])
        for split in splits:
            rows = some(data.rows(split, domain), most)
            logits, slots, _ = run_utterances(net, data, rows, device)
            truth, (best, sure) = data.utt_intent[rows], best_in_scope(logits, mask, oos)
            inside, least = truth != oos, max(thresholds[domain]["min_confidence"], 1e-9)
            key = f"{split}/{domain}/"
            out[key + "intent"] = 100 * float((np.where(np.arange(mask.size) == oos, -np.inf, np.where(mask, logits, -np.inf)).argmax(-1) == truth)[inside].mean())
            out[key + "intent_accepted"] = 100 * float(((best == truth) & (sure >= least))[inside].mean())
            if (~inside).any():
                out[key + "out_of_scope_recall"] = 100 * float((sure < least)[~inside].mean())
            if slot_mask.sum() > 1:
                out[key + "slot_f1"] = slot_f1(data, rows, slots, slot_mask, net.slot_next.detach().float().cpu().numpy())
    if questions != 0:
        out |= measure_questions(net, data, device, questions)
    return out, thresholds
