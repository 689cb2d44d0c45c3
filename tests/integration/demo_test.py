#!/usr/bin/env python3
"""deploy/demo.sh: clear errors, and with packs one spoken turn: demo_test.py SOURCE BUILD."""
import os
import re
import subprocess
import sys
import tempfile
import wave

PACKS = ("asr-en", "nlu-en", "tts-en", "vocoder-en", "vad")


def demo(source, *arguments):
    done = subprocess.run([f"{source}/deploy/demo.sh", *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, timeout=280, cwd="/")
    return done.returncode, done.stdout


def check_fails(source, wanted, *arguments):
    code, output = demo(source, *arguments)
    assert code == 1 and wanted in output, f"{arguments}: exit code {code}, wanted \"{wanted}\", got:\n{output}"


def one_turn(source, build, folder):
    answer = f"{folder}/answer.wav"
    code, output = demo(source, build, f"{source}/models/demo/question.wav", answer)
    print(output)
    assert code == 0, f"exit code {code}"
    for wanted in (r"^transcript  I'd like a large latte with oat milk,? please\.?$", r"^intent      order_drink ", r"^slot        size = large$",
                   r"^slot        drink = latte$", r"^slot        milk = oat milk$", r"^reply       \w+",
                   r"^latency     recognise [\d.]+ ms, "):
        assert re.search(wanted, output, re.M), f"no line {wanted}"
    assert f"the spoken answer is in {answer}" in output
    with wave.open(answer) as spoken:
        assert spoken.getnframes() > spoken.getframerate() / 2, "the answer is under half a second"
    # Its server is gone: nobody listens any more where it did.
    url = re.search(r"ws://127\.0\.0\.1:\d+/v1/converse", output)[0]
    left = subprocess.run([f"{build}/bin/antiphon", "converse", answer, "--server", url], capture_output=True, text=True)
    assert left.returncode == 1 and "nobody answers" in left.stderr, left.stderr


def main(source, build):
    with tempfile.TemporaryDirectory() as folder:
        check_fails(source, "bin/antiphon is missing; build it with: make build", folder)
        check_fails(source, "/nowhere.wav is missing", build, "/nowhere.wav")
        if all(os.path.exists(f"{source}/models/{p}/manifest.toml") for p in PACKS):
            one_turn(source, build, folder)
        else:
            check_fails(source, "is missing; is this clone complete?", build, f"{source}/README.md")


if __name__ == "__main__":
    main(*sys.argv[1:])
