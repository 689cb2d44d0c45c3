"""Calibrates the confidence of recognised words: logistic regression on development data, measured on the test split.

    python3 -m training.asr.confidence ASR_WER MODELS SETS/*.tsv [--plot reliability.png]

ASR_WER: build/bin/asr_wer; SETS: what held_tables.py wrote. Every kind of evidence (asr/word_confidence.h) is read out of the recogniser
by a pack that weighs it alone. Prints the [confidence] section for the manifest, and for the letters' mean and for the fitted weights
the expected calibration error (ten bins of equal width; Guo et al. 2017, arXiv 1706.04599), Brier score and area under the ROC curve.
"""
import argparse
import json
import os
import re
import shutil
import subprocess
import tempfile

import numpy as np

EVIDENCE = "mean least sentence language unknown letters".split()
SCALE = dict(language=0.1, letters=0.1)  # keeps the sigmoid where it can be read back


def section(weights):
    return "[confidence]\n" + "".join(f"{k} = {float(v):.6g}\n" for k, v in weights.items())


def with_confidence(text, weights):
    """A manifest with this section in place of its own; before [files], where sections of numbers end."""
    text = re.sub(r"(?ms)^\[confidence\][^\[]*", "", text)
    return text.replace("[files]", section(weights) + "\n[files]", 1)


def heard(a, split, weights, scratch):
    """(confidence [n], right [n], corpus [n]) of every word that is heard with these weights."""
    models, out = os.path.join(scratch, "models"), os.path.join(scratch, "words.tsv")
    shutil.rmtree(models, ignore_errors=True)
    shutil.copytree(os.path.abspath(a.models), models, copy_function=os.symlink)
    manifest = os.path.join(models, "asr-en", "manifest.toml")
    with open(manifest, encoding="utf-8") as f:
        text = f.read()
    os.remove(manifest)
    with open(manifest, "w", encoding="utf-8") as f:
        f.write(with_confidence(text, weights))
    subprocess.run([a.asr_wer, *a.sets, "--split", split, "--threads", str(a.threads), "--models", models, "--words", out,
                    "--plans", os.path.join(scratch, "plans")], check=True, stdout=subprocess.DEVNULL)
    with open(out, encoding="utf-8") as f:
        rows = [line.rstrip("\n").split("\t") for line in f][1:]
    return tuple(np.array(c) for c in zip(*((float(r[3]), r[4] == "1", r[0]) for r in rows)))


def evidence(a, split, scratch):
    """(log odds or plain numbers [n, 6], right [n], corpora [n])."""
    columns, first = [], None
    for name in EVIDENCE:
        p, right, corpora = heard(a, split, {"mean": 0.0, name: SCALE.get(name, 1.0)}, scratch)
        p = np.clip(p, 1e-7, 1 - 1e-7)
        columns.append(np.log(p / (1 - p)) / SCALE.get(name, 1.0))
        assert first is None or (first == right).all(), "the same words in every run"
        first = right
    return np.stack(columns, 1), right, corpora


def fit(x, y, weight, ridge=1e-2):
    """Logistic regression by Newton's method on standardised columns -> (bias, weights) of the raw ones."""
    mean, spread = x.mean(0), x.std(0) + 1e-6
    z = np.concatenate([np.ones((len(x), 1)), (x - mean) / spread], 1)
    w = np.zeros(z.shape[1])
    for _ in range(50):
        p = 1 / (1 + np.exp(-z @ w))
        gradient = z.T @ (weight * (p - y)) + ridge * w
        hessian = (z * (weight * p * (1 - p))[:, None]).T @ z + ridge * np.eye(len(w))
        step = np.linalg.solve(hessian, gradient)
        w -= step
        if np.abs(step).max() < 1e-9:
            break
    return w[0] - (w[1:] * mean / spread).sum(), w[1:] / spread


def bins(p, y, count=10):
    """[(share of the words, mean confidence, share that is right)]."""
    which = np.minimum((p * count).astype(int), count - 1)
    return [((which == k).mean(), p[which == k].mean(), y[which == k].mean()) for k in range(count) if (which == k).any()]


def figures(p, y):
    order = np.argsort(p, kind="stable")
    rank = np.empty(len(p))
    rank[order] = np.arange(1, len(p) + 1)
    ups, downs = y.sum(), (~y).sum()
    area = (rank[y].sum() - ups * (ups + 1) / 2) / max(ups * downs, 1)
    return dict(ece=round(float(sum(n * abs(c - r) for n, c, r in bins(p, y))), 4), brier=round(float(((p - y) ** 2).mean()), 4),
                auc=round(float(area), 4), right=round(float(y.mean()), 4), words=len(y))


def draw(path, parts):
    import matplotlib
    matplotlib.use("Agg")
    import matplotlib.pyplot as plt
    plt.figure(figsize=(5, 5))
    plt.plot([0, 1], [0, 1], color="grey", linewidth=0.8)
    for name, (p, y) in parts.items():
        found = bins(p, y)
        plt.plot([c for _, c, _ in found], [r for _, _, r in found], marker="o", label=name)
    plt.xlabel("confidence"), plt.ylabel("share of the words that were said"), plt.legend(), plt.tight_layout()
    plt.savefig(path, dpi=90)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("asr_wer"), ap.add_argument("models"), ap.add_argument("sets", nargs="+")
    ap.add_argument("--threads", type=int, default=1), ap.add_argument("--plot")
    a = ap.parse_args()
    with tempfile.TemporaryDirectory() as scratch:
        x, y, where = evidence(a, "dev", scratch)
        count = {c: (where == c).sum() for c in set(where)}
        bias, w = fit(x, y, np.array([1 / count[c] for c in where]) * len(where) / len(count))  # every set counts alike
        fitted = dict(bias=bias, **dict(zip(EVIDENCE, w)))
        print(section(fitted), flush=True)
        parts = {"mean of the letters": heard(a, "test", {"mean": 1.0}, scratch), "fitted": heard(a, "test", fitted, scratch)}
    for name, (p, y, where) in parts.items():
        print(json.dumps(dict(confidence=name, set="all", **figures(p, y))))
        for c in sorted(set(where)):
            print(json.dumps(dict(confidence=name, set=str(c), **figures(p[where == c], y[where == c]))))
    if a.plot:
        draw(a.plot, {name: part[:2] for name, part in parts.items()})


if __name__ == "__main__":
    main()
