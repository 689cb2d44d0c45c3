#!/usr/bin/env python3
"""Makes reference.json: small cases in double precision by PyTorch. make_reference_golden.py [OUT]"""
import json
import os
import sys

import torch
import torch.nn.functional as F

torch.manual_seed(4)
torch.set_default_dtype(torch.float64)
CASES = {}


def rand(*dims):
    """Values that single precision holds exactly."""
    return (torch.rand(*dims) * 2 - 1).float().double()


def case(name, **tensors):
    CASES[name] = {k: {"dims": list(t.shape), "values": [round(v, 15) for v in t.double().flatten().tolist()]}
                   for k, t in tensors.items()}


def lstm():
    cell = torch.nn.LSTM(3, 4, batch_first=True, bidirectional=True)
    weights = {}
    for name, p in cell.named_parameters():
        p.data = rand(*p.shape)
        weights[name] = p.data
    x, h, c = rand(2, 5, 3), rand(2, 2, 4), rand(2, 2, 4)
    with torch.no_grad():
        y, (hn, cn) = cell(x, (h, c))
    case("lstm", x=x, h=h, c=c, y=y, hn=hn, cn=cn, **weights)


def conv():
    x, w, b = rand(2, 6, 11), rand(4, 3, 3), rand(4)
    y = F.conv1d(F.pad(x, (3, 1)), w, b, stride=2, dilation=2, groups=2)
    case("conv", x=x, w=w, b=b, y=y)


def attention():
    q, k, v, mask = rand(2, 3, 8), rand(2, 5, 8), rand(2, 5, 8), rand(2, 5)
    mask[1, 3:] = -10000.0
    def heads(t):
        return t.view(2, -1, 2, 4).transpose(1, 2)
    y = F.scaled_dot_product_attention(heads(q), heads(k), heads(v), attn_mask=mask[:, None, None, :])
    case("attention", q=q, k=k, v=v, mask=mask, y=y.transpose(1, 2).reshape(2, 3, 8))


def rows():
    x, gamma, beta = rand(3, 7) * 3, rand(7), rand(7)
    case("rows", x=x, gamma=gamma, beta=beta, norm=F.layer_norm(x, (7,), gamma, beta, 1e-5),
         softmax=F.softmax(x, 0), log_softmax=F.log_softmax(x, 1), sum=x.sum(0), mean=x.mean(1), max=x.amax(1),
         argmax=x.argmax(1), w=(w := rand(2, 7)), linear=F.linear(x, w, beta[:2]))


def unary():
    x = rand(9) * 3
    p = x.abs() + 0.1
    case("unary", x=x, p=p, neg=-x, abs=x.abs(), exp=x.exp(), log=p.log(), sqrt=p.sqrt(), rsqrt=p.rsqrt(),
         reciprocal=p.reciprocal(), tanh=x.tanh(), sigmoid=x.sigmoid(), relu=x.relu(), gelu=F.gelu(x), erf=x.erf(),
         sin=x.sin(), cos=x.cos(), floor=x.floor(), clamp=x.clamp(-0.5, 1))


def binary():
    a, b = rand(2, 1, 3), rand(4, 1)
    p = a.abs() + 0.2
    case("binary", a=a, b=b, p=p, add=a + b, sub=a - b, mul=a * b, div=a / b, max=torch.maximum(a, b),
         min=torch.minimum(a, b), pow=p ** b, where=torch.where(a > b, a, b))


def moves():
    x, y = rand(2, 3, 4), rand(2, 2, 4)
    case("moves", x=x, y=y, transpose=x.permute(2, 0, 1).contiguous(), reshape=x.reshape(2, -1),
         slice=x[:, 1:, 1:3].contiguous(), concat=torch.cat([x, y], 1), repeat=x.repeat_interleave(3, 2),
         reverse=x.flip(1), pad=F.pad(x, (1, 2), value=0.5))
    a, b = rand(2, 1, 3, 4), rand(3, 4, 2)
    case("matmul", a=a, b=b, y=a @ b)
    ids, table = torch.tensor([[2, 0], [1, 2]]), rand(3, 5)
    case("embedding", ids=ids, table=table, y=F.embedding(ids, table))


def rotary():
    """As complex numbers; the first six of eight elements by halves, and all as neighbours."""
    x, angles = rand(2, 3, 2, 8), rand(2, 3, 4) * 3
    turn = lambda pairs, by: torch.view_as_real(torch.view_as_complex(pairs.contiguous()) * torch.polar(torch.ones_like(by), by))
    by = angles[:, :, None]
    half = turn(torch.stack((x[..., :3], x[..., 3:6]), -1), by[..., :3])
    case("rotary", x=x, cos=angles.cos(), sin=angles.sin(), neighbours=turn(x.view(2, 3, 2, 4, 2), by).flatten(-2),
         halves=torch.cat((half[..., 0], half[..., 1], x[..., 6:]), -1))


for make in (lstm, conv, attention, rows, unary, binary, moves, rotary):
    make()
out = sys.argv[1] if len(sys.argv) > 1 else os.path.join(os.path.dirname(__file__), "reference.json")
with open(out, "w", encoding="utf-8") as file:
    file.write("{\n" + ",\n".join(f'"{name}": {json.dumps(c)}' for name, c in CASES.items()) + "\n}\n")
