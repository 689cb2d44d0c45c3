"""Weights of a pack: safetensors with I8 matrices, one scale per output row, and the way back to f32.

NAME I8 [out, ...] has NAME.scale F32 [out]; the value is the product. What is not quantised is F32 or F16. The
header's metadata holds strings.
"""
import json
import struct

import torch

TYPES = {"F32": torch.float32, "F16": torch.float16, "I8": torch.int8, "I32": torch.int32}


def quoted(text):
    """A TOML basic string: JSON's escapes are among TOML's."""
    return json.dumps(text, ensure_ascii=False)


def save(path, tensors, metadata=None):
    """Writes a safetensors file: 8 bytes of header length, a JSON header padded to 8 bytes, the tensors' bytes."""
    names, header, at = {v: k for k, v in TYPES.items()}, {}, 0
    if metadata:
        header["__metadata__"] = {k: str(v) for k, v in metadata.items()}
    tensors = {k: v.detach().cpu().contiguous() for k, v in tensors.items()}
    # wide types first: every tensor begins at a multiple of its element's size
    order = sorted(tensors, key=lambda k: (-tensors[k].element_size(), k))
    for k in order:
        count = tensors[k].numel() * tensors[k].element_size()
        header[k] = dict(dtype=names[tensors[k].dtype], shape=list(tensors[k].shape), data_offsets=[at, at + count])
        at += count
    text = json.dumps(header, separators=(",", ":"), ensure_ascii=False).encode()
    text += b" " * (-len(text) % 8)
    with open(path, "wb") as f:
        f.write(struct.pack("<Q", len(text)) + text)
        for k in order:
            f.write(tensors[k].numpy().tobytes())


def load(path):
    """-> tensors by name, metadata."""
    with open(path, "rb") as f:
        header = json.loads(f.read(struct.unpack("<Q", f.read(8))[0]))
        body = bytearray(f.read())
    metadata, out = header.pop("__metadata__", {}), {}
    for name, h in header.items():
        a, b = h["data_offsets"]
        out[name] = torch.frombuffer(body[a:b], dtype=TYPES[h["dtype"]]).view(h["shape"]).clone()
    return out, metadata


def halved(state):
    """A state dict with f16 for f32, to travel."""
    return {k: v.detach().cpu().half() if v.is_floating_point() else v.detach().cpu() for k, v in state.items()}


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
    save(path, stored(tensors, keep), metadata)


def plain(raw):
    """What the file holds -> f32 tensors by name."""
    out = {}
    for name, w in raw.items():
        if name.endswith(".scale") and name[:-6] in raw:
            continue
        w = w.float()
        if name + ".scale" in raw:
            w = w * raw[name + ".scale"].view(-1, *[1] * (w.dim() - 1))
        out[name] = w
    return out


def read(path):
    """-> f32 tensors by name, metadata."""
    raw, metadata = load(path)
    return plain(raw), metadata


def folded(conv, norm):
    """Convolution and the BatchNorm after it (evaluation) -> weight and bias of one convolution."""
    gain = norm.weight / torch.sqrt(norm.running_var + norm.eps)
    weight = conv.weight * gain[:, None, None]
    return weight.detach(), ((conv.bias - norm.running_mean) * gain + norm.bias).detach()
