"""A start for the vocoder that whispers already: noise in the bands of a lapped transform, each as loud as the mel says.

Two flows scale the 64 coefficients of a group by exp(linear(mel)); a third mixes them into a block by the cosine
transform of type 4; its coupling and the next two turn the samples on both sides of every block's edge by the angles of
a sine window, as three lifting steps. Together that is the synthesis of an MDCT (Princen and Bradley 1986; lifting:
Daubechies and Sweldens 1998): noise-excited speech of the right spectrum and level before the first training step. What is
left to learn is the voice. Further flows begin as nothing. The linear maps run through the middle of tanh.
"""
import math

import torch

from training.tts.speech import FLOOR, HOP_SAMPLES, LogMel, MEL_BINS
from training.vocoder.model import GROUP_SAMPLES, HELD, SIGMA

HALF = GROUP_SAMPLES // 2
GAIN, MIDDLE = 0.04, -5.0  # tanh(GAIN (mel - MIDDLE)) bends by 2 % at the ends of the usual range
SAMPLE_GAIN = 0.1  # and so for samples within +-1
QUIET = 1e-4  # of full scale, below which a coefficient's level does not matter
FLOWS, CHANNELS = 5, MEL_BINS + HALF  # at least


def cosines(n=GROUP_SAMPLES):
    """Orthonormal cosine transform of type 4 (its own inverse), [n, n]."""
    k = torch.arange(n, dtype=torch.float64) + 0.5
    return (torch.cos(math.pi / n * k[:, None] * k[None]) * math.sqrt(2 / n)).float()


def angles():
    """Of the turn of sample 63 - n of a group with sample n of the next, [32]."""
    n = torch.arange(HALF, dtype=torch.float64)
    return (math.pi / 4 * (1 - (n + 0.5) / HALF)).float()


def coefficients(y):
    """y [frames, 4, 64] of one recording -> coefficients of the lapped transform of its groups [frames, 4, 64]."""
    blocks = y.reshape(-1, GROUP_SAMPLES).clone()
    c, s = (f(angles()).to(y.device) for f in (torch.cos, torch.sin))
    before, after = blocks[:-1, HALF:].flip(1), blocks[1:, :HALF].clone()
    blocks[:-1, HALF:] = (c * before - s * after).flip(1)
    blocks[1:, :HALF] = s * before + c * after
    return (blocks @ cosines().to(y.device)).view(y.shape)


@torch.no_grad()
def fitted(rows, audio, most=200, ridge=3.0):
    """Ridge regression of the log level of every coefficient on the mel of its frame -> weight [64, 80], bias [64]."""
    mel_of = LogMel().to(audio.device)
    mels, levels = [], []
    for r in rows[:most]:
        y = audio[r["start"]:r["start"] + r["samples"]].float() / 32768
        frames = r["samples"] // HOP_SAMPLES - 1
        mels.append(mel_of(y[None])[0].T[1:frames + 1])
        at = HOP_SAMPLES // 2  # frame t is centred on sample 256 t
        found = coefficients(y[at:at + frames * HOP_SAMPLES].view(frames, HELD, GROUP_SAMPLES))
        levels.append(found.square().mean(1).add(QUIET ** 2).sqrt().log())
    x, y = torch.cat(mels).double() - MIDDLE, torch.cat(levels).double()
    keep = x.max(1).values > FLOOR + 2 - MIDDLE  # not the silences of nothing but floor
    x, y = torch.cat([x[keep], torch.ones(int(keep.sum()), 1, device=x.device)], 1), y[keep]
    penalty = ridge * torch.eye(MEL_BINS + 1, dtype=torch.float64, device=x.device)
    penalty[-1, -1] = 0
    w = torch.linalg.solve(x.T @ x + penalty, x.T @ y).T
    scatter = 0.5 * (2 * (y - x @ w.T)).clamp(-4, 4).exp().mean(0).log()  # from the mean of logs to the log of means
    return w[:, :-1].float(), (w[:, -1] + scatter - math.log(SIGMA)).float()


