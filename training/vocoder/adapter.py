"""Low-rank adaptation (LoRA, arXiv 2106.09685) of the vocoder to one more voice: what is large stays as the pack has it, plus a product of two narrow
matrices for each; what is small is the voice's own. The voice costs less than a megabyte and the others stay as they are, bit for bit.

A voice's file, beside the pack's weights.safetensors, names as in export.py:
  NAME                     stands in place of the pack's NAME, or is new (pitch.*)
  NAME.down, NAME.up       [rank, in], [rank, out], I8 with F32 scales [rank], or F16: NAME [out, in] is the pack's plus transpose(up) down
What the pack has in I8 is I8 again after that sum, with new scales (pack.quantised).
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F
from torch.nn.utils import parametrize

from training.tts import pack

RANKS = dict(gate_w=6, res_w=4, cond_w=4, end_w=6)  # of the matrices that stay
OWN = ("start_w", "start_b", "cond_b", "res_b", "depth", "end_b")  # the voice's, beside the flows' `mix`


class LowRank(nn.Module):
    """w [..., out, in] -> w + transpose(up) down, zero to begin with; layers: of how many first matrices of a stack, the rest stays."""

    def __init__(self, shape, rank, layers=None):
        super().__init__()
        stack, (rows, columns) = list(shape[:-2]), shape[-2:]
        self.beyond = stack[0] - layers if layers is not None else 0
        if self.beyond:
            stack[0] = layers
        self.down = nn.Parameter(torch.randn(*stack, rank, columns) / math.sqrt(rank))
        self.up = nn.Parameter(torch.zeros(*stack, rank, rows))

    def forward(self, w):
        change = self.up.transpose(-1, -2) @ self.down
        return w + (F.pad(change, (0, 0, 0, 0, 0, self.beyond)) if self.beyond else change)


def adapt(net, ranks=RANKS):
    """Makes a SlimWaveGlow one whose large matrices stay; without a change it says the same. The last residual layer stays whole: the pack has it within `end`."""
    net.requires_grad_(False)
    for mix in net.mix:
        mix.requires_grad_(True)
    for wn in net.wn:
        for name in OWN:
            getattr(wn, name).requires_grad_(True)
        for name, rank in ranks.items():
            w = getattr(wn, name)
            low = LowRank(w.shape, rank, len(w) - 1 if name == "res_w" else None)
            parametrize.register_parametrization(wn, name, low.to(w.device))
    return net


def base_state(state):
    """A plain network's state dict by the names that an adapted one has."""
    return {k if k.rpartition(".")[2] not in RANKS else "{0}.parametrizations.{2}.original".format(*k.rpartition(".")): v for k, v in state.items()}


def tensors(net):
    """An adapted network -> f32 tensors of its file."""
    out = {}
    for f, (mix, wn) in enumerate(zip(net.mix, net.wn)):
        flow, layers = f"flow.{f}", len(wn.depth)
        low = {name: wn.parametrizations[name][0] for name in RANKS}
        add = lambda name, down, up: out.update({f"{flow}.{name}.down": down, f"{flow}.{name}.up": up})
        out |= {f"{flow}.mix": mix, f"{flow}.start.weight": wn.start_w, f"{flow}.start.bias": wn.start_b,
                f"{flow}.cond.bias": wn.cond_b + wn.gate_b.flatten(), f"{flow}.end.bias": wn.end_b + wn.end_w @ wn.res_b[-1]}
        add("cond.weight", low["cond_w"].down, low["cond_w"].up)
        add("end.weight", torch.cat([low["end_w"].down, low["end_w"].down @ wn.res_w[-1]], 1), low["end_w"].up)
        for i in range(layers):
            out[f"{flow}.depth.{i}"] = wn.depth[i]
            add(f"gate.{i}.weight", low["gate_w"].down[i], low["gate_w"].up[i])
            if i < layers - 1:
                out[f"{flow}.res.{i}.bias"] = wn.res_b[i]
                add(f"res.{i}.weight", low["res_w"].down[i], low["res_w"].up[i])
    return {k: v.detach().contiguous() for k, v in out.items()}


@torch.no_grad()
def restore(net, voice):
    """Sets what an adapted network has of its own, the pitch network too, to f32 tensors of a voice's file: the way back from `tensors`."""
    for f, (mix, wn) in enumerate(zip(net.mix, net.wn)):
        get = lambda name: voice[f"flow.{f}.{name}"]
        many = lambda name, count: torch.stack([get(name.format(i)) for i in range(count)])
        layers, channels = len(wn.depth), wn.start_b.shape[0]
        wn.gate_b.zero_(), wn.res_b.zero_(), mix.copy_(get("mix"))
        wn.start_w.copy_(get("start.weight")), wn.start_b.copy_(get("start.bias")), wn.cond_b.copy_(get("cond.bias")), wn.end_b.copy_(get("end.bias"))
        wn.depth.copy_(many("depth.{}", layers)), wn.res_b[:-1].copy_(many("res.{}.bias", layers - 1))
        low = {name: wn.parametrizations[name][0] for name in RANKS}
        low["cond_w"].down.copy_(get("cond.weight.down")), low["cond_w"].up.copy_(get("cond.weight.up"))
        low["end_w"].down.copy_(get("end.weight.down")[:, :channels]), low["end_w"].up.copy_(get("end.weight.up"))
        for name, count in (("gate", layers), ("res", layers - 1)):
            for half in ("down", "up"):
                getattr(low[f"{name}_w"], half).copy_(many(f"{name}.{{}}.weight.{half}", count))
    if net.pitch:
        for part in ("start", "end"):
            getattr(net.pitch, part).load_state_dict({k: voice[f"pitch.{part}.{k}"] for k in ("weight", "bias")})
        for i, mix in enumerate(net.pitch.mix):
            net.pitch.depth[i].copy_(voice[f"pitch.depth.{i}"])
            mix.load_state_dict({k: voice[f"pitch.mix.{i}.{k}"] for k in ("weight", "bias")})


def balanced(tensors):
    """The same sums by pairs of orthogonal rows, of equal length in both halves: what rounding to I8 costs is least so."""
    out = dict(tensors)
    for name in [k[:-5] for k in tensors if k.endswith(".down")]:
        down, up = tensors[f"{name}.down"].double(), tensors[f"{name}.up"].double()
        u, s, v = torch.linalg.svd(up.T @ down, full_matrices=False)
        s = s[:len(down), None].sqrt()
        out |= {f"{name}.down": (s * v[:len(down)]).float(), f"{name}.up": (s * u.T[:len(down)]).float()}
    return out


def adapted(base, voice):
    """Raw tensors of a pack and of a voice's file, as pack.load gives them -> raw tensors of the pack with that voice's weights."""
    theirs, own = pack.plain(base), pack.plain(voice)
    narrow = {k[:-5] for k in own if k.endswith(".down")}
    replaced = {k for k in own if not k.endswith((".down", ".up"))}
    out = {k: v for k, v in base.items() if k.removesuffix(".scale") not in replaced}
    out |= {k: v for k, v in voice.items() if k.removesuffix(".scale") in replaced}
    for name in narrow:
        w = (theirs[name].double() + own[f"{name}.up"].double().T @ own[f"{name}.down"].double()).float()  # as Weights::adapted adds
        out |= dict(zip((name, f"{name}.scale"), pack.quantised(w))) if f"{name}.scale" in base else {name: w}
    return out
