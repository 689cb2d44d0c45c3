"""The weighted mean of two trainings of one network (Wortsman et al. 2022, arXiv 2203.05482): better than either where the second went on from the first.

    python3 -m training.asr.average OUT.pt CHECKPOINT.pt SECOND --share 0.3

SECOND: a checkpoint, or a pack's weights.safetensors. OUT.pt, for training.asr.export: share × CHECKPOINT + (1 - share) × SECOND.
"""
import argparse

import torch

from .evaluate import load_net
from .golden import restored


def mean(first, second, share):
    """States -> state. ValueError: names a weight that only one has, or has in another shape."""
    shape_of = lambda state, name: tuple(state[name].shape) if name in state else None
    for name in sorted(first.keys() | second.keys()):
        if shape_of(first, name) != shape_of(second, name):
            raise ValueError(f"{name}: {shape_of(first, name)} and {shape_of(second, name)}; wanted two trainings of one network")
    return {k: torch.lerp(second[k].float(), v.float(), share) for k, v in first.items()}


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out"), ap.add_argument("first"), ap.add_argument("second"), ap.add_argument("--share", type=float, default=0.5)
    a = ap.parse_args()
    net, saved = load_net(a.first, "cpu")
    other = load_net(a.second, "cpu")[0] if a.second.endswith(".pt") else restored(a.second)
    ema = mean(net.state_dict(), other.state_dict(), a.share)
    torch.save(dict(shape=saved["shape"], ema=ema, step=saved["step"], elapsed=saved["elapsed"]), a.out)


if __name__ == "__main__":
    main()
