"""Understanding of recognised text: accuracy on what the recogniser heard of spoken sentences beside that on the same sentences as said.

    python3 -m training.nlu.to_speak SENTENCES --data DATA       # then phonemise.py and generate.py speak them: SPOKEN/test-1.flac, .tsv
    build/bin/asr_wer --show SPOKEN/test-1.tsv 2>SHOWN
    python3 -m training.nlu.recognised gather HEARD.tsv SPOKEN/test-1.tsv SHOWN
    python3 -m training.nlu.recognised measure CHECKPOINT.pt|PACK --prepared PREPARED --data DATA --heard HEARD.tsv [--json OUT.json]

gather writes `id<TAB>heard`. measure prints for each corpus: sentences, word error rate, intents right in percent, slot F1: said, heard and
the loss between. A slot that was heard is right where its label and its words' places are; labels are carried over by the
alignment of the words (heard.py). Wrong spellings of a value are therefore not counted; "value_f1" counts them: label and words must
be those that were said.
"""
import argparse
import copy
import json
import os

import numpy as np
import torch

from .chain import Chain
from .evaluate import load_network
from .examples import Prepared
from .heard import groups, pairs_of, words_of
from .measure import f1, probabilities, run_utterances, slot_f1, spans
from .packed import load_weights
from .prepare import Utterances
from .quantise import unpack
from .to_speak import CORPORA, as_said, heard_examples, read_back


def gather(out, paths):
    """Tables of spoken sentences and what asr_wer showed -> OUT: id, heard."""
    with open(out, "w", encoding="utf-8") as f:
        for table, shown in zip(paths[::2], paths[1::2], strict=True):
            for row, heard in pairs_of(table, shown):
                print(row["id"], " ".join(words_of(heard)), sep="\t", file=f)


def with_utterances(data, examples):
    """The prepared folder with these as its only utterances."""
    gathered = Utterances(data.tokenizer, data.labels["intents"], data.labels["slots"])
    for e in examples:
        gathered.add("test", e)
    new = copy.copy(data)
    new.__dict__.update(gathered.arrays())
    n = new.utt_n.astype(np.int64)
    new.utt_at = np.cumsum(n) - n
    return new


def word_errors(said, heard):
    """Words wrong, left out and put in; words said."""
    wrong = 0
    for place, got in groups(said, heard):
        wrong += len(got) if place is None else max(1, len(got)) if [heard[i] for i in got] != [said[place]] else 0
    return wrong, len(said)


def values(names, tags, words):
    return sorted((name, " ".join(words[a:b])) for name, a, b in spans([names[t] for t in tags]))


def value_f1(data, slots, mask, next, examples, wanted):
    """F1 of (label, words), against the words that were said."""
    names = data.labels["slots"]
    chain, right, found, there = Chain(names), 0, 0, 0
    for i, (x, e, want) in enumerate(zip(slots, examples, wanted)):
        tags = data.part("utt", "tags", i)
        head = data.part("utt", "head", i).astype(bool)[tags >= 0]
        got = values(names, chain.best(next, x, mask)[head], e.words)
        want = sorted((name, " ".join(want.words[a:b])) for name, a, b in spans([t if t == "O" else f"{t[:2]}{e.domain}/{t[2:]}" for t in want.tags]))
        left = list(want)
        for v in got:
            if v in left:
                left.remove(v)
                right += 1
        found, there = found + len(got), there + len(want)
    return f1(right, found, there)


def figures(net, data, domain, examples, said, device):
    """Of one corpus: percent of intents right, slot F1, value F1."""
    d = data.labels["domains"].index(domain)
    new = with_utterances(data, examples)
    rows, mask = np.arange(len(examples)), data.domain_slots[d]
    logits, slots, _ = run_utterances(net, new, rows, device)
    inside = data.domain_intents[d].copy()
    inside[-1] = False
    next = net.slot_next.detach().float().cpu().numpy()
    return {"intent": 100 * float((probabilities(logits, inside).argmax(-1) == new.utt_intent).mean()),
            "slot_f1": slot_f1(new, rows, slots, mask, next), "value_f1": value_f1(new, slots, mask, next, examples, said)}


def measure(net, data, nlu, path, device):
    """-> {"snips": {"sentences", "wer", "said": figures, "heard": figures}, ...}"""
    examples, out = read_back(nlu), {}
    with open(path, encoding="utf-8") as f:
        ids = [id for id, heard in (line.rstrip("\n").split("\t") for line in f) if heard]
    heard = list(heard_examples(path, nlu))
    for domain in CORPORA:
        mine = [i for i, id in enumerate(ids) if id.startswith(domain + "-")]
        if not mine:
            continue
        said, got = [as_said(examples[ids[i]]) for i in mine], [heard[i] for i in mine]
        errors = np.array([word_errors(a.words, b.words) for a, b in zip(said, got)]).sum(0)
        out[domain] = {"sentences": len(mine), "wer": 100 * errors[0] / errors[1],
                       "said": figures(net, data, domain, said, said, device), "heard": figures(net, data, domain, got, said, device)}
    return out


def flat(out):
    """What measure() gave of heard sentences, as figures of a manifest."""
    return {f"recognised/{domain}/{key}": value for domain, x in out.items() for key, value in x["heard"].items()}


def load_state(path):
    if not os.path.isdir(path):
        return load_weights(path)
    from safetensors.torch import load_file
    return unpack(load_file(os.path.join(path, "weights.safetensors")))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    sub = parser.add_subparsers(dest="what", required=True)
    g, m = sub.add_parser("gather"), sub.add_parser("measure")
    g.add_argument("out"), g.add_argument("paths", nargs="+")
    m.add_argument("network"), m.add_argument("--json"), m.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    for name in ("prepared", "data", "heard"):
        m.add_argument("--" + name, required=True)
    a = parser.parse_args()
    if a.what == "gather":
        return gather(a.out, a.paths)
    data = Prepared(a.prepared)
    out = measure(load_network(data, load_state(a.network), a.device), data, os.path.join(a.data, "nlu"), a.heard, a.device)
    print(f"{'':24}{'said':>8}{'heard':>8}{'loss':>8}")
    for domain, x in out.items():
        print(f"{domain}: {x['sentences']} sentences, word error rate {x['wer']:.1f} %")
        for key in x["said"]:
            print(f"  {key:22}{x['said'][key]:8.2f}{x['heard'][key]:8.2f}{x['said'][key] - x['heard'][key]:8.2f}")
    if a.json:
        with open(a.json, "w", encoding="utf-8") as f:
            json.dump(out, f, indent=1)


if __name__ == "__main__":
    main()
