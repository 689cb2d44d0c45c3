#!/usr/bin/env python3
"""Runs one stay on a machine with several GPUs from what was staged: teacher speech, then every training on a GPU of its own.

    setsid python3 training/stay/conduct.py STAY [--plan training/stay/plan.toml] [--dry] > STAY/conduct.log 2>&1 &

STAY/in holds what stage.sh unpacked; it may still be arriving. Writes STAY/speech, STAY/out, STAY/logs and STAY/state.json
after every change. A step starts when what it needs is there and its GPU is free of generators; one that fails starts again,
three times at most, from its checkpoint. Every step's time is what the one clock leaves; plan.toml is its timetable. STAY/end, if it is
there when a step starts, holds another end than the plan's.
"""
import argparse
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import tomllib

TRIES = 3
GRACE_S = 90  # beyond its time, for a generator to load its network and close its files
SAVING_S = 45  # beyond its time and its load, for a training to save and measure
ROOT = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))


class Step:
    """One process, its tries and its end."""

    def __init__(self, name, gpus, command, seconds, checkpoint="", resume="", load=0):
        self.name, self.command, self.seconds, self.load = name, command, seconds, load
        self.gpu = ",".join(map(str, gpus))
        self.checkpoint, self.resume = checkpoint, resume
        self.shares = False  # by the multi-process service; a training stays out of it, so that it can end
        self.process, self.tries, self.state, self.limit = None, 0, "waiting", 0.0
        self.total = None  # minutes of its schedule


def gpus_here():
    """GPUs of this machine, 1 at least."""
    try:
        return max(1, len(subprocess.run(["nvidia-smi", "-L"], capture_output=True, text=True, timeout=30).stdout.splitlines()))
    except (OSError, subprocess.TimeoutExpired):
        return 1


class Stay:
    """Owns the folders, the clock and every process."""

    def __init__(self, root, plan, dry):
        self.root, self.plan, self.began = os.path.abspath(root), plan, time.time()
        self.dry = plan["dry"] if dry else {}
        self.end = self.dry.get("end", plan["clock"]["end"])
        self.load = self.dry.get("load", plan["clock"]["load"])
        self.gpus = self.dry.get("count") or min(plan["gpus"]["count"], gpus_here())
        self.steps = []
        for name in ("in", "speech", "out", "logs"):
            os.makedirs(os.path.join(self.root, name), exist_ok=True)

    def path(self, *parts):
        return os.path.join(self.root, *parts)

    def now(self):
        return time.time() - self.began

    def filled(self, command, **values):
        for was, becomes in self.dry.get("replace", []):
            command = command.replace(was, becomes)
        values.update({"in": self.path("in"), "speech": self.path("speech"), "out": self.path("out")})
        for key, value in values.items():
            command = command.replace("{" + key + "}", str(value))
        return command

    def start(self, step):
        """Begins or resumes a step with the time that is left to it."""
        self.change_end()
        left = min(step.seconds, self.end - self.now())
        there = step.checkpoint and os.path.exists(self.path("out", step.checkpoint))
        command = self.filled(step.command, seconds=int(left), minutes=f"{self.minutes(step, left, there):.2f}",
                              resume=self.filled(step.resume) if there else "")
        step.tries, step.state = step.tries + 1, "running"
        step.limit = self.now() + (left + step.load + SAVING_S if step.checkpoint else step.seconds + self.dry.get("grace", GRACE_S))
        env = dict(os.environ, CUDA_VISIBLE_DEVICES=step.gpu, PYTHONUNBUFFERED="1",
                   PYTHONPATH=os.pathsep.join([self.path("site"), ROOT]), OMP_NUM_THREADS="1" if self.dry else "4")
        if not step.shares:
            env["CUDA_MPS_PIPE_DIRECTORY"] = self.path("no-service")
        with open(self.path("logs", step.name + ".log"), "a", encoding="utf-8") as log:
            print(f"# {self.now():.0f} s: {command}", file=log, flush=True)
            step.process = subprocess.Popen(command.split(), stdout=log, stderr=log, cwd=ROOT, env=env, start_new_session=True)
        self.tell(f"{step.name}: begins on GPU {step.gpu}, try {step.tries}")

    def minutes(self, step, left, resumed):
        """The whole schedule of a training, over all its tries: a resumed one goes on by its own saved clock; one that begins beside a file of another has its own."""
        if not resumed or step.total is None:
            step.total = max(left - step.load, 1) / 60
        return step.total

    def change_end(self):
        try:
            with open(self.path("end"), encoding="utf-8") as f:
                self.end = float(f.read())
        except (OSError, ValueError):
            pass

    def watch(self, step):
        """Takes note of an end; a failure waits for its next try."""
        if step.state != "running":
            return
        code = step.process.poll()
        if code is None and self.now() > step.limit:
            os.killpg(step.process.pid, signal.SIGKILL)
            step.process.wait()
            step.state = "cut"
        elif code is not None:
            step.state = "done" if code == 0 else "waiting" if step.tries < TRIES and self.now() < self.end - 60 else "failed"
        if step.state != "running":
            self.tell(f"{step.name}: {step.state}" + (f", exit code {code}" if code else ""))

    def tell(self, text):
        print(f"{self.now():7.1f} s  {text}", flush=True)
        states = [dict(name=s.name, gpu=s.gpu, state=s.state, tries=s.tries) for s in self.steps]
        part = self.path("state.json.part")
        with open(part, "w", encoding="utf-8") as f:
            json.dump(dict(seconds=round(self.now()), end=self.end, steps=states), f)
        os.replace(part, self.path("state.json"))

    def run(self, steps, until, more=()):
        """Keeps every step of both lists going until until() is true, which may lengthen the first."""
        while not until():
            for step in [*steps, *more]:
                self.watch(step)
                if step.state == "waiting":
                    self.start(step)
            time.sleep(0.5)

    def wait_for(self, files, running, ready=lambda: False):
        """Until the conductor has these under in/, keeping steps going; staging joins a file only when it is whole."""
        there = lambda: all(os.path.exists(self.path("in", f)) for f in files)
        self.run(running, lambda: ready() or there() or self.now() > self.end)
        if not there():
            raise SystemExit(f"never staged: {[f for f in files if not os.path.exists(self.path('in', f))]}")


