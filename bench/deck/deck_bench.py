#!/usr/bin/env python3
"""The deck's networks in our engine beside ONNX Runtime: same outputs, layers, time, memory. One JSON object a line.

    python bench/deck/deck_bench.py [--antiphon build/bin/antiphon] [--work DIR] [--threads 1,2] [--rounds 3] [--int8] [NAME...]

Exports what DIR lacks (bench/deck/export.py), builds a tuned plan of each network, compares every output with ONNX
Runtime's and times both in turns: the least median of the rounds counts. ANTIPHON_MAX_ISA caps ours; ONNX Runtime has
no switch. Needs torch, torchvision, transformers, onnx, onnxruntime.
"""
import argparse
import json
import os
import platform
import subprocess
import sys
import time

import numpy as np
import onnxruntime

HERE = os.path.dirname(os.path.abspath(__file__))
ROOT = os.path.dirname(os.path.dirname(HERE))
NAMES = ["vgg19", "inception_v3", "resnet50", "resnet152", "ssd300", "unet", "mobilenet_v2", "mobilenet_v3", "efficientnet_b0", "r3d18", "r2plus1d18", "unet3d", "bert", "roberta", "ncf", "t5_encoder",
         "llama_step",
         "gnmt_encoder", "gnmt_decoder", "deep_asr", "peephole_lstm", "lstm_autoencoder", "wavernn", "tacotron2_encoder",
         "tacotron2_decoder", "tacotron2_postnet", "waveglow"]
# |ours - theirs| <= bound * max(1, |theirs|, r), r the root mean square of that output: scores of untrained networks are
# sums of large terms, and one that happens to lie near zero carries the rounding errors of all of them.
BOUND = 1e-4
SECONDS = 1.5  # of one timing


def arguments():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("names", nargs="*")
    ap.add_argument("--antiphon", default=os.path.join(ROOT, "build", "bin", "antiphon"))
    ap.add_argument("--work", default=os.path.join(ROOT, "build", "deck"))
    ap.add_argument("--threads", default="1,2")
    ap.add_argument("--rounds", type=int, default=3)
    ap.add_argument("--int8", action="store_true", help="our INT8 beside our f32")
    ap.add_argument("--keep-plans", action="store_true", help="take plans that an earlier run made")
    return ap.parse_args()


def machine():
    with open("/proc/cpuinfo") as file:
        facts = dict(line.split(":", 1) for line in file if ":" in line)
    fact = lambda key: next((v.strip() for k, v in facts.items() if k.strip() == key), "?")
    return f"{fact('model name')} family {fact('cpu family')} model {fact('model')}, {os.cpu_count()} cores, {platform.system()}"


def commit():
    out = subprocess.run(["git", "-C", ROOT, "rev-parse", "--short", "HEAD"], capture_output=True, text=True)
    return out.stdout.strip()


def ours(args, command):
    done = subprocess.run([args.antiphon] + command, capture_output=True, text=True)
    if not done.stdout.startswith("{"):
        raise RuntimeError(done.stderr.strip() or f"exit code {done.returncode}")
    return json.loads(done.stdout)


def median_ms(run):
    run()
    times, begin = [], time.perf_counter()
    while len(times) < 200 and (len(times) < 5 or time.perf_counter() - begin < SECONDS):
        start = time.perf_counter()
        run()
        times.append((time.perf_counter() - start) * 1e3)
    return sorted(times)[len(times) // 2]


def session_of(model, threads):
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])


def ranges_of(args, name, feed):
    """The file of ranges of the network, found on its inputs."""
    path = os.path.join(args.work, name + ".ranges")
    if not os.path.exists(path):
        samples = os.path.join(args.work, name + ".samples.npz")
        np.savez(samples, **feed)
        command = ["calibrate", os.path.join(args.work, name + ".onnx"), "--samples", samples, "--method", "minmax", "-o", path]
        done = subprocess.run([args.antiphon] + command, capture_output=True, text=True)
        if done.returncode != 0:
            raise RuntimeError(done.stderr.strip())
    return path


def plan_of(args, name, threads, precision, feed):
    """The plan's path, and what was built."""
    isa = os.environ.get("ANTIPHON_MAX_ISA", "all")
    plan = os.path.join(args.work, f"{name}.{threads}.{precision}.{isa}.plan")
    if args.keep_plans and os.path.exists(plan):
        return plan, ours(args, ["inspect", plan, "--json"])
    command = ["build", os.path.join(args.work, name + ".onnx"), "--tune", "--threads", str(threads), "--output", plan, "--json"]
    if precision == "int8":
        command += ["--ranges", ranges_of(args, name, feed)]
    return plan, ours(args, command)


