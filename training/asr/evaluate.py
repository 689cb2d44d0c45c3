"""Word error rates of a checkpoint on what was kept out of training; greedy decoding, no language model.

    python3 -m training.asr.evaluate CHECKPOINT.pt --data DATA [--teacher PREFIX...] [--limit 300] [--int8]
"""
import argparse
import json

import torch

from ..common.text import CHARS
from .batches import REAL, Speech, read_texts, subset, tables_of, targets
from .listener import network
from .model import LogMel, output_steps
from .speller import LEAD, PLACES


def word_errors(reference, heard):
    """(edits, words of the reference) by Levenshtein distance."""
    ref, hyp = reference.split(), heard.split()
    row = list(range(len(hyp) + 1))
    for i, a in enumerate(ref):
        left, row[0] = row[0], i + 1
        for j, b in enumerate(hyp):
            left, row[j + 1] = row[j + 1], min(row[j + 1] + 1, row[j] + 1, left + (a != b))
    return row[-1], len(ref)


def greedy(best, steps):
    """best [B, T] symbols, steps [B] -> texts."""
    out = []
    for line, n in zip(best.cpu().tolist(), steps):
        kept = [c for i, c in enumerate(line[:n]) if c and (not i or c != line[i - 1])]
        out.append(" ".join("".join(CHARS[c - 1] for c in kept).split()))
    return out


def spelled(net, pieces, steps):
    """Texts of what the last layers() heard, by the attention decoder."""
    most = min(PLACES - len(LEAD), 8 + int(steps.max()) // 4)  # nobody says more
    return [pieces.text(line) for line in net.speller.greedy(*net.told(steps), most)]


@torch.no_grad()
def error_rates(net, mel_of, speech, sets, seconds=1600, context=torch.no_grad(), pieces=None):
    """sets: {corpus: utterances} -> {corpus: word error rate in %}; with pieces that of the attention decoder."""
    was, result = net.training, {}
    net.eval()
    for corpus, group in sets.items():
        errors = words = 0
        ordered = sorted(group, key=lambda u: u["n"])
        while ordered:
            most = max(1, int(seconds * 16000 / ordered[-1]["n"]))
            part, ordered = ordered[-most:], ordered[:-most]
            x, _, n = speech.samples(part)
            steps = torch.from_numpy(output_steps(n))
            with context:
                best = net(mel_of(x), steps).argmax(-1)
                said = spelled(net, pieces, steps) if pieces else greedy(best, [output_steps(int(k), net.outputs) for k in n])
            for u, heard in zip(part, said):
                e, w = word_errors(u["text"], heard)
                errors, words = errors + e, words + w
        if words:
            result[corpus] = round(100 * errors / words, 2)
    net.train(was)
    return result


@torch.no_grad()
def held_losses(net, mel_of, speech, sets, seconds=400):
    """sets: {corpus: utterances} -> {corpus: CTC loss a symbol of the text}; f32, nothing augmented."""
    net.eval()
    result = {}
    for corpus, group in sets.items():
        total, symbols, ordered = 0.0, 0, sorted(group, key=lambda u: u["n"])
        while ordered:
            most = max(1, int(seconds * 16000 / ordered[-1]["n"]))
            part, ordered = ordered[-most:], ordered[:-most]
            x, _, n = speech.samples(part)
            flat, lengths = targets(part, speech.device)
            logp = net(mel_of(x), torch.from_numpy(output_steps(n))).transpose(0, 1)
            steps = torch.tensor([output_steps(int(k), net.outputs) for k in n])
            total += torch.nn.functional.ctc_loss(logp, flat, steps, lengths, reduction="sum", zero_infinity=True).item()
            symbols += int(lengths.sum())
        if symbols:
            result[corpus] = round(total / symbols, 4)
    return result


def load_net(path, device, which="ema"):
    """The network of a checkpoint, by its averaged weights."""
    saved = torch.load(path, map_location="cpu", weights_only=False)
    net = network(saved["shape"])
    net.load_state_dict({k: v.float() for k, v in saved[which].items()})
    return net.to(device).eval(), saved


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("checkpoint")
    ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--teacher", nargs="*", default=[])
    ap.add_argument("--texts")
    ap.add_argument("--limit", type=int, default=10 ** 9)
    ap.add_argument("--corpora", nargs="*", default=REAL)
    ap.add_argument("--device", default="cuda" if torch.cuda.is_available() else "cpu")
    ap.add_argument("--int8", action="store_true", help="with the weights as export.py rounds them")
    ap.add_argument("--jobs", type=int, default=4)
    a = ap.parse_args()
    net, _ = load_net(a.checkpoint, a.device)
    if a.int8:
        from .export import rounded
        net.load_state_dict(rounded(net.state_dict()))
    speech = Speech(tables_of(a.data, a.teacher, a.corpora), a.device, read_texts(a.texts), a.jobs)
    mel_of = LogMel().to(a.device)
    seconds = 1600 if a.device == "cuda" else 100
    print(json.dumps(error_rates(net, mel_of, speech, subset(speech.held, a.limit), seconds)))


if __name__ == "__main__":
    main()
