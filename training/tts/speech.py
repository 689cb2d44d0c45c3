"""Teacher speech on the device: one int16 tensor at 22.05 kHz, rows with symbols and their seconds, log-mels.

Mels follow NVIDIA's Tacotron 2 and WaveGlow: 80 Slaney bands of 0-8 kHz, Hann window of 1024, hop 256, natural
log of the amplitude, floor 1e-5; frame t is centred on sample 256 t.
"""
import csv
import glob
import math
import os
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch
import torch.nn.functional as F

RATE_HZ, HOP_SAMPLES, FFT_SAMPLES, MEL_BINS = 22050, 256, 1024, 80
FLOOR = math.log(1e-5)
TEACHER_FRAME_S = 0.025
LEAD_S, TAIL_S = 0.1, 0.15  # silence kept before and after the speech
QUIET_DB = -55.0  # of full scale, below which a hundredth of a second is silence


def slaney_edges(bins=MEL_BINS, high_hz=8000.0):
    """[bins + 2] f64 Hz, equally far apart on Slaney's scale, linear to 1 kHz, logarithmic above: band b goes from edge b over its centre b + 1 to b + 2."""
    log_step = math.log(6.4) / 27.0
    top = 15.0 + math.log(high_hz / 1000.0) / log_step
    mels = torch.linspace(0.0, top, bins + 2, dtype=torch.float64)
    return torch.where(mels < 15.0, mels * 200.0 / 3.0, 1000.0 * torch.exp(log_step * (mels - 15.0)))


