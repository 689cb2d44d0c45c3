"""INT8 weights: symmetric, one scale for each output channel (each row of an embedding table); and back."""
import torch


def quantised(name, tensor):
    """Whether a tensor is stored as I8: matrices, but not the two rows of token types."""
    return tensor.dim() == 2 and "token_type" not in name


def pack(state):
    """{name: f32} -> {name: I8 [out, in], name.scale: F32 [out]} for matrices, F32 for the rest; value = int8 * scale."""
    out = {}
    for name, t in state.items():
        t = t.detach().float().cpu().contiguous()
        if quantised(name, t):
            scale = t.abs().amax(1).clamp_min(1e-12) / 127
            out[name] = (t / scale[:, None]).round().clamp(-127, 127).to(torch.int8)
            out[name + ".scale"] = scale
        else:
            out[name] = t
    return out


def unpack(packed):
    """What pack() made -> {name: f32}."""
    out = {}
    for name, t in packed.items():
        if not name.endswith(".scale"):
            out[name] = t.float() * packed[name + ".scale"][:, None] if name + ".scale" in packed else t.float()
    return out
