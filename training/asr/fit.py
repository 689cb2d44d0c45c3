"""A first recogniser without a gradient through a network: random convolutions, an output layer by logistic regression.

    python3 -m training.asr.fit OUT --teacher PREFIX... [--width 640]

For machines without a GPU and for rehearsals of what follows a training. The convolutions are drawn, the LSTMs are zero (the
network adds their output, so that they pass on their input), and the output layer learns which letter the teacher speaks at
each step: letters are spread over their word's duration, blanks between. Writes OUT/asr.pt as train.py does.
"""
import argparse
import json
import os
import time

import torch
import torch.nn.functional as F

from ..common.data import shards
from ..common.text import clean, read_table
from .batches import SYMBOL, Speech, tables_of
from .evaluate import error_rates
from .model import Acoustic, LogMel

PUNCTUATION = ";:,.!?—…"
FRAME_S, STEP_S = 0.025, 0.04


def word_spans(text, phonemes, durations):
    """[(word, first second, last second)] from the durations of lead-in, every phoneme, lead-out."""
    at, k, out = durations[0], 1, []
    for word, group in zip(text.split(" "), phonemes.split(" ")):
        voiced = sum(durations[k:k + len(group.rstrip(PUNCTUATION))])
        out.append((word, at * FRAME_S, (at + voiced) * FRAME_S))
        at, k = at + sum(durations[k:k + len(group) + 1]), k + len(group) + 1
    return out


def letter_steps(row, steps):
    """Symbols of all output steps [steps] i64: each letter once, spread over its word, a space after it, blanks between."""
    line = torch.zeros(steps, dtype=torch.long)
    put = lambda second, symbol: line.__setitem__(min(steps - 1, int(second / STEP_S)), symbol)
    for word, first, last in word_spans(row["text"], row["phonemes"], [int(d) for d in row["durations"].split()]):
        letters = clean(word).replace(" ", "")
        for i, c in enumerate(letters):
            put(first + (i + 0.5) * (last - first) / len(letters), SYMBOL[c])
        if letters:
            put(last + STEP_S, SYMBOL[" "])
    return line


@torch.no_grad()
def draw(net):
    """Random convolutions whose outputs spread over both sides of the bend; silent LSTMs; taps that look ahead."""
    for conv, gain in ((net.conv1, 2.0), (net.conv2, 2.0)):
        conv.weight.normal_(0, gain / conv.weight[0].numel() ** 0.5)
        conv.weight.sub_(conv.weight.mean((1, 2), keepdim=True))  # loudness alone says nothing
        conv.bias.normal_(0, 0.3)
    for lstm in net.lstms:
        for p in lstm.parameters():
            p.zero_()
    net.ahead.weight.normal_(0, 0.6)


def features(net, mel):
    """What Acoustic's output layer sees; mel [1, 80, T] -> [T / 4, width]."""
    x = net.front(mel)
    return F.gelu(x + net.ahead(F.pad(x.transpose(1, 2), (0, net.ahead.kernel_size[0] - 1))).transpose(1, 2))[0]


def regress(net, x, y, steps, blank=0.35):
    """Logistic regression of y [n] on x [n, width], full batches by Adam; blanks weigh less, being many."""
    mean, spread = x.mean(0), x.std(0).clamp_min(1e-3)
    x = (x - mean) / spread
    weight = torch.zeros(net.out.out_features, x.shape[1], requires_grad=True)
    bias = torch.zeros(net.out.out_features, requires_grad=True)
    shares = torch.ones(net.out.out_features)
    shares[0] = blank
    opt = torch.optim.Adam([weight, bias], 0.03)
    for k in range(steps):
        opt.param_groups[0]["lr"] = 0.03 * (1 - k / steps)
        with torch.autocast("cpu", torch.bfloat16):
            logits = F.linear(x, weight, bias)
        loss = F.cross_entropy(logits.float(), y, shares) + 1e-4 * weight.square().sum()
        opt.zero_grad()
        loss.backward()
        opt.step()
    with torch.no_grad():
        net.out.weight.copy_(weight / spread)
        net.out.bias.copy_(bias - (weight / spread) @ mean)
    letters = y > 0
    return loss.item(), (logits.argmax(1) == y)[letters].float().mean().item()


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out"), ap.add_argument("--teacher", nargs="+", required=True)
    ap.add_argument("--width", type=int, default=640), ap.add_argument("--front", type=int, default=192)
    ap.add_argument("--steps", type=int, default=120), ap.add_argument("--seed", type=int, default=3)
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    torch.manual_seed(a.seed)
    began, mel_of = time.time(), LogMel()
    speech = Speech(tables_of("", a.teacher, ()), "cpu", jobs=1)
    rows = {r["id"]: r for p in a.teacher for table in shards(p) for r in read_table(table)}
    shape = dict(width=a.width, layers=1, front=a.front)
    net = Acoustic(**shape).eval()
    draw(net)
    x, y = [], []
    with torch.no_grad():
        for u in speech.train:
            found = features(net, mel_of(speech.samples([u])[0]))
            x.append(found.bfloat16()), y.append(letter_steps(rows[u["id"]], len(found)))
    loss, right = regress(net, torch.cat(x).float(), torch.cat(y), a.steps)
    torch.save(dict(shape=shape, ema={k: v.half() for k, v in net.state_dict().items()}, step=a.steps, elapsed=time.time() - began),
               os.path.join(a.out, "asr.pt"))
    print(json.dumps(dict(hours=speech.hours(), steps=int(sum(map(len, y))), loss=round(loss, 3), letters_right=round(100 * right, 1),
                          cpu_s=round(time.process_time(), 1))), flush=True)
    print(json.dumps(dict(wer_of_training_speech=error_rates(net, mel_of, speech, dict(all=speech.train[:40]), 60))), flush=True)


if __name__ == "__main__":
    main()
