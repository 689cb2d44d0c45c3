"""How near a streaming encoder is to the whole one that it begins with, before any training: correlation of their features.

    python3 -m training.asr.nearness LISTENER.npz --data DATA [--reach 61,3 61,4 ...]      # LISTENER.npz: training.asr.whisper's

--reach: frames of 20 ms back and ahead of each block. Six utterances of LibriSpeech; every feature counts by its own spread.
"""
import argparse
import json
import os

import numpy as np
import torch
import torch.nn.functional as F

from ..common.data import corpus_rows, decode
from .listener import Listener
from .model import LogMel

CORPUS, ROWS = "librispeech_mini", slice(200, 206)


def correlation(net, mel):
    """Of encode() and whole() of mel [1, 80, T]."""
    steps = torch.tensor([mel.shape[2] // 4])
    whole = net.whole(mel, steps)[0]
    told = net.encode(F.pad(mel, (0, 4 * net.late)), steps, torch.zeros(1, dtype=torch.long))[0, net.late:]
    spread = whole.std(0).clamp_min(1e-3)
    a, b = ((x - x.mean(0)) / spread for x in (whole, told))
    return ((a * b).sum() / (a.norm() * b.norm())).item()


@torch.no_grad()
def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("weights"), ap.add_argument("--data", default="../shared/data")
    ap.add_argument("--reach", nargs="+", default=["61,2", "61,3", "61,4", "61,6", "125,3", "200,50"])
    a = ap.parse_args()
    pcm, mel_of, mels = decode(os.path.join(a.data, "speech", CORPUS + ".opus")), LogMel(), []
    for r in corpus_rows(a.data, CORPUS)[ROWS]:
        at, n = int(r["start_sample"]), int(r["num_samples"]) // 640 * 640
        mels.append(mel_of(torch.from_numpy(pcm[at:at + n].copy()).float()[None] / 32768))
    with np.load(a.weights) as saved:
        state = {k: torch.from_numpy(saved[k]).float() for k in saved.files}
    for reach in a.reach:
        past, ahead = map(int, reach.split(","))
        net = Listener(past=past, ahead=ahead).eval()
        net.load_state_dict(state, strict=False)
        print(json.dumps(dict(past=past, ahead=ahead, correlation=round(sum(correlation(net, m) for m in mels) / len(mels), 3))), flush=True)


if __name__ == "__main__":
    main()
