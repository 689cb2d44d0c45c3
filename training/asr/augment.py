"""What happens to speech on its way to a microphone, on whole batches; `hard` in [0, 1] scales odds and strengths.

Rooms, noise, a second talker, an equaliser, telephone band and mu-law on samples; vocal-tract length (Jaitly and Hinton 2013), a pace
that changes, and SpecAugment (Park et al. 2019) on features.
"""
import os

import numpy as np
import torch
import torch.nn.functional as F

from ..common.data import RATE, decode
from ..common.text import KeptOut, read_table
from .model import MELS, mel_points

RIR_SAMPLES = 8000
KNOTS_HZ = (0, 150, 400, 900, 1800, 3500, 8000)  # of the equaliser
PACE_FRAMES = 40  # between two changes of the pace
NOISY_DB = (5.0, 15.0)  # of speech over noise where it is to be noisy


def smooth(n):
    """The least multiple of 2^7 not under n whose other factors are 3 and 5 at most once or twice: a good FFT length."""
    sizes = (2 ** k * m for k in range(7, 24) for m in (1, 3, 5, 9, 15))
    return min(s for s in sizes if s >= n)


def sounds(folder, kind, held):
    """Rows of FOLDER/KIND.tsv that are kept out of training, or all others."""
    kept = KeptOut().sounds
    return [r for r in read_table(os.path.join(folder, kind + ".tsv")) if ((kind, r["id"]) in kept) == held]


def read_noise(folder, held=False):
    """int16 [n] at 16 kHz: all recordings one after the other."""
    pcm = decode(os.path.join(folder, "noise.opus"))
    return np.concatenate([pcm[int(r["start_sample"]):int(r["start_sample"]) + int(r["num_samples"])]
                           for r in sounds(folder, "noise", held)])


def read_rooms(folder, held=False):
    """[rooms, samples] f32 of energy 1, the direct path first."""
    import soundfile
    wave, _ = soundfile.read(os.path.join(folder, "rir.flac"), dtype="float32")
    rooms = np.zeros((0, RIR_SAMPLES), np.float32)
    for r in sounds(folder, "rir", held):
        at, n = int(r["start_sample"]), int(r["num_samples"])
        x = wave[at:at + n]
        x = x[max(int(np.abs(x).argmax()) - 8, 0):][:RIR_SAMPLES]
        row = np.zeros((1, RIR_SAMPLES), np.float32)
        row[0, :len(x)] = x / max(float(np.linalg.norm(x)), 1e-6)
        rooms = np.concatenate([rooms, row])
    return rooms


