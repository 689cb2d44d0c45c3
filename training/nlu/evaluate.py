"""Prints every accuracy of a trained network at f32 and with its INT8 weights.

    python3 -m training.nlu.evaluate CHECKPOINT.pt --prepared FOLDER [--data DATA --heard HEARD.tsv] [--json OUT.json]
    python3 -m training.nlu.evaluate CHECKPOINT.pt --prepared FOLDER --splits valid valid_spoken --questions 0     # to choose by

Intents: share of the test utterances whose best in-scope intent of their domain is right ("intent"), and the same counting
refusals as wrong ("intent_accepted"); *_spoken: as a recogniser writes them. Slots: F1 of whole spans (conlleval). Questions:
SQuAD's exact match and F1 on the kept-out paragraphs of XQuAD, best span whatever its score, and the share refused at threshold 0.
recognised/*: of text that was recognised (recognised.py). embed_cosine: mean cosine with the start network's sentence embedding on test utterances.
"""
import argparse
import json
import os

import numpy as np
import torch

from .examples import Prepared
from .measure import measure, run_utterances
from .model import Geometry, Understanding, geometry_of
from .packed import load_weights
from .quantise import pack, unpack


def load_network(data, state, device):
    net = Understanding(len(data.tokenizer.pieces), len(data.labels["intents"]), len(data.labels["slots"]), size=geometry_of(state))
    net.load_state_dict({"slot_next": net.slot_next} | state)  # packs before the chain have none
    return net.to(device).eval()


def embed_cosine(net, data, prepared, device, most=1500):
    """Against the network that training started from."""
    from safetensors.torch import load_file
    start = Understanding(len(data.tokenizer.pieces), 1, 1)
    start.load_start(load_file(os.path.join(prepared, "minilm.safetensors")))
    rows = np.random.default_rng(5).permutation(data.rows("test"))[:most]
    ours, theirs = (run_utterances(n.to(device).eval(), data, rows, device)[2] for n in (net, start))
    return float((ours * theirs).sum(-1).mean())


def evaluate(state, data, prepared, device, questions=None, most=None, heard=None, splits=("test", "test_spoken")):
    """-> {"f32": figures, "int8": figures}, thresholds (of the INT8 weights). heard: a net's figures on recognised text, if any."""
    out = {}
    for name, weights in (("f32", state), ("int8", unpack(pack(state)))):
        net = load_network(data, weights, device)
        out[name], thresholds = measure(net, data, device, splits, questions, most)
        out[name] |= heard(net) if heard else {}
        if geometry_of(weights) == Geometry():
            out[name]["embed_cosine"] = embed_cosine(net, data, prepared, device, most or 1500)
    return out, thresholds


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint")
    parser.add_argument("--prepared", required=True)
    parser.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    parser.add_argument("--questions", type=int, help="only the questions of so many paragraphs")
    parser.add_argument("--splits", nargs="+", default=["test", "test_spoken"], metavar="SPLIT", help="parts of the data; as said: _spoken (default: test test_spoken)")
    parser.add_argument("--most", type=int, help="only so many utterances of each part")
    parser.add_argument("--json", help="writes the figures here")
    parser.add_argument("--data"), parser.add_argument("--heard", help="what recognised.py gathered")
    a = parser.parse_args()
    if a.heard and not a.data:
        parser.error("--heard needs --data: the sentences that were said")
    data, heard = Prepared(a.prepared), None
    if a.heard:
        from . import recognised  # which evaluates networks too
        heard = lambda net: recognised.flat(recognised.measure(net, data, os.path.join(a.data, "nlu"), a.heard, a.device))
    figures, thresholds = evaluate(load_weights(a.checkpoint), data, a.prepared, a.device, a.questions, a.most, heard, a.splits)
    print(f"{'':44}{'f32':>8}{'int8':>8}")
    for key, value in figures["f32"].items():
        print(f"{key:44}{value:8.2f}{figures['int8'][key]:8.2f}")
    for domain, t in thresholds.items():
        print(domain, t)
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump(figures | {"thresholds": thresholds}, f, indent=1)


if __name__ == "__main__":
    main()
