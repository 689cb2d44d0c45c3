"""The weighted mean of two trainings from the same start network: often better on both of what each is good at.

    python3 -m training.nlu.average OUT.pt FIRST SECOND --share 0.6

FIRST, SECOND: CHECKPOINT.pt or the folder of a pack. OUT.pt: share × FIRST + (1 - share) × SECOND; what FIRST alone has (slot_next) stays as it is.
"""
import argparse

import torch

from .recognised import load_state


def mean(first, second, share):
    """States -> state."""
    return {k: share * v + (1 - share) * second[k] if k in second else v for k, v in first.items()}


def main():
    ap = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    ap.add_argument("out"), ap.add_argument("first"), ap.add_argument("second"), ap.add_argument("--share", type=float, default=0.6)
    a = ap.parse_args()
    torch.save({"net": mean(load_state(a.first), load_state(a.second), a.share)}, a.out)


if __name__ == "__main__":
    main()