class Augment:
    """Owns noise and rooms on one device. folder: holds noise.opus, rir.flac and their tables; None: neither is used.

    equaliser: spread in dB at its knots, at the hardest; pace: how far from 1 an utterance's speed goes within it (0.3); noisy: share of the
    utterances that are in a room and beside noise of NOISY_DB however hard the rest is.
    """

    def __init__(self, folder, device, equaliser=0.0, pace=0.0, noisy=0.0):
        self.device, self.noise, self.rooms = device, None, None
        self.equaliser, self.pace, self.noisy = equaliser, pace, noisy
        if folder:
            self.noise = torch.from_numpy(read_noise(folder)).to(device)
            self.rooms = torch.from_numpy(read_rooms(folder)).to(device)
        hz = mel_points(MELS)
        self.mel_hz = hz[1:-1].float().to(device)

    def uniform(self, rows, low, high):
        return low + (high - low) * torch.rand(rows, 1, device=self.device)

    def on(self, rows, odds):
        return (torch.rand(rows, 1, device=self.device) < odds).float()

    def speech(self, x, n, hard):
        """x [B, T] f32, silent from n [B] on -> the same shape, through a room, beside noise, by some device."""
        rows, length = x.shape
        power = (x ** 2).sum(1, keepdim=True) / n[:, None]
        size = smooth(length + RIR_SAMPLES)
        spectrum, noisy = torch.fft.rfft(x, size), self.on(rows, self.noisy)
        if self.rooms is not None:
            room = torch.fft.rfft(self.rooms[torch.randint(len(self.rooms), (rows,), device=self.device)], size)
            wet = torch.maximum(noisy, self.on(rows, 0.15 + 0.45 * hard))
            spectrum = spectrum * (wet * room + (1 - wet))
            del room
        spectrum = spectrum + torch.fft.rfft(self.beside(x, power, hard, noisy), size)
        hz = torch.linspace(0, RATE / 2, spectrum.shape[1], device=self.device)[None]
        tilt = self.uniform(rows, -0.5, 0.5) * hard  # 10 dB at most between 4 kHz and either end
        edge = torch.where(self.on(rows, 0.2 * hard) > 0, self.uniform(rows, 3400, 6500), 2.0 * RATE)
        spectrum = spectrum * 10 ** (tilt * (hz / 4000 - 1)) * torch.sigmoid((edge - hz) / 60)
        if self.equaliser:
            spectrum = spectrum * self.response(rows, hz[0], self.equaliser * hard)
        x = torch.fft.irfft(spectrum, size)[:, :length]
        spread = 6 + 12 * hard
        x = x * 10 ** (self.uniform(rows, -spread, 0.5 * spread) / 20)
        law = self.on(rows, 0.08 * hard)
        return torch.where(law > 0, mu_law(x), x).clamp(-1, 1)

    def beside(self, x, power, hard, noisy):
        """Noise, a second talker and hiss for x [B, T] of mean power [B, 1]; noisy [B, 1]: 1 where the noise is sure and loud."""
        rows, length = x.shape
        y = torch.zeros_like(x)
        if self.noise is not None and len(self.noise) > length:
            at = torch.randint(len(self.noise) - length, (rows, 1), device=self.device)
            z = self.noise[at + torch.arange(length, device=self.device)].float() / 32768
            z = z / (z ** 2).mean(1, keepdim=True).clamp_min(1e-8).sqrt()
            ratio = torch.where(noisy > 0, self.uniform(rows, *NOISY_DB), self.uniform(rows, 20 - 17 * hard, 32 - 8 * hard))
            y = y + torch.maximum(noisy, self.on(rows, 0.3 + 0.45 * hard)) * z * (power * 10 ** (-ratio / 10)).sqrt()
        talk = 10 ** (-self.uniform(rows, 10, 24) / 20) * self.on(rows, 0.12 * hard)
        other = x.roll(1, 0)
        y = y + talk * other * (power / power.roll(1, 0).clamp_min(1e-9)).sqrt().clamp_max(10)
        hiss = (power * 10 ** (-self.uniform(rows, 18, 40) / 10)).sqrt() * self.on(rows, 0.3)
        return y + hiss * torch.randn_like(x)

    def response(self, rows, hz, spread):
        """Gains [rows, len(hz)] of microphones: dB drawn at the knots, straight lines between them over the logarithm of hz."""
        at = torch.log(torch.tensor(KNOTS_HZ, device=self.device) + 100.0)
        where = torch.log(hz.contiguous() + 100.0)
        upper = torch.searchsorted(at, where).clamp(1, len(at) - 1)
        share = (where - at[upper - 1]) / (at[upper] - at[upper - 1])
        knots = spread * torch.randn(rows, len(at), device=self.device).clamp(-2, 2)
        return 10 ** ((knots[:, upper - 1] * (1 - share) + knots[:, upper] * share) / 20)

    def features(self, mel, hard, spans=3, frames=None):
        """mel [B, 80, T] -> another vocal tract, another pace within `frames` [B] of speech, masked bands and `spans` masked spans."""
        mel = self.tract(mel, hard)
        if self.pace and frames is not None:
            mel = self.paced(mel, frames, self.pace * hard)
        return mask(mel, hard, spans=spans)

    def paced(self, mel, frames, most):
        """Resamples time within the first `frames` [B] of mel [B, 80, T]: speeds drawn every PACE_FRAMES, the whole as long as before."""
        rows, _, length = mel.shape
        knots = length // PACE_FRAMES + 2
        speed = torch.exp(torch.log(torch.tensor(1 + most)) * (2 * torch.rand(rows, knots, device=self.device) - 1))
        k = torch.arange(length, device=self.device)
        share = (k % PACE_FRAMES) / PACE_FRAMES
        each = speed[:, k // PACE_FRAMES] * (1 - share) + speed[:, k // PACE_FRAMES + 1] * share
        at = torch.cat([torch.zeros(rows, 1, device=self.device), each.cumsum(1)[:, :-1]], 1)
        last = (frames - 1).clamp_min(1)[:, None]
        at = at * (last / at.gather(1, last.clamp_max(length - 1)).clamp_min(1e-3))
        at = torch.where(k[None] < frames[:, None], at, k[None].float()).clamp(0, length - 1)
        low = at.floor().long().clamp_max(max(length - 2, 0))
        share = (at - low)[:, None]
        pick = lambda index: mel.gather(2, index[:, None].expand(-1, mel.shape[1], -1))
        return pick(low) * (1 - share) + pick(low + 1) * share

    def tract(self, mel, hard):
        """Resamples the mel axis as if every frequency were multiplied by a factor of one speaker's own."""
        rows = len(mel)
        reach = 0.06 + 0.09 * hard
        factor = 1 + self.uniform(rows, -reach, reach) * self.on(rows, 0.6)
        want = (self.mel_hz[None] * factor).clamp(self.mel_hz[0], self.mel_hz[-1])  # [B, 80] Hz
        upper = torch.searchsorted(self.mel_hz, want.contiguous()).clamp(1, MELS - 1)
        low, high = self.mel_hz[upper - 1], self.mel_hz[upper]
        share = ((want - low) / (high - low))[..., None]
        pick = lambda index: mel.gather(1, index[..., None].expand(-1, -1, mel.shape[2]))
        return pick(upper - 1) * (1 - share) + pick(upper) * share


def mask(mel, hard, bands=2, spans=3):
    """SpecAugment: bands of up to 20 mels, spans of up to 0.3 s, filled with the utterance's mean."""
    rows, mels, frames = mel.shape
    hide = (hidden(rows, bands, mels, 1 + 19 * hard, mel.device)[:, :, None]
            | hidden(rows, spans, frames, 1 + 29 * hard, mel.device)[:, None, :])
    return torch.where(hide, mel.mean(dim=(1, 2), keepdim=True), mel)


def hidden(rows, count, size, most, device):
    """[rows, size] bool: the union of `count` runs, each at a random place and of up to `most` elements."""
    at = torch.randint(size, (rows, count, 1), device=device)
    width = torch.rand(rows, count, 1, device=device) * most
    k = torch.arange(size, device=device)
    return ((k >= at) & (k < at + width)).any(1)


def mu_law(x, mu=255.0):
    """Eight-bit companding and back."""
    y = x.clamp(-1, 1)
    y = y.sign() * torch.log1p(mu * y.abs()) / np.log1p(mu)
    y = (y * 127).round() / 127
    return y.sign() * torch.expm1(y.abs() * np.log1p(mu)) / mu


def stretch(x, n, factor):
    """Speaks `factor` times as fast (and as high): x [B, T], n [B] -> the same, a whole number of output steps."""
    if factor == 1.0:
        return x, n
    y = F.interpolate(x[:, None], scale_factor=1 / factor, mode="linear", align_corners=False)[:, 0]
    return F.pad(y, (0, -y.shape[1] % 640)), (n / factor).long()
