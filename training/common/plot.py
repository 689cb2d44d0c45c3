"""Draws the curves of a training from its log: python3 -m training.common.plot LOG.jsonl CURVES.png (needs matplotlib).

One panel a quantity that the log's lines carry, against minutes; what was kept out of training beside what trains.
"""
import json
import sys

PANELS = {  # title: names of the log's fields, drawn together; logarithmic unless they are rates in %
    "loss a symbol, a piece, a sample": ("loss", "spell", "held_loss"),
    "word error rate, greedy, %": ("teacher_heldout", "librispeech_mini", "commonvoice_delta", "speechocean762"),
    "mel": ("mel", "held_mel"), "stop": ("stop", "held_stop"),
    "attention": ("attention", "held_attention"), "timing": ("timing", "held_timing"),
    "spectral": ("spectral",), "level, dB": ("level_db", "held_level_db"), "judges": ("judged", "deceived", "features"),
}


def main():
    import matplotlib
    matplotlib.use("Agg")
    from matplotlib import pyplot
    with open(sys.argv[1], encoding="utf-8") as f:
        lines = [json.loads(line) for line in f]
    minutes = lambda line: (line.get("elapsed") or line.get("s", 0)) / 60
    kept = [v for v in lines if not v.get("final") and not v.get("end") and v.get("kind") != "held_loss"]
    series = lambda name, of: [(minutes(v), v[name]) for v in of if isinstance(v.get(name), float)]
    panels = {}
    for title, names in PANELS.items():
        for way in sorted({(v.get("kind"), v.get("ahead")) for v in kept if title.endswith("%") and "ahead" in v}) or [None]:
            of = kept if way is None else [v for v in kept if (v.get("kind"), v.get("ahead")) == way]
            found = {n: series(n, of) for n in names if len(series(n, of)) > 1}
            if found:
                panels[title if way is None else f"{way[0]}, {way[1]} ahead, %"] = found
    figure, axes = pyplot.subplots(1, len(panels), figsize=(4.2 * len(panels), 3.4), squeeze=False)
    for axis, (title, found) in zip(axes[0], panels.items()):
        for name, points in found.items():
            axis.plot(*zip(*points), label=name, linewidth=0.9)
        axis.set(xlabel="minutes", title=title)
        if "%" not in title and "dB" not in title and all(v > 0 for points in found.values() for _, v in points):
            axis.set_yscale("log")
        axis.legend(fontsize=7)
    figure.tight_layout()
    figure.savefig(sys.argv[2], dpi=80)


if __name__ == "__main__":
    main()
