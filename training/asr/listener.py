"""The streaming acoustic model with attention: the encoder of Whisper (Radford et al. 2022, arXiv 2212.04356) made causal but for a few
frames a layer, LSTM layers, CTC log-probabilities.

A frame is 20 ms here, two a step of 40 ms. Every block tells its output AHEAD frames late, so that it may look that far ahead; keys
reach PAST frames back. One set of weights serves two reaches (dual mode: Yu et al. 2021, arXiv 2010.06030): `past` and `ahead` for what is told while
somebody speaks, `final_past` and `final_ahead` for what is told of it in the end; look() chooses. encode() is the stream itself, late by what all blocks look
ahead: its first `late` steps are zeros, as nothing was said.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from ..common.lstm import run as lstm_run
from .model import MELS, SYMBOLS, Acoustic
from .speller import Speller

POSITIONS = 1500  # the table's length; a stream goes round in it


def places(channels, positions=POSITIONS):
    """[positions, channels] f32: sines, then cosines, of wavelengths from 2 pi to 20,000 pi frames in equal ratios."""
    rate = torch.exp(-math.log(10000) / (channels // 2 - 1) * torch.arange(channels // 2, dtype=torch.float64))
    turn = torch.arange(positions, dtype=torch.float64)[:, None] * rate
    return torch.cat([turn.sin(), turn.cos()], 1).float()


class Block(nn.Module):
    """x [B, T, C] -> [B, T, C], `ahead` frames late: attention over the last `past` frames, the own and `ahead` more; normalises first."""

    def __init__(self, channels, heads, inner, past, ahead):
        super().__init__()
        self.heads, self.past, self.ahead = heads, past, ahead
        self.norm1, self.norm2 = nn.LayerNorm(channels), nn.LayerNorm(channels)
        self.query, self.key = nn.Linear(channels, channels), nn.Linear(channels, channels, bias=False)
        self.value, self.mix = nn.Linear(channels, channels), nn.Linear(channels, channels)
        self.up, self.down = nn.Linear(channels, inner), nn.Linear(inner, channels)

    def attend(self, q, k, v, on):
        """q [B, T, C]; k, v [B, T, C] with `past + ahead` frames of nothing before them; on [B, T] bool: keys that count.

        Queries in groups as long as the reach, so that the cost grows with T and not with its square."""
        reach, (rows, length, channels) = self.past + self.ahead, q.shape
        groups = -(-length // reach)
        fill = groups * reach - length
        q = F.pad(q, (0, 0, 0, fill)).unflatten(1, (groups, reach))
        k, v = (F.pad(x, (0, 0, reach, fill)).unfold(1, 2 * reach, reach).transpose(2, 3) for x in (k, v))
        on = F.pad(on, (reach, fill)).unfold(1, 2 * reach, reach)
        i, j = torch.arange(reach, device=q.device)[:, None], torch.arange(2 * reach, device=q.device)[None]
        near = (j >= i) & (j <= i + reach)
        heads = lambda x: x.flatten(0, 1).unflatten(-1, (self.heads, -1)).transpose(1, 2)
        bias = torch.where(near & on.flatten(0, 1)[:, None], 0.0, -1e4).to(q.dtype)[:, None]
        y = F.scaled_dot_product_attention(heads(q), heads(k), heads(v), attn_mask=bias)
        return y.transpose(1, 2).flatten(2).unflatten(0, (rows, groups)).flatten(1, 2)[:, :length]

    def whole(self, x):
        """Not late, and over all frames."""
        n, heads = self.norm1(x), lambda x: x.unflatten(-1, (self.heads, -1)).transpose(1, 2)
        y = F.scaled_dot_product_attention(heads(self.query(n)), heads(self.key(n)), heads(self.value(n)))
        x = x + self.mix(y.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))

    def forward(self, x, on, drop):
        n = self.norm1(x)
        late = lambda x: F.pad(x, (0, 0, self.ahead, 0))[:, :x.shape[1]]
        y = self.attend(self.query(late(n)), self.key(n), self.value(n), on)
        x = late(x) + F.dropout(self.mix(y), drop, self.training)
        return x + F.dropout(self.down(F.gelu(self.up(self.norm2(x)))), drop, self.training)


class Listener(nn.Module):
    """mel [B, 80, T], T a multiple of 4 -> log-probabilities [B, outputs T / 4, 29] f32; symbol 0 is the blank."""

    def __init__(self, width=576, layers=3, outputs=2, channels=384, heads=6, inner=1536, blocks=4, past=61, ahead=3, final_past=0, final_ahead=0,
                 pieces=0, spells=0, drop=0.1):
        super().__init__()
        for n in (ahead, final_ahead):
            if blocks * n % 2:
                raise ValueError(f"{blocks} blocks that look {n} frames ahead are no whole number of steps")
        self.outputs, self.drop = outputs, drop
        self.modes = [(past, ahead)] + [(final_past or past, final_ahead)] * bool(final_ahead)
        self.middle = 0  # the layer that also learns by CTC
        self.conv1, self.conv2 = nn.Conv1d(MELS, channels, 3), nn.Conv1d(channels, channels, 3, 2)
        self.blocks = nn.ModuleList(Block(channels, heads, inner, past, ahead) for _ in range(blocks))
        self.norm = nn.LayerNorm(channels)
        self.register_buffer("place", places(channels), persistent=False)
        self.join = nn.Linear(2 * channels, width)
        self.norms = nn.ModuleList(nn.LayerNorm(width) for _ in range(layers + 1))
        self.lstms = nn.ModuleList(nn.LSTM(width, width, batch_first=True) for _ in range(layers))
        self.out = nn.Linear(width, outputs * SYMBOLS)
        self.speller = Speller(pieces, spells, channels, heads, inner, drop) if spells else None
        self.look(*self.modes[-1])
        for lstm in self.lstms:  # remember at first, as in model.py
            with torch.no_grad():
                lstm.bias_hh_l0.zero_()
                lstm.bias_ih_l0.zero_()
                lstm.bias_ih_l0[width:2 * width].fill_(1.0)

    def look(self, past, ahead):
        """From now on every block hears so many frames back and ahead, and the stream is late by all of these: `late` steps."""
        self.past, self.ahead, self.late = past, ahead, len(self.blocks) * ahead // 2
        for block in self.blocks:
            block.past, block.ahead = past, ahead

    def listened(self):
        """Parameters that Whisper gave."""
        parts = [self.conv1, self.conv2, self.blocks, self.norm] + [self.speller] * bool(self.speller)
        return [p for part in parts for p in part.parameters()]

    def frames(self, mel, steps, start):
        """Frames [B, T / 2, C] of mel [B, 80, T] with their places, and which of them are there, [B, T / 2]."""
        x = F.gelu(self.conv1(F.pad(mel, (2, 0))))
        x = F.gelu(self.conv2(F.pad(x, (1, 0)))).transpose(1, 2)
        t = torch.arange(x.shape[1], device=x.device)
        return x + self.place[(t[None] + start[:, None]) % POSITIONS], t[None] < 2 * steps[:, None]

    def whole(self, mel, steps):
        """What encode() would tell if every frame heard all others, in time: [B, T / 4, 2 C]. The silence behind a row is heard too, as
        Whisper hears it; without a mask attention is several times as fast."""
        x, _ = self.frames(mel, steps, torch.zeros_like(steps))
        for block in self.blocks:
            x = block.whole(x)
        return self.norm(x).unflatten(1, (-1, 2)).flatten(2)

    def encode(self, mel, steps, start):
        """mel [B, 80, T], what follows each row's steps [B] is not there; start [B]: position of the first frame -> [B, T / 4, 2 C]."""
        x, on = self.frames(mel, steps, start)
        for block in self.blocks:
            x = block(x, on, self.drop)
            on = F.pad(on, (self.ahead, 0))[:, :x.shape[1]]
        return (self.norm(x) * on[..., None]).unflatten(1, (-1, 2)).flatten(2)

    def layers(self, mel, steps=None, start=None):
        """What the encoder and every LSTM layer give, one after the other: [B, T / 4, width] from step `late` of the stream on.

        steps [B]: of each row, the rest of it is as if there was nothing; start [B]: where in the table the stream begins, else at 0."""
        rows, _, length = mel.shape
        steps = torch.full((rows,), length // 4, device=mel.device) if steps is None else steps.to(mel.device)
        start = torch.zeros(rows, dtype=torch.long, device=mel.device) if start is None else start
        mel = mel * (torch.arange(length, device=mel.device)[None, None] < 4 * steps[:, None, None])
        x = self.encode(F.pad(mel, (0, 4 * self.late)), steps, start)
        self.heard = x[:, self.late:]
        x = self.join(x)
        yield x[:, self.late:]
        for norm, lstm in zip(self.norms, self.lstms):
            x = x + F.dropout(lstm_run(lstm, norm(x))[0], self.drop, self.training)
            yield x[:, self.late:]

    def told(self, steps):
        """What the last layers() heard, by frames: [B, T / 2, C], and which of them are there."""
        x = self.heard.unflatten(-1, (2, -1)).flatten(1, 2)
        return x, torch.arange(x.shape[1], device=x.device)[None] < 2 * steps.to(x.device)[:, None]

    def symbols(self, last):
        return self.log_probabilities(self.out(self.norms[-1](last)))

    def log_probabilities(self, scores):
        return scores.float().unflatten(-1, (self.outputs, SYMBOLS)).flatten(1, 2).log_softmax(-1)

    def forward(self, mel, steps=None):
        return self.symbols(list(self.layers(mel, steps))[-1])


def network(shape, drop=0.1):
    """The network of a checkpoint's shape."""
    return (Listener if "blocks" in shape else Acoustic)(**shape, drop=drop)
