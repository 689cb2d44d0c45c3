#!/usr/bin/env python3
"""The deck's networks in our engine beside ONNX Runtime: same outputs, layers, time, memory. One JSON object a line.

    python bench/deck/deck_bench.py [--antiphon build/bin/antiphon] [--work DIR] [--threads 1,2] [--rounds 3] [NAME...]

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
NAMES = ["vgg19", "inception_v3", "resnet50", "resnet152", "ssd300", "unet", "bert", "roberta", "ncf", "gnmt_encoder",
         "gnmt_decoder", "deep_asr", "peephole_lstm", "lstm_autoencoder", "wavernn", "tacotron2_encoder", "tacotron2_decoder",
         "tacotron2_postnet", "waveglow"]
# |ours - theirs| <= bound * max(1, |theirs|). Sums in another order, some thousand terms and up to 150 layers deep; 3x3
# convolutions may run by Winograd's method, which costs a few bits more.
BOUND = 1e-4
BOUNDS = {"vgg19": 3e-4, "resnet50": 3e-4, "resnet152": 3e-3, "ssd300": 3e-4}
SECONDS = 1.5  # of one timing


def arguments():
    ap = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    ap.add_argument("names", nargs="*")
    ap.add_argument("--antiphon", default=os.path.join(ROOT, "build", "bin", "antiphon"))
    ap.add_argument("--work", default=os.path.join(ROOT, "build", "deck"))
    ap.add_argument("--threads", default="1,2")
    ap.add_argument("--rounds", type=int, default=3)
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


def measure(args, name, threads):
    model = os.path.join(args.work, name + ".onnx")
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = threads, 1
    session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
    files = {i.name: os.path.join(args.work, f"{name}.{i.name}.npy") for i in session.get_inputs()}
    feed = {key: np.load(path) for key, path in files.items()}
    plan = os.path.join(args.work, f"{name}.{threads}.{os.environ.get('ANTIPHON_MAX_ISA', 'all')}.plan")
    if not (args.keep_plans and os.path.exists(plan)):
        built = ours(args, ["build", model, "--tune", "--threads", str(threads), "--output", plan, "--json"])
    else:
        built = ours(args, ["inspect", plan, "--json"])
    given = [part for key, path in files.items() for part in ("--input", f"{key}={path}")]
    compare = []
    for info, value in zip(session.get_outputs(), session.run(None, feed)):
        path = os.path.join(args.work, f"want.{info.name}.npy")
        np.save(path, np.ascontiguousarray(value))
        compare += ["--compare", f"{info.name}={path}"]
    bound = BOUNDS.get(name, BOUND)
    run = ["run", plan, "--threads", str(threads), "--json", "--tolerance", "1e30"] + given
    report = ours(args, run + compare)
    worst = max(line["difference"] for line in report["outputs"])
    peer = min(median_ms(lambda: session.run(None, feed)) for _ in range(1))
    repeat = str(int(min(200, max(5, SECONDS * 1e3 / peer))))
    mine = []
    for _ in range(args.rounds):
        mine.append(ours(args, run + ["--repeat", repeat])["ms"])
        peer = min(peer, median_ms(lambda: session.run(None, feed)))
    return {"bench": "deck", "case": name, "ours_ms": round(min(mine), 3), "peer": "onnxruntime " + onnxruntime.__version__,
            "peer_ms": round(peer, 3), "ratio": round(peer / min(mine), 2), "threads": threads, "precision": "f32",
            "isa": built["isa"], "layers_before": built["nodes_before"], "layers_after": len(built["layers"]),
            "arena_bytes": built["arena_bytes"], "live_bytes_bound": built["live_bytes_bound"], "difference": float(f"{worst:.2g}"),
            "bound": bound, "equal": worst <= bound, "machine": machine(), "commit": commit()}


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
                row = measure(args, name, threads)
            except RuntimeError as error:
                print(json.dumps({"bench": "deck", "case": name, "threads": threads, "error": str(error)}), flush=True)
                failed = True
                continue
            failed = failed or not row["equal"]
            rows.append(row)
            print(json.dumps(row), flush=True)
    if sys.stdout.isatty():
        for r in rows:
            print(f"{r['case']:18s} {r['threads']} threads  {r['ours_ms']:9.2f} ms  onnxruntime {r['peer_ms']:9.2f} ms"
                  f"  x{r['ratio']:.2f}  layers {r['layers_before']} -> {r['layers_after']}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
