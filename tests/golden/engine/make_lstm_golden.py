#!/usr/bin/env python3
"""Makes lstm.json: nn.LSTM of PyTorch in double precision, both directions. make_lstm_golden.py [OUT]"""

import json
import os
import sys

import torch

HIDDEN, BATCH, STEPS = 33, 2, 6


def rand(*dims, scale=1.0):
    """Values that single precision holds exactly."""
    return ((torch.rand(*dims, dtype=torch.float64) * 2 - 1) * scale).float().double()


def entry(tensor):
    return {
        "dims": list(tensor.shape),
        "values": [float(f"{v:.9g}") for v in tensor.flatten().tolist()],
    }


def main():
    torch.manual_seed(6)
    # The product with the inputs is outside the loop: here the identity does it.
    cell = torch.nn.LSTM(4 * HIDDEN, HIDDEN, batch_first=True, bias=False).double()
    cell.weight_ih_l0.data = torch.eye(4 * HIDDEN, dtype=torch.float64)
    cell.weight_hh_l0.data = rand(4 * HIDDEN, HIDDEN, scale=0.5)
    from_x, h, c = rand(BATCH, STEPS, 4 * HIDDEN), rand(BATCH, HIDDEN), rand(BATCH, HIDDEN)
    out = {"w_hh": entry(cell.weight_hh_l0.data), "from_x": entry(from_x), "h": entry(h)}
    out["c"] = entry(c)
    with torch.no_grad():
        for name, sequence in (("forward", from_x), ("reverse", from_x.flip(1))):
            y, (last_h, last_c) = cell(sequence, (h[None], c[None]))
            y = y.flip(1) if name == "reverse" else y
            out[name] = {"y": entry(y), "h": entry(last_h[0]), "c": entry(last_c[0])}
    folder = os.path.dirname(os.path.abspath(__file__))
    path = sys.argv[1] if len(sys.argv) > 1 else os.path.join(folder, "lstm.json")
    with open(path, "w", encoding="utf-8") as file:
        json.dump(out, file)
        file.write("\n")


if __name__ == "__main__":
    main()
