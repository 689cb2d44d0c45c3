"""Weights in few bytes for the way between machines: F16, the upper bytes of all tensors together deflated (28 MB instead of 33)."""
import os
import zlib

import numpy as np
import torch


def save_packed(path, state, **more):
    """state {name: tensor} as F16, beside what else is to be kept."""
    halves = np.concatenate([v.half().cpu().numpy().ravel() for v in state.values()]).view(np.uint8).reshape(-1, 2)
    high = np.frombuffer(zlib.compress(halves[:, 1].tobytes(), 6), np.uint8)
    torch.save(more | {"shapes": [(k, tuple(v.shape)) for k, v in state.items()], "low": torch.from_numpy(halves[:, 0].copy()),
                       "high": torch.from_numpy(high.copy())}, path + ".part")
    os.replace(path + ".part", path)


def load_weights(path):
    """{name: tensor F16} of what save_packed wrote; the weights under "net" of other checkpoints."""
    saved = torch.load(path, map_location="cpu", weights_only=True)
    if "net" in saved:
        return saved["net"]
    halves = np.stack([saved["low"].numpy(), np.frombuffer(zlib.decompress(saved["high"].numpy()), np.uint8)], 1).view(np.float16).ravel()
    state, at = {}, 0
    for name, shape in saved["shapes"]:
        number = int(np.prod(shape))
        state[name] = torch.from_numpy(halves[at:at + number].reshape(shape).copy())
        at += number
    return state
