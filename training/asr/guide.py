"""An offline network that guides the streaming one in training: Whisper's encoder (Radford et al. 2022, arXiv 2212.04356) with a
CTC output of ours.

    python3 -m training.asr.guide MODEL_DIR OUT.npz      # takes the encoder out of a CTranslate2 model.bin (float16)

It sees the whole utterance and was made from far more people than we have; nothing of it ships. The streaming network learns its
features, which no transcript learnt by heart gives away, and its posteriors.
"""
import argparse
import os
import struct

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F

from .model import HOP, MELS, RATE, STEP, SYMBOLS, WINDOW

WIDTH, HEADS, LAYERS, INNER, POSITIONS = 384, 6, 4, 1536, 1500  # tiny; a frame is 320 samples


def slaney_filters(bins=MELS, fft=WINDOW, rate=RATE):
    """[bins, fft / 2 + 1] f32 triangles of equal area on Slaney's mel scale: linear to 1 kHz, then 27 steps to a factor of 6.4."""
    top = 15 + 27 * np.log(rate / 2 / 1000) / np.log(6.4)
    mel = np.linspace(0, top, bins + 2)
    hz = np.where(mel < 15, mel * 200 / 3, 1000 * np.exp((mel - 15) * np.log(6.4) / 27))
    f = np.linspace(0, rate / 2, fft // 2 + 1)[None]
    rise, fall = (f - hz[:-2, None]) / (hz[1:-1] - hz[:-2])[:, None], (hz[2:, None] - f) / (hz[2:] - hz[1:-1])[:, None]
    return torch.from_numpy((np.maximum(np.minimum(rise, fall), 0) * 2 / (hz[2:] - hz[:-2])[:, None]).astype(np.float32))


class Mel(nn.Module):
    """[B, n] f32, n a multiple of 640 -> [B, 80, n / 160]: log10 of the power, 8 under each utterance's loudest at least.

    The transform is a product with a matrix: a Fourier transform would be planned anew for every new shape.
    """

    def __init__(self):
        super().__init__()
        turn = 2 * np.pi * torch.outer(torch.arange(WINDOW), torch.arange(WINDOW // 2 + 1)).double() / WINDOW
        window = torch.hann_window(WINDOW, dtype=torch.float64)[:, None]
        self.register_buffer("waves", torch.cat([window * turn.cos(), window * turn.sin()], 1).float(), persistent=False)
        self.register_buffer("filters", slaney_filters().T.contiguous(), persistent=False)

    def forward(self, x):
        frames = F.pad(x[:, None].float(), (WINDOW // 2, WINDOW // 2), mode="reflect")[:, 0].unfold(1, WINDOW, HOP)[:, :-1]
        with torch.autocast(x.device.type, enabled=False):
            real, imaginary = (frames @ self.waves).chunk(2, -1)
            mel = ((real ** 2 + imaginary ** 2) @ self.filters).clamp_min(1e-10).log10().transpose(1, 2)
        return (torch.maximum(mel, mel.amax((1, 2), keepdim=True) - 8) + 4) / 4


class Block(nn.Module):
    """A transformer layer that normalises first; keys have no bias of their own."""

    def __init__(self):
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(WIDTH), nn.LayerNorm(WIDTH)
        self.qkv, self.mix = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)
        self.up, self.down = nn.Linear(WIDTH, INNER), nn.Linear(INNER, WIDTH)

    def forward(self, x, on):
        q, k, v = (p.unflatten(-1, (HEADS, -1)).transpose(1, 2) for p in self.qkv(self.norm1(x)).chunk(3, -1))
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=on)
        x = x + self.mix(y.transpose(1, 2).flatten(2))
        return x + self.down(F.gelu(self.up(self.norm2(x))))


class Guide(nn.Module):
    """Features [B, T / 4, 768] of mel [B, 80, T], two frames of 20 ms a step, and log-probabilities [B, T / 4, 29]."""

    def __init__(self, path=None):
        super().__init__()
        self.conv1, self.conv2 = nn.Conv1d(MELS, WIDTH, 3, padding=1), nn.Conv1d(WIDTH, WIDTH, 3, 2, 1)
        self.blocks, self.norm = nn.ModuleList(Block() for _ in range(LAYERS)), nn.LayerNorm(WIDTH)
        self.register_buffer("place", torch.zeros(POSITIONS, WIDTH))
        self.out = nn.Linear(2 * WIDTH, SYMBOLS)
        if path:
            with np.load(path) as saved:
                self.load_state_dict({k: torch.from_numpy(saved[k]).float() for k in saved.files}, strict=False)

    def features(self, mel, steps):
        """steps [B]: of each utterance, 30 s at most; nothing attends to what lies behind its end and half a second of pause."""
        x = F.gelu(self.conv2(F.gelu(self.conv1(mel)))).transpose(1, 2)
        x = x + self.place[:x.shape[1]]
        on = torch.arange(x.shape[1], device=x.device)[None] < 2 * steps[:, None] + 25
        for block in self.blocks:
            x = block(x, on[:, None, None])
        return self.norm(x).unflatten(1, (-1, 2)).flatten(2)

    def forward(self, mel, steps):
        features = self.features(mel, steps)
        return features, self.out(features).float().log_softmax(-1)


class Guidance(nn.Module):
    """What the streaming network learns from the guide; its own copy of the features never changes.

    Where posteriors count, the first `until` of the clock is the guide's alone: it learns transcripts by CTC on the same texts, and
    then stands still. The network hears LATE steps more before it is compared.
    """
    LATE = 2

    def __init__(self, path, width, weight, rate, until):
        super().__init__()
        self.mel, self.frozen, self.to_features = Mel(), Guide(path).requires_grad_(False).eval(), nn.Linear(width, 2 * WIDTH)
        self.guide = Guide(path) if weight > 0 else None
        self.weight, self.rate, self.until = weight, rate, until if weight > 0 else 0.0
        self.register_buffer("mean", torch.zeros(2 * WIDTH))
        self.register_buffer("square", torch.ones(2 * WIDTH))
        self.seen = 0
        self.opt = torch.optim.AdamW(self.guide.parameters(), rate, betas=(0.9, 0.98), weight_decay=1e-2) if self.guide else None

    def save(self):
        return dict(net=self.state_dict(), seen=self.seen, opt=self.opt.state_dict() if self.opt else None)

    def load(self, saved):
        self.load_state_dict(saved["net"])
        self.seen = saved["seen"]
        if self.opt:
            self.opt.load_state_dict(saved["opt"])

    @torch.no_grad()
    def normal(self, x, on):
        """Features [B, T, C] to mean 0 and spread 1 where on [B, T], by what the first thousand steps of training saw."""
        if self.seen < 1000:
            share, weight = 1 / (1 + min(self.seen, 200)), on[..., None] / on.sum()
            self.mean.lerp_((x.float() * weight).sum((0, 1)), share)
            self.square.lerp_((x.float().square() * weight).sum((0, 1)), share)
            self.seen += 1
        return (x - self.mean) / (self.square - self.mean ** 2).clamp_min(1e-4).sqrt()

    def learn(self, share, heard, steps, flat, lengths, context):
        """One step of the guide's own training -> its loss; heard [B, 80, T]: masked mel of augmented speech."""
        for g in self.opt.param_groups:
            g["lr"] = self.rate * min(1.0, 20 * share + 1e-2) * 0.5 * (1 + np.cos(np.pi * share))
        with context:
            logp = self.guide(heard, steps.to(heard.device))[1]
        loss = F.ctc_loss(logp.transpose(0, 1), flat, steps.clamp_max(logp.shape[1]), lengths, zero_infinity=True)
        self.opt.zero_grad(set_to_none=True)
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(self.guide.parameters(), 1.0, foreach=True)
        if torch.isfinite(norm):
            self.opt.step()
        return loss.detach()

    def forward(self, x, steps, top, logp, lengths):
        """Losses of features and of posteriors. x [B, n]: clean speech; steps, lengths [B] on the host; top and logp of one or
        two views [B or 2 B, T, ...]."""
        views, steps, late = len(top) // len(x), steps.to(x.device), self.LATE
        with torch.no_grad():
            mel = self.mel(x)
            on = (torch.arange(top.shape[1] - late, device=x.device)[None] < steps[:, None] - late).float()
            want = self.normal(self.frozen.features(mel, steps)[:, :top.shape[1] - late], on)
        gap = (self.to_features(top[:, late:]).float() - want.repeat(views, 1, 1)).square().mean(-1)
        features = (gap * on.repeat(views, 1)).sum() / (views * on.sum())
        if not self.guide:
            return features, features.new_zeros(())
        with torch.no_grad():
            told = self.guide(mel, steps)[1][:, :top.shape[1] - late].repeat(views, 1, 1)
        apart = F.kl_div(logp[:, late:], told, reduction="none", log_target=True).sum(-1) * on.repeat(views, 1)
        return features, self.weight * (apart.sum(1) / lengths.to(x.device).repeat(views).clamp_min(1)).mean()


class Offline(nn.Module):
    """The guide as error_rates() calls a network."""

    def __init__(self, guide):
        super().__init__()
        self.guide = guide

    def forward(self, mel):
        return self.guide(mel, torch.full((len(mel),), mel.shape[2] // 4, device=mel.device))[1]


NAMES = dict(conv1="encoder/conv1", conv2="encoder/conv2", norm="encoder/layer_norm", place="encoder/position_encodings/encodings")
BLOCK = dict(norm1="self_attention/layer_norm", qkv="self_attention/linear_0", mix="self_attention/linear_1", norm2="ffn/layer_norm",
             up="ffn/linear_0", down="ffn/linear_1")


def read_model(path):
    """{name: array} of a CTranslate2 model, format version 6 (its loader, models/model.cc, is the description)."""
    types = {0: np.float32, 1: np.int8, 2: np.int16, 3: np.int32, 4: np.float16}
    with open(path, "rb") as f:
        take = lambda kind: struct.unpack("<" + kind, f.read(struct.calcsize("<" + kind)))[0]
        text = lambda: f.read(take("H"))[:-1].decode()
        version, spec, _ = take("I"), text(), take("I")
        if version != 6 or spec != "WhisperSpec":
            raise ValueError(f"{path}: {spec} of format {version}; wanted WhisperSpec of format 6")
        found = {}
        for _ in range(take("I")):
            name = text()
            shape = [take("I") for _ in range(take("B"))]
            kind, size = take("B"), take("I")
            found[name] = np.frombuffer(f.read(size), types[kind]).reshape(shape)
    return found


def encoder_of(found):
    """The state of Guide but for its output."""
    names = {f"blocks.{i}.{ours}": f"encoder/layer_{i}/{theirs}" for i in range(LAYERS) for ours, theirs in BLOCK.items()}
    state = {}
    for ours, theirs in {**NAMES, **names}.items():
        if theirs in found:
            state[ours] = found[theirs]
        elif theirs + "/gamma" in found:
            state[ours + ".weight"], state[ours + ".bias"] = found[theirs + "/gamma"], found[theirs + "/beta"]
        else:
            state[ours + ".weight"], state[ours + ".bias"] = found[theirs + "/weight"], found[theirs + "/bias"]
    return state


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("model"), ap.add_argument("out")
    a = ap.parse_args()
    state = encoder_of(read_model(os.path.join(a.model, "model.bin")))
    np.savez(a.out, **{k: v.astype(np.float16) for k, v in state.items()})
    print(sum(v.size for v in state.values()), "weights", os.path.getsize(a.out), "bytes")


if __name__ == "__main__":
    main()
