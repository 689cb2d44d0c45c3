"""Slim WaveGlow: noise and mels to audio, six flows over groups of 64 samples.

A flow mixes the 64 rows of a group by a matrix and applies an affine coupling whose WN is ten depth-wise separable
gated layers of 256 channels (kernel 3, zeros beyond the edges of the utterance in every layer). The mel frame is
projected once and held for its four groups. After WaveGlow (arXiv 1811.00002) and SqueezeWave (arXiv 2001.05685).
Tensors are [batch, time, channels]: a layer is two matrix products and two point-wise kernels.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

GROUP_SAMPLES, HOP_SAMPLES, MEL_BINS = 64, 256, 80
HELD = HOP_SAMPLES // GROUP_SAMPLES
SIGMA = 0.3


def depth_wise(h, taps):
    """h [B, T, C], taps [4, C] (three taps and a bias) -> [B, T, C]."""
    p = F.pad(h, (0, 0, 1, 1))
    return p[:, :-2] * taps[0] + h * taps[1] + p[:, 2:] * taps[2] + taps[3]


def gated(y, cond):
    """y [B, T, 2C], cond [B, T / 4, 2C] held for four groups -> tanh x sigmoid, [B, T, C]."""
    B, T, C2 = y.shape
    y = (y.view(B, T // HELD, HELD, C2) + cond[:, :, None]).view(B, T, C2)
    a, b = y.chunk(2, dim=-1)
    return torch.tanh(a) * torch.sigmoid(b)


def gated_layer(h, cond, depth, gate_w, gate_b, res_w, res_b):
    """h [B, T, C], cond [B, T / 4, 2C], depth [4, C] -> h of the next layer."""
    z = gated(F.linear(depth_wise(h, depth), gate_w, gate_b), cond)
    return h + F.linear(z, res_w, res_b)


class WN(nn.Module):
    """The coupling network of one flow; `layer` may be replaced by a compiled gated_layer."""

    NAMES = ("start_w", "start_b", "cond_w", "cond_b", "depth", "gate_w", "gate_b", "res_w", "res_b", "end_w", "end_b")

    def __init__(self, half, channels=256, layers=10):
        super().__init__()
        uniform = lambda bound, *shape: nn.Parameter((torch.rand(*shape) * 2 - 1) * bound)
        b = 1 / math.sqrt(channels)
        self.start_w, self.start_b = uniform(1 / math.sqrt(half), channels, half), uniform(1 / math.sqrt(half), channels)
        m = 1 / math.sqrt(MEL_BINS)
        self.cond_w, self.cond_b = uniform(m, 2 * channels * layers, MEL_BINS), uniform(m, 2 * channels * layers)
        self.depth = nn.Parameter(torch.randn(layers, 4, channels) * 0.3)
        self.gate_w, self.gate_b = uniform(b, layers, 2 * channels, channels), uniform(b, layers, 2 * channels)
        self.res_w, self.res_b = uniform(b, layers, channels, channels), uniform(b, layers, channels)
        self.end_w, self.end_b = nn.Parameter(torch.zeros(2 * half, channels)), nn.Parameter(torch.zeros(2 * half))
        self.layer = gated_layer

    def forward(self, x, mel, dtype=None):
        """x [B, T, 32], mel [B, T / 4, 80] -> log scale and shift, [B, T, 32] f32 each; products run in `dtype`."""
        dtype = dtype or torch.float32
        w = {name: getattr(self, name).to(dtype) for name in self.NAMES}
        layers, channels = self.gate_w.shape[0], self.gate_w.shape[2]
        cond = F.linear(mel.to(dtype), w["cond_w"], w["cond_b"])
        cond = cond.view(*mel.shape[:2], layers, 2 * channels).unbind(2)
        stacked = [w[name].unbind(0) for name in ("depth", "gate_w", "gate_b", "res_w", "res_b")]
        h = F.linear(x.to(dtype), w["start_w"], w["start_b"])
        for held, *weights in zip(cond, *stacked):
            h = self.layer(h, held, *weights)
        return F.linear(h, w["end_w"], w["end_b"]).float().chunk(2, dim=-1)


class SlimWaveGlow(nn.Module):
    def __init__(self, flows=6, channels=256, layers=10):
        super().__init__()
        square = lambda: torch.linalg.qr(torch.randn(GROUP_SAMPLES, GROUP_SAMPLES))[0]
        self.mix = nn.ParameterList(nn.Parameter(square()) for _ in range(flows))
        self.wn = nn.ModuleList(WN(GROUP_SAMPLES // 2, channels, layers) for _ in range(flows))

    def forward(self, mel, sigma=SIGMA, noise=None, dtype=None):
        """mel [B, 80, T], noise [B, 4 T, 64] or drawn with deviation sigma -> audio [B, 256 T]."""
        B, _, T = mel.shape
        x = noise
        if x is None:
            x = sigma * torch.randn(B, T * HELD, GROUP_SAMPLES, device=mel.device)
        mel = mel.transpose(1, 2)
        for mix, wn in zip(self.mix, self.wn):
            x = x @ mix.T
            a, b = x.chunk(2, dim=-1)
            log_s, t = wn(a, mel, dtype)
            x = torch.cat([a, b * torch.exp(log_s.clamp(-6, 6)) + t], dim=-1)
        return x.reshape(B, -1)

    def use(self, layer):
        """All flows run `layer` in place of gated_layer."""
        for wn in self.wn:
            wn.layer = layer
