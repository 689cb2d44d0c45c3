"""A checkpoint -> the pack's weights in INT8 and the same in f16.

    python3 -m training.asr.export CHECKPOINT.pt OUT_DIR

OUT_DIR/weights.safetensors: every matrix NAME as I8 [out, in, ...] with NAME.scale F32 [out], so that w = NAME * scale of
its row, symmetric, codes within [-127, 127]; everything else F32. OUT_DIR/weights_f16.safetensors: the same names in F16.
Names and shapes are the network's own (model.py); LSTM rows stand in PyTorch's order of gates: input, forget, cell, output.
The two biases of an LSTM are summed into NAME lstms.K.bias.
"""
import argparse
import json
import os

import torch

from .evaluate import load_net
from .tensors import save_tensors


def is_matrix(name, w):
    """Whether the weights are stored in INT8; the look-ahead's five taps a channel are too few to matter."""
    return w.dim() >= 2 and not name.startswith("ahead")


def quantise(w):
    """w [out, ...] f32 -> codes I8 of the same shape, scale F32 [out].

    Of a few clipping points for each row the one of least squared error is taken.
    """
    rows = w.reshape(len(w), -1)
    peak = rows.abs().amax(1).clamp_min(1e-12)
    best, scale = torch.full_like(peak, float("inf")), peak / 127
    for share in (1.0, 0.97, 0.94, 0.91, 0.88, 0.85, 0.8, 0.75):
        s = peak * share / 127
        error = ((rows / s[:, None]).round().clamp(-127, 127) * s[:, None] - rows).square().sum(1)
        better = error < best
        best, scale = torch.where(better, error, best), torch.where(better, s, scale)
    codes = (rows / scale[:, None]).round().clamp(-127, 127).to(torch.int8)
    return codes.reshape(w.shape), scale


def rounded(state):
    """A state dict with every matrix as INT8 will play it."""
    out = {}
    for name, w in state.items():
        w = w.detach().float().cpu()
        if is_matrix(name, w):
            codes, scale = quantise(w)
            w = codes.float() * scale.reshape(-1, *[1] * (w.dim() - 1))
        out[name] = w
    return out


def packed(state):
    """Names of the pack: the two biases of each LSTM become one, `_l0` is dropped."""
    out = {}
    for name, w in state.items():
        w = w.detach().float().cpu()
        if name.endswith("bias_hh_l0"):
            continue
        if name.endswith("bias_ih_l0"):
            w = w + state[name.replace("bias_ih", "bias_hh")].detach().float().cpu()
            name = name.replace("bias_ih_l0", "bias")
        out[name.removesuffix("_l0")] = w.contiguous()
    return out


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("checkpoint")
    ap.add_argument("out")
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    net, saved = load_net(a.checkpoint, "cpu")
    tensors, notes = {}, {k: str(v) for k, v in saved["shape"].items()}
    for name, w in packed(net.state_dict()).items():
        if is_matrix(name, w):
            tensors[name], tensors[name + ".scale"] = quantise(w)
        else:
            tensors[name] = w
    sizes = dict(int8=save_tensors(os.path.join(a.out, "weights.safetensors"), tensors, notes))
    half = {k: v.half() for k, v in packed(net.state_dict()).items()}
    sizes["f16"] = save_tensors(os.path.join(a.out, "weights_f16.safetensors"), half, notes)
    print(json.dumps(dict(bytes=sizes, tensors={k: [str(v.dtype)[6:], *v.shape] for k, v in tensors.items()})))


if __name__ == "__main__":
    main()
