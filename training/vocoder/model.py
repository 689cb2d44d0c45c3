"""Slim WaveGlow: noise and mels to audio, six flows over groups of 64 samples.

A flow mixes the 64 rows of a group by a matrix and applies an affine coupling whose WN is ten depth-wise separable
gated layers of 256 channels (kernel 3, zeros beyond the edges of the utterance in every layer). The mel frame is
projected once and held for its four groups. After WaveGlow (arXiv 1811.00002) and SqueezeWave (arXiv 2001.05685).
With a pitch network harmonics of the pitch that the mel tells are added to what the flows say: they keep the periods of low voices in
step, and the flows learn what is left. The last flows hear the harmonics of the groups they work on, so that what they add is in step too.
Tensors are [batch, time, channels]: a layer is two matrix products and two point-wise kernels.
"""
import functools
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

from training.tts.speech import HOP_SAMPLES, MEL_BINS, RATE_HZ, slaney_edges
from training.vocoder.adapter import adapt

GROUP_SAMPLES = 64
HELD = HOP_SAMPLES // GROUP_SAMPLES
SIGMA = 0.3
SIGMA_BESIDE = 0.1  # beside harmonics
LOWEST, HIGHEST = 60.0, 500.0  # Hz, of the pitch
HARMONICS, CUT, CUT_SPREAD = 48, 5000.0, 500.0  # above so many Hz they fade
PERIODIC, PERIODIC_SLOPE = 2000.0, 1.2  # Hz where half of a voice's power is periodic, of recordings by the correlation with one period before
RESOLVED = 2.2  # found by what gives recordings their level back


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
    """The coupling network of one flow, of `half` rows of a group and `beside` others; `layer` may be replaced by a compiled gated_layer."""

    NAMES = ("start_w", "start_b", "cond_w", "cond_b", "depth", "gate_w", "gate_b", "res_w", "res_b", "end_w", "end_b")

    def __init__(self, half, channels=256, layers=10, beside=0):
        super().__init__()
        uniform = lambda bound, *shape: nn.Parameter((torch.rand(*shape) * 2 - 1) * bound)
        b = 1 / math.sqrt(channels)
        self.start_w, self.start_b = uniform(1 / math.sqrt(half), channels, half + beside), uniform(1 / math.sqrt(half), channels)
        m = 1 / math.sqrt(MEL_BINS)
        self.cond_w, self.cond_b = uniform(m, 2 * channels * layers, MEL_BINS), uniform(m, 2 * channels * layers)
        self.depth = nn.Parameter(torch.randn(layers, 4, channels) * 0.3)
        self.gate_w, self.gate_b = uniform(b, layers, 2 * channels, channels), uniform(b, layers, 2 * channels)
        self.res_w, self.res_b = uniform(b, layers, channels, channels), uniform(b, layers, channels)
        self.end_w, self.end_b = nn.Parameter(torch.zeros(2 * half, channels)), nn.Parameter(torch.zeros(2 * half))
        self.layer = gated_layer

    def forward(self, x, mel, dtype=None):
        """x [B, T, 32 + beside], mel [B, T / 4, 80] -> log scale and shift, [B, T, 32] f32 each; products run in `dtype`."""
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
    """Pitch and voicing of every frame: one product, `layers` residual layers of three depth-wise taps (zeros beyond the
    edges in each), a product and max(0, .), and products at the end. Frame t of the result hears `layers` frames on both sides."""

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


def between(x):
    """x [B, T, C] of frames -> [B, 256 T, C]: straight lines between the frames' centres, level before the first and after the last."""
    p = torch.cat([x[:, :1], x, x[:, -1:]], 1).transpose(1, 2)
    y = F.interpolate(p, scale_factor=HOP_SAMPLES, mode="linear", align_corners=False)
    return y[..., HOP_SAMPLES:-HOP_SAMPLES].transpose(1, 2)


@functools.cache
def bands(device, dtype):
    """-> centres and widths of the mel's bands in Hz, [80] each; kept, since a graph of the GPU's work may not copy them there."""
    edges = slaney_edges().to(device, dtype)
    return edges[1:-1].contiguous(), (edges[2:] - edges[:-2]) / 2


