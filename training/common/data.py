"""Corpora: tables, decoding of Ogg/Opus and FLAC to int16, teacher shards."""
import concurrent.futures
import glob
import os

import numpy as np

from .text import read_table

RATE = 16000  # samples a second of everything the recogniser sees
NATIVE = dict(ljspeech_part=22050, fsdd=8000, kathleen_arctic=24000, vctk_p239=24000)  # else 16 kHz


def corpus_rows(data, corpus):
    """Rows of DATA/speech/CORPUS.tsv."""
    return list(read_table(os.path.join(data, "speech", corpus + ".tsv")))


def sinc_bank(up, down, zeros=24, rolloff=0.95):
    """[up, taps] f32: Hann-windowed sinc filters of a polyphase resampler by up / down, and their left reach."""
    cut = rolloff * min(1.0, up / down)  # of the input's Nyquist frequency
    reach = int(np.ceil(zeros / cut))
    t = np.arange(-reach, reach + down + 1)[None] - np.arange(up)[:, None] * down / up
    window = np.where(np.abs(t) < reach, np.cos(np.pi * t / (2 * reach)) ** 2, 0.0)
    return (cut * np.sinc(cut * t) * window).astype(np.float32), reach


def resample(pcm, rate, to):
    """int16 [n] at `rate` -> int16 [ceil(n to / rate)] at `to`, in pieces of ten minutes (their seams are not blended)."""
    if rate == to:
        return pcm
    import torch
    import torch.nn.functional as F
    torch.set_num_threads(1)  # one process a file
    g = int(np.gcd(rate, to))
    up, down = to // g, rate // g
    bank, reach = sinc_bank(up, down)
    piece, out = rate * 600, []
    for at in range(0, len(pcm), piece):
        x = torch.from_numpy(pcm[at:at + piece].astype(np.float32))
        want = -(-len(x) * up // down)
        x = F.pad(x, (reach, bank.shape[1] + down))
        y = F.conv1d(x[None, None], torch.from_numpy(bank)[:, None], stride=down)[0].T.reshape(-1)[:want]
        out.append(y.round().clamp(-32768, 32767).to(torch.int16).numpy())
    return np.concatenate(out)


def decode(path, to=RATE):
    """Samples of one audio file as int16 [n] at `to`; positions in a table count samples at the corpus's NATIVE rate."""
    import soundfile
    pcm, rate = soundfile.read(path, dtype="int16")
    return resample(pcm, rate, to)


def audio_file(table):
    """The audio beside a table."""
    for end in (".flac", ".opus", ".ogg", ".wav"):
        if os.path.exists(table[:-4] + end):
            return table[:-4] + end
    raise FileNotFoundError(f"{table}: no audio beside it")


def shards(prefix):
    """Tables PREFIX-*.tsv of a generated corpus."""
    found = sorted(glob.glob(f"{prefix}-*.tsv"))
    if not found:
        raise FileNotFoundError(f"{prefix}-*.tsv: no such table")
    return found


def load(tables, to=RATE, jobs=16):
    """tables: [(corpus, path of its .tsv, native rate)]. Yields (corpus, rows, int16 [n] at `to`).

    Rows get `start` and `n`, in samples at `to`. Files are decoded by parallel processes.
    """
    with concurrent.futures.ProcessPoolExecutor(min(jobs, max(1, len(tables)))) as pool:
        waiting = [pool.submit(decode, audio_file(path), to) for _, path, _ in tables]
        for (corpus, path, rate), job in zip(tables, waiting):
            rows = list(read_table(path))
            pcm = job.result()
            for r in rows:
                r["start"] = int(r["start_sample"]) * to // rate
                r["n"] = int(r["num_samples"]) * to // rate
            yield corpus, [r for r in rows if r["start"] + r["n"] <= len(pcm) + to // 100], pcm
