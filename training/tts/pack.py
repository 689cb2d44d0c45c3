"""Weights of a pack: safetensors with I8 matrices, one scale per output row, and the way back to f32.

NAME I8 [out, ...] has NAME.scale F32 [out]; the value is the product. What is not quantised is F32 or F16. The
header's metadata holds strings.
"""
import os

import torch
from safetensors import safe_open
from safetensors.torch import save_file


def quantised(w):
    """[out, ...] f32 -> I8 of the same shape, scale [out] f32; symmetric, -127 to 127; of some clipping points for
    each row, the one of least squared error."""
    rows = w.detach().float().flatten(1)
    peak = rows.abs().amax(1).clamp_min(1e-12)
    best, scale = torch.full_like(peak, float("inf")), peak / 127
    for share in (1.0, 0.96, 0.92, 0.88, 0.84, 0.8):
        s = peak * share / 127
        error = ((rows / s[:, None]).round().clamp(-127, 127) * s[:, None] - rows).square().sum(1)
        scale, best = torch.where(error < best, s, scale), torch.minimum(error, best)
    q = (rows / scale[:, None]).round().clamp(-127, 127)
    return q.to(torch.int8).view(w.shape), scale


def stored(tensors, keep=lambda name: None):
    """f32 tensors by name -> what goes to the file. Two and more dimensions become I8 unless keep(name) says
    torch.float32 or torch.float16."""
    out = {}
    for name, w in tensors.items():
        kind = keep(name) or (torch.int8 if w.dim() > 1 else torch.float32)
        if kind == torch.int8:
            out[name], out[f"{name}.scale"] = quantised(w)
        else:
            out[name] = w.detach().to(kind)
    return {name: w.contiguous().cpu() for name, w in out.items()}


def write(path, tensors, metadata, keep=lambda name: None):
    save_file(stored(tensors, keep), path, metadata={k: str(v) for k, v in metadata.items()})
    os.chmod(path, 0o644)


def read(path):
    """-> f32 tensors by name, metadata."""
    with safe_open(path, "pt") as f:
        raw = {name: f.get_tensor(name) for name in f.keys()}
        metadata = f.metadata()
    out = {}
    for name, w in raw.items():
        if name.endswith(".scale") and name[:-6] in raw:
            continue
        w = w.float()
        if name + ".scale" in raw:
            w = w * raw[name + ".scale"].view(-1, *[1] * (w.dim() - 1))
        out[name] = w
    return out, metadata


def folded(conv, norm):
    """Convolution and the BatchNorm after it (evaluation) -> weight and bias of one convolution."""
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = conv.weight * gain[:, None, None]
    return weight.detach(), ((conv.bias - norm.running_mean) * gain + norm.bias).detach()
