"""Slim WaveGlow: noise, or pulses of the voice, and mels to audio, six flows over groups of 64 samples.

A flow mixes the 64 rows of a group by a matrix and applies an affine coupling whose WN is ten depth-wise separable
gated layers of 256 channels (kernel 3, zeros beyond the edges of the utterance in every layer). The mel frame is
projected once and held for its four groups. After WaveGlow (arXiv 1811.00002) and SqueezeWave (arXiv 2001.05685).
With a pitch network the first flow sees pulses of the pitch that the mel tells, beside or in place of the noise: they keep the
periods of low voices in step, as the sines of neural source-filter models do (arXiv 1904.12088).
Tensors are [batch, time, channels]: a layer is two matrix products and two point-wise kernels.
"""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

GROUP_SAMPLES, HOP_SAMPLES, MEL_BINS = 64, 256, 80
HELD = HOP_SAMPLES // GROUP_SAMPLES
RATE_HZ = 22050
SIGMA = 0.3
SIGMA_BESIDE = 0.1  # beside pulses
LOWEST, HIGHEST = 60.0, 500.0  # Hz, of a pulse train
DECAY, LOUD = 0.9, 0.15  # of a pulse's harmonics, one to the next; of all


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


class Pitch(nn.Module):
    """Pitch and voicing of every frame: one product, `layers` residual layers of three depth-wise taps (zeros beyond the edges in
    each), a product and max(0, .), and a product at the end. Frame t of the result hears `layers` frames on both sides."""

    def __init__(self, channels=64, layers=3):
        super().__init__()
        self.start, self.end = nn.Linear(MEL_BINS, channels), nn.Linear(channels, 2)
        self.depth = nn.Parameter(torch.randn(layers, 4, channels) * 0.3)
        self.mix = nn.ModuleList(nn.Linear(channels, channels) for _ in range(layers))

    def forward(self, mel):
        """mel [B, T, 80] -> [B, T, 2] f32: octaves above 100 Hz, logit of being voiced."""
        h = self.start(mel)
        for taps, mix in zip(self.depth, self.mix):
            h = h + F.relu(mix(depth_wise(h, taps)))
        return self.end(h)


def pulses(pitch):
    """pitch [B, T, 2] -> [B, 4 T, 64]: a pulse a period, held in step over the frames, LOUD times the probability of a voice.

    A pulse train of phase p is the sum of DECAY^k cos(k p) over k from 1 on. A frame's pitch holds for its 256 samples.
    """
    hz = (100 * 2 ** pitch[..., 0].double()).clamp(LOWEST, HIGHEST) / RATE_HZ  # periods a sample
    before = F.pad(hz.cumsum(1)[:, :-1], (1, 0)) * HOP_SAMPLES
    at = torch.arange(1, HOP_SAMPLES + 1, device=pitch.device)
    phase = before[..., None] + hz[..., None] * at
    c = torch.cos(2 * math.pi * (phase - phase.floor()).float())
    train = (DECAY * c - DECAY ** 2) / (1 - 2 * DECAY * c + DECAY ** 2)
    loud = LOUD * torch.sigmoid(pitch[..., 1].float())
    return (loud[..., None] * train).view(pitch.shape[0], -1, GROUP_SAMPLES)


class SlimWaveGlow(nn.Module):
    """pitch: channels of the pitch network, which is not trained with the rest; 0: none."""

    def __init__(self, flows=6, channels=256, layers=10, pitch=0):
        super().__init__()
        self.pitch = Pitch(pitch).requires_grad_(False) if pitch else None
        square = lambda: torch.linalg.qr(torch.randn(GROUP_SAMPLES, GROUP_SAMPLES))[0]
        self.mix = nn.ParameterList(nn.Parameter(square()) for _ in range(flows))
        self.wn = nn.ModuleList(WN(GROUP_SAMPLES // 2, channels, layers) for _ in range(flows))

    def forward(self, mel, sigma=SIGMA, noise=None, dtype=None):
        """mel [B, 80, T], noise [B, 4 T, 64] or drawn with deviation sigma, pulses added -> audio [B, 256 T]."""
        B, _, T = mel.shape
        x = noise
        if x is None:
            x = sigma * torch.randn(B, T * HELD, GROUP_SAMPLES, device=mel.device)
        mel = mel.transpose(1, 2)
        if self.pitch:
            x = x + pulses(self.pitch(mel.float()))
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


def of(config):
    """The network of a checkpoint's `config`."""
    return SlimWaveGlow(**{k: config[k] for k in ("flows", "channels", "layers", "pitch") if k in config})
