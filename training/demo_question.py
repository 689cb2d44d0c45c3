#!/usr/bin/env python3
"""Speaks the question of models/demo in a voice of the teacher that trains nothing; needs the teacher's packages.

    python3 -m training.demo_question models/demo/question.wav --teacher TEACHER --model TEACHER_ENV/model [--voice af_nova]
"""
import argparse
import sys

import numpy as np

from training.common.data import RATE, resample
from training.common.sentences import DEMO, VOICES
from training.tts.speech import write_wav

BEFORE_S, AFTER_S, PEAK = 0.3, 0.2, 0.5


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("out"), ap.add_argument("--teacher", required=True), ap.add_argument("--model", required=True)
    ap.add_argument("--voice", choices=VOICES, default="af_nova")
    a = ap.parse_args()
    sys.path.insert(0, a.teacher)
    from teacher import RATE as TEACHER_RATE, Teacher
    teacher = Teacher(a.model, 1)
    wave, _ = teacher.speak(" ".join(p for _, p in teacher.phonemes(DEMO, a.voice)), a.voice)
    wave = wave * (PEAK / np.abs(wave).max())
    silence = lambda seconds: np.zeros(int(seconds * TEACHER_RATE), np.float32)
    wave = np.concatenate([silence(BEFORE_S), wave, silence(AFTER_S)])
    pcm = resample((wave * 32767).astype(np.int16), TEACHER_RATE, RATE)
    write_wav(a.out, pcm / 32767, RATE)
    print(f"{a.out}: {len(pcm) / RATE:.2f} s, {a.voice}: {DEMO}")


if __name__ == "__main__":
    main()