def slaney_filters(bins=MEL_BINS, fft=FFT_SAMPLES, rate_hz=RATE_HZ, high_hz=8000.0):
    """[bins, fft / 2 + 1] triangles of unit area on Slaney's scale."""
    edges = slaney_edges(bins, high_hz)
    hz = torch.linspace(0.0, rate_hz / 2, fft // 2 + 1, dtype=torch.float64)
    gap = edges[1:] - edges[:-1]
    up = (hz[None] - edges[:-2, None]) / gap[:-1, None]
    down = (edges[2:, None] - hz[None]) / gap[1:, None]
    area = 2.0 / (edges[2:] - edges[:-2])
    return (torch.minimum(up, down).clamp_min(0.0) * area[:, None]).float()


class LogMel(torch.nn.Module):
    """[B, samples] f32 in [-1, 1] -> [B, 80, 1 + samples // 256]."""

    def __init__(self):
        super().__init__()
        self.register_buffer("filters", slaney_filters(), persistent=False)
        self.register_buffer("window", torch.hann_window(FFT_SAMPLES), persistent=False)

    def of_magnitude(self, magnitude):
        """[B, 513, T] amplitudes of the short-time spectrum -> [B, 80, T]."""
        return (self.filters @ magnitude).clamp_min(1e-5).log()

    def forward(self, x):
        spectrum = torch.stft(x.float(), FFT_SAMPLES, HOP_SAMPLES, FFT_SAMPLES, self.window, center=True,
                              pad_mode="reflect", return_complex=True)
        return self.of_magnitude(spectrum.abs())


def resample(pcm, rate, to, device, zeros=16):
    """int16 [n] at `rate` -> int16 [n to / rate] on the device: Hann-windowed sinc, in pieces of ten minutes."""
    if rate == to:
        return pcm.to(device)
    g = math.gcd(rate, to)
    step, phases = rate // g, to // g
    cut = 0.97 * min(1.0, to / rate)
    half = math.ceil(zeros / cut)
    taps = torch.arange(-half, half + step, dtype=torch.float64)
    at = (taps[None] - torch.arange(phases, dtype=torch.float64)[:, None] * step / phases) * cut
    kernel = cut * torch.sinc(at) * torch.cos(math.pi * at.clamp(-zeros, zeros) / zeros / 2) ** 2
    kernel = kernel.float()[:, None].to(device)
    pieces = []
    for piece in pcm.split(rate * 600):
        want = -(-len(piece) * to // rate)
        x = F.pad(piece.to(device).float(), (half, half + 2 * step))[None, None]
        y = F.conv1d(x, kernel, stride=step)[0].T.reshape(-1)[:want]
        pieces.append(y.round().clamp(-32768, 32767).to(torch.int16))
    return torch.cat(pieces)


def read_shard(table):
    """PREFIX-k.tsv -> (rows of the table, int16 [samples], rate)."""
    import soundfile
    audio = next(f for f in (table[:-4] + ".flac", table[:-4] + ".opus") if os.path.exists(f))
    pcm, rate = soundfile.read(audio, dtype="int16")
    with open(table, encoding="utf-8") as f:
        return list(csv.DictReader(f, delimiter="\t", quoting=csv.QUOTE_NONE)), torch.from_numpy(pcm), rate


def quiet_end_s(x):
    """x: int16 [samples] at 22.05 kHz -> seconds of silence at its end."""
    hop = RATE_HZ // 100
    frames = (x[:len(x) // hop * hop].float() / 32768).view(-1, hop)
    loud = (frames.square().mean(1) > 10 ** (QUIET_DB / 10)).nonzero()
    return (len(frames) - 1 - int(loud[-1])) / 100 if len(loud) else 0.0


def shortened(seconds, cut_s, least_s=0.05):
    """Takes cut_s from the last symbols, which the teacher lets run on into the silence."""
    seconds = list(seconds)
    for i in range(len(seconds) - 1, max(len(seconds) - 5, 0), -1):
        take = min(cut_s, max(0.0, seconds[i] - least_s))
        seconds[i], cut_s = seconds[i] - take, cut_s - take
    return seconds


def load(prefix, device):
    """Every shard PREFIX-*.tsv -> (rows, int16 [samples] on the device).

    A row: id, speaker, text, symbols (the phonemes between ^ and $, which stand for the silences), start and samples at
    22.05 kHz, seconds of every symbol. Silences at the ends are cut to LEAD_S and TAIL_S.
    """
    tables = sorted(glob.glob(f"{prefix}-*.tsv"))
    if not tables:
        raise SystemExit(f"no shard {prefix}-*.tsv")
    rows, pieces, at = [], [], 0
    with ThreadPoolExecutor(min(8, len(tables))) as pool:
        for table, pcm, rate in pool.map(read_shard, tables):
            pieces.append(resample(pcm, rate, RATE_HZ, device))
            for r in table:
                seconds = [int(d) * TEACHER_FRAME_S for d in r["durations"].split()]
                symbols = f"^{r['phonemes']}$"
                if len(seconds) != len(symbols):
                    raise SystemExit(f"{table}: {r['id']}: {len(seconds)} durations, {len(symbols)} symbols")
                early = max(0.0, seconds[0] - LEAD_S)
                seconds[0] -= early
                start = round((int(r["start_sample"]) / rate + early) * RATE_HZ)
                quiet = quiet_end_s(pieces[-1][start:start + round(sum(seconds) * RATE_HZ)])
                seconds = shortened(seconds, max(0.0, quiet - TAIL_S))
                rows.append(dict(id=r["id"], speaker=r["speaker"], text=r["text"], symbols=symbols, seconds=seconds, start=at + start,
                                 samples=round(sum(seconds) * RATE_HZ)))
            at += len(pieces[-1])
    rows.sort(key=lambda r: hash_of(r["id"]))
    return rows, torch.cat(pieces)


def hash_of(name):
    """A stable 32-bit hash (FNV-1a), for splits that do not depend on order."""
    value = 2166136261
    for byte in name.encode():
        value = (value ^ byte) * 16777619 & 0xFFFFFFFF
    return value


def cosine(now_s, total_s, peak, floor=0.02, warm=0.02):
    """Learning rate by the clock: one schedule fits the time there is, over all stays on the machine."""
    p = min(now_s / total_s, 1.0)
    return peak * min(1.0, p / warm + 1e-3) * (floor + (1 - floor) * 0.5 * (1 + math.cos(math.pi * p)))


def write_wav(path, x, rate_hz=RATE_HZ):
    """x: [samples] f32 in [-1, 1] -> 16-bit mono."""
    import wave
    pcm = (np.clip(np.asarray(x, np.float32), -1, 1) * 32767).astype("<i2")
    with wave.open(path, "wb") as w:
        w.setnchannels(1), w.setsampwidth(2), w.setframerate(rate_hz)
        w.writeframes(pcm.tobytes())


def set_precision(amp, device):
    """fp32, tf32, bf16 or fp16 -> the type of the autocast region, or None; a CPU has bf16 alone."""
    torch.backends.cuda.matmul.allow_tf32 = torch.backends.cudnn.allow_tf32 = amp != "fp32"
    if device == "cpu":
        return torch.bfloat16 if amp == "bf16" else None
    return {"bf16": torch.bfloat16, "fp16": torch.float16}.get(amp)
