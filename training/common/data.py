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


def resample(pcm, rate, to):
    """int16 [n] at `rate` -> int16 at `to`, by a windowed-sinc polyphase filter, in pieces of ten minutes."""
    if rate == to:
        return pcm
    import torch
    import torchaudio
    piece, out = rate * 600, []  # a whole number of output samples for every pair of rates used here
    for at in range(0, len(pcm), piece):
        part = torch.from_numpy(pcm[at:at + piece].astype(np.float32))
        y = torchaudio.functional.resample(part, rate, to)[:-(-len(part) * to // rate)]
        out.append(y.round().clamp(-32768, 32767).to(torch.int16).numpy())
    return np.concatenate(out)


def decode(path, native, to=RATE):
    """Samples of one audio file as int16 [n] at `to`. Table positions count samples at `native` Hz.

    Opus decodes at 48 kHz or at the rate in its header; libsndfile reports the latter.
    """
    import soundfile
    import torch
    torch.set_num_threads(1)  # one process a file
    pcm, rate = soundfile.read(path, dtype="int16")
    return resample(pcm, rate, to), native


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
        waiting = [pool.submit(decode, audio_file(path), rate, to) for _, path, rate in tables]
        for (corpus, path, rate), job in zip(tables, waiting):
            rows = list(read_table(path))
            pcm, _ = job.result()
            for r in rows:
                r["start"] = int(r["start_sample"]) * to // rate
                r["n"] = int(r["num_samples"]) * to // rate
            yield corpus, [r for r in rows if r["start"] + r["n"] <= len(pcm) + to // 100], pcm
