"""Trains every network in every arithmetic for equal steps and tells speed, memory and held-out loss.

    python3 -m training.precisions OUT --people DATA --voice SPEECH/voice --many SPEECH/many-00 --prepared NLU [--minutes 20] [--device cuda]

One run after the other on one GPU; a line of OUT/precisions.jsonl each, so that what ends early leaves what it has. The schedule goes
by steps, so it is the same at every speed. Speed: steps a second over the last two thirds of the run, loading, compiling and the closing
evaluation apart. Memory: the most that nvidia-smi tells of the GPU in the run; busy: the mean of its utilization.gpu, the share of time in which
a kernel was at work, over the same steps as the speed.
"""
import argparse
import json
import os
import subprocess
import sys
import threading
import time

PRECISIONS = "fp32 tf32 bf16 fp16".split()
HELD = dict(asr=lambda line: line.get("kind") == "held_loss", tts=lambda line: "held_mel" in line,  # the line of what is kept out
            vocoder=lambda line: "end" in line and "held_mel" in line, waveglow=lambda line: "end" in line, nlu=lambda line: "held_intent" in line,
            bert_base=lambda line: "held_intent" in line)
BERT = "training.nlu.train {out} --prepared {prepared} --compare --minutes 1e9 --steps {n} "
COMMANDS = dict(  # {n}: steps
    asr=("training.asr.train {out} --data {people} --corpora librispeech_mini commonvoice_delta --teacher {many} --batch-seconds 800 "
         "--minutes {n} --step-s 60 --width 640 --layers 5 --hard 0.3 --tell 25 --every 1e9 --final-limit 1 --jobs 16 --max-steps {n}", 300),
    nlu=(BERT + "--examples 100000 --log-every 50", 500),
    bert_base=(BERT + "--layers 12 --width 768 --inner 3072 --lr 1e-4 --log-every 25", 150),
    tts=("training.tts.train {voice} {out} --rare 1 --minutes {n} --step-s 60 --steps {n} --every 1e9", 300),
    vocoder=("training.vocoder.train {voice} {out} --minutes {n} --step-s 60 --steps {n} --every 1e9 --held 8", 1500),
    waveglow=("training.vocoder.waveglow {voice} {out} --minutes {n} --step-s 60 --steps {n} --every 1e9 --held 8", 400))


def reading():
    """(time, MiB in use, % of the time at work) of the GPU that this process may see; None without one."""
    try:
        index = os.environ.get("CUDA_VISIBLE_DEVICES", "0").split(",")[0]
        out = subprocess.run(["nvidia-smi", "-i", index, "--query-gpu=memory.used,utilization.gpu", "--format=csv,noheader,nounits"],
                             capture_output=True, text=True, timeout=10)
        mib, share = map(int, out.stdout.split(","))
        return time.time(), mib, share
    except (OSError, ValueError, subprocess.TimeoutExpired):
        return None


class Watch(threading.Thread):
    """Reads the GPU until it is told to stop."""

    def __init__(self):
        super().__init__(daemon=True)
        self.seen, self.on = [], True

    def run(self):
        while self.on:
            self.seen += [x for x in [reading()] if x]
            time.sleep(0.2)

    def most(self):
        return max((mib for _, mib, _ in self.seen), default=0)

    def busy(self, begin, end):
        """Mean % between two times; None without a reading."""
        there = [share for when, _, share in self.seen if begin <= when <= end]
        return round(sum(there) / len(there)) if there else None


def one(name, precision, a, log):
    """One training to its end -> the line that tells of it."""
    command, steps = COMMANDS[name]
    steps, began = a.steps or steps, time.time()
    out = os.path.join(a.out, f"{name}-{precision}")
    words = command.format(out=out, n=steps, people=a.people, voice=a.voice, many=a.many, prepared=a.prepared).split()
    words += ["--amp", precision, "--device", a.device, *a.more]
    watch, marks, lines = Watch(), [], []
    watch.start()
    with open(os.path.join(a.out, f"{name}-{precision}.log"), "w", encoding="utf-8") as kept:
        process = subprocess.Popen([sys.executable, "-u", "-m", *words], stdout=subprocess.PIPE, stderr=kept, text=True)
        for text in process.stdout:
            kept.write(text)
            if text.startswith("{"):
                lines.append(json.loads(text))
                if "step" in lines[-1] and not lines[-1].get("end") and lines[-1].get("kind", "step") == "step":
                    marks.append((lines[-1]["step"], time.time()))
        code = process.wait()
    watch.on = False
    watch.join()
    late = [m for m in marks if m[0] >= steps / 3] or [(0, 0.0)]
    begin, end = late[0][1], late[-1][1]
    rate = (late[-1][0] - late[0][0]) / (end - begin) if end > begin else 0
    held = next((line for line in reversed(lines) if HELD[name](line)), {})
    keep = {k: v for k, v in held.items() if isinstance(v, float) and k not in ("s", "elapsed", "lr", "norm", "seconds")}
    log(dict(network=name, precision=precision, steps=steps, exit=code, steps_a_second=round(rate, 2), mib=watch.most(), busy=watch.busy(begin, end),
             s=round(time.time() - began), **keep))


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0], epilog="Options that it does not know go to every training, to try this.", allow_abbrev=False)
    ap.add_argument("out"), ap.add_argument("--people"), ap.add_argument("--voice"), ap.add_argument("--many"), ap.add_argument("--prepared")
    ap.add_argument("--networks", nargs="*", default=list(COMMANDS), choices=list(COMMANDS))
    ap.add_argument("--precisions", nargs="*", default=PRECISIONS, choices=PRECISIONS)
    ap.add_argument("--minutes", type=float, default=20, help="no run begins later")
    ap.add_argument("--steps", type=int, default=0, help="instead of each network's own number, to try this")
    ap.add_argument("--device", default="cuda")
    a, a.more = ap.parse_known_args()
    os.makedirs(a.out, exist_ok=True)
    began = time.time()
    with open(os.path.join(a.out, "precisions.jsonl"), "a", encoding="utf-8") as f:
        def log(line):
            print(json.dumps(line), flush=True)
            print(json.dumps(line), file=f, flush=True)

        for name in a.networks:
            for precision in a.precisions:
                if time.time() - began < a.minutes * 60:
                    one(name, precision, a, log)


if __name__ == "__main__":
    main()