def over(steps):
    return all(s.state in ("done", "failed", "cut") for s in steps)


def generators(stay, g):
    """The processes of one list of sentences, spread over all GPUs."""
    gpus = [k for k in stay.plan["gpus"].get("speak", range(stay.gpus)) if k < stay.gpus]
    count = len(gpus) * stay.dry.get("generators", stay.plan["gpus"]["generators"])
    count = min(count, g.get("workers", count))
    longer = min(1.3, stay.plan["gpus"]["count"] / stay.gpus)  # fewer GPUs speak less, and a little longer
    seconds = min(g["seconds"] * longer, stay.dry.get("seconds", 1e9))
    steps = []
    for i in range(count):
        command = g["command"].replace("{part}", f"{i}/{count}").replace("{index}", f"{i:02d}")
        steps.append(Step(f"{g['name']}-{i:02d}", [gpus[i % len(gpus)]], command, seconds))
    return steps


def trainings(stay):
    """Those that find a GPU of their own, on all of theirs that are there; in a dry run every training."""
    found = {}
    for t in stay.plan["train"]:
        gpus, load = those_here(stay, t), t.get("load", stay.load) if not stay.dry else stay.load
        if gpus or stay.dry:
            found[t["name"]] = t, Step(t["name"], gpus or [0], t["command"], t.get("seconds", 1e9), t["checkpoint"], t.get("resume", ""), load)
    return found


def those_here(stay, t):
    """The GPUs of a step that this machine has."""
    return [k for k in (t["gpu"] if isinstance(t["gpu"], list) else [t["gpu"]]) if k < stay.gpus]


def mps(on):
    """Several processes share a GPU well only under the multi-process service -> whether it serves."""
    if not shutil.which("nvidia-cuda-mps-control"):
        return False
    try:
        if on:
            subprocess.run(["nvidia-cuda-mps-control", "-d"], check=False, timeout=20)
            product = "import torch; print(torch.ones(8, 8, device='cuda').sum().item())"
            return subprocess.run([sys.executable, "-c", product], check=False, timeout=60).returncode == 0
        subprocess.run(["nvidia-cuda-mps-control"], input=b"quit\n", check=False, timeout=20)
    except subprocess.TimeoutExpired:
        print("the multi-process service does not answer", flush=True)
    return False


def wheels(stay):
    """Installs the staged wheels, without an index, where the trainings find them."""
    found = glob.glob(stay.path("in", "wheels", "*.whl"))
    if found and not stay.dry and not os.path.isdir(stay.path("site")):  # they are of the rented machine's Python
        subprocess.run([sys.executable, "-m", "pip", "install", "-q", "--no-index", "--no-deps", "--target", stay.path("site"), *found],
                       check=True)


def conduct(stay):
    made, train = set(), trainings(stay)
    running = []
    stay.steps += [step for _, step in train.values()]

    def ready():
        """Starts every training whose needs are there: lists that were spoken, trainings that are over, files (with a slash)."""
        have = made | ({"staged"} if os.path.exists(stay.path("in", "complete")) else set())
        have |= {name for name, (_, step) in train.items() if step in running and over([step])}
        for t, step in train.values():
            if step not in running and all(n in have or "/" in n and os.path.exists(stay.path("in", n)) for n in t["needs"]):
                running.append(step)

    wanted = {name for t, _ in train.values() for name in t["needs"]}
    lists, trials = [g for g in stay.plan["generate"] if g["name"] in wanted], stay.plan.get("shake", [])
    stay.wait_for([f for t in trials for f in t["needs"]], [])
    wheels(stay)
    for t in trials:  # a minute of each training on a sample while the rest still arrives: what is wrong shows now
        step = Step(t["name"], those_here(stay, t) or [0], t["command"], t["seconds"])
        step.tries = TRIES - 1
        running.append(step)
    stay.steps += running
    shared = mps(True)
    stay.tell("the multi-process service " + ("serves" if shared else "does not serve"))
    for g in lists:
        spoken = stay.path("speech", g["name"] + ".done")
        if os.path.exists(spoken):  # by a conductor before this one
            made.add(g["name"])
            continue
        stay.wait_for(g["needs"], running, ready)
        part = generators(stay, g)
        for s in part:
            s.shares = shared
        stay.steps += part
        stay.run(running, lambda: ready() or over(part), part)
        for s in part:
            if s.state == "done":
                made.add(g["name"])
                open(spoken, "w").close()
            else:  # what it left is cut short
                for path in glob.glob(stay.path("speech", s.name + "-*")):
                    os.remove(path)
    mps(False)
    every = len(train) + len(trials)
    stay.run(running, lambda: ready() or (len(running) == every and over(running)) or stay.now() > stay.end + 2 * stay.load)
    stay.tell("over")


def main():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("stay"), ap.add_argument("--plan", default=os.path.join(ROOT, "training", "stay", "plan.toml"))
    ap.add_argument("--dry", action="store_true", help="small networks on the CPU, within ten minutes")
    a = ap.parse_args()
    with open(a.plan, "rb") as f:
        conduct(Stay(a.stay, tomllib.load(f), a.dry))


if __name__ == "__main__":
    main()
