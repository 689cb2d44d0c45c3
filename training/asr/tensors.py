"""Writes and reads the safetensors container: u64 length of a JSON head, the head, raw little-endian tensors."""
import json

import torch

KINDS = {torch.float32: "F32", torch.float16: "F16", torch.int8: "I8", torch.int16: "I16", torch.int32: "I32"}


def save_tensors(path, tensors, notes=None):
    """Wider types come first, without gaps, so that every tensor is aligned to its element; the data part starts at a
    multiple of 64 bytes of the file.

    notes: {str: str} for the head's __metadata__. Returns the bytes of the file.
    """
    head, at, blobs = {}, 0, []
    if notes:
        head["__metadata__"] = notes
    for name, t in sorted(tensors.items(), key=lambda kv: (-kv[1].element_size(), kv[0])):
        blob = t.detach().cpu().contiguous().numpy().tobytes()
        head[name] = dict(dtype=KINDS[t.dtype], shape=list(t.shape), data_offsets=[at, at + len(blob)])
        blobs.append(blob)
        at += len(blob)
    text = json.dumps(head, separators=(",", ":")).encode()
    text += b" " * (-(8 + len(text)) % 64)
    with open(path, "wb") as f:
        f.write(len(text).to_bytes(8, "little") + text)
        for blob in blobs:
            f.write(blob)
        return f.tell()


def load_tensors(path):
    """{name: tensor} of a file."""
    kinds = {v: k for k, v in KINDS.items()}
    with open(path, "rb") as f:
        head = json.loads(f.read(int.from_bytes(f.read(8), "little")))
        data = bytearray(f.read())
    out = {}
    for name, e in head.items():
        if name != "__metadata__":
            a, b = e["data_offsets"]
            out[name] = torch.frombuffer(data[a:b] or bytearray(1), dtype=kinds[e["dtype"]])[:None if b > a else 0].reshape(e["shape"])
    return out


def notes_of(path):
    """The head's __metadata__."""
    with open(path, "rb") as f:
        return json.loads(f.read(int.from_bytes(f.read(8), "little"))).get("__metadata__", {})