def difference(want, got):
    worst = 0.0
    for w, g in zip(want, got):
        w, g = w.astype(np.float64), g.astype(np.float64)
        scale = np.maximum(np.abs(w), max(1.0, float(np.sqrt((w ** 2).mean()))))
        worst = max(worst, float((np.abs(g - w) / scale).max()))
    return worst


def outputs_of(args, session, plan, given):
    ours(args, ["run", plan, "--output-dir", args.work] + given)
    return [np.load(os.path.join(args.work, info.name + ".npy")) for info in session.get_outputs()]


def loss(want, got):
    return max(float(np.sqrt(((g - w) ** 2).mean() / max(1e-30, (w ** 2).mean()))) for w, g in zip(want, got))


def measure(args, name, threads):
    """A row for each precision, all timed in turns."""
    session = session_of(os.path.join(args.work, name + ".onnx"), threads)
    files = {i.name: os.path.join(args.work, f"{name}.{i.name}.npy") for i in session.get_inputs()}
    feed = {key: np.load(path) for key, path in files.items()}
    given = [part for key, path in files.items() for part in ("--input", f"{key}={path}")]
    given += ["--threads", str(threads), "--json"]
    want = session.run(None, feed)
    precisions = ["f32", "int8"] if args.int8 else ["f32"]
    plans = {p: plan_of(args, name, threads, p, feed) for p in precisions}
    worst = difference(want, outputs_of(args, session, plans["f32"][0], given))
    losses = {}
    if args.int8:
        losses = {"loss": float(f"{loss(want, outputs_of(args, session, plans['int8'][0], given)):.2g}")}
    peer = median_ms(lambda: session.run(None, feed))
    repeat = str(int(min(200, max(5, SECONDS * 1e3 / peer))))
    mine = {p: [] for p in precisions}
    for _ in range(args.rounds):
        for p in precisions:
            mine[p].append(ours(args, ["run", plans[p][0], "--repeat", repeat] + given)["ms"])
        peer = min(peer, median_ms(lambda: session.run(None, feed)))
    best = {p: min(times) for p, times in mine.items()}
    rows = []
    for p in precisions:
        built = plans[p][1]
        row = {"bench": "deck", "case": name, "ours_ms": round(best[p], 3),
               "peer": "onnxruntime " + onnxruntime.__version__ + " f32", "peer_ms": round(peer, 3), "ratio": round(peer / best[p], 2), "threads": threads, "precision": p,
               "isa": built["isa"], "layers_before": built["nodes_before"], "layers_after": len(built["layers"]),
               "arena_bytes": built["arena_bytes"], "live_bytes_bound": built["live_bytes_bound"], "machine": machine(),
               "commit": commit()}
        if p == "f32":
            row |= {"difference": float(f"{worst:.2g}"), "bound": BOUND, "equal": worst <= BOUND}
        else:
            row |= {"gain": round(best["f32"] / best[p], 2)} | losses
        rows.append(row)
    return rows


def main():
    args = arguments()
    onnxruntime.set_default_logger_severity(3)
    names = args.names or NAMES
    os.makedirs(args.work, exist_ok=True)
    lacking = [name for name in names if not os.path.exists(os.path.join(args.work, name + ".onnx"))]
    if lacking:
        subprocess.run([sys.executable, os.path.join(HERE, "export.py"), args.work] + lacking, check=True,
                       stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    rows, failed = [], False
    for name in names:
        for threads in (int(n) for n in args.threads.split(",")):
            try:
                made = measure(args, name, threads)
            except RuntimeError as error:
                print(json.dumps({"bench": "deck", "case": name, "threads": threads, "error": str(error)}), flush=True)
                failed = True
                continue
            for row in made:
                failed = failed or not row.get("equal", True)
                rows.append(row)
                print(json.dumps(row), flush=True)
    if sys.stdout.isatty():
        for r in rows:
            print(f"{r['case']:18s} {r['threads']} threads {r['precision']:4s} {r['ours_ms']:9.2f} ms"
                  f"  onnxruntime {r['peer_ms']:9.2f} ms  x{r['ratio']:.2f}  layers {r['layers_before']} -> {r['layers_after']}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
