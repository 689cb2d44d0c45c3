"""Every accuracy of the pack as the C++ engine computes it, at f32 and INT8.

    python3 -m training.nlu.evaluate_engine models/nlu-en --prepared FOLDER --program build/bin/nlu_outputs [--data DATA --heard HEARD.tsv] [--write]

The same figures as evaluate.py, from the same code; only the network's outputs come from the engine. --heard adds those of recognised
text (recognised.py). --write puts the INT8 column into the pack's manifest.
"""
import argparse
import json
import os
import re
import subprocess

import numpy as np
import torch
import torch.nn.functional as F
from safetensors.torch import load_file

from .examples import Prepared
from .measure import measure
from .model import WIDTH
from .quantise import unpack
from .recognised import flat, measure as measure_heard


class EngineNet:
    """Stands for model.Understanding in measure.py; one query at a time through the program's pipes."""

    def __init__(self, program, pack, precision, intents, labels):
        self.pipe = subprocess.Popen([program, pack, precision], stdin=subprocess.PIPE, stdout=subprocess.PIPE)
        self.intents, self.labels, self.known = intents, labels, {}
        weights = unpack(load_file(os.path.join(pack, "weights.safetensors")))
        self.slot_next = weights.get("slot_next", torch.zeros(labels, labels))

    def eval(self):
        return self

    def run(self, ids, types):
        """Without padding -> sentence, intent logits, slot logits [T, labels], answer logits [T, 2]."""
        key = (*ids, *types)
        if key not in self.known:  # most sentences are the same as written and as said
            self.known[key] = self.compute(ids, types)
        return self.known[key]

    def compute(self, ids, types):
        n = len(ids)
        self.pipe.stdin.write(np.array([n, *ids, *types], "<i4").tobytes())
        self.pipe.stdin.flush()
        sizes = (WIDTH, self.intents, n * self.labels, 2 * n)
        raw = self.pipe.stdout.read(4 * sum(sizes))
        if len(raw) < 4 * sum(sizes):
            raise SystemExit("nlu_outputs ended early")
        a, b, c, d = np.split(np.frombuffer(raw, "<f4"), np.cumsum(sizes)[:-1])
        return a, b, c.reshape(n, self.labels), d.reshape(n, 2)

    def rows(self, ids, types, keep):
        for i, t, k in zip(ids, types, keep):
            n = int(k.sum())
            yield self.run(i[:n].tolist(), t[:n].tolist()), n

    def utterance(self, ids, keep):
        sentences, intents, slots = [], [], np.zeros((*ids.shape, self.labels), np.float32)
        for i, ((sentence, intent, tags, _), n) in enumerate(self.rows(ids, torch.zeros_like(ids), keep)):
            sentences.append(sentence), intents.append(intent)
            slots[i, :n] = tags
        sentence = F.normalize(torch.from_numpy(np.stack(sentences)), dim=-1)
        return torch.from_numpy(np.stack(intents)), torch.from_numpy(slots), sentence, None

    def question(self, ids, types, keep):
        out = np.full((*ids.shape, 2), -np.inf, np.float32)
        for i, ((_, _, _, answer), n) in enumerate(self.rows(ids, types, keep)):
            out[i, :n] = answer
        return torch.from_numpy(out[..., 0]), torch.from_numpy(out[..., 1]), None


def write_column(path, figures):
    """int8 = FIGURE into the lines of [accuracy] that have the same name."""
    out = []
    for line in open(path, encoding="utf-8"):
        m = re.match(r'"(.+)" = \{ (f32 = [\d.]+)?.*\}', line)
        if m and m[1] in figures:
            line = f'"{m[1]}" = {{ {m[2] + ", " if m[2] else ""}int8 = {figures[m[1]]:.2f} }}\n'
        out.append(line)
    with open(path, "w", encoding="utf-8") as f:
        f.writelines(out)


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("pack"), ap.add_argument("--prepared", required=True), ap.add_argument("--program", required=True)
    ap.add_argument("--precisions", default="f32,int8"), ap.add_argument("--write", action="store_true")
    ap.add_argument("--questions", type=int), ap.add_argument("--most", type=int), ap.add_argument("--data"), ap.add_argument("--heard")
    a = ap.parse_args()
    if a.heard and not a.data:
        ap.error("--heard needs --data: the sentences that were said")
    data, figures = Prepared(a.prepared), {}
    for precision in a.precisions.split(","):
        net = EngineNet(a.program, a.pack, precision, len(data.labels["intents"]), len(data.labels["slots"]))
        figures[precision], thresholds = measure(net, data, "cpu", questions=a.questions, most=a.most)
        if a.heard:
            figures[precision] |= flat(measure_heard(net, data, os.path.join(a.data, "nlu"), a.heard, "cpu"))
        net.pipe.stdin.close()
        print(precision, json.dumps(dict({k: round(v, 2) for k, v in figures[precision].items()}, thresholds=thresholds)), flush=True)
    if a.write:
        write_column(os.path.join(a.pack, "manifest.toml"), figures["int8"])


if __name__ == "__main__":
    main()