def cleared(wn, channels):
    """Takes the first `channels` rows of the residual path, and the end, out of the random start."""
    wn.start_w[:channels], wn.start_b[:channels] = 0, 0
    wn.res_w[:, :channels], wn.res_b[:, :channels] = 0, 0
    wn.end_w.zero_(), wn.end_b.zero_()


@torch.no_grad()
def scale_by_mel(wn, weight, bias):
    """Makes a coupling network's log scales weight (mel - MIDDLE) + bias and its shifts zero. weight [32, 80], bias [32]."""
    channels, bands = wn.gate_w.shape[2], slice(0, MEL_BINS)
    cleared(wn, MEL_BINS)
    wn.cond_w[bands] = torch.eye(MEL_BINS, device=weight.device) * GAIN
    wn.cond_b[bands] = -GAIN * MIDDLE
    wn.cond_w[channels:channels + MEL_BINS], wn.cond_b[channels:channels + MEL_BINS] = 0, 0
    for rows in (bands, slice(channels, channels + MEL_BINS)):  # tanh half and sigmoid half of the first layer
        wn.gate_w[0, rows], wn.gate_b[0, rows] = 0, 0
    wn.res_w[0, bands, bands] = torch.eye(MEL_BINS, device=weight.device)
    wn.end_w[:HALF, bands] = weight * 2 / GAIN  # the sigmoid stands at one half
    wn.end_b[:HALF] = bias


@torch.no_grad()
def lift(wn, factor, towards):
    """Makes a coupling network's shift 31 - i factor[i] times value i of the other half of the group `towards` (1: the next)."""
    channels, unit = wn.gate_w.shape[2], torch.eye(HALF, device=factor.device)
    carry, out = slice(MEL_BINS, MEL_BINS + HALF), slice(0, HALF)
    cleared(wn, MEL_BINS + HALF)
    wn.start_w[carry] = unit * SAMPLE_GAIN
    wn.depth[0, :, carry] = 0
    wn.depth[0, 1 + towards, carry] = 1
    for rows in (out, slice(channels, channels + HALF)):
        wn.gate_w[0, rows], wn.gate_b[0, rows] = 0, 0
        wn.cond_w[rows], wn.cond_b[rows] = 0, 0
    wn.gate_w[0, out, carry] = unit
    wn.res_w[0, out, out] = unit
    wn.end_w[HALF:, out] = (unit * factor).flip(0) * 2 / SAMPLE_GAIN


@torch.no_grad()
def whisper(net, rows, audio):
    """Sets the start; net: SlimWaveGlow of at least FLOWS flows and CHANNELS channels."""
    flows, device = len(net.mix), net.mix[0].device
    if flows < FLOWS or net.wn[0].gate_w.shape[2] < CHANNELS:
        raise SystemExit(f"the start needs {FLOWS} flows and {CHANNELS} channels at least")
    weight, bias = (v.to(device) for v in fitted(rows, audio))
    unit = torch.eye(GROUP_SAMPLES, device=device)
    swap = unit.roll(HALF, 0)
    net.mix[0].copy_(unit)  # noise: any rows; the second half becomes the low bands
    scale_by_mel(net.wn[0], weight[:HALF], bias[:HALF])
    net.mix[1].copy_(swap)
    scale_by_mel(net.wn[1], weight[HALF:], bias[HALF:])
    turn = angles().to(device)
    ahead = (1 - turn.cos()) / turn.sin()
    net.mix[2].copy_(cosines().to(device))
    lift(net.wn[2], ahead, 1)
    net.mix[3].copy_(swap)
    lift(net.wn[3], -turn.sin().flip(0), -1)
    net.mix[4].copy_(swap)
    lift(net.wn[4], ahead, 1)
    for f in range(FLOWS, flows):
        net.mix[f].copy_(unit)
