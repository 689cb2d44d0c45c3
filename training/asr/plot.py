"""Draws loss and word error rates of a training: python3 -m training.asr.plot OUT/log.jsonl OUT/curves.png (needs matplotlib)."""
import json
import sys


def main():
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    with open(sys.argv[1], encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    figure, (left, right) = pyplot.subplots(1, 2, figsize=(11, 4))
    steps = [v for v in lines if v["kind"] == "step"]
    left.plot([v["elapsed"] / 60 for v in steps], [v["loss"] for v in steps])
    left.set(xlabel="minutes", ylabel="CTC loss a symbol", yscale="log")
    rates = [v for v in lines if v["kind"] == "wer" and not v.get("final")]
    for corpus in sorted({k for v in rates for k in v} - {"kind", "step", "elapsed", "final"}):
        points = [(v["elapsed"] / 60, v[corpus]) for v in rates if corpus in v]
        right.plot(*zip(*points), label=corpus)
    right.set(xlabel="minutes", ylabel="word error rate, greedy, %", ylim=(0, 100))
    right.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(sys.argv[2], dpi=110)


if __name__ == "__main__":
    main()
