"""More speakers for the teacher: styles between its training voices and a little beyond them.

    python3 -m training.common.voices VOICES OUT --count 40 [--seed 2]

VOICES/NAME.npy: styles [510, 256] by number of phonemes. A new one is a mixture of three voices of one accent, drawn away from the
mean of all by a factor of 1.05 to 1.35, each of its dimensions moved a little. The voices kept out of training go into none.
"""
import argparse
import glob
import os

import numpy as np

from .text import KeptOut

BEYOND, MOVED = (1.05, 1.35), 0.12  # MOVED: in spreads of the dimension over all voices


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("voices"), ap.add_argument("out")
    ap.add_argument("--count", type=int, default=40), ap.add_argument("--seed", type=int, default=2)
    a = ap.parse_args()
    kept, rng = KeptOut().voices, np.random.default_rng(a.seed)
    styles = {os.path.basename(p)[:-4]: np.load(p).astype(np.float32) for p in sorted(glob.glob(os.path.join(a.voices, "*.npy")))}
    styles = {name: s for name, s in styles.items() if name not in kept and not name.startswith("x", 1)}
    every = np.stack(list(styles.values()))
    mean, spread = every.mean(0), every.std(0).mean(0)
    os.makedirs(a.out, exist_ok=True)
    for k in range(a.count):
        accent = "ab"[k % 4 == 3]  # as many American ones as the teacher has: three of four
        group = [s for name, s in styles.items() if name[0] == accent]
        share = rng.dirichlet([0.8] * 3)
        mixed = sum(w * group[i] for w, i in zip(share, rng.choice(len(group), 3, replace=False)))
        style = mean + rng.uniform(*BEYOND) * (mixed - mean) + MOVED * spread * rng.standard_normal(256)
        np.save(os.path.join(a.out, f"{accent}x_{k:02d}.npy"), style.astype(np.float16))
    print(a.count, "voices from", len(styles))


if __name__ == "__main__":
    main()