def amplitudes(mel, pitch):
    """mel [B, T, 80], pitch [B, T, 2] -> pitch in Hz [B, T], amplitudes of its multiples [B, T, HARMONICS].

    A band of unit area holds 512 / distance times the amplitude of harmonics that far apart (Hann window of 1024); of single ones, too far
    apart for the band, 512 / (RESOLVED widths of it). The rest of a band's power is noise, which is the flows'.
    """
    centres, widths = bands(mel.device, mel.dtype)
    hz = (100 * 2 ** pitch[..., 0]).clamp(LOWEST, HIGHEST)
    f = hz[..., None] * torch.arange(1, HARMONICS + 1, device=mel.device)
    upper = torch.searchsorted(centres, f.contiguous()).clamp(1, MEL_BINS - 1)
    share = ((f - centres[upper - 1]) / (centres[upper] - centres[upper - 1])).clamp(0, 1)
    level = mel.gather(2, upper - 1) * (1 - share) + mel.gather(2, upper) * share
    width = widths[upper - 1] * (1 - share) + widths[upper] * share
    periodic = (1 + (f / PERIODIC) ** PERIODIC_SLOPE) ** -0.5
    loud = level.exp() * periodic * torch.minimum(hz[..., None].expand_as(width), RESOLVED * width) / 512
    return hz, loud * torch.sigmoid(pitch[..., 1:2]) * torch.sigmoid((CUT - f) / CUT_SPREAD)


def harmonics(mel, pitch):
    """mel [B, T, 80], pitch [B, T, 2] -> [B, 256 T] f32: cosines of the pitch's multiples, in step over all frames.

    Harmonic-plus-noise synthesis (Stylianou 2001; as the first part of a network: arXiv 1904.12088, 2001.04643); amplitudes and pitch go in
    straight lines from the centre of a frame's 256 samples to the next's.
    """
    hz, loud = amplitudes(mel, pitch)
    phase = (between(hz[..., None]).double() / RATE_HZ).cumsum(1)
    turn = 2 * math.pi * (phase - phase.floor()).to(mel.dtype)
    return (between(loud) * torch.cos(turn * torch.arange(1, HARMONICS + 1, device=mel.device))).sum(-1)


class SlimWaveGlow(nn.Module):
    """pitch: channels of the pitch network, which is trained before; 0: none. hearing: last flows that hear the harmonics."""

    def __init__(self, flows=6, channels=256, layers=10, pitch=0, hearing=0):
        super().__init__()
        self.pitch, self.hearing = Pitch(pitch).requires_grad_(False) if pitch else None, range(flows - hearing, flows)
        square = lambda: torch.linalg.qr(torch.randn(GROUP_SAMPLES, GROUP_SAMPLES))[0]
        self.mix = nn.ParameterList(nn.Parameter(square()) for _ in range(flows))
        beside = lambda f: GROUP_SAMPLES if f in self.hearing else 0
        self.wn = nn.ModuleList(WN(GROUP_SAMPLES // 2, channels, layers, beside(f)) for f in range(flows))

    def forward(self, mel, sigma=SIGMA, noise=None, dtype=None):
        """mel [B, 80, T], noise [B, 4 T, 64] or drawn with deviation sigma -> audio [B, 256 T]."""
        B, _, T = mel.shape
        x = noise
        if x is None:
            x = sigma * torch.randn(B, T * HELD, GROUP_SAMPLES, device=mel.device)
        mel = mel.transpose(1, 2)
        beside = harmonics(mel, self.pitch(mel)).view_as(x) if self.pitch else None
        for f, (mix, wn) in enumerate(zip(self.mix, self.wn)):
            x = x @ mix.T
            a, b = x.chunk(2, dim=-1)
            log_s, t = wn(torch.cat([a, beside], -1) if f in self.hearing else a, mel, dtype)
            x = torch.cat([a, b * torch.exp(log_s.clamp(-6, 6)) + t], dim=-1)
        return (x if beside is None else x + beside).reshape(B, -1)

    def use(self, layer):
        """All flows run `layer` in place of gated_layer."""
        for wn in self.wn:
            wn.layer = layer


def of(config):
    """The network of a checkpoint's `config`, untrained."""
    net = SlimWaveGlow(**{k: config[k] for k in ("flows", "channels", "layers", "pitch", "hearing") if k in config})
    return adapt(net) if config.get("adapted") else net
