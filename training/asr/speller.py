"""The attention decoder that finals are spelled with: the one of Whisper (Radford et al. 2022, arXiv 2212.04356) over the frames that the
listener tells, with a vocabulary of our own (pieces.py).

A text is <begin> <text> p1 ... pn <end>; what stands at a place tells the next. Normalises first, as Whisper does.
"""
import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from .batches import on_device
from .pieces import BEGIN, END, MARKS, TEXT

PLACES = 224  # pieces of a text at most, the two before it counted
LEAD = (BEGIN, TEXT)


def attention(q, k, v, heads, mask=None, causal=False):
    """q [B, U, C]; k, v [B, T, C]; mask [B, T] bool: what may be heard -> [B, U, C]."""
    split = lambda x: x.unflatten(-1, (heads, -1)).transpose(1, 2)
    bias = None if mask is None else torch.where(mask, 0.0, -1e4).to(q.dtype)[:, None, None]
    return F.scaled_dot_product_attention(split(q), split(k), split(v), attn_mask=bias, is_causal=causal).transpose(1, 2).flatten(2)


class SpellerBlock(nn.Module):
    """Attention to the text so far, attention to what was heard, two layers."""

    def __init__(self, channels, heads, inner):
        super().__init__()
        self.heads = heads
        self.norm1, self.norm2, self.norm3 = (nn.LayerNorm(channels) for _ in range(3))
        self.query, self.key = nn.Linear(channels, channels), nn.Linear(channels, channels, bias=False)
        self.value, self.mix = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.ask, self.heard_key = nn.Linear(channels, channels), nn.Linear(channels, channels, bias=False)
        self.heard_value, self.answer = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.up, self.down = nn.Linear(channels, inner), nn.Linear(inner, channels)

    def forward(self, x, heard, on, drop):
        lose = lambda y: F.dropout(y, drop, self.training)
        n = self.norm1(x)
        x = x + lose(self.mix(attention(self.query(n), self.key(n), self.value(n), self.heads, causal=True)))
        n = self.norm2(x)
        x = x + lose(self.answer(attention(self.ask(n), self.heard_key(heard), self.heard_value(heard), self.heads, on)))
        return x + lose(self.down(F.gelu(self.up(self.norm3(x)))))


class Speller(nn.Module):
    """numbers [B, U], heard [B, T, C], on [B, T] -> log-probabilities [B, U, pieces] f32 of what comes next."""

    def __init__(self, pieces, layers, channels=384, heads=6, inner=1536, drop=0.1):
        super().__init__()
        self.drop = drop
        self.piece = nn.Embedding(pieces, channels)  # also tells the output
        self.place = nn.Parameter(torch.zeros(PLACES, channels))
        self.blocks = nn.ModuleList(SpellerBlock(channels, heads, inner) for _ in range(layers))
        self.norm = nn.LayerNorm(channels)

    def forward(self, numbers, heard, on):
        x = self.piece(numbers) + self.place[:numbers.shape[1]]
        for block in self.blocks:
            x = block(x, heard, on, self.drop)
        return (self.norm(x) @ self.piece.weight.T).float().log_softmax(-1)

    def loss(self, texts, heard, on, smooth=0.1):
        """texts: lists of pieces, of as many rows as heard has -> nats a piece, some of it spread over all others (Szegedy et al. 2016)."""
        lengths = np.fromiter(map(len, texts), np.int64, len(texts))
        width = int(lengths.max()) + len(LEAD)
        want = np.full((len(texts), width), -100)
        want[:, len(LEAD) - 1:][np.arange(width - len(LEAD) + 1) < lengths[:, None]] = np.concatenate(texts)
        given = np.concatenate([np.full((len(texts), 1), BEGIN), want[:, :-1]], 1)
        given[:, len(LEAD) - 1] = TEXT
        given[given < 0] = END
        want[np.arange(len(texts)), lengths + len(LEAD) - 1] = END
        given, want = (on_device(x, heard.device) for x in (given, want))
        logp = self(given, heard, on)
        return F.cross_entropy(logp.flatten(0, 1), want.flatten(), ignore_index=-100, label_smoothing=smooth)

    @torch.no_grad()
    def greedy(self, heard, on, most=PLACES - len(LEAD)):
        """The most probable piece after another: lists of pieces."""
        numbers = torch.tensor([LEAD], device=heard.device).repeat(len(heard), 1)
        ended = torch.zeros(len(heard), dtype=torch.bool, device=heard.device)
        while numbers.shape[1] < most + len(LEAD) and not ended.all():
            logp = self(numbers, heard, on)[:, -1]
            logp[:, 1:len(MARKS)] = -torch.inf
            best = torch.where(ended, END, logp.argmax(-1))
            ended |= best == END
            numbers = torch.cat([numbers, best[:, None]], 1)
        return [[k for k in line[len(LEAD):] if k != END] for line in numbers.tolist()]
